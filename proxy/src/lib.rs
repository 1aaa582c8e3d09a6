//! The proxy: configuration, identity, policies in force, and what every statement goes through (`pipeline`). The
//! `affidavit` binary is a thin shell around it.

pub mod approvals;
mod assembly;
mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod console;
mod demo;
mod denials;
mod descriptors;
mod desk;
mod doctor;
mod exchange;
mod explain;
mod health;
pub mod identity;
mod listener;
mod policy_commands;
pub mod policy_store;
mod proxy;
mod quiet;
mod seats;
mod second_lock;
mod serve;
mod sessions;
mod signals;
mod suggest;
mod workers;
