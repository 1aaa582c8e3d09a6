//! What a statement may do to the meaning of names in the statements after it.

use super::names::{qualified, strings};
use crate::sequence::{Moved, defined, runs_unseen};
use model::{Part, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{DropBehavior, Node, ObjectType, TransactionStmtKind as Kind, VariableSetKind};

/// Settings that decide what unqualified names mean, beside `search_path` itself.
const WHO: [&str; 4] = ["role", "session_authorization", "authorization", "all"];

/// What `node` may move, `part` being what it does.
pub(super) fn moved(node: &Node, part: &Part) -> Moved {
    if runs_unseen(part) {
        return Moved::All;
    }
    match &node.node {
        Some(NodeEnum::TransactionStmt(transaction)) => match Kind::try_from(transaction.kind) {
            Ok(Kind::TransStmtBegin | Kind::TransStmtStart | Kind::TransStmtSavepoint | Kind::TransStmtRelease) => {
                Moved::Nothing
            }
            _ => Moved::All,
        },
        Some(NodeEnum::DiscardStmt(_)) => Moved::All,
        Some(NodeEnum::VariableSetStmt(set)) if set.name == "search_path" => {
            let is_value = set.kind == VariableSetKind::VarSetValue as i32;
            let names: Option<Vec<String>> = set.args.iter().map(super::names::constant).collect();
            match names.filter(|names| is_value && names.iter().all(|name| is_plain(name))) {
                Some(names) => Moved::Path(with_implicit(names)),
                None => Moved::All,
            }
        }
        _ if part.settings.iter().any(|set| set.name == "search_path" || WHO.contains(&set.name.as_str())) => {
            Moved::All
        }
        Some(NodeEnum::DropStmt(drop)) => {
            let relations = [
                ObjectType::ObjectTable,
                ObjectType::ObjectView,
                ObjectType::ObjectMatview,
                ObjectType::ObjectForeignTable,
                ObjectType::ObjectSequence,
            ];
            if drop.behavior == DropBehavior::DropCascade as i32 || drop.remove_type == ObjectType::ObjectSchema as i32
            {
                return Moved::All;
            }
            if !relations.iter().any(|kind| *kind as i32 == drop.remove_type) {
                return Moved::Nothing;
            }
            let name = |object: &Node| match &object.node {
                Some(NodeEnum::List(list)) => Some(qualified(&list.items).name),
                _ => strings(std::slice::from_ref(object)).pop(),
            };
            Moved::Names(drop.objects.iter().filter_map(name).collect())
        }
        Some(
            NodeEnum::CreateStmt(_)
            | NodeEnum::CreateTableAsStmt(_)
            | NodeEnum::CreateForeignTableStmt(_)
            | NodeEnum::ViewStmt(_)
            | NodeEnum::AlterTableStmt(_)
            | NodeEnum::SelectStmt(_),
        ) => defined(part),
        Some(
            NodeEnum::CommentStmt(_)
            | NodeEnum::IndexStmt(_)
            | NodeEnum::GrantStmt(_)
            | NodeEnum::GrantRoleStmt(_)
            | NodeEnum::VacuumStmt(_)
            | NodeEnum::ReindexStmt(_)
            | NodeEnum::ClusterStmt(_)
            | NodeEnum::CreateSeqStmt(_)
            | NodeEnum::AlterSeqStmt(_)
            | NodeEnum::CreateEnumStmt(_)
            | NodeEnum::AlterEnumStmt(_)
            | NodeEnum::CreateRangeStmt(_)
            | NodeEnum::CreateRoleStmt(_)
            | NodeEnum::AlterRoleStmt(_)
            | NodeEnum::DropRoleStmt(_)
            | NodeEnum::AlterDefaultPrivilegesStmt(_)
            | NodeEnum::CreateDomainStmt(_)
            | NodeEnum::RefreshMatViewStmt(_)
            | NodeEnum::CreateStatsStmt(_),
        ) => Moved::Nothing,
        Some(NodeEnum::CreateSchemaStmt(create)) if create.schema_elts.is_empty() => Moved::Nothing,
        _ if matches!(part.verb, Verb::Ddl | Verb::Other) => Moved::All,
        _ => Moved::Nothing,
    }
}

/// A name that is written as it is and stands for itself.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The path with the schemas that are searched without being named.
fn with_implicit(names: Vec<String>) -> Vec<String> {
    let implicit = ["pg_temp", "pg_catalog"].into_iter().filter(|schema| !names.iter().any(|name| name == schema));
    let mut path: Vec<String> = implicit.map(str::to_owned).collect();
    path.extend(names);
    path
}
