//! Domains and range types: definitions that run code only as far as they name some.

use super::definitions::own_columns;
use super::names::qualified;
use super::queries::Lower;
use crate::lineage::Tracer;
use pg_query::NodeEnum;
use pg_query::protobuf::{CreateDomainStmt, CreateRangeStmt};

/// Parameters of a range type that name a routine, which runs whenever a range is made or indexed.
const ROUTINES: [&str; 2] = ["canonical", "subtype_diff"];

/// Works a definition of a type out; false where it is something else.
pub(super) fn define(node: &NodeEnum, tracer: &mut Tracer<'_>) -> bool {
    match node {
        NodeEnum::CreateDomainStmt(create) => domain(create, tracer),
        NodeEnum::CreateRangeStmt(create) => range(create, tracer),
        _ => return false,
    }
    true
}

/// Its CHECK and DEFAULT compute from the one value that is there.
fn domain(create: &CreateDomainStmt, tracer: &mut Tracer<'_>) {
    let mut lower = Lower::default();
    let mut exprs = Vec::new();
    for constraint in &create.constraints {
        if let Some(NodeEnum::Constraint(constraint)) = &constraint.node {
            exprs.extend(lower.optional(&constraint.raw_expr));
        }
    }
    own_columns(&["value".to_owned()], exprs, tracer);
}

fn range(create: &CreateRangeStmt, tracer: &mut Tracer<'_>) {
    for parameter in &create.params {
        let Some(NodeEnum::DefElem(parameter)) = &parameter.node else { continue };
        if !ROUTINES.contains(&parameter.defname.as_str()) {
            continue;
        }
        let named = match parameter.arg.as_deref().and_then(|argument| argument.node.as_ref()) {
            Some(NodeEnum::TypeName(name)) => Some(qualified(&name.names)),
            Some(NodeEnum::List(list)) => Some(qualified(&list.items)),
            _ => None,
        };
        if named.as_ref().and_then(|name| tracer.nature(name)).is_none() {
            tracer.draft.opaque("a routine that runs whenever a range is made", true);
        }
    }
}
