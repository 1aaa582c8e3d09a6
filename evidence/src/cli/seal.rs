//! `evidence seal`.

use super::config;
use super::output::say;
use crate::error::StoreError;
use crate::inbox;
use crate::recorder::{Recorder, SealReport};
use crate::store::Layout;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct Seal {
    /// The proxy's configuration; only its [store] is read.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

impl Seal {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let store = config::read(&self.config)?;
        let layout = Layout::new(&store.path);
        // The process that holds the store seals for us; without one, this process is the writer for a moment.
        let report = if crate::verify::is_live(&layout) {
            inbox::leave_seal(&layout)?.wait(Duration::from_secs(600))?.0
        } else {
            if !layout.about().exists() {
                let what = format!("{} holds no audit store yet", store.path.display());
                return Err(StoreError::Config(what));
            }
            let (recorder, _) = Recorder::open(store.full()?)?;
            // What readers left in the inbox is taken up first.
            recorder.seal_now()?;
            recorder.close()?
        };
        print(&report, self.json);
        Ok(ExitCode::SUCCESS)
    }
}

fn print(report: &SealReport, json: bool) {
    let SealReport { segment, sealed, tree_size } = report;
    if json {
        say!("{}", serde_json::json!({ "segment": segment, "sealed": sealed, "tree_size": tree_size }));
    } else {
        say!("sealed up to record {sealed} in segment {segment}; the log has {tree_size} leaves");
    }
}
