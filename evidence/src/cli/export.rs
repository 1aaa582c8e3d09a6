//! `evidence export`.

use super::output::say;
use super::{Place, actor, config, time};
use crate::error::StoreError;
use crate::event::AccessEvent;
use crate::export::{Export as Order, Question, export};
use crate::inbox;
use crate::sign::LogSigner;
use crate::store::Layout;
use clap::Args;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// Sessions that began at or after this time: 2026-11-23T10:00:00Z, 2026-11-23, or 7d ago.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    from: Option<i64>,
    /// Sessions that began before or at this time; a date means all of that day.
    #[arg(long, value_name = "TIME", value_parser = time::parse_end)]
    to: Option<i64>,
    /// Subject or e-mail address of the identity.
    #[arg(long, value_name = "USER")]
    identity: Option<String>,
    /// Name of the datasource.
    #[arg(long, value_name = "NAME")]
    datasource: Option<String>,
    /// Sessions that touched this table.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// One session: its id, or the beginning of it.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Sessions that used this approval.
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
    /// Includes the exact texts and parameters of statements, which may hold protected values.
    #[arg(long)]
    with_bodies: bool,
    /// Writes a package that holds no session, to show that there is none.
    #[arg(long)]
    allow_empty: bool,
    /// The package; must not exist yet.
    #[arg(long, value_name = "FILE.zip")]
    out: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let store = self.place.folder()?;
        // With the configuration at hand the package is signed by the log's key.
        let file = self.place.config.clone().or_else(|| {
            let default = PathBuf::from("affidavit.toml");
            (self.place.store.is_none() && default.exists()).then_some(default)
        });
        let key = match file {
            Some(file) => Some(LogSigner::open(&config::read(&file)?.signing_key()?)?),
            None => None,
        };
        let question = Question {
            from: self.from,
            to: self.to,
            identity: self.identity,
            datasource: self.datasource,
            table: self.table,
            session: self.session,
            approval: self.approval,
        };
        let words = question.words();
        let order = Order {
            store: &store,
            question,
            with_bodies: self.with_bodies,
            allow_empty: self.allow_empty,
            made_by: actor(),
            key: key.as_ref(),
            out: &self.out,
        };
        let terminal = std::io::stderr().is_terminal();
        let done = export(&order, &mut |what| {
            if terminal {
                eprint!("\r\x1b[Kevidence: {what}");
                let _ = std::io::stderr().flush();
            }
        })?;
        if terminal {
            eprint!("\r\x1b[K");
        }
        let event = AccessEvent {
            actor: actor(),
            action: "exported".to_owned(),
            scope: words,
            finding: None,
            package_hash: Some(done.sha256.clone()),
        };
        if let Err(error) = inbox::leave_access(&Layout::new(&store), &event) {
            eprintln!("evidence: this export is not noted in the store ({error})");
        }
        let (included, population) = (done.scope.sessions.len(), done.scope.population);
        if self.json {
            let json = serde_json::json!({
                "out": self.out, "sha256": done.sha256, "sessions": included, "population": population,
                "files": done.files, "bytes": done.bytes, "signed": key.is_some(),
            });
            say!("{json}");
        } else {
            say!(
                "{}: {included} of {population} sessions, {} files, {} bytes",
                self.out.display(),
                done.files,
                done.bytes
            );
            say!("SHA-256 {}", done.sha256);
            if key.is_none() {
                say!("not signed: give --config FILE, whose [store] names the signing key, to sign it");
            }
            say!("check it with: evidence verify {} --key VKEY", self.out.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
