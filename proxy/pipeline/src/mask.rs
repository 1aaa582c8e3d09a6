//! Mask: works out, for each answer of the upstream, what of it the client may see. Gives [`Masked`].
//!
//! This is also where the upstream's announcement is held against the plan: a result whose columns do not fit what the
//! analysis foresaw ends the session before a row of it is read.

use crate::running::{Entry, ResultPlan};
use crate::written_back::Shown;
use crate::{Heard, Judge, Running};
use model::{Column, ColumnMask, ColumnRef, MaskSpec, Outcome, OutputPlan, RowLayout, ServerMessage, StatementId};
use policies::{Keys, Masker};
use std::borrow::Cow;
use std::sync::Arc;
use wire::{Answer, CellAnswer, CellMasker, Conversation, RowBatch, Splice, Violation};

/// Whether a column that the upstream announces is protected from this session's identity.
pub(crate) trait Protection {
    /// The mask that the policy in force has for it, if any.
    fn mask_of(&self, column: &ColumnRef) -> Option<MaskSpec>;
    /// The mask that the policy in force has for it for whoever is not exempt: what the record holds.
    fn recorded_mask_of(&self, column: &ColumnRef) -> Option<MaskSpec>;
    /// Whether this session's identity is exempt from any mask.
    fn exempts(&self) -> bool;
    /// Whether any column of the datasource is protected.
    fn anything(&self) -> bool;
}

/// Rebuilt frames: for the client, and for the record where it holds masks of what the client was shown.
#[derive(Debug, Default)]
pub struct Splices {
    client: Splice,
    record: Splice,
}

/// What of an answer concerns the record.
#[derive(Debug)]
pub(crate) enum Matter<'a> {
    Nothing,
    Columns { statement: StatementId },
    Rows { statement: StatementId, result: u32, replan: bool, layout: RowLayout, rows: u64, journal: Option<&'a [u8]> },
    Done { statement: StatementId, outcome: Outcome, last: bool, alarm: bool },
}

/// An answer that holds nothing the client may not see. Built only here.
#[derive(Debug)]
pub struct Masked<'a> {
    matter: Matter<'a>,
    wire: Cow<'a, [u8]>,
}

impl<'a> Masked<'a> {
    pub(crate) fn into_parts(self) -> (Matter<'a>, Cow<'a, [u8]>) {
        (self.matter, self.wire)
    }
}

/// Masks one answer. `splices` receives rebuilt frames; it is cleared first.
///
/// # Errors
/// The answer is to nothing, or not what the analysis foresaw: nothing of it may go out.
pub fn mask<'a>(
    heard: Heard<'a>,
    running: &mut Running,
    conversation: &mut dyn Conversation,
    judge: &Judge,
    keys: &Keys,
    splices: &'a mut Splices,
) -> Result<Masked<'a>, Violation> {
    for splice in [&mut splices.client, &mut splices.record] {
        splice.wire.clear();
        splice.journal.clear();
    }
    let protection: &dyn Protection = judge;
    match heard.into_answer() {
        Answer::Absorb => Ok(Masked { matter: Matter::Nothing, wire: Cow::Borrowed(&[]) }),
        Answer::Forward(wire) => Ok(Masked { matter: Matter::Nothing, wire }),
        Answer::Columns { statement, result, columns, wire } => {
            let (entry, shown) = entry_of(running, statement)?;
            let planned = plan(entry, shown, result, columns, protection, keys)?;
            if planned.recorders.is_some() {
                conversation.whole_rows(statement);
            }
            entry.plan = Some(planned);
            Ok(Masked { matter: Matter::Columns { statement }, wire })
        }
        Answer::Rows(batch) => mask_rows(&batch, running, conversation, protection, keys, splices),
        Answer::Done { statement, outcome, message, last, wire } => {
            let denied = message.as_ref().is_some_and(|message| message.denied);
            let alarm = denied && running.get(statement).is_some_and(|entry| entry.is_locked);
            // What the second lock refuses says nothing but that.
            let message = message.map(|own| ServerMessage { may_quote_data: own.may_quote_data || alarm, ..own });
            let guard = alarm || running.get(statement).is_none_or(|entry| entry.verdict.guard_messages);
            let wire = guarded(message.as_ref(), guard, wire, conversation, &mut splices.client)?;
            if last {
                running.ended(statement);
            }
            Ok(Masked { matter: Matter::Done { statement, outcome, last, alarm }, wire })
        }
        Answer::Message { statement, message, wire } => {
            let guard = match statement.and_then(|statement| running.get(statement)) {
                Some(entry) => entry.verdict.guard_messages,
                None => protection.anything(),
            };
            let wire = guarded(Some(&message), guard, wire, conversation, &mut splices.client)?;
            Ok(Masked { matter: Matter::Nothing, wire })
        }
    }
}

fn entry_of(running: &mut Running, statement: StatementId) -> Result<(&mut Entry, &mut Shown), Violation> {
    running
        .with_shown(statement)
        .ok_or_else(|| Violation(format!("an answer to statement {}, which is not running", statement.0)))
}

fn mask_rows<'a>(
    batch: &RowBatch<'a>,
    running: &mut Running,
    conversation: &mut dyn Conversation,
    protection: &dyn Protection,
    keys: &Keys,
    splices: &'a mut Splices,
) -> Result<Masked<'a>, Violation> {
    let Splices { client: splice, record } = splices;
    let statement = batch.statement;
    let (entry, shown) = entry_of(running, statement)?;
    let replan = !entry
        .plan
        .as_ref()
        .is_some_and(|plan| plan.result == batch.result && Arc::ptr_eq(&plan.columns, &batch.columns));
    if replan {
        entry.plan = Some(plan(entry, shown, batch.result, batch.columns.clone(), protection, keys)?);
    }
    let plan = entry.plan.as_mut().ok_or_else(|| Violation("rows without a plan".to_owned()))?;
    let rows_of = |journal| Matter::Rows {
        statement,
        result: batch.result,
        replan,
        layout: batch.layout.clone(),
        rows: batch.rows,
        journal,
    };
    let recorded = match plan.recorders.as_mut() {
        Some(maskers) => {
            // What this puts in place of a value was not shown to anybody: nothing of it is remembered.
            let mut masker = Maskers { maskers, domains: &[], shown: &mut *shown };
            conversation.splice_record(batch, &mut masker, record)?;
            Some(if record.journal.is_empty() { record.wire.as_slice() } else { record.journal.as_slice() })
        }
        None => None,
    };
    if plan.maskers.is_empty() && !conversation.renumbers() {
        if recorded.is_some() {
            return Ok(Masked { matter: rows_of(recorded), wire: Cow::Borrowed(batch.wire) });
        }
        let Splice { wire: _, journal } = splice;
        let converted = conversation.journal_rows(batch, journal)?.is_some();
        let journal = converted.then_some(journal.as_slice());
        return Ok(Masked { matter: rows_of(journal), wire: Cow::Borrowed(batch.wire) });
    }
    conversation.splice(batch, &mut Maskers { maskers: &mut plan.maskers, domains: &plan.domains, shown }, splice)?;
    let Splice { wire, journal } = splice;
    let journal = recorded.or((!journal.is_empty()).then_some(journal.as_slice()));
    Ok(Masked { matter: rows_of(journal), wire: Cow::Borrowed(wire) })
}

/// Replaces what a message says by a template when its statement touches protected data.
fn guarded<'a>(
    message: Option<&ServerMessage>,
    guard: bool,
    wire: Cow<'a, [u8]>,
    conversation: &mut dyn Conversation,
    splice: &'a mut Splice,
) -> Result<Cow<'a, [u8]>, Violation> {
    match message {
        Some(message) if guard && message.may_quote_data => {
            conversation.template(message, &wire, &mut splice.wire)?;
            Ok(Cow::Borrowed(&splice.wire))
        }
        _ => Ok(wire),
    }
}

/// Holds the announced columns against the verdict's plan and compiles the maskers.
fn plan(
    entry: &Entry,
    shown: &mut Shown,
    result: u32,
    columns: Arc<[Column]>,
    protection: &dyn Protection,
    keys: &Keys,
) -> Result<ResultPlan, Violation> {
    let outputs = planned(entry, &entry.verdict.outputs, result);
    if let Some(OutputPlan::Columns(masks)) = outputs
        && masks.len() != columns.len()
    {
        return Err(Violation(format!(
            "the upstream announced {} columns where the statement has {}; nothing of them was passed on",
            columns.len(),
            masks.len()
        )));
    }
    let mut masks = masks_of(outputs, &columns, &|column| protection.mask_of(column));
    let maskers = compile(&masks, &columns, keys)?;
    let domains = if maskers.is_empty() { Vec::new() } else { masks.iter().map(|mask| domain(mask, shown)).collect() };
    let mut raw = Vec::new();
    let mut recorders = None;
    if protection.exempts() {
        let recorded = &entry.verdict.recorded;
        let plan = if recorded.is_empty() { outputs } else { planned(entry, recorded, result) };
        let unexempted = masks_of(plan, &columns, &|column| protection.recorded_mask_of(column));
        raw = masks.iter().zip(&unexempted).map(|(shown, recorded)| !hides(shown) && hides(recorded)).collect();
        if raw.contains(&true) {
            for ((mask, recorded), raw) in masks.iter_mut().zip(unexempted).zip(&raw) {
                if *raw {
                    *mask = recorded;
                }
            }
            recorders = Some(compile(&masks, &columns, keys)?);
        }
    }
    Ok(ResultPlan { result, columns, masks, raw, maskers, recorders, domains })
}

/// What was planned for a result, if it was foreseen.
fn planned<'p>(entry: &Entry, outputs: &'p [OutputPlan], result: u32) -> Option<&'p OutputPlan> {
    let last = if entry.open_ended { outputs.last() } else { None };
    outputs.get(usize::try_from(result).unwrap_or(usize::MAX)).or(last)
}

/// A plan applied to the columns that came, and held against what the upstream announces of them.
fn masks_of(plan: Option<&OutputPlan>, columns: &[Column], wanted: Wanted<'_>) -> Vec<ColumnMask> {
    let all = |reason: &str| columns.iter().map(|_| redact(reason)).collect();
    match plan {
        Some(OutputPlan::Untouched) => columns.iter().map(|column| untouched(column, wanted)).collect(),
        Some(OutputPlan::Columns(masks)) if masks.len() == columns.len() => {
            masks.iter().zip(columns).map(|(mask, column)| cross_check(mask, column, wanted)).collect()
        }
        Some(OutputPlan::RedactAll(reason)) => all(reason),
        // A result that the analysis did not foresee.
        None | Some(OutputPlan::Columns(_)) => all("unforeseen result"),
    }
}

/// The mask that a protected column is to have.
type Wanted<'a> = &'a dyn Fn(&ColumnRef) -> Option<MaskSpec>;

fn hides(mask: &ColumnMask) -> bool {
    !matches!(mask.mask, None | Some(MaskSpec::Keep))
}

/// What the column's masked values are remembered under; 0 where they are all the same, which is noted here.
fn domain(mask: &ColumnMask, shown: &mut Shown) -> u64 {
    let domain = shown.domain(mask.mask.as_ref());
    match mask.mask {
        None | Some(MaskSpec::Keep | MaskSpec::Null) => 0,
        Some(MaskSpec::Redact) => {
            shown.note(domain, b"***");
            shown.note(domain, b"0001-01-01");
            0
        }
        Some(_) => domain,
    }
}

fn redact(reason: &str) -> ColumnMask {
    ColumnMask { mask: Some(MaskSpec::Redact), rule: Some(reason.to_owned()), source: None }
}

/// A column of a result in which nothing protected was expected: if the upstream says otherwise, it is redacted.
fn untouched(column: &Column, wanted: Wanted<'_>) -> ColumnMask {
    let open = ColumnMask { mask: None, rule: None, source: column.announced.clone() };
    cross_check(&open, column, wanted)
}

/// The upstream's announcement is a cross-check: a column that is announced as a protected one, but is not to be
/// treated as that one is, is redacted.
fn cross_check(mask: &ColumnMask, column: &Column, wanted: Wanted<'_>) -> ColumnMask {
    let Some(wanted) = column.announced.as_ref().and_then(wanted) else {
        return mask.clone();
    };
    match &mask.mask {
        Some(planned) if *planned == wanted || *planned == MaskSpec::Redact => mask.clone(),
        Some(_) | None => redact("announced as another protected column"),
    }
}

/// One masker per masked column; an empty list when no column is.
fn compile(masks: &[ColumnMask], columns: &[Column], keys: &Keys) -> Result<Vec<Option<Masker>>, Violation> {
    if masks.iter().all(|mask| matches!(mask.mask, None | Some(MaskSpec::Keep))) {
        return Ok(Vec::new());
    }
    let one = |(mask, column): (&ColumnMask, &Column)| match &mask.mask {
        None | Some(MaskSpec::Keep) => Ok(None),
        Some(spec) => Masker::compile(spec, column, keys)
            .or_else(|_| Masker::compile(&MaskSpec::Redact, column, keys))
            .map(Some)
            .map_err(|error| Violation(format!("column {:?} cannot be masked: {error}", column.name))),
    };
    masks.iter().zip(columns).map(one).collect()
}

/// Lets the adapter ask for one cell at a time.
struct Maskers<'a> {
    maskers: &'a mut [Option<Masker>],
    domains: &'a [u64],
    shown: &'a mut Shown,
}

impl CellMasker for Maskers<'_> {
    fn masks(&self, column: usize) -> bool {
        self.maskers.get(column).is_some_and(Option::is_some)
    }

    fn mask(&mut self, column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        let before = out.len();
        match self.maskers.get_mut(column) {
            Some(Some(masker)) => match masker.apply(cell, out) {
                policies::CellAnswer::Keep => CellAnswer::Keep,
                policies::CellAnswer::Null => CellAnswer::Null,
                policies::CellAnswer::Replaced => {
                    let domain = self.domains.get(column).copied().unwrap_or(0);
                    if domain != 0 {
                        self.shown.note(domain, out.get(before..).unwrap_or_default());
                    }
                    CellAnswer::Replaced
                }
            },
            Some(None) => CellAnswer::Keep,
            // More cells than columns: nothing is known of them, so nothing of them passes.
            None => CellAnswer::Null,
        }
    }
}
