//! Proving who somebody is: clients to us ([`client`]), us to the upstream ([`upstream`]).

pub(crate) mod binding;
pub(crate) mod client;
pub(crate) mod scram;
pub(crate) mod scram_server;
pub(crate) mod upstream;
