//! What kind of statement it is and what it does: one arm per statement of PostgreSQL's grammar.

use super::names::{constant, range, string, strings};
use super::queries::Lower;
use super::{definitions, sessions};
use crate::ir::{Body, Expr, Query};
use crate::lineage::{Env, Taint, Tracer};
use model::{Access, ColumnRef, Lineage, OutputColumn, Outputs, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{CopyStmt, ExplainStmt, Node, RangeVar, VariableSetKind, VariableSetStmt};

/// How a statement was understood, beside what its draft collected.
pub(super) struct Ended {
    pub(super) verb: Verb,
    pub(super) outputs: Outputs,
    pub(super) filtered: bool,
    pub(super) limited: bool,
}

impl Ended {
    pub(super) fn quiet(verb: Verb) -> Self {
        Self { verb, outputs: Outputs::None, filtered: true, limited: false }
    }
}

/// Works out one statement.
pub(super) fn statement(node: &Node, tracer: &mut Tracer<'_>) -> Ended {
    let Some(inner) = &node.node else { return Ended::quiet(Verb::Empty) };
    match inner {
        NodeEnum::SelectStmt(select) => {
            let mut leftmost = &**select;
            while let Some(left) = &leftmost.larg {
                leftmost = left;
            }
            let ended = query(node, Verb::Select, tracer);
            match &leftmost.into_clause {
                Some(into) => {
                    tracer.draft.does(Verb::Insert);
                    definitions::stored_as(into.rel.as_ref(), &strings(&into.col_names), ended, tracer)
                }
                None => ended,
            }
        }
        NodeEnum::InsertStmt(_) => query(node, Verb::Insert, tracer),
        NodeEnum::UpdateStmt(_) => query(node, Verb::Update, tracer),
        NodeEnum::DeleteStmt(_) => query(node, Verb::Delete, tracer),
        NodeEnum::MergeStmt(_) => query(node, Verb::Merge, tracer),
        NodeEnum::TruncateStmt(truncate) => {
            for table in &truncate.relations {
                if let Some(NodeEnum::RangeVar(table)) = &table.node {
                    touch(table, Access::Write, tracer);
                    tracer.note_whole(&range(table));
                }
            }
            Ended { filtered: false, ..Ended::quiet(Verb::Truncate) }
        }
        NodeEnum::CopyStmt(statement) => copy(statement, tracer),
        NodeEnum::ExplainStmt(statement) => explain(statement, tracer),
        NodeEnum::CallStmt(call) => {
            if let Some(function) = &call.funccall {
                let expr = Lower::default().call(function);
                tracer.value(&expr, &Env::EMPTY);
                let name = super::names::qualified(&function.funcname);
                tracer.draft.opaque(&format!("procedure {name}"), true);
            }
            Ended { outputs: Outputs::Unknown("what a procedure returns".to_owned()), ..Ended::quiet(Verb::Call) }
        }
        NodeEnum::DoStmt(_) => {
            tracer.draft.opaque("DO block", true);
            Ended::quiet(Verb::Call)
        }
        NodeEnum::VariableSetStmt(set) => {
            setting(set, tracer);
            Ended::quiet(Verb::Set)
        }
        NodeEnum::VariableShowStmt(show) => Ended { outputs: shown(&show.name, tracer), ..Ended::quiet(Verb::Show) },
        NodeEnum::TransactionStmt(transaction) => {
            for option in &transaction.options {
                if let Some(NodeEnum::DefElem(option)) = &option.node {
                    let value = option.arg.as_deref().and_then(constant);
                    tracer.draft.setting(&option.defname, value);
                }
            }
            Ended::quiet(Verb::Transaction)
        }
        NodeEnum::PrepareStmt(_)
        | NodeEnum::ExecuteStmt(_)
        | NodeEnum::DeallocateStmt(_)
        | NodeEnum::DeclareCursorStmt(_)
        | NodeEnum::FetchStmt(_)
        | NodeEnum::ClosePortalStmt(_)
        | NodeEnum::ListenStmt(_)
        | NodeEnum::UnlistenStmt(_)
        | NodeEnum::NotifyStmt(_)
        | NodeEnum::LockStmt(_)
        | NodeEnum::DiscardStmt(_)
        | NodeEnum::ConstraintsSetStmt(_)
        | NodeEnum::CheckPointStmt(_)
        | NodeEnum::LoadStmt(_) => sessions::statement(inner, tracer),
        other => definitions::statement(other, tracer),
    }
}

/// A query or change of rows.
pub(super) fn query(node: &Node, verb: Verb, tracer: &mut Tracer<'_>) -> Ended {
    let lowered = Lower::default().query_node(node);
    lowered_query(&lowered, verb, tracer)
}

fn lowered_query(lowered: &Query, verb: Verb, tracer: &mut Tracer<'_>) -> Ended {
    // A SELECT whose WITH changes rows is a change for those who write rules.
    let verb = match lowered.ctes.iter().find_map(|cte| changes(&cte.query)) {
        Some(change) if verb == Verb::Select => change,
        _ => verb,
    };
    let rows = tracer.query(lowered, &Env::EMPTY);
    Ended { verb, outputs: Tracer::outputs(&rows), filtered: true, limited: rows.limited }
}

fn changes(query: &Query) -> Option<Verb> {
    use crate::ir::Write;
    let own = match &query.body {
        Body::Write(write) => Some(match **write {
            Write::Insert { .. } => Verb::Insert,
            Write::Update { .. } | Write::UpdateJoined { .. } => Verb::Update,
            Write::Delete { .. } => Verb::Delete,
            Write::Merge { .. } => Verb::Merge,
        }),
        _ => None,
    };
    own.or_else(|| query.ctes.iter().find_map(|cte| changes(&cte.query)))
}

/// A table that a statement names without reading its rows.
pub(super) fn touch(table: &RangeVar, access: Access, tracer: &mut Tracer<'_>) {
    let name = range(table);
    tracer.touch(&name, access);
}

fn copy(copy: &CopyStmt, tracer: &mut Tracer<'_>) -> Ended {
    let verb = if copy.is_from { Verb::CopyIn } else { Verb::CopyOut };
    if copy.is_program {
        tracer.draft.opaque("COPY with a program of the server", true);
    } else if !copy.filename.is_empty() {
        tracer.draft.opaque("COPY with a file of the server", true);
    }
    let mut lower = Lower::default();
    let columns = strings(&copy.attlist);
    if let Some(node) = copy.query.as_deref() {
        return query(node, verb, tracer);
    }
    let Some(table) = &copy.relation else { return Ended::quiet(verb) };
    if copy.is_from {
        tracer.fill(&range(table), &columns);
        if let Some(filter) = lower.optional(&copy.where_clause) {
            let select = crate::ir::Select { filter: Some(filter), ..select_of(table, Vec::new()) };
            tracer.query(&Query::of(Body::Select(Box::new(select))), &Env::EMPTY);
        }
        return Ended::quiet(verb);
    }
    let targets = columns
        .iter()
        .map(|name| crate::ir::Target { name: Some(name.clone()), expr: Expr::Column(vec![name.clone()]) })
        .collect();
    let select = select_of(table, targets);
    lowered_query(&Query::of(Body::Select(Box::new(select))), verb, tracer)
}

/// `SELECT targets FROM ONLY table`; no targets stand for all.
fn select_of(table: &RangeVar, mut targets: Vec<crate::ir::Target>) -> crate::ir::Select {
    if targets.is_empty() {
        targets.push(crate::ir::Target { name: None, expr: Expr::Star(Vec::new()) });
    }
    let from = crate::ir::From::Table { name: range(table), alias: None, only: true, arguments: Vec::new() };
    crate::ir::Select { targets, from: vec![from], ..crate::ir::Select::default() }
}

/// A plan shows texts of the statement and estimates out of statistics: it depends on every column that the statement
/// looks at.
fn explain(explain: &ExplainStmt, tracer: &mut Tracer<'_>) -> Ended {
    let Some(node) = explain.query.as_deref() else { return Ended::quiet(Verb::Explain) };
    let inner = statement(node, tracer);
    let analyses = explain.options.iter().any(|option| match &option.node {
        Some(NodeEnum::DefElem(option)) => option.defname == "analyze",
        _ => false,
    });
    if analyses {
        tracer.draft.does(inner.verb);
    } else {
        tracer.draft.only_described();
    }
    let mut taint = Taint::default();
    let mut why = None;
    match inner.outputs {
        Outputs::None => {}
        Outputs::Unknown(reason) => why = Some(reason),
        Outputs::Known(columns) => {
            for column in columns {
                match column.lineage {
                    Lineage::Bare(column) => taint.absorb(&Taint::bare(column)),
                    Lineage::Derived(columns) => columns.into_iter().for_each(|c| taint.absorb(&Taint::bare(c))),
                    Lineage::Unknown(reason) => why = Some(reason),
                }
            }
        }
    }
    let mentioned: Vec<ColumnRef> = tracer.draft.columns_mentioned();
    mentioned.into_iter().for_each(|column| taint.absorb(&Taint::bare(column)));
    let lineage = match why {
        Some(why) => Lineage::Unknown(why),
        None => taint.lineage(),
    };
    let outputs = Outputs::Known(vec![OutputColumn { name: Some("QUERY PLAN".to_owned()), lineage }]);
    Ended { outputs, ..Ended { verb: Verb::Explain, ..inner_ended(inner.filtered, inner.limited) } }
}

fn inner_ended(filtered: bool, limited: bool) -> Ended {
    Ended { filtered, limited, ..Ended::quiet(Verb::Explain) }
}

pub(super) fn setting(set: &VariableSetStmt, tracer: &mut Tracer<'_>) {
    let kind = VariableSetKind::try_from(set.kind).unwrap_or(VariableSetKind::Undefined);
    let values: Option<Vec<String>> = set.args.iter().map(setting_value).collect();
    match kind {
        VariableSetKind::VarResetAll => tracer.draft.setting("all", None),
        VariableSetKind::VarSetMulti => {
            for node in &set.args {
                if let Some(NodeEnum::DefElem(option)) = &node.node {
                    tracer.draft.setting(&option.defname, option.arg.as_deref().and_then(constant));
                }
            }
        }
        VariableSetKind::VarSetValue => {
            let value = values.filter(|values| !values.is_empty()).map(|values| values.join(", "));
            tracer.draft.setting(&set.name, value);
        }
        _ => tracer.draft.setting(&set.name, None),
    }
}

fn setting_value(node: &Node) -> Option<String> {
    constant(node).or_else(|| string(node))
}

/// What SHOW returns.
fn shown(name: &str, tracer: &Tracer<'_>) -> Outputs {
    let column = |name: &str, lineage: Lineage| OutputColumn { name: Some(name.to_owned()), lineage };
    let constant = || Lineage::Derived(Vec::new());
    if name.eq_ignore_ascii_case("all") {
        return Outputs::Known(["name", "setting", "description"].map(|name| column(name, constant())).to_vec());
    }
    if name.contains('.') && !tracer.plain_settings {
        let why = "a custom setting, which may hold any value".to_owned();
        return Outputs::Known(vec![column(name, Lineage::Unknown(why))]);
    }
    // The server spells some names with capitals (TimeZone).
    Outputs::Known(vec![OutputColumn { name: None, lineage: constant() }])
}
