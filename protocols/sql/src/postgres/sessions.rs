//! Statements about the session: prepared statements, cursors, notifications, locks.

use super::names::range;
use super::statements::{Ended, query, statement as any_statement, touch};
use crate::lineage::{Env, Tracer};
use model::{Access, Outputs, Verb};
use pg_query::NodeEnum;

/// Modes of LOCK that only readers take (ACCESS SHARE, ROW SHARE).
const READING_LOCKS: i32 = 2;

pub(super) fn statement(node: &NodeEnum, tracer: &mut Tracer<'_>) -> Ended {
    match node {
        // What is prepared or declared here runs later: it is judged now, as if it ran, and returns nothing yet.
        NodeEnum::PrepareStmt(prepare) => {
            let inner = prepare.query.as_deref().map(|node| any_statement(node, tracer));
            notes_unread(inner.as_ref(), tracer);
            Ended { outputs: Outputs::None, ..described(inner) }
        }
        NodeEnum::DeclareCursorStmt(declare) => {
            let inner = declare.query.as_deref().map(|node| query(node, Verb::Select, tracer));
            notes_unread(inner.as_ref(), tracer);
            Ended { outputs: Outputs::None, ..described(inner) }
        }
        NodeEnum::ExecuteStmt(execute) => {
            let mut lower = super::queries::Lower::default();
            for expr in lower.list(&execute.params) {
                tracer.value(&expr, &Env::EMPTY);
            }
            let what = format!("prepared statement {}", execute.name);
            tracer.draft.runs_unseen();
            tracer.draft.opaque(&what, true);
            Ended { filtered: false, outputs: Outputs::Unknown(what), ..Ended::quiet(Verb::Select) }
        }
        NodeEnum::FetchStmt(fetch) if !fetch.ismove => {
            let what = format!("cursor {}", fetch.portalname);
            tracer.draft.opaque(&what, true);
            Ended { filtered: false, limited: true, outputs: Outputs::Unknown(what), ..Ended::quiet(Verb::Select) }
        }
        NodeEnum::LockStmt(lock) => {
            let access = if lock.mode <= READING_LOCKS { Access::Read } else { Access::Write };
            for table in &lock.relations {
                if let Some(NodeEnum::RangeVar(table)) = &table.node {
                    touch(table, access, tracer);
                    let _ = range(table);
                }
            }
            Ended::quiet(Verb::Session)
        }
        NodeEnum::LoadStmt(load) => {
            tracer.draft.opaque(&format!("library {}", load.filename), true);
            Ended::quiet(Verb::Session)
        }
        _ => Ended::quiet(Verb::Session),
    }
}

/// What could not be worked out of rows that come later must be known now: it decides where they are masked.
fn notes_unread(inner: Option<&Ended>, tracer: &mut Tracer<'_>) {
    match inner.map(|ended| &ended.outputs) {
        Some(Outputs::Unknown(why)) => tracer.draft.unread(why),
        Some(Outputs::Known(columns)) => {
            for column in columns {
                if let model::Lineage::Unknown(why) = &column.lineage {
                    tracer.draft.unread(why);
                }
            }
        }
        Some(Outputs::None) | None => {}
    }
}

fn described(inner: Option<Ended>) -> Ended {
    let inner = inner.unwrap_or_else(|| Ended::quiet(Verb::Session));
    Ended { verb: Verb::Session, ..inner }
}
