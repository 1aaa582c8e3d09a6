//! The proxy: configuration, identity, policies in force; the `affidavit` binary is a thin shell around it.

pub mod config;
pub mod identity;
pub mod policy_store;
