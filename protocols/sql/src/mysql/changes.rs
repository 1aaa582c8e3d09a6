//! Lowers MySQL's INSERT, REPLACE, UPDATE and DELETE.

use super::queries::{Lower, Lowered, name_of, relation, unsupported};
use crate::ir::{Assignment, Body, Expr, From, Query, Returning, Write};
use sqlparser::ast::{self, AssignmentTarget, FromTable, Insert, OnInsert, SelectItem, TableObject};

impl Lower {
    fn assignments(&mut self, assignments: &[ast::Assignment]) -> Lowered<Vec<(Vec<String>, Expr)>> {
        let mut lowered = Vec::new();
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => lowered.push((name_of(name)?, self.expr(&assignment.value)?)),
                other => return unsupported("an assignment", other),
            }
        }
        Ok(lowered)
    }

    pub(super) fn insert(&mut self, insert: &Insert) -> Lowered<Query> {
        let plain = insert.or.is_none()
            && !insert.overwrite
            && insert.after_columns.is_empty()
            && insert.output.is_none()
            && insert.settings.is_none()
            && insert.format_clause.is_none()
            && insert.multi_table_insert_type.is_none()
            && insert.table_alias.is_none();
        let (TableObject::TableName(table), true) = (&insert.table, plain) else {
            return unsupported("an INSERT", insert);
        };
        let mut columns = Vec::new();
        for name in &insert.columns {
            columns.extend(name_of(name)?.pop());
        }
        if let Some(aliases) = &insert.insert_alias {
            if aliases.col_aliases.as_ref().is_some_and(|names| !names.is_empty()) {
                return unsupported("an INSERT with aliases for its columns", insert);
            }
            self.inserted = name_of(&aliases.row_alias)?.pop();
        }
        let mut source = insert.source.as_deref().map(|query| self.query(query)).transpose()?;
        if !insert.assignments.is_empty() {
            let (names, values): (Vec<Vec<String>>, Vec<Expr>) =
                self.assignments(&insert.assignments)?.into_iter().unzip();
            columns = names.into_iter().filter_map(|mut path| path.pop()).collect();
            source = Some(Query::of(Body::Values(vec![values])));
        }
        let conflict = match &insert.on {
            None => Vec::new(),
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => {
                let lowered = self.assignments(assignments)?.into_iter();
                lowered.map(|(mut path, value)| Assignment { column: path.pop().unwrap_or_default(), value }).collect()
            }
            Some(other) => return unsupported("an INSERT", other),
        };
        let write = Write::Insert {
            table: relation(table)?,
            alias: None,
            columns,
            source,
            conflict,
            conflict_filter: Vec::new(),
            returning: self.returning(insert.returning.as_deref())?,
        };
        Ok(Query::of(Body::Write(Box::new(write))))
    }

    fn returning(&mut self, items: Option<&[SelectItem]>) -> Lowered<Option<Returning>> {
        let Some(items) = items else { return Ok(None) };
        Ok(Some(Returning { targets: self.targets(items)?, old: None, new: None }))
    }

    pub(super) fn update(&mut self, update: &ast::Update) -> Lowered<Query> {
        if update.from.is_some() || update.returning.is_some() || update.output.is_some() || update.or.is_some() {
            return unsupported("an UPDATE", update);
        }
        let mut order = self.orders(&update.order_by)?;
        order.extend(update.limit.as_ref().map(|expr| self.expr(expr)).transpose()?);
        let write = Write::UpdateJoined {
            from: vec![self.joined(&update.table)?],
            assignments: self.assignments(&update.assignments)?,
            filter: update.selection.as_ref().map(|expr| self.expr(expr)).transpose()?,
            order,
        };
        Ok(Query::of(Body::Write(Box::new(write))))
    }

    pub(super) fn delete(&mut self, delete: &ast::Delete) -> Lowered<Query> {
        if delete.output.is_some() {
            return unsupported("a DELETE", delete);
        }
        let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
        let mut from = self.tables(tables)?;
        let mut targets = Vec::new();
        for name in &delete.tables {
            targets.push(relation(name)?);
        }
        if let Some(using) = &delete.using {
            for item in &from {
                match item {
                    From::Table { name, .. } => targets.push(name.clone()),
                    _ => return unsupported("a DELETE", delete),
                }
            }
            from = self.tables(using)?;
        }
        if targets.is_empty() {
            for item in &from {
                if let From::Table { name, .. } = item {
                    targets.push(name.clone());
                }
            }
        }
        let mut order = self.orders(&delete.order_by)?;
        order.extend(delete.limit.as_ref().map(|expr| self.expr(expr)).transpose()?);
        let write = Write::Delete {
            targets,
            from,
            filter: delete.selection.as_ref().map(|expr| self.expr(expr)).transpose()?,
            order,
            returning: self.returning(delete.returning.as_deref())?,
        };
        Ok(Query::of(Body::Write(Box::new(write))))
    }
}
