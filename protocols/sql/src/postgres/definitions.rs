//! Statements that define or change objects. Those that can move data or run code later say so.

use super::expressions::kind;
use super::names::{qualified, range, strings};
use super::queries::Lower;
use super::statements::{Ended, query, touch};
use crate::ir::{Body, Expr, From, Query, Select, Target};
use crate::lineage::{Env, Taint, Tracer};
use model::{Access, ColumnRef, Lineage, Outputs, TableRef, Verb};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableStmt, ColumnDef, Constraint, CreateStmt, Node, ObjectType, OnCommitAction, RangeVar,
};

pub(super) fn statement(node: &NodeEnum, tracer: &mut Tracer<'_>) -> Ended {
    let ended = Ended::quiet(Verb::Ddl);
    match node {
        NodeEnum::CreateStmt(create) => create_table(create, tracer),
        NodeEnum::CreateForeignTableStmt(create) => {
            if let Some(base) = &create.base_stmt {
                create_table(base, tracer);
            }
            tracer.draft.opaque("a foreign table, whose rows live elsewhere", true);
        }
        NodeEnum::CreateTableAsStmt(create) => {
            let Some(node) = create.query.as_deref() else { return ended };
            let inner = match &node.node {
                Some(NodeEnum::ExecuteStmt(execute)) => {
                    let what = format!("prepared statement {}", execute.name);
                    tracer.draft.runs_unseen();
                    tracer.draft.opaque(&what, true);
                    Ended { outputs: Outputs::Unknown(what), ..Ended::quiet(Verb::Ddl) }
                }
                _ => query(node, Verb::Ddl, tracer),
            };
            let into = create.into.as_deref();
            let names = into.map(|into| strings(&into.col_names)).unwrap_or_default();
            tracer.draft.does(Verb::Insert);
            return stored_as(into.and_then(|into| into.rel.as_ref()), &names, inner, tracer);
        }
        NodeEnum::ViewStmt(view) => {
            let Some(node) = view.query.as_deref() else { return ended };
            let inner = query(node, Verb::Ddl, tracer);
            return stored_as(view.view.as_ref(), &strings(&view.aliases), inner, tracer);
        }
        NodeEnum::RefreshMatViewStmt(refresh) => define(refresh.relation.as_ref(), tracer),
        NodeEnum::AlterTableStmt(alter) => alter_table(alter, tracer),
        NodeEnum::IndexStmt(index) => {
            define(index.relation.as_ref(), tracer);
            let mut lower = Lower::default();
            let mut exprs: Vec<Expr> = Vec::new();
            for param in index.index_params.iter().chain(&index.index_including_params) {
                if let Some(NodeEnum::IndexElem(element)) = &param.node {
                    exprs.extend(lower.optional(&element.expr));
                }
            }
            exprs.extend(lower.optional(&index.where_clause));
            over(index.relation.as_ref(), exprs, tracer);
        }
        NodeEnum::RenameStmt(rename) => {
            define(rename.relation.as_ref(), tracer);
            super::renames::rename(rename, tracer);
        }
        NodeEnum::AlterObjectSchemaStmt(alter) => {
            define(alter.relation.as_ref(), tracer);
            super::renames::to_schema(alter, tracer);
        }
        NodeEnum::AlterOwnerStmt(alter) => define(alter.relation.as_ref(), tracer),
        NodeEnum::DropStmt(drop) => {
            if drop.remove_type == ObjectType::ObjectSchema as i32
                && strings(&drop.objects).iter().any(|name| name.starts_with("pg_"))
            {
                tracer.draft.opaque("a schema of the engine", true);
            }
            let relations = [
                ObjectType::ObjectTable,
                ObjectType::ObjectView,
                ObjectType::ObjectMatview,
                ObjectType::ObjectForeignTable,
                ObjectType::ObjectSequence,
            ];
            for object in &drop.objects {
                if let Some(NodeEnum::List(list)) = &object.node
                    && relations.iter().any(|kind| *kind as i32 == drop.remove_type)
                {
                    let name = qualified(&list.items);
                    if name.schema.as_deref().is_some_and(|schema| schema.starts_with("pg_temp_")) {
                        tracer.draft.opaque("a temporary relation that may be of another session", true);
                    }
                    // IF EXISTS of a table that is not there does nothing.
                    if !matches!(tracer.find(&name), crate::lineage::Found::Missing) {
                        tracer.touch(&name, Access::Define);
                    }
                }
            }
        }
        NodeEnum::CommentStmt(_)
        | NodeEnum::CreateSchemaStmt(_)
        | NodeEnum::CreateSeqStmt(_)
        | NodeEnum::AlterSeqStmt(_)
        | NodeEnum::CompositeTypeStmt(_)
        | NodeEnum::CreateEnumStmt(_)
        | NodeEnum::AlterEnumStmt(_)
        | NodeEnum::AlterDefaultPrivilegesStmt(_)
        | NodeEnum::CreatedbStmt(_)
        | NodeEnum::DropdbStmt(_) => {
            let accounts = matches!(
                node,
                NodeEnum::CreateRoleStmt(_)
                    | NodeEnum::AlterRoleStmt(_)
                    | NodeEnum::DropRoleStmt(_)
                    | NodeEnum::GrantRoleStmt(_)
            );
            if accounts {
                tracer.draft.setting(crate::ACCOUNTS, None);
            }
            if let NodeEnum::CreateSchemaStmt(create) = node {
                for element in &create.schema_elts {
                    super::statements::statement(element, tracer);
                }
            }
        }
        // Accounts, their passwords, settings, memberships and belongings: the proxy's own account is among them.
        NodeEnum::CreateRoleStmt(_)
        | NodeEnum::AlterRoleStmt(_)
        | NodeEnum::AlterRoleSetStmt(_)
        | NodeEnum::DropRoleStmt(_)
        | NodeEnum::GrantRoleStmt(_)
        | NodeEnum::DropOwnedStmt(_)
        | NodeEnum::ReassignOwnedStmt(_) => tracer.draft.setting(crate::ACCOUNTS, None),
        NodeEnum::GrantStmt(grant) => {
            for object in &grant.objects {
                if let Some(NodeEnum::RangeVar(table)) = &object.node {
                    touch(table, Access::Define, tracer);
                }
            }
        }
        NodeEnum::VacuumStmt(vacuum) => {
            for table in &vacuum.rels {
                if let Some(NodeEnum::VacuumRelation(table)) = &table.node {
                    define(table.relation.as_ref(), tracer);
                }
            }
        }
        NodeEnum::ClusterStmt(cluster) => define(cluster.relation.as_ref(), tracer),
        NodeEnum::ReindexStmt(reindex) => {
            if let Some(relation) = &reindex.relation
                && !matches!(tracer.find(&range(relation)), crate::lineage::Found::Missing)
            {
                touch(relation, Access::Define, tracer);
            }
        }
        NodeEnum::CreateStatsStmt(stats) => {
            for table in &stats.relations {
                if let Some(NodeEnum::RangeVar(table)) = &table.node {
                    touch(table, Access::Define, tracer);
                }
            }
        }
        other if super::types::define(other, tracer) => {}
        other => opaque(other, tracer),
    }
    ended
}

/// Code that runs later, other servers, and everything else whose effect is not bounded here.
fn opaque(node: &NodeEnum, tracer: &mut Tracer<'_>) {
    match node {
        NodeEnum::CreateTrigStmt(trigger) => define(trigger.relation.as_ref(), tracer),
        NodeEnum::RuleStmt(rule) => define(rule.relation.as_ref(), tracer),
        NodeEnum::CreatePolicyStmt(policy) => define(policy.table.as_ref(), tracer),
        NodeEnum::AlterPolicyStmt(policy) => define(policy.table.as_ref(), tracer),
        _ => {}
    }
    let name = kind(node);
    let what = match node {
        NodeEnum::CreateFunctionStmt(_) => "a routine that is defined",
        NodeEnum::CreateTrigStmt(_) => "a trigger that is defined",
        NodeEnum::RuleStmt(_) => "a rule that is defined",
        NodeEnum::CreateExtensionStmt(_) => "an extension that is installed",
        _ => "",
    };
    if what.is_empty() {
        tracer.draft.opaque(&format!("a statement that is not analysed ({name})"), true);
    } else {
        tracer.draft.opaque(what, true);
    }
}

fn define(table: Option<&RangeVar>, tracer: &mut Tracer<'_>) {
    if let Some(table) = table.filter(|table| !table.relname.is_empty()) {
        touch(table, Access::Define, tracer);
    }
}

/// The result of a query that is stored instead of returned.
pub(super) fn stored_as(target: Option<&RangeVar>, names: &[String], inner: Ended, tracer: &mut Tracer<'_>) -> Ended {
    let Some(target) = target else { return inner };
    let table = tracer.make(&range(target), target.relpersistence == "t");
    let reference = |column: &str| ColumnRef {
        schema: table.schema.clone(),
        table: table.table.clone(),
        column: column.to_owned(),
    };
    match &inner.outputs {
        Outputs::Known(columns) => {
            for (index, column) in columns.iter().enumerate() {
                let name = names.get(index).cloned().or_else(|| column.name.clone()).unwrap_or_else(|| "?".to_owned());
                tracer.draft.write(Some(reference(&name)), &taint_of(&column.lineage));
            }
        }
        Outputs::Unknown(why) => tracer.draft.write(Some(reference("*")), &Taint::unknown(why.as_str())),
        Outputs::None => {}
    }
    Ended { verb: Verb::Ddl, outputs: Outputs::None, ..inner }
}

fn taint_of(lineage: &Lineage) -> Taint {
    match lineage {
        Lineage::Bare(column) => Taint::bare(column.clone()),
        Lineage::Derived(columns) => {
            let mut taint = Taint::default();
            columns.iter().for_each(|column| taint.absorb(&Taint::bare(column.clone())));
            taint
        }
        Lineage::Unknown(why) => Taint::unknown(why.as_str()),
    }
}

fn create_table(create: &CreateStmt, tracer: &mut Tracer<'_>) {
    let Some(relation) = &create.relation else { return };
    let table = tracer.make(&range(relation), relation.relpersistence == "t");
    for parent in &create.inh_relations {
        if let Some(NodeEnum::RangeVar(parent)) = &parent.node {
            touch(parent, Access::Define, tracer);
        }
    }
    let columns: Vec<String> =
        create.table_elts.iter().filter_map(column_definition).map(|c| c.colname.clone()).collect();
    let copies = |element: &Node| matches!(element.node, Some(NodeEnum::TableLikeClause(_)));
    let alone = create.inh_relations.is_empty() && create.partbound.is_none() && create.of_typename.is_none();
    // One that may be there already, or goes with its transaction, is not what the text says.
    let stays = !create.if_not_exists && create.oncommit <= OnCommitAction::OncommitPreserveRows as i32;
    if alone && stays && !create.table_elts.iter().any(copies) {
        tracer.draft.fresh = Some(crate::sequence::fresh(table.clone(), columns.iter().cloned()));
    }
    for element in &create.table_elts {
        match &element.node {
            Some(NodeEnum::ColumnDef(column)) => {
                for constraint in column.constraints.iter().filter_map(constraint_of) {
                    refers(constraint, relation, tracer);
                }
                column_exprs(&table, &columns, column, tracer);
            }
            Some(NodeEnum::TableLikeClause(like)) => define(like.relation.as_ref(), tracer),
            Some(NodeEnum::Constraint(constraint)) => {
                refers(constraint, relation, tracer);
                constraint_exprs(&columns, constraint, tracer);
            }
            _ => {}
        }
    }
}

fn column_definition(node: &Node) -> Option<&ColumnDef> {
    match &node.node {
        Some(NodeEnum::ColumnDef(column)) => Some(column),
        _ => None,
    }
}

/// DEFAULT, GENERATED and CHECK of a column.
fn column_exprs(table: &TableRef, columns: &[String], column: &ColumnDef, tracer: &mut Tracer<'_>) {
    let mut lower = Lower::default();
    let mut exprs: Vec<Expr> = lower.optional(&column.raw_default).into_iter().collect();
    for constraint in column.constraints.iter().filter_map(constraint_of) {
        exprs.extend(lower.optional(&constraint.raw_expr));
    }
    let value = own_columns(columns, exprs, tracer);
    if !value.is_constant() {
        let reference =
            ColumnRef { schema: table.schema.clone(), table: table.table.clone(), column: column.colname.clone() };
        tracer.draft.write(Some(reference), &value);
    }
}

fn constraint_of(node: &Node) -> Option<&Constraint> {
    match &node.node {
        Some(NodeEnum::Constraint(constraint)) => Some(constraint),
        _ => None,
    }
}

/// REFERENCES of a table that is being made. One to itself names nothing that exists.
fn refers(constraint: &Constraint, made: &RangeVar, tracer: &mut Tracer<'_>) {
    let own = |table: &&RangeVar| table.relname == made.relname && table.schemaname == made.schemaname;
    define(constraint.pktable.as_ref().filter(|table| !own(table)), tracer);
}

fn constraint_exprs(columns: &[String], constraint: &Constraint, tracer: &mut Tracer<'_>) {
    let mut lower = Lower::default();
    let exprs =
        lower.optional(&constraint.raw_expr).into_iter().chain(lower.optional(&constraint.where_clause)).collect();
    own_columns(columns, exprs, tracer);
}

/// Expressions over the columns of a table that is being made: those hold nothing yet.
pub(super) fn own_columns(columns: &[String], exprs: Vec<Expr>, tracer: &mut Tracer<'_>) -> Taint {
    if exprs.is_empty() {
        return Taint::default();
    }
    let row = columns.iter().map(|_| Expr::Literal(None)).collect::<Vec<Expr>>();
    let query = Query::of(Body::Values(vec![row]));
    let alias = crate::ir::Alias { name: String::new(), columns: columns.to_vec() };
    let from = vec![From::Derived { query: Box::new(query), alias: Some(alias), lateral: false }];
    values_of(from, exprs, tracer)
}

fn values_of(from: Vec<From>, exprs: Vec<Expr>, tracer: &mut Tracer<'_>) -> Taint {
    let targets = exprs.into_iter().map(|expr| Target { name: None, expr }).collect();
    let select = Select { targets, from, ..Select::default() };
    let rows = tracer.query(&Query::of(Body::Select(Box::new(select))), &Env::EMPTY);
    Taint::all(rows.columns.iter().map(|column| &column.taint))
}

/// Expressions over the columns of a table that exists.
fn over(table: Option<&RangeVar>, exprs: Vec<Expr>, tracer: &mut Tracer<'_>) -> Taint {
    let Some(table) = table else { return Taint::default() };
    if exprs.is_empty() {
        return Taint::default();
    }
    let from = From::Table { name: range(table), alias: None, only: false, arguments: Vec::new() };
    values_of(vec![from], exprs, tracer)
}

fn alter_table(alter: &AlterTableStmt, tracer: &mut Tracer<'_>) {
    let Some(relation) = &alter.relation else { return };
    let indexes = [ObjectType::ObjectIndex as i32, ObjectType::ObjectType as i32];
    if indexes.contains(&alter.objtype) {
        return;
    }
    touch(relation, Access::Define, tracer);
    for command in &alter.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = &command.node else { continue };
        let Some(definition) = command.def.as_deref() else { continue };
        let mut lower = Lower::default();
        let mut name = command.name.clone();
        let mut exprs: Vec<Expr> = Vec::new();
        match &definition.node {
            Some(NodeEnum::ColumnDef(column)) => {
                if name.is_empty() {
                    name.clone_from(&column.colname);
                }
                exprs.extend(lower.optional(&column.raw_default));
                for constraint in &column.constraints {
                    if let Some(NodeEnum::Constraint(constraint)) = &constraint.node {
                        exprs.extend(lower.optional(&constraint.raw_expr));
                        define(constraint.pktable.as_ref(), tracer);
                    }
                }
            }
            Some(NodeEnum::Constraint(constraint)) => {
                define(constraint.pktable.as_ref(), tracer);
                let check = lower.optional(&constraint.raw_expr).into_iter().collect();
                over(Some(relation), check, tracer);
            }
            Some(NodeEnum::RangeVar(other)) => define(Some(other), tracer),
            Some(NodeEnum::PartitionCmd(partition)) => define(partition.name.as_ref(), tracer),
            Some(NodeEnum::SelectStmt(_) | NodeEnum::List(_) | NodeEnum::String(_) | NodeEnum::Integer(_)) | None => {}
            Some(NodeEnum::RoleSpec(_) | NodeEnum::DefElem(_) | NodeEnum::ReplicaIdentityStmt(_)) => {}
            Some(_) => exprs.push(lower.expr(definition)),
        }
        if exprs.is_empty() || name.is_empty() {
            continue;
        }
        let value = over(Some(relation), exprs, tracer);
        let table = range(relation);
        let reference = ColumnRef { schema: table.schema.unwrap_or_default(), table: table.name, column: name };
        tracer.draft.write(Some(reference), &value);
    }
}
