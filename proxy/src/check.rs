//! `affidavit check`: the configuration's own report, with probes into the world.

use crate::assembly;
use crate::config::{self, DatasourceSetup, IssuerSetup, PolicyFinding, Probes, Setup};
use crate::identity::{SystemClock, Verifier};
use async_trait::async_trait;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the command: 0 when everything passed, 1 when something did not, 3 when the configuration cannot be read.
#[must_use]
pub(crate) fn check(path: &Path, json: bool, offline: bool) -> ExitCode {
    let setup = match assembly::load(path) {
        Ok(setup) => setup,
        Err(failure) => {
            eprintln!("affidavit: {failure}");
            return ExitCode::from(1);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("affidavit: cannot start the runtime: {error}");
            return ExitCode::from(3);
        }
    };
    let report = runtime.block_on(config::check(&setup, &World { setup: &setup, offline }));
    if json {
        println!("{:#}", report.to_json());
    } else {
        println!("{report}");
    }
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

struct World<'a> {
    setup: &'a Setup,
    offline: bool,
}

#[async_trait]
impl Probes for World<'_> {
    async fn datasource(&self, datasource: &DatasourceSetup) -> Result<String, String> {
        let protocol = assembly::protocol(&datasource.protocol).map_err(|failure| failure.to_string())?;
        let built = protocol.datasource(datasource.spec()).map_err(|error| error.to_string())?;
        if self.offline {
            return Ok("not asked (--offline)".to_owned());
        }
        built.probe().await.map_err(|refusal| refusal.to_string())
    }

    async fn issuer(&self, issuer: &IssuerSetup) -> Result<String, String> {
        if self.offline {
            return Ok("not asked (--offline)".to_owned());
        }
        let verifier = Verifier::new(std::slice::from_ref(issuer), Arc::new(SystemClock::default()))
            .map_err(|error| error.to_string())?;
        match verifier.warm().await.into_iter().next() {
            Some((_, Ok(keys))) => Ok(format!("{keys} keys")),
            Some((_, Err(error))) => Err(error),
            None => Err("no issuer".to_owned()),
        }
    }

    async fn policies(&self) -> Result<PolicyFinding, Vec<String>> {
        let policy = assembly::policy(self.setup).map_err(|failure| vec![failure.to_string()])?;
        Ok(PolicyFinding {
            version: policy.version().to_string(),
            rules: policy.rules().len(),
            need_key: assembly::rules_without_key(self.setup, &policy),
        })
    }
}
