//! INSERT, REPLACE, UPDATE and DELETE.

use super::{Rows, Seat, Walk};
use crate::mysql::queries::{Lowered, unsupported};
use model::Placement;
use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, FromTable, Ident, Insert, InsertAliases, ObjectName, OnInsert, SelectItem,
    SetExpr, TableObject, Update,
};

impl Walk<'_> {
    pub(super) fn insert(&mut self, insert: &Insert) -> Lowered<()> {
        let Insert {
            insert_token: _,
            optimizer_hints: _,
            or: None,
            ignore: _,
            into: _,
            table: TableObject::TableName(table),
            table_alias: None,
            columns,
            overwrite: false,
            source,
            assignments,
            partitioned: None,
            after_columns,
            has_table_keyword: false,
            on,
            returning,
            output: None,
            replace_into: _,
            priority: _,
            insert_alias,
            settings: None,
            format_clause: None,
            multi_table_insert_type: None,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause: None,
        } = insert
        else {
            return unsupported("an INSERT", insert);
        };
        let foreign =
            after_columns.is_empty() && multi_table_into_clauses.is_empty() && multi_table_when_clauses.is_empty();
        if !foreign {
            return unsupported("an INSERT", insert);
        }
        self.relation(table, Placement::Target, None)?;
        for column in columns {
            self.parts(column)?;
        }
        if let Some(source) = source {
            let what = if matches!(*source.body, SetExpr::Values(_)) { "VALUES" } else { "INSERT … SELECT" };
            self.query(source, Rows::Apart(Seat::other(what)))?;
        }
        self.assign(assignments, "SET")?;
        if let Some(InsertAliases { row_alias, col_aliases }) = insert_alias {
            if col_aliases.as_ref().is_some_and(|names| !names.is_empty()) {
                return unsupported("an INSERT with aliases for its columns", insert);
            }
            self.inserted = self.parts(row_alias)?.last().map(|ident| ident.value.clone());
            self.walked.uses.derived.extend(self.inserted.clone());
        }
        match on {
            None => {}
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => {
                self.upserting = true;
                self.assign(assignments, "ON DUPLICATE KEY UPDATE")?;
                self.upserting = false;
            }
            Some(other) => return unsupported("an INSERT", other),
        }
        match returning {
            None => Ok(()),
            Some(items) => self.returned(items),
        }
    }

    /// RETURNING has no SELECT whose list it were.
    fn returned(&mut self, items: &[SelectItem]) -> Lowered<()> {
        self.select = None;
        self.items(items, Rows::Result)
    }

    /// What is assigned. The columns that are assigned to are not read.
    fn assign(&mut self, assignments: &[Assignment], what: &str) -> Lowered<Vec<Vec<Ident>>> {
        let mut targets = Vec::new();
        for assignment in assignments {
            let Assignment { target, value } = assignment;
            let AssignmentTarget::ColumnName(name) = target else { return unsupported("an assignment", target) };
            let idents: Vec<Ident> = self.parts(name)?.into_iter().cloned().collect();
            if let [schema, table, _] = idents.as_slice() {
                self.schema_before(schema, table);
            }
            targets.push(idents);
            self.expr(value, Seat::other(what))?;
        }
        Ok(targets)
    }

    pub(super) fn update(&mut self, update: &Update) -> Lowered<()> {
        let Update {
            update_token: _,
            optimizer_hints: _,
            table,
            assignments,
            from: None,
            selection,
            returning: None,
            output: None,
            or: None,
            order_by,
            limit,
        } = update
        else {
            return unsupported("an UPDATE", update);
        };
        let rows = Rows::Apart(Seat::other("UPDATE"));
        self.joined(table, rows)?;
        let own = self.walked.sources.len();
        let assigned = self.assign(assignments, "SET")?;
        let qualifiers = assigned
            .iter()
            .map(|idents| idents.len().checked_sub(2).and_then(|at| idents.get(at)).map(|ident| ident.value.clone()));
        self.targets(own, &qualifiers.collect::<Vec<_>>());
        if let Some(filter) = selection {
            self.conjuncts(filter, Seat::other("WHERE"), true)?;
        }
        self.sorted(order_by, &[], Seat::other("ORDER BY"))?;
        self.list(limit, Seat::other("LIMIT"))
    }

    /// Of the relations named first, those stay themselves whose rows are changed: those that the qualifiers say, and all
    /// where one says nothing.
    fn targets(&mut self, own: usize, qualifiers: &[Option<String>]) {
        let sensitive = self.sensitive;
        let same = |left: &str, right: &str| {
            if sensitive { left == right } else { left.to_lowercase() == right.to_lowercase() }
        };
        for named in self.walked.sources.iter_mut().take(own) {
            let changed = qualifiers.iter().any(|qualifier| match qualifier {
                None => true,
                Some(qualifier) => same(qualifier, &named.alias),
            });
            if changed {
                named.placement = Placement::Target;
            }
        }
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Lowered<()> {
        let Delete {
            delete_token: _,
            optimizer_hints: _,
            tables,
            from: FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from),
            using,
            selection,
            returning,
            output: None,
            order_by,
            limit,
        } = delete
        else {
            return unsupported("a DELETE", delete);
        };
        let rows = Rows::Apart(Seat::other("DELETE"));
        let named = match using {
            // DELETE FROM targets USING tables
            Some(using) => {
                self.tables(from, rows)?;
                let targets: Vec<Option<String>> =
                    self.walked.sources.iter().map(|named| Some(named.alias.clone())).collect();
                // They are named again in USING, as what they are.
                self.walked.sources.clear();
                self.tables(using, rows)?;
                targets
            }
            None => {
                self.tables(from, rows)?;
                let mut targets = Vec::new();
                for table in tables {
                    targets.push(self.deleted(table)?);
                }
                if targets.is_empty() { vec![None] } else { targets }
            }
        };
        let own = self.walked.sources.len();
        self.targets(own, &named);
        if let Some(filter) = selection {
            self.conjuncts(filter, Seat::other("WHERE"), true)?;
        }
        self.sorted(order_by, &[], Seat::other("ORDER BY"))?;
        self.list(limit, Seat::other("LIMIT"))?;
        match returning {
            None => Ok(()),
            Some(items) => self.returned(items),
        }
    }

    /// The name of a table that loses rows, which one of those in FROM goes by.
    fn deleted(&mut self, table: &ObjectName) -> Lowered<Option<String>> {
        let idents = self.parts(table)?;
        Ok(match idents.as_slice() {
            [one] => Some(one.value.clone()),
            // `db.table` may be any of them.
            _ => None,
        })
    }
}
