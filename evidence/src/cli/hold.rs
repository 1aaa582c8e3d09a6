//! `evidence hold`: what a legal hold covers is not removed, whatever its age.

use super::order::{self, Draft};
use super::output::{self, Format, say};
use super::sessions::short_time;
use super::{Place, actor, time};
use crate::error::StoreError;
use crate::log::HoldStep;
use crate::retention::Action;
use crate::search::{Archive, Condition, Query};
use crate::table::Table;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Hold {
    #[command(subcommand)]
    command: HoldCommand,
}

#[derive(Subcommand)]
enum HoldCommand {
    /// Nothing of this time is removed until the hold is released.
    Add(Add),
    /// Writes the order that releases a hold, with your signature; a second person signs it (`evidence order sign`).
    Release(Release),
    /// Lists holds.
    List(List),
}

#[derive(Args)]
struct Add {
    /// The proxy's configuration; only its [store] is read.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: std::path::PathBuf,
    /// From this time on; from the beginning without it.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    from: Option<i64>,
    /// Until this time; without an end without it.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    to: Option<i64>,
    /// The time of this session, so far as it is recorded.
    #[arg(long, value_name = "ID", conflicts_with_all = ["from", "to"])]
    session: Option<String>,
    /// Why: the case, the letter, who asked.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Args)]
struct Release {
    #[command(flatten)]
    place: Place,
    /// The hold's id.
    #[arg(value_name = "HOLD")]
    hold: String,
    #[command(flatten)]
    draft: Draft,
}

#[derive(Args)]
struct List {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Hold {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        match self.command {
            HoldCommand::Add(add) => add.run(),
            HoldCommand::Release(release) => release.run(),
            HoldCommand::List(list) => list.run(),
        }
    }
}

impl Add {
    fn run(self) -> Result<ExitCode, StoreError> {
        let store = super::config::read(&self.config)?;
        if self.reason.trim().is_empty() || self.reason.len() > 2000 {
            return Err(StoreError::Config("--reason is a text of at most 2,000 bytes".to_owned()));
        }
        let (from, to) = match &self.session {
            None => (self.from, self.to),
            Some(session) => {
                let (from, to) = times_of(&Archive::open(&store.path)?, session)?;
                (Some(from), to)
            }
        };
        let hold = uuid::Uuid::now_v7().to_string();
        let step = HoldStep::Added { from, to, reason: self.reason, by: actor() };
        let done = order::ask(&store, &mut |layout| crate::inbox::leave_hold(layout, &hold, step.clone()))?;
        say!("{done}");
        Ok(ExitCode::SUCCESS)
    }
}

/// From a session's first record to its last; without an end while it is open.
fn times_of(archive: &Archive, session: &str) -> Result<(i64, Option<i64>), StoreError> {
    let found = super::sessions::find_one(archive, session)?;
    let query = Query::new(Table::Statements).with(Condition::equals("session_id", found.id()));
    let mut first = found.open.int("ts");
    archive.search(&query, &mut |record, _| {
        first = first.min(record.int("ts"));
        Ok(true)
    })?;
    Ok((first, found.close.as_ref().map(|close| close.int("ts"))))
}

impl Release {
    fn run(self) -> Result<ExitCode, StoreError> {
        let archive = Archive::open(&self.place.folder()?)?;
        match archive.ledger.holds.get(&self.hold) {
            None => return Err(StoreError::Config(format!("there is no hold {}; see evidence hold list", self.hold))),
            Some(hold) if hold.released.is_some() => {
                return Err(StoreError::Config(format!("hold {} was released before", self.hold)));
            }
            Some(_) => {}
        }
        self.draft.write(&archive, Action::Release { hold: self.hold })
    }
}

impl List {
    fn run(self) -> Result<ExitCode, StoreError> {
        let archive = self.place.open("queried", "holds")?;
        let holds = &archive.ledger.holds;
        let moment = |at: Option<i64>, none: &str| at.map_or_else(|| none.to_owned(), short_time);
        if self.format.json {
            let all: Vec<_> = holds
                .iter()
                .map(|(id, hold)| {
                    let text = |at: Option<i64>| at.map(crate::table::rfc3339);
                    json!({
                        "hold": id, "from": text(hold.from), "to": text(hold.to), "reason": hold.reason, "by": hold.by,
                        "added": text(Some(hold.added)), "released": hold.released.as_ref().map(|(at, _)| text(Some(*at))),
                        "released_by": hold.released.as_ref().map(|(_, by)| by),
                    })
                })
                .collect();
            output::json(&all);
            return Ok(ExitCode::SUCCESS);
        }
        let rows = holds.iter().map(|(id, hold)| {
            let state = match &hold.released {
                None => "holds".to_owned(),
                Some((at, by)) => format!("released {} by {}", short_time(*at), by.join(" and ")),
            };
            let (from, to) = (moment(hold.from, "the beginning"), moment(hold.to, "no end"));
            vec![id.clone(), from, to, hold.reason.clone(), hold.by.clone(), short_time(hold.added), state]
        });
        let header = ["hold", "from", "to", "reason", "by", "added (UTC)", "state"];
        if self.format.csv {
            output::csv(&header, rows);
        } else {
            output::table(&header, &rows.collect::<Vec<_>>());
        }
        Ok(ExitCode::SUCCESS)
    }
}
