//! Record: journals what the client is about to see. Gives [`Recorded`], the only thing that release takes.

use crate::mask::Matter;
use crate::{Masked, Recording, Running};
use evidence::{CannotRecord, Lsn};
use std::borrow::Cow;

/// An answer that is in the journal. Built only here.
#[derive(Debug)]
pub struct Recorded<'a> {
    wire: Cow<'a, [u8]>,
    lsn: Option<Lsn>,
}

impl Recorded<'_> {
    /// What the client gets.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The record that must be durable before it goes out.
    pub(crate) fn lsn(&self) -> Option<Lsn> {
        self.lsn
    }
}

/// Journals a masked answer.
///
/// # Errors
/// It cannot be recorded: nothing of it may go out.
pub fn record<'a>(
    masked: Masked<'a>,
    recording: &Recording,
    running: &mut Running,
) -> Result<Recorded<'a>, CannotRecord> {
    let (matter, wire) = masked.into_parts();
    let lsn = match matter {
        Matter::Nothing => None,
        Matter::Columns { statement } => columns(recording, running, statement)?,
        Matter::Rows { statement, result, replan, layout, rows, journal } => {
            if replan {
                columns(recording, running, statement)?;
            }
            Some(recording.rows(statement, result, &layout, rows, journal.unwrap_or(&wire))?)
        }
        Matter::Done { statement, outcome, last, alarm } => {
            if alarm {
                recording.alarm(statement, &outcome);
            }
            Some(recording.done(statement, &outcome, last)?)
        }
    };
    Ok(Recorded { wire, lsn })
}

fn columns(
    recording: &Recording,
    running: &mut Running,
    statement: model::StatementId,
) -> Result<Option<Lsn>, CannotRecord> {
    match running.get(statement).and_then(|entry| entry.plan.as_ref()) {
        Some(plan) => recording.columns(statement, plan.result, &plan.columns, &plan.masks, &plan.raw).map(Some),
        None => Ok(None),
    }
}
