//! Lowers PostgreSQL's INSERT, UPDATE, DELETE and MERGE.

use super::names::{range, strings};
use super::queries::Lower;
use crate::ir::{Assignment, Body, Expr, From, MergeAction, Name, Query, Returning, Write};
use model::Verb;
use pg_query::NodeEnum;
use pg_query::protobuf::{
    CmdType, DeleteStmt, InsertStmt, MergeStmt, Node, RangeVar, ReturningClause, ReturningOptionKind, UpdateStmt,
};

impl Lower {
    pub(super) fn insert(&mut self, insert: &InsertStmt) -> Query {
        let (table, alias) = target(insert.relation.as_ref());
        let ctes = self.with(insert.with_clause.as_ref());
        let source = insert.select_stmt.as_deref().map(|node| self.query_node(node));
        let mut conflict = Vec::new();
        let mut conflict_filter = Vec::new();
        if let Some(clause) = insert.on_conflict_clause.as_deref() {
            conflict = self.assignments(&clause.target_list);
            conflict_filter.extend(self.optional(&clause.where_clause));
            if let Some(infer) = clause.infer.as_deref() {
                conflict_filter.extend(self.optional(&infer.where_clause));
                for node in &infer.index_elems {
                    if let Some(NodeEnum::IndexElem(element)) = &node.node {
                        conflict_filter.extend(self.optional(&element.expr));
                    }
                }
            }
        }
        let columns = column_names(&insert.cols);
        let returning = self.returning(insert.returning_clause.as_ref());
        let write = Write::Insert { table, alias, columns, source, conflict, conflict_filter, returning };
        Query { ctes, ..Query::of(Body::Write(Box::new(write))) }
    }

    pub(super) fn update(&mut self, update: &UpdateStmt) -> Query {
        let (table, alias) = target(update.relation.as_ref());
        let ctes = self.with(update.with_clause.as_ref());
        let write = Write::Update {
            table,
            alias,
            only: update.relation.as_ref().is_some_and(|range| !range.inh),
            assignments: self.assignments(&update.target_list),
            from: update.from_clause.iter().map(|node| self.from(node)).collect(),
            filter: self.optional(&update.where_clause),
            order: Vec::new(),
            returning: self.returning(update.returning_clause.as_ref()),
        };
        Query { ctes, ..Query::of(Body::Write(Box::new(write))) }
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt) -> Query {
        let ctes = self.with(delete.with_clause.as_ref());
        let mut from = Vec::new();
        let mut targets = Vec::new();
        if let Some(relation) = &delete.relation {
            targets.push(range(relation));
            from.push(From::Table {
                name: range(relation),
                alias: super::queries::alias(relation.alias.as_ref()),
                only: !relation.inh,
                arguments: Vec::new(),
            });
        }
        from.extend(delete.using_clause.iter().map(|node| self.from(node)));
        let write = Write::Delete {
            targets,
            from,
            filter: self.optional(&delete.where_clause),
            order: Vec::new(),
            returning: self.returning(delete.returning_clause.as_ref()),
        };
        Query { ctes, ..Query::of(Body::Write(Box::new(write))) }
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt) -> Query {
        let (table, alias) = target(merge.relation.as_ref());
        let ctes = self.with(merge.with_clause.as_ref());
        let source = match merge.source_relation.as_deref() {
            Some(node) => self.from(node),
            None => From::Unknown("a MERGE without a source".to_owned()),
        };
        let on = self.boxed(&merge.join_condition);
        let mut actions = Vec::new();
        for node in &merge.merge_when_clauses {
            let Some(NodeEnum::MergeWhenClause(clause)) = &node.node else { continue };
            let condition = self.optional(&clause.condition);
            let assignments = if clause.values.is_empty() {
                self.assignments(&clause.target_list)
            } else {
                let names = column_names(&clause.target_list);
                let values = clause.values.iter().enumerate();
                values
                    .map(|(index, node)| Assignment {
                        column: names.get(index).cloned().unwrap_or_default(),
                        value: self.expr(node),
                    })
                    .collect()
            };
            let verb = match CmdType::try_from(clause.command_type) {
                Ok(CmdType::CmdInsert) => Some(Verb::Insert),
                Ok(CmdType::CmdUpdate) => Some(Verb::Update),
                Ok(CmdType::CmdDelete) => Some(Verb::Delete),
                _ => None,
            };
            actions.push(MergeAction { verb, condition, assignments });
        }
        let returning = self.returning(merge.returning_clause.as_ref());
        let write = Write::Merge { table, alias, source, on, actions, returning };
        Query { ctes, ..Query::of(Body::Write(Box::new(write))) }
    }

    /// `SET a = x, (b, c) = (SELECT …)`: every column of a multiple assignment depends on all of its source.
    fn assignments(&mut self, nodes: &[Node]) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        for node in nodes {
            let Some(NodeEnum::ResTarget(target)) = &node.node else { continue };
            let value = match target.val.as_deref().and_then(|node| node.node.as_ref()) {
                Some(NodeEnum::MultiAssignRef(reference)) => self.multiple(reference.source.as_deref()),
                _ => self.boxed(&target.val),
            };
            // Assigning to a field or an element keeps the rest of the column.
            let value = if target.indirection.is_empty() {
                value
            } else {
                Expr::Derive(vec![value, Expr::Column(vec![target.name.clone()])])
            };
            assignments.push(Assignment { column: target.name.clone(), value });
        }
        assignments
    }

    fn multiple(&mut self, source: Option<&Node>) -> Expr {
        let Some(source) = source else { return Expr::Literal(None) };
        match self.expr(source) {
            Expr::Subquery { kind: crate::ir::Sub::Scalar, query, test } => {
                Expr::Subquery { kind: crate::ir::Sub::Array, query, test }
            }
            other => Expr::Derive(vec![other]),
        }
    }

    fn returning(&mut self, clause: Option<&ReturningClause>) -> Option<Returning> {
        let clause = clause?;
        if clause.exprs.is_empty() {
            return None;
        }
        let mut returning = Returning {
            targets: self.targets(&clause.exprs),
            old: Some("old".to_owned()),
            new: Some("new".to_owned()),
        };
        for node in &clause.options {
            if let Some(NodeEnum::ReturningOption(option)) = &node.node {
                match ReturningOptionKind::try_from(option.option) {
                    Ok(ReturningOptionKind::ReturningOptionOld) => returning.old = Some(option.value.clone()),
                    Ok(ReturningOptionKind::ReturningOptionNew) => returning.new = Some(option.value.clone()),
                    _ => {}
                }
            }
        }
        Some(returning)
    }
}

fn target(relation: Option<&RangeVar>) -> (Name, Option<String>) {
    match relation {
        Some(relation) => (range(relation), relation.alias.as_ref().map(|alias| alias.aliasname.clone())),
        None => (Name { schema: None, name: String::new() }, None),
    }
}

/// The names of a column list.
pub(super) fn column_names(nodes: &[Node]) -> Vec<String> {
    let name = |node: &Node| match &node.node {
        Some(NodeEnum::ResTarget(target)) => Some(target.name.clone()),
        _ => None,
    };
    let names: Vec<String> = nodes.iter().filter_map(name).collect();
    if names.is_empty() { strings(nodes) } else { names }
}
