//! Names out of PostgreSQL's syntax tree, and the names that it gives to result columns.

use crate::ir::Name;
use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RangeVar, SubLinkType, a_const, node};

/// The strings of a list of names; other nodes are left out.
pub(super) fn strings(nodes: &[Node]) -> Vec<String> {
    nodes.iter().filter_map(string).collect()
}

pub(super) fn string(node: &Node) -> Option<String> {
    match &node.node {
        Some(node::Node::String(string)) => Some(string.sval.clone()),
        _ => None,
    }
}

/// A possibly qualified name: the last string and the one before it.
pub(super) fn qualified(nodes: &[Node]) -> Name {
    let mut names = strings(nodes);
    let name = names.pop().unwrap_or_default();
    Name { schema: names.pop(), name }
}

pub(super) fn range(range: &RangeVar) -> Name {
    let schema = (!range.schemaname.is_empty()).then(|| range.schemaname.clone());
    Name { schema, name: range.relname.clone() }
}

/// The text of a constant, where it is one.
pub(super) fn constant(node: &Node) -> Option<String> {
    match &node.node {
        Some(NodeEnum::AConst(constant)) => match constant.val.as_ref()? {
            a_const::Val::Ival(value) => Some(value.ival.to_string()),
            a_const::Val::Fval(value) => Some(value.fval.clone()),
            a_const::Val::Boolval(value) => Some(value.boolval.to_string()),
            a_const::Val::Sval(value) => Some(value.sval.clone()),
            a_const::Val::Bsval(value) => Some(value.bsval.clone()),
        },
        Some(NodeEnum::TypeCast(cast)) => constant(cast.arg.as_deref()?),
        Some(NodeEnum::String(string)) => Some(string.sval.clone()),
        Some(NodeEnum::Integer(integer)) => Some(integer.ival.to_string()),
        Some(NodeEnum::Float(float)) => Some(float.fval.clone()),
        Some(NodeEnum::Boolean(boolean)) => Some(boolean.boolval.to_string()),
        Some(NodeEnum::TypeName(name)) => strings(&name.names).pop(),
        _ => None,
    }
}

/// The name that the server gives a result column without an alias (its `FigureColname`), where it can be told.
pub(super) fn figured(node: &Node) -> Option<String> {
    Some(figure(node)?.0.unwrap_or_else(|| "?column?".to_owned()))
}

/// A name and whether it is a strong one; `None` where it depends on what is not in the text.
fn figure(node: &Node) -> Option<(Option<String>, bool)> {
    let strong = |name: &str| Some((Some(name.to_owned()), true));
    let weak = |name: &str| Some((Some(name.to_owned()), false));
    let inner = |node: &Option<Box<Node>>| node.as_deref().map_or(Some((None, false)), figure);
    match node.node.as_ref() {
        Some(NodeEnum::ColumnRef(column)) => Some((strings(&column.fields).pop(), true)),
        Some(NodeEnum::AIndirection(indirection)) => match strings(&indirection.indirection).pop() {
            Some(name) => strong(&name),
            None => inner(&indirection.arg),
        },
        Some(NodeEnum::FuncCall(call)) => Some((strings(&call.funcname).pop(), true)),
        Some(NodeEnum::AExpr(expr)) if expr.kind == pg_query::protobuf::AExprKind::AexprNullif as i32 => {
            strong("nullif")
        }
        Some(NodeEnum::TypeCast(cast)) => {
            let (name, is_strong) = inner(&cast.arg)?;
            if is_strong {
                return Some((name, true));
            }
            match cast.type_name.as_ref().and_then(|name| strings(&name.names).pop()) {
                Some(name) => weak(&name),
                None => Some((name, false)),
            }
        }
        Some(NodeEnum::CollateClause(clause)) => inner(&clause.arg),
        Some(NodeEnum::GroupingFunc(_)) => strong("grouping"),
        Some(NodeEnum::MergeSupportFunc(_)) => strong("merge_action"),
        Some(NodeEnum::SubLink(link)) => match SubLinkType::try_from(link.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => strong("exists"),
            Ok(SubLinkType::ArraySublink) => strong("array"),
            Ok(SubLinkType::ExprSublink) => first_target(link.subselect.as_deref()?),
            _ => Some((None, false)),
        },
        Some(NodeEnum::CaseExpr(case)) => {
            let (name, is_strong) = inner(&case.defresult)?;
            if is_strong { Some((name, true)) } else { weak("case") }
        }
        Some(NodeEnum::AArrayExpr(_)) => strong("array"),
        Some(NodeEnum::RowExpr(_)) => strong("row"),
        Some(NodeEnum::CoalesceExpr(_)) => strong("coalesce"),
        Some(NodeEnum::MinMaxExpr(expr)) => {
            strong(if expr.op == pg_query::protobuf::MinMaxOp::IsLeast as i32 { "least" } else { "greatest" })
        }
        Some(NodeEnum::SqlvalueFunction(function)) => {
            value_function(function.op).map(|name| (Some(name.to_owned()), true))
        }
        Some(NodeEnum::XmlExpr(_) | NodeEnum::XmlSerialize(_)) => None,
        Some(
            NodeEnum::JsonFuncExpr(_)
            | NodeEnum::JsonParseExpr(_)
            | NodeEnum::JsonScalarExpr(_)
            | NodeEnum::JsonSerializeExpr(_)
            | NodeEnum::JsonObjectConstructor(_)
            | NodeEnum::JsonArrayConstructor(_)
            | NodeEnum::JsonArrayQueryConstructor(_)
            | NodeEnum::JsonObjectAgg(_)
            | NodeEnum::JsonArrayAgg(_),
        ) => None,
        _ => Some((None, false)),
    }
}

fn first_target(node: &Node) -> Option<(Option<String>, bool)> {
    let Some(NodeEnum::SelectStmt(select)) = &node.node else { return None };
    // Every level of subqueries asks all those below it.
    let mut select = &**select;
    while let Some(left) = &select.larg {
        select = left;
        crate::bounds::step(1);
    }
    let Some(NodeEnum::ResTarget(target)) = select.target_list.first().and_then(|node| node.node.as_ref()) else {
        return select.values_lists.first().map(|_| (Some("column1".to_owned()), true));
    };
    if !target.name.is_empty() {
        return Some((Some(target.name.clone()), true));
    }
    let value = target.val.as_deref()?;
    match &value.node {
        Some(NodeEnum::ColumnRef(column)) if strings(&column.fields).len() != column.fields.len() => None,
        _ => figured(value).map(|name| (Some(name), true)),
    }
}

fn value_function(op: i32) -> Option<&'static str> {
    use pg_query::protobuf::SqlValueFunctionOp as Op;
    Some(match Op::try_from(op).ok()? {
        Op::SvfopCurrentDate => "current_date",
        Op::SvfopCurrentTime | Op::SvfopCurrentTimeN => "current_time",
        Op::SvfopCurrentTimestamp | Op::SvfopCurrentTimestampN => "current_timestamp",
        Op::SvfopLocaltime | Op::SvfopLocaltimeN => "localtime",
        Op::SvfopLocaltimestamp | Op::SvfopLocaltimestampN => "localtimestamp",
        Op::SvfopCurrentRole => "current_role",
        Op::SvfopCurrentUser => "current_user",
        Op::SvfopUser => "user",
        Op::SvfopSessionUser => "session_user",
        Op::SvfopCurrentCatalog => "current_catalog",
        Op::SvfopCurrentSchema => "current_schema",
        Op::SqlvalueFunctionOpUndefined => return None,
    })
}
