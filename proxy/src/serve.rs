//! `affidavit serve`: builds the proxy from its configuration, runs the listeners, and stops in good order.

use crate::config::{self, KnownProtocol, Setup};
use crate::identity::{Access, Verifier};
use crate::listener::Listener;
use crate::policy_store::PolicyStore;
use crate::proxy::Proxy;
use crate::session::Sessions;
use model::{Refusal, RefusalKind};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use wire::{Datasource, Discovery, Protocol};

/// The proxy could not start. The text says what failed and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] config::Problems),
    /// The record cannot be opened.
    #[error("the record cannot be opened: {0}")]
    Store(String),
    /// No policy can be loaded.
    #[error("the policy cannot be loaded: {0}")]
    Policy(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {0}: {1}; is another program there?")]
    Listen(String, std::io::Error),
    /// Something else.
    #[error("{0}")]
    Other(String),
}
