//! `evidence review`: a person looked at the record, and says what they found, signed if they have a key.

use super::output::say;
use super::{Place, actor};
use crate::error::{At, StoreError};
use crate::event::AccessEvent;
use crate::inbox;
use crate::search::Archive;
use crate::sign::LogKey;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Review {
    #[command(flatten)]
    place: Place,
    /// What was reviewed (`sessions of November`, a session id, an export).
    #[arg(long, value_name = "TEXT")]
    scope: String,
    /// What was found.
    #[arg(long, value_name = "TEXT")]
    finding: String,
    /// SHA-256 of the package that was reviewed.
    #[arg(long, value_name = "HEX")]
    package: Option<String>,
    /// The reviewer's own key (`evidence keys generate --origin NAME`): the finding becomes a signed note.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Review {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let archive = Archive::open(&self.place.folder()?)?;
        for text in [&self.scope, &self.finding] {
            if text.trim().is_empty() || text.contains("\n\n") {
                return Err(StoreError::Config("scope and finding are texts without empty lines".to_owned()));
            }
        }
        let package = self.package.map(|hash| hash.to_lowercase());
        if package.as_deref().is_some_and(|hash| hash.len() != 64 || hex::decode(hash).is_err()) {
            return Err(StoreError::Config("--package is a SHA-256: 64 hexadecimal digits".to_owned()));
        }
        let (actor, finding) = match &self.key {
            None => (actor(), self.finding),
            Some(path) => {
                let text = std::fs::read_to_string(path).at(path, "reading the reviewer's key")?;
                let key = LogKey::parse(&text)?;
                let package = package.as_deref().unwrap_or("-");
                let note = format!("affidavit review v1\n{}\n{package}\n{}\n", self.scope, self.finding);
                (format!("key:{}", key.verifier()), key.sign_note(&note))
            }
        };
        let event = AccessEvent {
            actor,
            action: "reviewed".to_owned(),
            scope: self.scope,
            finding: Some(finding),
            package_hash: package,
        };
        inbox::leave_access(&archive.layout, &event)?;
        say!("noted; it is part of the record once the store's writer takes it up");
        Ok(ExitCode::SUCCESS)
    }
}
