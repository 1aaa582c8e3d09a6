//! `affidavit check`: everything that can be known before serving, in one report.

use super::effective::{self, Block};
use super::{DatasourceSetup, IssuerSetup, Problem, Setup, StorePlace};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::fmt;

/// What the policies folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFinding {
    /// Hex version of the policy.
    pub version: String,
    /// Rules in it.
    pub rules: usize,
    /// Names of rules that cannot mask without the master key.
    pub need_key: Vec<String>,
}

/// What `check` asks of the world. Each answer is one line for a person; an error says what failed and what to do.
#[async_trait]
pub trait Probes: Send + Sync {
    /// Logs in at the upstream: its version.
    async fn datasource(&self, datasource: &DatasourceSetup) -> Result<String, String>;
    /// Fetches the issuer's keys: how many.
    async fn issuer(&self, issuer: &IssuerSetup) -> Result<String, String>;
    /// Reads the policies: their version, or every problem.
    async fn policies(&self) -> Result<PolicyFinding, Vec<String>>;
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What (`datasource ehr`).
    pub what: String,
    /// What came of it.
    pub outcome: Result<String, String>,
}

/// The result of a check. Its `Display` is the plain form.
#[derive(Clone, Debug)]
pub struct Report {
    file: String,
    blocks: Vec<Block>,
    /// What someone should look at.
    pub warnings: Vec<Problem>,
    /// What was tried.
    pub findings: Vec<Finding>,
}

/// Validates beyond the file: reachability, policies, and what they need.
pub async fn check(setup: &Setup, probes: &dyn Probes) -> Report {
    let mut findings = Vec::new();
    if let StorePlace::Remote(url) = &setup.store.place {
        let outcome = Err(format!(
            "{url} cannot be written to yet: this version keeps the record in a local directory; write path = \
             \"./audit\""
        ));
        findings.push(Finding { what: "store".to_owned(), outcome });
    }
    for issuer in &setup.issuers {
        let outcome = probes.issuer(issuer).await;
        findings.push(Finding { what: format!("issuer {}", issuer.issuer), outcome });
    }
    for datasource in &setup.datasources {
        let outcome = probes.datasource(datasource).await;
        findings.push(Finding { what: format!("datasource {}", datasource.name), outcome });
    }
    match probes.policies().await {
        Ok(policy) => {
            let plural = if policy.rules == 1 { "" } else { "s" };
            let outcome = Ok(format!("version {}, {} rule{plural}", policy.version, policy.rules));
            findings.push(Finding { what: "policies".to_owned(), outcome });
            if setup.masking.is_none() && !policy.need_key.is_empty() {
                let rules = policy.need_key.join(", ");
                let fix = "run openssl rand -hex 32 > masking.key, chmod 600 it, and add [masking] key = { file \
                    = \"masking.key\" }";
                let outcome = Err(format!("rules that need the masking key, which is not configured: {rules}; {fix}"));
                findings.push(Finding { what: "masking key".to_owned(), outcome });
            }
        }
        Err(problems) => {
            findings.extend(
                problems.into_iter().map(|problem| Finding { what: "policies".to_owned(), outcome: Err(problem) }),
            );
        }
    }
    Report {
        file: setup.file.display().to_string(),
        blocks: effective::blocks(setup),
        warnings: setup.warnings.clone(),
        findings,
    }
}

impl Report {
    /// Whether everything that was tried worked: exit code 0, else 1.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.outcome.is_ok())
    }

    /// The form for programs: `file`, `passed`, `effective` (a list of titled blocks), `warnings`, `findings`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let effective: Vec<_> = self
            .blocks
            .iter()
            .map(|block| {
                let values: serde_json::Map<_, _> =
                    block.values.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
                json!({ "section": block.title, "values": values })
            })
            .collect();
        let warnings: Vec<_> = self
            .warnings
            .iter()
            .map(
                |warning| json!({ "line": warning.line, "key": warning.key, "what": warning.what, "fix": warning.fix }),
            )
            .collect();
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|finding| match &finding.outcome {
                Ok(detail) => json!({ "what": finding.what, "passed": true, "detail": detail }),
                Err(detail) => json!({ "what": finding.what, "passed": false, "detail": detail }),
            })
            .collect();
        json!({ "file": self.file, "passed": self.passed(), "effective": effective, "warnings": warnings,
            "findings": findings })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "effective setup of {}", self.file)?;
        for block in &self.blocks {
            writeln!(f, "\n{}", block.title)?;
            for (key, value) in &block.values {
                writeln!(f, "  {key:<16} {}", plain(value))?;
            }
        }
        writeln!(f)?;
        for warning in &self.warnings {
            writeln!(f, "{warning}")?;
        }
        for finding in &self.findings {
            match &finding.outcome {
                Ok(detail) => writeln!(f, "PASS {}: {detail}", finding.what)?,
                Err(detail) => writeln!(f, "FAIL {}: {detail}", finding.what)?,
            }
        }
        let failed = self.findings.iter().filter(|finding| finding.outcome.is_err()).count();
        write!(f, "check: {} passed, {failed} failed", self.findings.len().saturating_sub(failed))
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "(not set)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "(none)".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" | "),
        other => other.to_string(),
    }
}
