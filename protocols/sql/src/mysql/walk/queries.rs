//! Queries: common table expressions, select lists, set operations, ordering and limits.

use super::{Rows, Seat, Unnamed, Walk};
use crate::mysql::queries::{Lowered, unsupported};
use model::{ColumnUse, UseContext};
use sqlparser::ast::{
    Cte, Distinct, Expr, GroupByExpr, GroupByWithModifier, LimitClause, LockClause, LockType, NamedWindowDefinition,
    NamedWindowExpr, ObjectName, Offset, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Parens, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, TableAlias, TableAliasColumnDef,
    Value, Values, WildcardAdditionalOptions, With,
};

impl Walk<'_> {
    pub(super) fn query(&mut self, query: &Query, rows: Rows<'_>) -> Lowered<()> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch: None,
            locks,
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators,
        } = query
        else {
            return unsupported("a query", query);
        };
        if !pipe_operators.is_empty() {
            return unsupported("a query", query);
        }
        self.depth += 1;
        let visible = self.ctes.len();
        if let Some(with) = with {
            self.with(with)?;
        }
        let locking = self.locking;
        for lock in locks {
            let LockClause { lock_type, of, nonblock: _ } = lock;
            self.locking = Some(match lock_type {
                LockType::Update => "FOR UPDATE",
                LockType::Share => "FOR SHARE",
            });
            if let Some(of) = of {
                self.parts(of)?;
            }
        }
        self.set(body, rows)?;
        if let Some(by) = order_by {
            let OrderBy { kind, interpolate: None } = by else { return unsupported("an ORDER BY", by) };
            let OrderByKind::Expressions(keys) = kind else { return unsupported("an ORDER BY", by) };
            let items = match &**body {
                SetExpr::Select(select) => select.projection.as_slice(),
                // The result of a set operation goes by the names of its first query.
                _ => {
                    self.named_by_position(body, keys.is_empty());
                    &[]
                }
            };
            self.sorted(keys, items, self.clause("ORDER BY", rows))?;
        }
        match limit_clause {
            None => {}
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                let seat = self.clause("LIMIT", rows);
                limit.iter().try_for_each(|expr| self.expr(expr, seat))?;
                if let Some(Offset { value, rows: _ }) = offset {
                    self.expr(value, seat)?;
                }
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                let seat = self.clause("LIMIT", rows);
                self.expr(offset, seat)?;
                self.expr(limit, seat)?;
            }
            Some(other) => return unsupported("a LIMIT", other),
        }
        self.locking = locking;
        self.ctes.truncate(visible);
        self.depth -= 1;
        Ok(())
    }

    fn with(&mut self, with: &With) -> Lowered<()> {
        let With { with_token: _, recursive, cte_tables } = with;
        for cte in cte_tables {
            let Cte { alias, query, from: None, materialized: None, closing_paren_token: _ } = cte else {
                return unsupported("a WITH query", cte);
            };
            let TableAlias { explicit: _, name, columns, at: None } = alias else {
                return unsupported("a WITH query", cte);
            };
            let name = self.see(name).to_owned();
            for column in columns {
                let TableAliasColumnDef { name, data_type: None } = column else {
                    return unsupported("a WITH query", cte);
                };
                let name = self.see(name);
                self.any(name);
            }
            self.derived(&name);
            let locking = self.locking.take();
            if *recursive {
                self.ctes.push(name.clone());
            }
            // What a recursive query computes goes round under the names of its first part.
            self.query(query, Rows::Result)?;
            if !*recursive {
                self.ctes.push(name);
            }
            self.locking = locking;
        }
        Ok(())
    }

    fn set(&mut self, body: &SetExpr, rows: Rows<'_>) -> Lowered<()> {
        match body {
            SetExpr::Select(select) => self.select(select, rows),
            SetExpr::Query(inner) => self.query(inner, rows),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let keeps_all = matches!((op, set_quantifier), (SetOperator::Union, SetQuantifier::All));
                let sides = match rows {
                    Rows::Result if !keeps_all => Rows::Compared,
                    Rows::Exists if !keeps_all => Rows::Apart(Seat::other("a set operation")),
                    rows => rows,
                };
                self.named_by_position(body, false);
                self.set(left, sides)?;
                self.set(right, sides)
            }
            SetExpr::Values(values) => {
                let Values { explicit_row: _, value_keyword: _, rows: lists } = values;
                for list in lists {
                    let Parens { opening_token: _, content, closing_token: _ } = list;
                    self.list(content, Seat::other("VALUES"))?;
                }
                Ok(())
            }
            other => unsupported("a query", other),
        }
    }

    /// Under the names of the first query of a set operation stand columns of all of them.
    fn named_by_position(&mut self, body: &SetExpr, nothing: bool) {
        let mut first = body;
        let mut combined = false;
        loop {
            match first {
                SetExpr::SetOperation { left, .. } => {
                    combined = true;
                    first = left;
                }
                SetExpr::Query(inner) => first = &inner.body,
                SetExpr::Select(select) if combined && !nothing => {
                    for item in &select.projection {
                        match item {
                            SelectItem::UnnamedExpr(expr) => {
                                if let Some(ident) = self.bare(expr).and_then(|idents| idents.last()) {
                                    let name = ident.value.clone();
                                    self.any(&name);
                                }
                            }
                            SelectItem::ExprWithAlias { expr: _, alias } => self.any(&alias.value.clone()),
                            // All of its columns, under the names that they have.
                            _ => self.all_columns(None, UseContext::Other("* in a set operation".to_owned())),
                        }
                    }
                    return;
                }
                _ => return,
            }
        }
    }

    fn select(&mut self, select: &Select, rows: Rows<'_>) -> Lowered<()> {
        let Select {
            select_token,
            optimizer_hints: _,
            distinct,
            select_modifiers: _,
            top: None,
            top_before_distinct: _,
            projection,
            exclude: None,
            into: None,
            from,
            lateral_views,
            prewhere: None,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify: None,
            window_before_qualify: _,
            value_table_mode: None,
            flavor: _,
        } = select
        else {
            return unsupported("a SELECT", select);
        };
        let foreign = lateral_views.is_empty()
            && connect_by.is_empty()
            && cluster_by.is_empty()
            && distribute_by.is_empty()
            && sort_by.is_empty();
        if !foreign {
            return unsupported("a SELECT", select);
        }
        let compares = match distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return unsupported("a DISTINCT", select),
        };
        self.tables(from, rows)?;
        let listed = match rows {
            Rows::Result if compares => Rows::Compared,
            Rows::Exists if compares || having.is_some() => Rows::Apart(Seat::other("EXISTS")),
            rows => rows,
        };
        let outer = std::mem::replace(&mut self.select, self.source.offset(select_token.0.span));
        self.items(projection, listed)?;
        self.select = outer;
        if let Some(filter) = selection {
            self.conjuncts(filter, self.clause("WHERE", rows), true)?;
        }
        let GroupByExpr::Expressions(keys, modifiers) = group_by else { return unsupported("a GROUP BY", group_by) };
        for modifier in modifiers {
            if !matches!(modifier, GroupByWithModifier::Rollup) {
                return unsupported("a GROUP BY", group_by);
            }
        }
        for key in keys {
            self.key(key, projection, self.clause("GROUP BY", rows), true)?;
        }
        if let Some(having) = having {
            self.expr(having, self.clause("HAVING", rows))?;
        }
        for definition in named_window {
            let NamedWindowDefinition(name, window) = definition;
            self.see(name);
            match window {
                NamedWindowExpr::WindowSpec(spec) => self.window(spec, Seat::other("WINDOW"))?,
                NamedWindowExpr::NamedWindow(_) => return unsupported("a window", definition),
            }
        }
        Ok(())
    }

    pub(super) fn sorted(&mut self, keys: &[OrderByExpr], items: &[SelectItem], seat: Seat<'_>) -> Lowered<()> {
        for key in keys {
            let OrderByExpr { expr, options, with_fill: None } = key else { return unsupported("an ORDER BY", key) };
            let OrderByOptions { sort: _, nulls_first: None } = options else {
                return unsupported("an ORDER BY", key);
            };
            self.key(expr, items, seat, false)?;
        }
        Ok(())
    }

    /// A key of ORDER BY or GROUP BY, which may be the place of an item in the select list.
    fn key(&mut self, expr: &Expr, items: &[SelectItem], seat: Seat<'_>, groups: bool) -> Lowered<()> {
        if let Some(place) = place_of(expr) {
            let stars =
                items.iter().any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
            match place.checked_sub(1).and_then(|at| items.get(at)) {
                Some(SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, alias: _ }) if !stars => {
                    return self.key_of(item, seat, groups);
                }
                _ => {
                    self.all_columns(None, seat.within("a column by its place").context());
                    return Ok(());
                }
            }
        }
        self.key_of(expr, seat, groups)
    }

    fn key_of(&mut self, expr: &Expr, seat: Seat<'_>, groups: bool) -> Lowered<()> {
        match self.bare(expr) {
            Some(idents) if groups => {
                self.column(idents, UseContext::Group);
                Ok(())
            }
            _ => self.expr(expr, seat),
        }
    }

    /// A select list.
    pub(super) fn items(&mut self, items: &[SelectItem], rows: Rows<'_>) -> Lowered<()> {
        let context = || match rows {
            Rows::Result => Some(UseContext::Output),
            Rows::Compared => Some(UseContext::Distinct),
            Rows::Exists => None,
            Rows::Apart(seat) => Some(seat.context()),
        };
        let seat = match rows {
            Rows::Apart(seat) => seat,
            Rows::Result | Rows::Compared | Rows::Exists => Seat::other("an expression"),
        };
        for (index, item) in items.iter().enumerate() {
            match item {
                SelectItem::UnnamedExpr(expr) => match (self.bare(expr), context()) {
                    (Some(idents), Some(context)) => drop(self.column(idents, context)),
                    (Some(idents), None) => self.see_all(idents),
                    (None, _) => {
                        let (before, select) = (self.walked.sources.len(), self.select);
                        self.expr(expr, seat)?;
                        let sources = before..self.walked.sources.len();
                        if let Some(select) = select.filter(|_| !sources.is_empty()) {
                            self.walked.unnamed.push(Unnamed { select, index, sources });
                        }
                    }
                },
                SelectItem::ExprWithAlias { expr, alias } => {
                    // Texts that differ in strings share what is found out, so a name that is one is not known.
                    let spelt = alias.quote_style == Some('\'');
                    self.see(alias);
                    match (self.bare(expr), context()) {
                        (Some(idents), Some(_)) if spelt && self.depth > 1 => {
                            self.column(idents, UseContext::Other("an alias that is a string".to_owned()));
                        }
                        (Some(idents), Some(context)) => {
                            let used = self.column(idents, context);
                            if !alias.value.is_ascii() {
                                self.any(&alias.value.clone());
                            }
                            self.renamed(used, &alias.value);
                        }
                        (Some(idents), None) => self.see_all(idents),
                        (None, _) => self.expr(expr, seat)?,
                    }
                }
                SelectItem::Wildcard(options) if is_plain(options) => {
                    if let Some(context) = context() {
                        self.all_columns(None, context);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if is_plain(options) =>
                {
                    let qualifier = self.wildcard_of(name)?;
                    if let Some(context) = context() {
                        self.all_columns(Some(&qualifier), context);
                    }
                }
                other => return unsupported("an item of a select list", other),
            }
        }
        Ok(())
    }

    fn wildcard_of(&mut self, name: &ObjectName) -> Lowered<String> {
        let idents = self.parts(name)?;
        if let [schema, table] = idents.as_slice() {
            let (schema, table) = ((*schema).clone(), (*table).clone());
            self.schema_before(&schema, &table);
        }
        Ok(idents.last().map(|ident| ident.value.clone()).unwrap_or_default())
    }

    fn renamed(&mut self, used: ColumnUse, alias: &str) {
        if used.name.as_deref() != Some(alias) {
            self.walked.uses.renamed.push((used, alias.to_owned()));
        }
    }
}

/// The place in a select list that a key of ORDER BY or GROUP BY is.
fn place_of(expr: &Expr) -> Option<usize> {
    let Expr::Value(value) = Walk::strip(expr) else { return None };
    match &value.value {
        Value::Number(digits, _) => Some(digits.parse().unwrap_or(usize::MAX)),
        _ => None,
    }
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    opt_ilike.is_none()
        && opt_exclude.is_none()
        && opt_except.is_none()
        && opt_replace.is_none()
        && opt_rename.is_none()
        && opt_alias.is_none()
}
