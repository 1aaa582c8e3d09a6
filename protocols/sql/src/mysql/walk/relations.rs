//! FROM lists.

use super::{Rows, Seat, Walk};
use crate::mysql::queries::{Lowered, unsupported};
use model::{Placement, UseContext};
use sqlparser::ast::{
    Expr, Ident, Join, JoinConstraint, JoinOperator, JsonTableColumn, JsonTableNamedColumn, JsonTableNestedColumn,
    ObjectName, ObjectNamePart, TableAlias, TableAliasColumnDef, TableFactor, TableIndexHints, TableVersion,
    TableWithJoins,
};

impl Walk<'_> {
    pub(super) fn tables(&mut self, tables: &[TableWithJoins], rows: Rows<'_>) -> Lowered<()> {
        tables.iter().try_for_each(|table| self.joined(table, rows))
    }

    pub(super) fn joined(&mut self, table: &TableWithJoins, rows: Rows<'_>) -> Lowered<()> {
        let TableWithJoins { relation, joins } = table;
        self.factor(relation, rows)?;
        // USING between two tables means a column of each.
        let mut left = Self::table_alias(relation);
        for join in joins {
            let Join { relation, global, join_operator } = join;
            if *global {
                return unsupported("a join", join);
            }
            self.factor(relation, rows)?;
            let sides = left.take().zip(Self::table_alias(relation));
            match join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint)
                | JoinOperator::StraightJoin(constraint)
                | JoinOperator::Left(constraint)
                | JoinOperator::LeftOuter(constraint)
                | JoinOperator::Right(constraint)
                | JoinOperator::RightOuter(constraint) => self.constraint(constraint, sides, rows)?,
                _ => return unsupported("a join", join),
            }
        }
        Ok(())
    }

    /// The name under which the columns of a stored table are qualified.
    fn table_alias(factor: &TableFactor) -> Option<&Ident> {
        match factor {
            TableFactor::Table { alias: Some(alias), .. } => Some(&alias.name),
            TableFactor::Table { name: ObjectName(parts), alias: None, .. } => match parts.last() {
                Some(ObjectNamePart::Identifier(ident)) => Some(ident),
                _ => None,
            },
            _ => None,
        }
    }

    fn constraint(
        &mut self,
        constraint: &JoinConstraint,
        sides: Option<(&Ident, &Ident)>,
        rows: Rows<'_>,
    ) -> Lowered<()> {
        match constraint {
            JoinConstraint::None => Ok(()),
            JoinConstraint::On(expr) => self.conjuncts(expr, self.clause("ON", rows), false),
            JoinConstraint::Using(names) => {
                for name in names {
                    let idents = self.parts(name)?;
                    let [ident] = idents.as_slice() else { return unsupported("a name", name) };
                    let Some((left, right)) = sides else {
                        self.column(std::slice::from_ref(*ident), self.clause("USING", rows).context());
                        continue;
                    };
                    let ident = Ident::clone(ident);
                    self.join(&[left.clone(), ident.clone()], &[right.clone(), ident]);
                }
                Ok(())
            }
            JoinConstraint::Natural => {
                self.all_columns(None, self.clause("NATURAL JOIN", rows).context());
                Ok(())
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor, rows: Rows<'_>) -> Lowered<()> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() => {
                let mut placement = self.locking.map_or(Placement::From, |what| Placement::Fixed(what.to_owned()));
                match version {
                    None => {}
                    Some(TableVersion::ForSystemTimeAsOf(moment)) => {
                        placement = Placement::Fixed("FOR SYSTEM_TIME".to_owned());
                        self.expr(moment, self.clause("FOR SYSTEM_TIME", rows))?;
                    }
                    Some(_) => return unsupported("a table", factor),
                }
                if !partitions.is_empty() {
                    placement = Placement::Fixed("PARTITION".to_owned());
                    self.see_all(partitions);
                }
                for hints in index_hints {
                    let TableIndexHints { hint_type: _, index_type: _, for_clause: _, index_names } = hints;
                    placement = Placement::Fixed("an index hint".to_owned());
                    self.see_all(index_names);
                }
                self.stored(name, alias.as_ref(), placement)
            }
            TableFactor::Derived { lateral: _, subquery, alias, sample: None } => {
                let rows = match rows {
                    Rows::Compared => Rows::Result,
                    rows => rows,
                };
                let rows = if matches!(rows, Rows::Exists | Rows::Apart(_)) { Rows::Result } else { rows };
                self.query(subquery, rows)?;
                self.alias(alias.as_ref())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins, rows),
            TableFactor::JsonTable { json_expr, json_path: _, columns, alias } => {
                self.expr(json_expr, Seat::other("JSON_TABLE"))?;
                let mut pending: Vec<&JsonTableColumn> = columns.iter().collect();
                while let Some(column) = pending.pop() {
                    match column {
                        JsonTableColumn::Named(column) => {
                            let JsonTableNamedColumn { name, r#type: _, path: _, exists: _, on_empty: _, on_error: _ } =
                                column;
                            self.see(name);
                        }
                        JsonTableColumn::ForOrdinality(name) => drop(self.see(name)),
                        JsonTableColumn::Nested(nested) => {
                            let JsonTableNestedColumn { path: _, columns } = nested;
                            pending.extend(columns);
                        }
                    }
                }
                self.alias(alias.as_ref())
            }
            other => unsupported("a FROM item", other),
        }
    }

    /// The alias of a derived table.
    fn alias(&mut self, alias: Option<&TableAlias>) -> Lowered<()> {
        if let Some(name) = self.alias_name(alias)? {
            self.derived(&name);
        }
        Ok(())
    }

    fn alias_name(&mut self, alias: Option<&TableAlias>) -> Lowered<Option<String>> {
        let Some(alias) = alias else { return Ok(None) };
        let TableAlias { explicit: _, name, columns, at } = alias;
        if at.is_some() {
            return unsupported("an alias", alias);
        }
        for column in columns {
            let TableAliasColumnDef { name, data_type } = column;
            if data_type.is_some() {
                return unsupported("an alias", alias);
            }
            let name = self.see(name);
            self.any(name);
        }
        Ok(Some(self.see(name).to_owned()))
    }

    fn stored(&mut self, name: &ObjectName, alias: Option<&TableAlias>, placement: Placement) -> Lowered<()> {
        let ObjectName(parts) = name;
        let alias = self.alias_name(alias)?;
        if let [ObjectNamePart::Identifier(ident)] = parts.as_slice() {
            if self.ctes.iter().any(|cte| self.same(cte, &ident.value)) {
                self.see(ident);
                self.derived(alias.as_deref().unwrap_or(&ident.value));
                return Ok(());
            }
            // No table: `SELECT 1 FROM DUAL`.
            if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("dual") {
                self.see(ident);
                return Ok(());
            }
        }
        self.relation(name, placement, alias.as_deref())
    }

    /// `left = right` between two columns.
    pub(super) fn join(&mut self, left: &[Ident], right: &[Ident]) {
        self.joins += 1;
        self.column(left, UseContext::Join(self.joins));
        self.column(right, UseContext::Join(self.joins));
    }

    /// Where a clause of a query with such rows stands.
    pub(super) fn clause<'w>(&self, what: &'w str, rows: Rows<'w>) -> Seat<'w> {
        match rows {
            Rows::Result | Rows::Compared => Seat::condition(what),
            Rows::Exists => Seat::condition(what),
            Rows::Apart(seat) => seat.within(what),
        }
    }

    /// What stands within parentheses.
    pub(super) fn strip(expr: &Expr) -> &Expr {
        match expr {
            Expr::Nested(inner) => Self::strip(inner),
            other => other,
        }
    }
}
