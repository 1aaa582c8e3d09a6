//! Queries: common table expressions, select lists, set operations, ordering and limits.

use super::Tracer;
use super::scope::{Bound, Env, Namespace, Rows};
use super::taint::{Column, Taint};
use crate::Dialect;
use crate::ir::{Body, Cte, Expr, Query, Select, Target};
use model::Usage;

/// How often a recursive query is gone through before its columns count as unknown.
const ROUNDS: usize = 64;

impl Tracer<'_> {
    /// The columns of a query.
    pub(crate) fn query(&mut self, query: &Query, env: &Env<'_>) -> Rows {
        if query.ctes.len() > crate::bounds::MOST_COMMON_TABLES {
            crate::bounds::stop("room for common table expressions (1,000 in one WITH)");
        }
        if crate::bounds::is_spent() {
            return Rows { open: Some("a statement of this complexity".to_owned()), ..Rows::default() };
        }
        let mut bound: Vec<Bound> = Vec::new();
        for (index, cte) in query.ctes.iter().enumerate() {
            // With RECURSIVE a query may name one that is defined later, which is not followed.
            let later = query.ctes.iter().skip(index + 1).filter(|later| later.recursive).map(|later| {
                let open = Some(format!("WITH query {}, which is used before it is defined", later.name));
                Bound::new(&later.name, Rows { open, ..Rows::default() })
            });
            let mut visible: Vec<Bound> = later.collect();
            visible.extend(bound.iter().cloned());
            self.spend(1 + visible.len() / 4);
            let rows = self.cte(cte, &env.with_ctes(&visible));
            bound.insert(0, Bound::new(&cte.name, rows));
        }
        let env = env.with_ctes(&bound);
        let mut rows = self.body(&query.body, &query.order, &env);
        for expr in &query.limit {
            let value = self.value(expr, &env);
            self.uses(&value, Usage::Comparison);
        }
        rows.limited |= query.limited;
        rows
    }

    fn cte(&mut self, cte: &Cte, env: &Env<'_>) -> Rows {
        let mut rows = match (&cte.query.body, cte.recursive) {
            (Body::Set { left, .. }, true) => self.recursive(cte, left, env),
            _ => self.query(&cte.query, env),
        };
        rename(&mut rows.columns, &cte.columns);
        if !cte.added.is_empty() {
            let all = Taint::all(rows.columns.iter().map(|column| &column.taint));
            let added = cte.added.iter().map(|name| Column { name: Some(name.clone()), taint: all.clone(), item: 0 });
            rows.columns.extend(added);
        }
        rows
    }

    /// Goes through a recursive query until what its columns depend on no longer grows.
    fn recursive(&mut self, cte: &Cte, seed: &Query, env: &Env<'_>) -> Rows {
        let outer = Query { body: Body::Values(Vec::new()), ..cte.query.clone() };
        let mut bound: Vec<Bound> = Vec::new();
        for inner in &outer.ctes {
            let rows = self.cte(inner, &env.with_ctes(&bound));
            bound.insert(0, Bound::new(&inner.name, rows));
        }
        let seed_env = env.with_ctes(&bound);
        let mut known = self.query(seed, &seed_env);
        for _ in 0..ROUNDS {
            rename(&mut known.columns, &cte.columns);
            for column in &mut known.columns {
                column.taint.bare = None;
            }
            let binding = [Bound::new(&cte.name, known.clone())];
            let mut next = self.query(&cte.query, &env.with_ctes(&binding));
            rename(&mut next.columns, &cte.columns);
            if next.open.is_some() || next.columns.len() != known.columns.len() || crate::bounds::is_spent() {
                return next;
            }
            let mut grown = false;
            for (column, new) in known.columns.iter_mut().zip(&next.columns) {
                let before = column.taint.clone();
                column.taint.absorb(&new.taint);
                grown |= before != column.taint;
            }
            if !grown {
                return known;
            }
        }
        known.open = Some("a recursive query of this complexity".to_owned());
        known
    }

    fn body(&mut self, body: &Body, order: &[Expr], env: &Env<'_>) -> Rows {
        let rows = match body {
            Body::Select(select) => return self.select(select, order, env),
            Body::Set { left, right, compares } => self.set(left, right, *compares, env),
            Body::Values(lists) => self.values(lists, env),
            Body::Write(write) => self.write(write, env),
            Body::Unknown(why) => {
                self.draft.unread(why);
                Rows { open: Some(why.clone()), ..Rows::default() }
            }
        };
        let names = Namespace { columns: rows.columns.clone(), ..Namespace::default() };
        self.order_by(order, &rows.columns, &env.with_names(&names));
        rows
    }

    fn set(&mut self, left: &Query, right: &Query, compares: bool, env: &Env<'_>) -> Rows {
        let mut rows = self.query(left, env);
        let other = self.query(right, env);
        rows.limited = false;
        rows.open = rows.open.or(other.open);
        if rows.columns.len() != other.columns.len() {
            rows.open.get_or_insert_with(|| "a set operation over different numbers of columns".to_owned());
        }
        for (column, new) in rows.columns.iter_mut().zip(&other.columns) {
            column.taint.fields = None;
            column.taint.absorb(&new.taint);
            column.item = 0;
        }
        if compares {
            for column in &rows.columns {
                self.uses(&column.taint, Usage::Order);
            }
        }
        rows
    }

    fn values(&mut self, lists: &[Vec<Expr>], env: &Env<'_>) -> Rows {
        let mut columns: Vec<Column> = Vec::new();
        for list in lists {
            for (index, expr) in list.iter().enumerate() {
                let taint = self.value(expr, env);
                match columns.get_mut(index) {
                    Some(column) => column.taint.absorb(&taint),
                    None => {
                        let name = match self.dialect {
                            Dialect::Postgres => Some(format!("column{}", index + 1)),
                            Dialect::Mysql => Some(format!("column_{index}")),
                            Dialect::MariaDb => None,
                        };
                        let mut taint = taint;
                        taint.bare = None;
                        columns.push(Column { name, taint, item: 0 });
                    }
                }
            }
        }
        Rows { columns, ..Rows::default() }
    }

    fn select(&mut self, select: &Select, order: &[Expr], env: &Env<'_>) -> Rows {
        let mut names = self.sources(&select.from, env);
        let scope = env.with_names(&names);
        if let Some(filter) = &select.filter {
            self.predicate(filter, &scope);
        }
        let (columns, open) = self.targets(&select.targets, &scope);
        // MySQL lets HAVING, GROUP BY and ORDER BY see the names of outputs everywhere.
        let mut with_outputs = Namespace::default();
        if self.dialect != Dialect::Postgres {
            with_outputs = names.clone();
            with_outputs.columns.extend(columns.iter().filter(|column| column.name.is_some()).cloned());
        }
        let scope = if self.dialect == Dialect::Postgres { scope } else { env.with_names(&with_outputs) };
        for expr in &select.group {
            let value = self.sort_key(expr, &columns, &scope, false);
            self.uses(&value, Usage::Group);
        }
        if let Some(having) = &select.having {
            self.predicate(having, &scope);
        }
        for window in &select.windows {
            self.window(window, &scope);
        }
        if let Some(distinct) = &select.distinct {
            let keys: Vec<Taint> = if distinct.is_empty() {
                columns.iter().map(|column| column.taint.clone()).collect()
            } else {
                distinct.iter().map(|expr| self.sort_key(expr, &columns, &scope, true)).collect()
            };
            for key in &keys {
                self.uses(key, Usage::Order);
            }
        }
        self.order_by(order, &columns, &scope);
        if let Some(filter) = &select.filter {
            let bound = self.bindings(filter, &names);
            names.bindings.extend(bound);
        }
        self.note_reads(&names, 0);
        Rows { columns, open, ..Rows::default() }
    }

    /// The columns of a select list, and why some are not known.
    pub(super) fn targets(&mut self, targets: &[Target], env: &Env<'_>) -> (Vec<Column>, Option<String>) {
        let mut columns: Vec<Column> = Vec::new();
        let mut open = None;
        for target in targets {
            match &target.expr {
                Expr::Star(path) => match self.star(path, env) {
                    Ok(found) => {
                        if !self.hold(&found) {
                            open = Some("a statement of this complexity".to_owned());
                            break;
                        }
                        columns.extend(found.into_iter().map(|column| Column { item: 0, ..column }));
                    }
                    Err(why) => open = Some(why),
                },
                Expr::FieldStar(operand) => {
                    let direct = self.is_item(operand, env);
                    let row = self.value(operand, env);
                    match (&row.fields, &row.unknown) {
                        (Some(fields), None) if direct => columns.extend(fields.iter().cloned()),
                        (Some(fields), None) => columns.extend(fields.iter().map(Column::computed)),
                        _ => open = Some("the fields of a row whose type is not known".to_owned()),
                    }
                }
                expr => {
                    let taint = self.value(expr, env);
                    columns.push(Column { name: target.name.clone(), taint, item: 0 });
                }
            }
        }
        (columns, open)
    }

    fn order_by(&mut self, order: &[Expr], columns: &[Column], env: &Env<'_>) {
        for expr in order {
            let value = self.sort_key(expr, columns, env, true);
            self.uses(&value, Usage::Order);
        }
    }

    /// The value that ORDER BY, GROUP BY or DISTINCT ON names: by position, by the name of an output, or as an
    /// expression.
    fn sort_key(&mut self, expr: &Expr, columns: &[Column], env: &Env<'_>, outputs_first: bool) -> Taint {
        if let Some(position) = expr.position() {
            return match position.checked_sub(1).and_then(|index| columns.get(index)) {
                Some(column) => column.taint.clone(),
                None => Taint::all(columns.iter().map(|column| &column.taint)),
            };
        }
        if let Expr::Column(path) = expr
            && let [name] = path.as_slice()
        {
            let named: Vec<&Column> =
                columns.iter().filter(|c| c.name.as_deref().is_some_and(|own| self.same(own, name))).collect();
            let output = Taint::all(named.iter().map(|column| &column.taint));
            if outputs_first && self.dialect == Dialect::Postgres && !named.is_empty() {
                return output;
            }
            // Elsewhere either may be meant: both count.
            let visible = env.names.is_some_and(|names| {
                names.columns.iter().any(|c| c.name.as_deref().is_some_and(|own| self.same(own, name)))
            });
            let mut value = if visible || named.is_empty() { self.value(expr, env) } else { Taint::default() };
            value.absorb(&output);
            return value;
        }
        self.value(expr, env)
    }
}

pub(super) fn rename(columns: &mut [Column], names: &[String]) {
    for (column, name) in columns.iter_mut().zip(names) {
        column.name = Some(name.clone());
    }
}
