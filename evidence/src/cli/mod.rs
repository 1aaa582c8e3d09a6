//! The commands of the `evidence` binary.
//!
//! Exit codes: 0 good, 1 a check failed, 2 wrong usage, 3 could not run.

mod config;
mod export;
mod hold;
mod init;
mod keys;
mod list;
mod near;
mod order;
mod output;
mod policies;
mod prune;
mod review;
mod seal;
pub(crate) mod sessions;
mod show;
pub(crate) mod statements;
pub(crate) mod time;
mod verify;
mod views;

pub(crate) use output::csv_field;

use crate::error::StoreError;
use crate::event::AccessEvent;
use crate::inbox;
use crate::search::Archive;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "evidence", version, about = "Reads, searches, verifies and exports what Affidavit recorded.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes, shows and rotates the log's signing key.
    Keys(keys::Keys),
    /// Makes a store, or says in the log that the known one is lost.
    Init(init::Init),
    /// Checks a store: every signature, hash, chain and rule. Exit code 1 when a check fails.
    Verify(verify::Verify),
    /// Lists sessions: who connected, from where, to what.
    Sessions(sessions::Sessions),
    /// Lists statements: what was asked, decided and answered.
    Statements(Box<statements::Statements>),
    /// Shows one session, statement by statement, with what the client saw.
    Show(show::Show),
    /// Replays a session: what the client saw, in the order and time in which it saw it.
    Replay(show::Replay),
    /// Lists policy versions, or those in force at a time.
    Policies(policies::Policies),
    /// Lists approvals: who asked, who decided, why.
    Approvals(list::Approvals),
    /// Lists who read, reviewed or exported the record.
    Accesses(list::Accesses),
    /// Records that someone reviewed the record, and what they found.
    Review(review::Review),
    /// Legal holds: what they cover is not removed.
    Hold(hold::Hold),
    /// Says what is past its time, and writes the order to remove it, for two people to sign.
    Prune(prune::Prune),
    /// An order to prune or to release a hold: shows, signs or carries it out.
    Order(order::OrderCommand),
    /// Prints SQL that makes views over the store.
    Views(views::Views),
    /// Writes a package that an auditor can verify alone.
    Export(Box<export::Export>),
    /// Seals what is journaled now.
    Seal(seal::Seal),
}

/// Where the store is.
#[derive(Args, Clone)]
struct Place {
    /// The store's folder.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The proxy's configuration; its [store] names the folder. Default: ./affidavit.toml, then ./audit.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    config: Option<PathBuf>,
}

impl Place {
    fn folder(&self) -> Result<PathBuf, StoreError> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let default = PathBuf::from("affidavit.toml");
        match &self.config {
            Some(file) => config::read(file).map(|store| store.path),
            None if default.exists() => config::read(&default).map(|store| store.path),
            None => Ok(PathBuf::from("audit")),
        }
    }

    /// Opens the store for reading, and leaves word of it.
    fn open(&self, action: &str, scope: &str) -> Result<Archive, StoreError> {
        let folder = self.folder()?;
        let archive = Archive::open(&folder)?;
        note_access(&archive, action, scope);
        Ok(archive)
    }
}

/// Notes in the store that it was read. A store that cannot be written (a copy on a read-only disk) is read all the same.
pub(crate) fn note_access(archive: &Archive, action: &str, scope: &str) {
    let event = AccessEvent {
        actor: actor(),
        action: action.to_owned(),
        scope: scope.to_owned(),
        finding: None,
        package_hash: None,
    };
    if let Err(error) = inbox::leave_access(&archive.layout, &event) {
        eprintln!("evidence: this reading is not noted in the store ({error})");
    }
}

/// Who runs this, as the system knows them.
fn actor() -> String {
    let user = crate::os_user::os_user(rustix::process::getuid().as_raw());
    match std::env::var("SUDO_USER") {
        Ok(before) if !before.is_empty() => format!("{user}, through sudo by {before}"),
        _ => user,
    }
}

/// Runs the binary.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let result = match cli.command {
        Command::Keys(keys) => keys.run(),
        Command::Init(init) => init.run(),
        Command::Verify(verify) => verify.run(),
        Command::Sessions(sessions) => sessions.run(),
        Command::Statements(statements) => statements.run(),
        Command::Show(show) => show.run(),
        Command::Replay(replay) => replay.run(),
        Command::Policies(policies) => policies.run(),
        Command::Approvals(approvals) => approvals.run(),
        Command::Accesses(accesses) => accesses.run(),
        Command::Review(review) => review.run(),
        Command::Hold(hold) => hold.run(),
        Command::Prune(prune) => prune.run(),
        Command::Order(order) => order.run(),
        Command::Views(views) => views.run(),
        Command::Export(export) => export.run(),
        Command::Seal(seal) => seal.run(),
    };
    result.unwrap_or_else(|error| {
        use std::io::Write;
        let shown = crate::visible::block(&error.to_string(), "  ");
        let _ = writeln!(std::io::stderr(), "evidence: {shown}");
        ExitCode::from(3)
    })
}
