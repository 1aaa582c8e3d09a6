//! `evidence verify`.

use super::output::say;
use super::{actor, config};
use crate::error::{At, StoreError};
use crate::event::AccessEvent;
use crate::inbox;
use crate::sign::VerifierKey;
use crate::store::Layout;
use crate::verify::{Options, Outcome, Report, verify};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Verify {
    /// The store's folder, live or a copy.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// The log's verification key, or a file that holds it. Must come from elsewhere than the store.
    #[arg(long, value_name = "VKEY")]
    key: String,
    /// A checkpoint that was kept earlier: the log must be an extension of it.
    #[arg(long, value_name = "NOTE")]
    checkpoint: Option<PathBuf>,
    /// A checkpoint at which a verification passed before: as --checkpoint, and the files of segments that it covers are not
    /// read again. What was skipped is said.
    #[arg(long, value_name = "NOTE", conflicts_with = "checkpoint")]
    since: Option<PathBuf>,
    /// Verification key of somebody who may order that expired segments are removed, or a file that holds it. Give each.
    #[arg(long = "signer", value_name = "VKEY")]
    signers: Vec<String>,
    /// The newest leaf may be this many seconds old.
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u64>,
    /// File with the key of encrypted statement bodies (hexadecimal). Nothing else needs it.
    #[arg(long, value_name = "FILE")]
    body_key: Option<PathBuf>,
    /// The file outside of the store in which the proxy remembers its head (`[store] head`, else beside the store's folder):
    /// what the proxy knew must be there.
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Hashes every record, text and row again, too. Without it the signed hashes of the files stand for what is in them. A
    /// package is looked at in full, always.
    #[arg(long)]
    full: bool,
    /// Looks at a package that nobody signed all the same. Whoever made it could have left out anything.
    #[arg(long)]
    unsigned: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let key = key(&self.key)?;
        let signers = self.signers.iter().map(|signer| self::key(signer)).collect::<Result<_, _>>()?;
        let checkpoint = self.since.as_deref().or(self.checkpoint.as_deref()).map(read).transpose()?;
        let body_key = self.body_key.as_deref().map(config::body_key).transpose()?;
        let (max_age, incremental) = (self.max_age, self.since.is_some());
        let (unsigned, head, full) = (self.unsigned, self.head, self.full);
        let options = Options { key, checkpoint, max_age, body_key, incremental, head, full, unsigned, signers };
        let report = verify(&self.path, &options)?;
        let verdict = if report.is_good() { "passed" } else { "failed" };
        let event = AccessEvent {
            actor: actor(),
            action: "verified".to_owned(),
            scope: format!("the whole store: {verdict}"),
            finding: None,
            package_hash: None,
        };
        // Only a live store's writer takes this up; a copy under examination is left as it is.
        let layout = Layout::new(&self.path);
        if crate::verify::is_live(&layout) {
            let _ = inbox::leave_access(&layout, &event);
        }
        if self.json {
            let text = serde_json::to_string_pretty(&report).map_err(|e| StoreError::Config(e.to_string()))?;
            say!("{text}");
        } else {
            print(&self.path, &report);
        }
        Ok(ExitCode::from(u8::from(!report.is_good())))
    }
}

/// A key, or the file that holds it.
fn key(text: &str) -> Result<VerifierKey, StoreError> {
    VerifierKey::parse(&std::fs::read_to_string(text).unwrap_or_else(|_| text.to_owned()))
}

fn read(path: &Path) -> Result<String, StoreError> {
    std::fs::read_to_string(path).at(path, "reading the checkpoint")
}

fn print(path: &Path, report: &Report) {
    for check in &report.checks {
        let note = if check.note.is_empty() { String::new() } else { format!("  ({})", check.note) };
        say!("{:<12} {}{note}", check.outcome.to_string(), check.name);
        for finding in &check.findings {
            say!("             {}: {}", finding.place, finding.reason);
        }
        let more = check.total.saturating_sub(check.findings.len() as u64);
        if more > 0 {
            say!("             and {more} more");
        }
    }
    let count = |outcome: Outcome| report.checks.iter().filter(|check| check.outcome == outcome).count();
    say!();
    if let (Some(size), Some(root)) = (report.tree_size, &report.root) {
        say!("{}: {size} leaves, root {root}", path.display());
    }
    say!(
        "{} checks held, {} did not, {} could not be made",
        count(Outcome::Pass),
        count(Outcome::Fail),
        count(Outcome::NotChecked)
    );
    let names: Vec<&str> = report.failed().map(|check| check.name).collect();
    if !names.is_empty() {
        say!("did not hold: {}", names.join(", "));
    }
}
