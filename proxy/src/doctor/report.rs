//! The report, for people and for scripts.

use super::Patient;
use crate::assembly::Failure;
use crate::config::DatasourceSetup;
use policies::Policy;
use serde_json::{Value, json};
use std::fmt;
use std::process::ExitCode;
use wire::{Finding, Severity};

/// Lines of a remedy that the plain report shows.
const SHOWN_LINES: usize = 12;

/// What was examined, and what was found.
pub(super) struct Report {
    policy_version: String,
    sections: Vec<Section>,
    failed: bool,
}

struct Section {
    title: String,
    about: Value,
    findings: Vec<Finding>,
    failure: Option<String>,
}

impl Report {
    pub(super) fn new(policy: &Policy) -> Self {
        Self { policy_version: policy.version().to_string(), sections: Vec::new(), failed: false }
    }

    /// A datasource that could not be looked at.
    pub(super) fn unreachable(&mut self, setup: &DatasourceSetup, failure: &Failure) {
        self.failed = true;
        self.sections.push(Section {
            title: format!("datasource {} ({} at {})", setup.name, setup.protocol, setup.address),
            about: json!({ "datasource": setup.name, "protocol": setup.protocol, "address": setup.address }),
            findings: Vec::new(),
            failure: Some(failure.to_string()),
        });
    }

    /// A datasource that was.
    pub(super) fn examined(&mut self, patient: &Patient<'_>, mut findings: Vec<Finding>) {
        let setup = patient.setup;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let version = &patient.survey.version;
        self.sections.push(Section {
            title: format!("datasource {} ({} {version} at {})", setup.name, setup.protocol, setup.address),
            about: json!({
                "datasource": setup.name, "protocol": setup.protocol, "address": setup.address, "version": version,
                "user": setup.user, "columns": patient.survey.columns.len(),
            }),
            findings,
            failure: None,
        });
    }

    /// The rules, held against all datasources that were looked at.
    pub(super) fn policy(&mut self, findings: Vec<Finding>, complete: bool) {
        let part = if complete { "" } else { ", as far as it means the datasources that were looked at" };
        self.sections.push(Section {
            title: format!("policy {}{part}", self.policy_version),
            about: json!({ "policy_version": self.policy_version, "complete": complete }),
            findings,
            failure: None,
        });
    }

    fn count(&self, severity: Severity) -> usize {
        self.sections.iter().flat_map(|section| &section.findings).filter(|one| one.severity == severity).count()
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        match (self.failed, self.count(Severity::High)) {
            (true, _) => ExitCode::from(3),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::from(1),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let finding = |one: &Finding| {
            json!({
                "severity": one.severity.as_str(), "check": one.check, "what": one.what, "why": one.why, "fix": one.fix,
            })
        };
        let section = |section: &Section| {
            let mut value = section.about.clone();
            if let Some(fields) = value.as_object_mut() {
                fields.insert("findings".to_owned(), section.findings.iter().map(finding).collect());
                if let Some(failure) = &section.failure {
                    fields.insert("failure".to_owned(), json!(failure));
                }
            }
            value
        };
        json!({
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
            "high": self.count(Severity::High), "medium": self.count(Severity::Medium), "low": self.count(Severity::Low),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for section in &self.sections {
            writeln!(f, "{}", section.title)?;
            if let Some(failure) = &section.failure {
                writeln!(f, "  FAILED  {}", failure.replace('\n', "\n         "))?;
            } else if section.findings.is_empty() {
                writeln!(f, "  nothing found")?;
            }
            for finding in &section.findings {
                writeln!(f, "  {:<7} {}: {}", finding.severity.as_str().to_uppercase(), finding.check, finding.what)?;
                writeln!(f, "          why: {}", finding.why)?;
                for (at, line) in finding.fix.iter().take(SHOWN_LINES).enumerate() {
                    writeln!(f, "          {} {line}", if at == 0 { "fix:" } else { "    " })?;
                }
                if let Some(more) = finding.fix.len().checked_sub(SHOWN_LINES).filter(|more| *more > 0) {
                    writeln!(f, "               … {more} more lines with --json")?;
                }
            }
            writeln!(f)?;
        }
        let (high, medium, low) = (self.count(Severity::High), self.count(Severity::Medium), self.count(Severity::Low));
        writeln!(f, "{high} high, {medium} medium, {low} low")
    }
}
