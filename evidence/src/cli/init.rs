//! `evidence init`: makes a store. A proxy makes none by itself, so that one whose disk is not there does not begin a new
//! and empty record in its place.

use super::config;
use crate::error::StoreError;
use crate::keeper;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Args)]
pub(super) struct Init {
    /// The proxy's configuration; only its [store] is read.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: PathBuf,
    /// The store that was known is lost for good, wholly or in part, and why. What is there now is gone on with; without
    /// anything a new store is made. The log says so in its next leaf.
    #[arg(long, value_name = "REASON")]
    lost: Option<String>,
}

impl Init {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let store = config::read(&self.config)?;
        let mut full = store.full()?;
        full.create = true;
        let head = store.head();
        let Some(reason) = self.lost else {
            if crate::store::Layout::new(&store.path).about().exists() {
                return Err(StoreError::Config(format!("{} holds an audit store already", store.path.display())));
            }
            let key = keeper::init(full, None)?;
            println!("{} is ready; its log is verified with {key}", store.path.display());
            return Ok(ExitCode::SUCCESS);
        };
        if reason.trim().is_empty() {
            return Err(StoreError::Config("--lost needs a reason: who reads the log must know".to_owned()));
        }
        let Some(known) = keeper::known(&head)? else {
            let what = format!("{} does not exist: no store is known to be lost", head.display());
            return Err(StoreError::Config(what));
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let kept = head.with_extension(format!("lost-{since}"));
        let note =
            format!("what was known before is lost, in whole or in part: {}. Reason given: {reason}", known.words());
        full.head = None;
        let key = keeper::init(full.clone(), Some(note))?;
        // Only now: as long as the log does not say so, the loss is not explained.
        std::fs::rename(&head, &kept).map_err(|source| StoreError::Io {
            path: head.clone(),
            doing: "putting the remembered head aside",
            source,
        })?;
        full.head = Some(head);
        keeper::init(full, None)?;
        println!(
            "{} is ready, and its log says what is lost ({key}); the old head is kept in {}",
            store.path.display(),
            kept.display()
        );
        Ok(ExitCode::SUCCESS)
    }
}
