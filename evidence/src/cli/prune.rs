//! `evidence prune`: what is past its time, and the order to remove it.

use super::order::Draft;
use super::output::say;
use super::{Place, time};
use crate::error::StoreError;
use crate::journal::now;
use crate::retention::{Action, Kept, ranges, words};
use crate::search::Archive;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Prune {
    #[command(flatten)]
    place: Place,
    /// Only segments that were sealed before this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    before: Option<i64>,
    /// Why. With --key and --out it writes the order; without them it only says what could go.
    #[arg(long, value_name = "TEXT", requires_all = ["key", "out"])]
    reason: Option<String>,
    /// Your own key (`evidence keys generate --origin NAME`), one of [store] retention signers.
    #[arg(long, value_name = "FILE", requires = "reason")]
    key: Option<PathBuf>,
    /// Where the order goes; must not exist yet.
    #[arg(long, value_name = "FILE", requires = "reason")]
    out: Option<PathBuf>,
}

impl Prune {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let archive = Archive::open(&self.place.folder()?)?;
        let ledger = &archive.ledger;
        let Some(terms) = &ledger.terms else {
            say!("no retention is configured ([store] retention): nothing is ever removed");
            return Ok(ExitCode::SUCCESS);
        };
        let mut free = Vec::new();
        let (mut held, mut young) = (0, 0);
        for (number, times) in &ledger.segments {
            if ledger.pruned.contains(number) || self.before.is_some_and(|before| times.sealed >= before) {
                continue;
            }
            match ledger.may_go(*number, now()) {
                Ok(()) => free.push(*number),
                Err(Kept::Held(..)) => held += 1,
                Err(_) => young += 1,
            }
        }
        say!("kept for {} days; {} people may sign", terms.keep / 86_400_000_000, terms.signers.len());
        for tombstone in &ledger.tombstones {
            say!("removed: {}", tombstone.words());
        }
        say!("{young} segments are not past their time, {held} are past it but under a hold");
        let segments = ranges(free.iter().copied());
        say!("{} segments could go{}{}", free.len(), if free.is_empty() { "" } else { ": " }, words(&segments));
        match (self.reason, self.key, self.out) {
            (Some(reason), Some(key), Some(out)) if !free.is_empty() => {
                say!();
                Draft { reason, key, out }.write(&archive, Action::Prune { segments })
            }
            (Some(_), ..) => Err(StoreError::Config("there is nothing that may be removed".to_owned())),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}
