//! Lowers MySQL's queries and FROM lists.

use crate::ir::{Alias, Body, Cte, Expr, From, Join, Name, Query, Select, Target, Window};
use sqlparser::ast::{
    self, Distinct, GroupByExpr, JoinConstraint, JoinOperator, JsonTableColumn, LimitClause, NamedWindowExpr,
    ObjectName, ObjectNamePart, OrderByKind, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, TableVersion, TableWithJoins,
};
use std::fmt::Display;

/// Lowers one statement.
#[derive(Default)]
pub(super) struct Lower {
    /// Named windows that can be seen, innermost last.
    pub(super) windows: Vec<(String, Window)>,
    /// The alias of the row that INSERT … AS alias inserts.
    pub(super) inserted: Option<String>,
}

/// What was lowered, or why it could not be.
pub(super) type Lowered<T> = Result<T, String>;

pub(super) fn unsupported<T>(what: &str, node: &impl Display) -> Lowered<T> {
    let mut text = node.to_string();
    if let Some((end, _)) = text.char_indices().nth(60) {
        text.truncate(end);
        text.push('…');
    }
    Err(format!("{what} of a kind that is not analysed: {text}"))
}

/// The parts of a name.
pub(super) fn name_of(name: &ObjectName) -> Lowered<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident.value.clone()),
            other => unsupported("a name", other),
        })
        .collect()
}

/// The name of a relation.
pub(super) fn relation(name: &ObjectName) -> Lowered<Name> {
    let mut parts = name_of(name)?;
    let last = parts.pop().unwrap_or_default();
    Ok(Name { schema: parts.pop(), name: last })
}

fn alias_of(alias: Option<&TableAlias>) -> Option<Alias> {
    alias.map(|alias| Alias {
        name: alias.name.value.clone(),
        columns: alias.columns.iter().map(|column| column.name.value.clone()).collect(),
    })
}

impl Lower {
    pub(super) fn query(&mut self, query: &ast::Query) -> Lowered<Query> {
        if query.fetch.is_some()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return unsupported("a query", query);
        }
        let mut ctes = Vec::new();
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                ctes.push(Cte {
                    name: cte.alias.name.value.clone(),
                    columns: cte.alias.columns.iter().map(|column| column.name.value.clone()).collect(),
                    query: self.query(&cte.query)?,
                    recursive: with.recursive,
                    added: Vec::new(),
                });
            }
        }
        let depth = self.windows.len();
        let body = self.body(&query.body)?;
        let mut order = Vec::new();
        if let Some(by) = &query.order_by {
            match &by.kind {
                OrderByKind::Expressions(keys) if by.interpolate.is_none() => order = self.orders(keys)?,
                _ => return unsupported("an ORDER BY", by),
            }
        }
        self.windows.truncate(depth);
        let mut limit = Vec::new();
        let mut limited = false;
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit: count, offset, limit_by }) if limit_by.is_empty() => {
                limited = count.is_some();
                limit.extend(count.iter().map(|e| self.expr(e)).collect::<Lowered<Vec<Expr>>>()?);
                limit.extend(offset.iter().map(|o| self.expr(&o.value)).collect::<Lowered<Vec<Expr>>>()?);
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit: count }) => {
                limited = true;
                limit.push(self.expr(offset)?);
                limit.push(self.expr(count)?);
            }
            Some(other) => return unsupported("a LIMIT", other),
        }
        Ok(Query { ctes, body, order, limit, limited })
    }

    fn body(&mut self, body: &SetExpr) -> Lowered<Body> {
        Ok(match body {
            SetExpr::Select(select) => Body::Select(Box::new(self.select(select)?)),
            // A query in parentheses keeps its own ORDER BY and LIMIT.
            SetExpr::Query(inner) => {
                let query = self.query(inner)?;
                let star = Target { name: None, expr: Expr::Star(Vec::new()) };
                let from = From::Derived { query: Box::new(query), alias: None, lateral: false };
                Body::Select(Box::new(Select { targets: vec![star], from: vec![from], ..Select::default() }))
            }
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let all = matches!(set_quantifier, ast::SetQuantifier::All);
                Body::Set {
                    left: Box::new(Query::of(self.body(left)?)),
                    right: Box::new(Query::of(self.body(right)?)),
                    compares: !(all && matches!(op, ast::SetOperator::Union)),
                }
            }
            SetExpr::Values(values) => {
                let rows = values.rows.iter().map(|row| self.list(row.content.iter()));
                Body::Values(rows.collect::<Lowered<Vec<_>>>()?)
            }
            other => return unsupported("a query", other),
        })
    }

    fn select(&mut self, select: &ast::Select) -> Lowered<Select> {
        let plain = select.top.is_none()
            && select.exclude.is_none()
            && select.into.is_none()
            && select.lateral_views.is_empty()
            && select.prewhere.is_none()
            && select.connect_by.is_empty()
            && select.cluster_by.is_empty()
            && select.distribute_by.is_empty()
            && select.sort_by.is_empty()
            && select.qualify.is_none()
            && select.value_table_mode.is_none();
        if !plain {
            return unsupported("a SELECT", select);
        }
        let mut windows = Vec::new();
        for definition in &select.named_window {
            let window = match &definition.1 {
                NamedWindowExpr::WindowSpec(spec) => self.window(spec)?,
                NamedWindowExpr::NamedWindow(_) => return unsupported("a window", definition),
            };
            self.windows.push((definition.0.value.clone(), window.clone()));
            windows.push(window);
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => None,
            Some(Distinct::Distinct) => Some(Vec::new()),
            Some(other) => return unsupported("a DISTINCT", other),
        };
        let group = match &select.group_by {
            GroupByExpr::Expressions(keys, _) => self.list(keys)?,
            other => return unsupported("a GROUP BY", other),
        };
        Ok(Select {
            distinct,
            targets: self.targets(&select.projection)?,
            from: self.tables(&select.from)?,
            filter: select.selection.as_ref().map(|expr| self.expr(expr)).transpose()?,
            group,
            having: select.having.as_ref().map(|expr| self.expr(expr)).transpose()?,
            windows,
        })
    }

    pub(super) fn targets(&mut self, items: &[SelectItem]) -> Lowered<Vec<Target>> {
        let mut targets = Vec::new();
        for item in items {
            targets.push(match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match expr {
                        ast::Expr::Identifier(ident) => Some(ident.value.clone()),
                        ast::Expr::CompoundIdentifier(idents) => idents.last().map(|ident| ident.value.clone()),
                        _ => None,
                    };
                    Target { name: name.filter(|name| !name.starts_with('@')), expr: self.expr(expr)? }
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    // An alias that is a string is a literal: texts that share facts may differ in it.
                    let name = (alias.quote_style != Some('\'')).then(|| alias.value.clone());
                    Target { name, expr: self.expr(expr)? }
                }
                SelectItem::Wildcard(options) if is_plain(options) => {
                    Target { name: None, expr: Expr::Star(Vec::new()) }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if is_plain(options) =>
                {
                    Target { name: None, expr: Expr::Star(name_of(name)?) }
                }
                other => return unsupported("an item of a select list", other),
            });
        }
        Ok(targets)
    }

    pub(super) fn tables(&mut self, tables: &[TableWithJoins]) -> Lowered<Vec<From>> {
        tables.iter().map(|table| self.joined(table)).collect()
    }

    pub(super) fn joined(&mut self, table: &TableWithJoins) -> Lowered<From> {
        let mut left = self.factor(&table.relation)?;
        for join in &table.joins {
            let right = self.factor(&join.relation)?;
            let (kind, constraint) = match &join.join_operator {
                JoinOperator::Join(c)
                | JoinOperator::Inner(c)
                | JoinOperator::CrossJoin(c)
                | JoinOperator::StraightJoin(c) => (Join::Inner, c),
                JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (Join::Left, c),
                JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (Join::Right, c),
                _ => return unsupported("a join", join),
            };
            let mut on = None;
            let mut using = Vec::new();
            let mut natural = false;
            match constraint {
                JoinConstraint::On(expr) => on = Some(self.expr(expr)?),
                JoinConstraint::Using(names) => {
                    for name in names {
                        using.extend(name_of(name)?.pop());
                    }
                }
                JoinConstraint::Natural => natural = true,
                JoinConstraint::None => {}
            }
            left = From::Join {
                kind,
                left: Box::new(left),
                right: Box::new(right),
                on,
                using,
                natural,
                alias: None,
                using_alias: None,
            };
        }
        Ok(left)
    }

    fn factor(&mut self, factor: &TableFactor) -> Lowered<From> {
        Ok(match factor {
            TableFactor::Table { name, alias, args: None, version, json_path: None, sample: None, .. } => {
                let mut arguments = Vec::new();
                match version {
                    None => {}
                    Some(TableVersion::ForSystemTimeAsOf(expr)) => arguments.push(self.expr(expr)?),
                    Some(_) => return unsupported("a table", factor),
                }
                From::Table { name: relation(name)?, alias: alias_of(alias.as_ref()), only: false, arguments }
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => From::Derived {
                query: Box::new(self.query(subquery)?),
                alias: alias_of(alias.as_ref()),
                lateral: *lateral,
            },
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.joined(table_with_joins)?,
            TableFactor::JsonTable { json_expr, columns, alias, .. } => {
                let mut names = Vec::new();
                let mut pending: Vec<&JsonTableColumn> = columns.iter().rev().collect();
                while let Some(column) = pending.pop() {
                    match column {
                        JsonTableColumn::Named(column) => names.push(column.name.value.clone()),
                        JsonTableColumn::ForOrdinality(name) => names.push(name.value.clone()),
                        JsonTableColumn::Nested(nested) => pending.extend(nested.columns.iter().rev()),
                    }
                }
                From::Computed { inputs: vec![self.expr(json_expr)?], columns: names, alias: alias_of(alias.as_ref()) }
            }
            other => return unsupported("a FROM item", other),
        })
    }
}

fn is_plain(options: &ast::WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}
