//! Mask: works out, for each answer of the upstream, what of it the client may see. Gives [`Masked`].
//!
//! This is also where the upstream's announcement is held against the plan: a result whose columns do not fit what the
//! analysis foresaw ends the session before a row of it is read.

use super::running::{Entry, ResultPlan, Running};
use super::written_back::Shown;
use model::{Column, ColumnMask, ColumnRef, MaskSpec, Outcome, OutputPlan, RowLayout, ServerMessage, StatementId};
use policies::{Keys, Masker};
use std::borrow::Cow;
use std::sync::Arc;
use wire::{Answer, CellAnswer, CellMasker, Conversation, RowBatch, Splice, Violation};

/// Whether a column that the upstream announces is protected from this session's identity.
pub(crate) trait Protection {
    /// The mask that the policy in force has for it, if any.
    fn mask_of(&self, column: &ColumnRef) -> Option<MaskSpec>;
    /// Whether any column of the datasource is protected.
    fn anything(&self) -> bool;
}

/// What of an answer concerns the record.
pub(super) enum Matter<'a> {
    Nothing,
    Columns { statement: StatementId },
    Rows { statement: StatementId, result: u32, replan: bool, layout: RowLayout, rows: u64, journal: Option<&'a [u8]> },
    Done { statement: StatementId, outcome: Outcome, last: bool },
}

/// An answer that holds nothing the client may not see. Built only here.
pub(crate) struct Masked<'a> {
    pub(super) matter: Matter<'a>,
    pub(super) wire: Cow<'a, [u8]>,
}

/// Masks one answer. `splice` receives rebuilt frames; it is cleared first.
pub(crate) fn mask<'a>(
    answer: Answer<'a>,
    running: &mut Running,
    conversation: &mut dyn Conversation,
    protection: &dyn Protection,
    keys: &Keys,
    splice: &'a mut Splice,
) -> Result<Masked<'a>, Violation> {
    splice.wire.clear();
    splice.journal.clear();
    match answer {
        Answer::Absorb => Ok(Masked { matter: Matter::Nothing, wire: Cow::Borrowed(&[]) }),
        Answer::Forward(wire) => Ok(Masked { matter: Matter::Nothing, wire }),
        Answer::Columns { statement, result, columns, wire } => {
            let (entry, shown) = entry_of(running, statement)?;
            entry.plan = Some(plan(entry, shown, result, columns, protection, keys)?);
            Ok(Masked { matter: Matter::Columns { statement }, wire })
        }
        Answer::Rows(batch) => mask_rows(&batch, running, conversation, protection, keys, splice),
        Answer::Done { statement, outcome, message, last, wire } => {
            let guard = running.get(statement).is_none_or(|entry| entry.verdict.guard_messages);
            let wire = guarded(message.as_ref(), guard, wire, conversation, splice)?;
            if last {
                running.ended(statement);
            }
            Ok(Masked { matter: Matter::Done { statement, outcome, last }, wire })
        }
        Answer::Message { statement, message, wire } => {
            let guard = match statement.and_then(|statement| running.get(statement)) {
                Some(entry) => entry.verdict.guard_messages,
                None => protection.anything(),
            };
            let wire = guarded(Some(&message), guard, wire, conversation, splice)?;
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
    splice: &'a mut Splice,
) -> Result<Masked<'a>, Violation> {
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
    if plan.maskers.is_empty() && !conversation.renumbers() {
        let Splice { wire: _, journal } = splice;
        let converted = conversation.journal_rows(batch, journal)?.is_some();
        let journal = converted.then_some(journal.as_slice());
        return Ok(Masked { matter: rows_of(journal), wire: Cow::Borrowed(batch.wire) });
    }
    conversation.splice(batch, &mut Maskers { maskers: &mut plan.maskers, domains: &plan.domains, shown }, splice)?;
    let Splice { wire, journal } = splice;
    let journal = (!journal.is_empty()).then_some(journal.as_slice());
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
    let index = usize::try_from(result).unwrap_or(usize::MAX);
    let outputs = &entry.verdict.outputs;
    let last = if entry.open_ended { outputs.last() } else { None };
    let masks: Vec<ColumnMask> = match outputs.get(index).or(last) {
        Some(OutputPlan::Untouched) => columns.iter().map(|column| untouched(column, protection)).collect(),
        Some(OutputPlan::Columns(masks)) if masks.len() == columns.len() => {
            masks.iter().zip(columns.iter()).map(|(mask, column)| cross_check(mask, column, protection)).collect()
        }
        Some(OutputPlan::Columns(masks)) => {
            return Err(Violation(format!(
                "the upstream announced {} columns where the statement has {}; nothing of them was passed on",
                columns.len(),
                masks.len()
            )));
        }
        Some(OutputPlan::RedactAll(reason)) => columns.iter().map(|_| redact(reason)).collect(),
        // A result that the analysis did not foresee.
        None => columns.iter().map(|_| redact("unforeseen result")).collect(),
    };
    let maskers = compile(&masks, &columns, keys)?;
    let domains = if maskers.is_empty() { Vec::new() } else { masks.iter().map(|mask| domain(mask, shown)).collect() };
    Ok(ResultPlan { result, columns, masks, maskers, domains })
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
fn untouched(column: &Column, protection: &dyn Protection) -> ColumnMask {
    let open = ColumnMask { mask: None, rule: None, source: column.announced.clone() };
    cross_check(&open, column, protection)
}

/// The upstream's announcement is a cross-check: a column that is announced as a protected one, but is not to be
/// treated as that one is, is redacted.
fn cross_check(mask: &ColumnMask, column: &Column, protection: &dyn Protection) -> ColumnMask {
    let Some(wanted) = column.announced.as_ref().and_then(|announced| protection.mask_of(announced)) else {
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
