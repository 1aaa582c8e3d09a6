//! Puts the proxy together from its configuration. `serve` runs what comes out; `check` and `explain` use parts of it.

use crate::config::{self, KnownProtocol, Setup, StorePlace};
use crate::identity::{Access, SystemClock, Verifier};
use crate::policy_store::PolicyStore;
use crate::proxy::Proxy;
use crate::session::Sessions;
use policies::Keys;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wire::{Datasource, Protocol};

/// What went wrong and what to do. Exit code 3.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What failed.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) fix: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if !self.fix.is_empty() {
            write!(f, "\n  {}", self.fix)?;
        }
        Ok(())
    }
}

/// The protocols of this build, as a configuration may name them.
pub(crate) fn known_protocols() -> Vec<KnownProtocol> {
    registry::protocols()
        .iter()
        .map(|protocol| KnownProtocol {
            name: protocol.name().to_owned(),
            datasource_by_database: protocol.datasource_by_database(),
        })
        .collect()
}

/// The protocol of that name.
pub(crate) fn protocol(name: &str) -> Result<Arc<dyn Protocol>, Failure> {
    registry::protocols().into_iter().find(|protocol| protocol.name() == name).ok_or_else(|| Failure {
        what: format!("this build does not speak {name:?}"),
        fix: format!(
            "it speaks: {}",
            registry::protocols().iter().map(|protocol| protocol.name()).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// Reads the configuration.
pub(crate) fn load(path: &Path) -> Result<Setup, Failure> {
    config::load(path, &known_protocols())
        .map_err(|problems| Failure { what: problems.to_string(), fix: "run `affidavit check` once it is corrected".to_owned() })
}

/// The masking keys, random for this process when none are configured (nothing then needs them to be stable).
pub(crate) fn keys(setup: &Setup) -> Arc<Keys> {
    todo!()
}
