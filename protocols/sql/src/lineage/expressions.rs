//! What an expression's value depends on.

use super::Tracer;
use super::scope::Env;
use super::taint::{Column, Taint};
use crate::Dialect;
use crate::ir::{Call, Expr, Sub, Window};
use model::{ColumnRef, Usage};
use std::sync::Arc;

impl Tracer<'_> {
    /// What `expr` depends on; notes what it reads and calls on the way.
    pub(crate) fn value(&mut self, expr: &Expr, env: &Env<'_>) -> Taint {
        if !self.spend(1) {
            return Taint::unknown("a statement of this complexity");
        }
        match expr {
            Expr::Literal(_) | Expr::Number(_) | Expr::Param => Taint::default(),
            Expr::Column(path) => self.column(path, env),
            Expr::Star(path) => match self.star(path, env) {
                Ok(columns) => Taint::row(columns),
                Err(why) => Taint::unknown(why),
            },
            Expr::Field(operand, name) => {
                let direct = self.is_item(operand, env);
                let row = self.value(operand, env);
                let mut value = self.field(row, name);
                if !direct {
                    value.bare = None;
                }
                value
            }
            Expr::FieldStar(operand) => self.value(operand, env),
            Expr::Derive(operands) | Expr::And(operands) | Expr::Or(operands) => self.computed(operands, env),
            Expr::Not(operand) => self.value(operand, env).computed(),
            Expr::Fallible(operands) => {
                let taint = self.computed(operands, env);
                self.may_fail(&taint);
                taint
            }
            Expr::Equal(left, right) => {
                if self.catalog.has_user_operator("=") {
                    self.draft.opaque("operator =, which is user-defined", true);
                }
                let mut taint = self.value(left, env).computed();
                taint.absorb(&self.value(right, env));
                taint
            }
            Expr::In(needle, list) => {
                let mut taint = self.value(needle, env).computed();
                taint.absorb(&self.computed(list, env));
                taint
            }
            Expr::Row(items) => {
                let columns = items.iter().flat_map(|item| self.row_items(item, env)).collect();
                Taint::row(columns)
            }
            Expr::Case { conditions, results } => {
                let mut taint = Taint::default();
                for condition in conditions {
                    taint.absorb(&self.predicate(condition, env));
                }
                taint.absorb(&self.computed(results, env));
                taint
            }
            Expr::Call(call) => self.call(call, env),
            Expr::Operator { schema, name, operands } => self.operator(schema.as_deref(), name, operands, env),
            Expr::Cast { operand, schema, name, modified } => {
                let taint = self.value(operand, env);
                self.cast(taint, schema.as_deref(), name, *modified)
            }
            Expr::Subquery { kind, query, test } => self.subquery(*kind, query, test.as_deref(), env),
            Expr::Assign(operand) => {
                let taint = self.value(operand, env).computed();
                self.draft.write(None, &taint);
                taint
            }
            Expr::Opaque { what, operands } => {
                self.draft.unread(what);
                let mut taint = self.computed(operands, env);
                taint.unknown = Some(what.as_str().into());
                taint
            }
        }
    }

    /// The union of what `exprs` depend on.
    pub(super) fn computed(&mut self, exprs: &[Expr], env: &Env<'_>) -> Taint {
        let mut sum = Taint::default();
        for expr in exprs {
            sum.absorb(&self.value(expr, env));
        }
        sum
    }

    fn row_items(&mut self, item: &Expr, env: &Env<'_>) -> Vec<Column> {
        let taint = self.value(item, env);
        match (item, &taint.fields) {
            (Expr::Star(_) | Expr::FieldStar(_), Some(fields)) => fields.to_vec(),
            _ => vec![Column { name: None, taint, item: 0 }],
        }
    }

    /// An evaluation whose failure tells something about these columns.
    pub(super) fn may_fail(&mut self, taint: &Taint) {
        for column in &taint.sources {
            self.draft.predicate(column, Usage::Comparison);
        }
    }

    /// `(row).name`.
    fn field(&mut self, row: Taint, name: &str) -> Taint {
        if let Some(fields) = &row.fields {
            let found = fields.iter().find(|f| f.name.as_deref().is_some_and(|own| self.same(own, name)));
            return match found {
                Some(field) if row.unknown.is_none() => field.taint.clone(),
                Some(_) => row.computed(),
                None => self.functional(name, row),
            };
        }
        // A column of a composite type: the field's name says nothing about the source.
        let composite = row.bare.as_ref().is_some_and(|column| self.is_composite(column));
        if composite { row.computed() } else { self.functional(name, row) }
    }

    /// `x.name` as a call of `name(x)`.
    pub(super) fn functional(&mut self, name: &str, row: Taint) -> Taint {
        let mut taint = row.computed();
        let name = crate::ir::Name { schema: None, name: name.to_owned() };
        if let Some(why) = self.judge_routine(&name, &taint, &[]) {
            taint.unknown = Some(why.into());
        }
        taint
    }

    fn is_composite(&self, column: &ColumnRef) -> bool {
        let Some(relation) = self.catalog.relation(&column.table()) else { return false };
        let Some(column) = relation.columns.iter().find(|own| own.name == column.column) else { return false };
        !super::totality::is_builtin_type(&column.type_name)
    }

    fn operator(&mut self, schema: Option<&str>, name: &str, operands: &[Expr], env: &Env<'_>) -> Taint {
        let mut taint = self.computed(operands, env);
        let foreign = schema.is_some_and(|schema| schema != "pg_catalog");
        if foreign || self.catalog.has_user_operator(name) {
            let what = format!("operator {name}, which is user-defined");
            self.draft.opaque(&what, true);
            taint.unknown = Some(what.into());
        } else if !super::totality::never_fails_operator(name) {
            self.may_fail(&taint);
        }
        taint
    }

    fn cast(&mut self, mut taint: Taint, schema: Option<&str>, name: &str, modified: bool) -> Taint {
        if self.dialect != Dialect::Postgres {
            return taint.computed();
        }
        if let Some(column) = taint.bare.clone()
            && !modified
            && self.catalog.type_of(&column).is_some_and(|own| super::totality::same_type(own, name))
        {
            return taint;
        }
        if !modified && let Some(columns) = self.row_type(schema, name) {
            let value = taint.clone().computed();
            let fields = columns.into_iter().map(|column| Column { name: Some(column), taint: value.clone(), item: 0 });
            taint = Taint { fields: Some(Arc::new(fields.collect())), ..value };
            return taint;
        }
        let taint = taint.computed();
        if !super::totality::casts_never_fail(name) {
            self.may_fail(&taint);
        }
        taint
    }

    fn subquery(&mut self, kind: Sub, query: &crate::ir::Query, test: Option<&Expr>, env: &Env<'_>) -> Taint {
        let before = std::mem::take(&mut self.influence);
        let rows = self.query(query, env);
        let inner = std::mem::replace(&mut self.influence, before);
        let mut taint = match kind {
            Sub::Exists => Taint::default(),
            Sub::Scalar => match rows.columns.as_slice() {
                [only] => Taint { bare: None, ..only.taint.clone() },
                // A row.
                several => Taint::all(several.iter().map(|column| &column.taint)),
            },
            Sub::In | Sub::Compare | Sub::Array => Taint::all(rows.columns.iter().map(|column| &column.taint)),
        };
        if let Some(test) = test {
            taint.absorb(&self.value(test, env));
        }
        if matches!(kind, Sub::Exists | Sub::In | Sub::Compare) {
            taint.sources.extend(inner.iter().cloned());
        }
        if let Some(why) = rows.open
            && kind != Sub::Exists
        {
            taint.unknown = Some(why.into());
        }
        self.influence.extend(inner);
        taint
    }

    fn call(&mut self, call: &Call, env: &Env<'_>) -> Taint {
        let mut values = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            // `count(*)` depends on no column.
            if !matches!(argument, Expr::Star(path) if path.is_empty()) {
                values.push(self.value(argument, env));
            }
        }
        let mut taint = Taint::all(&values);
        self.orders(&call.order, env);
        for expr in &call.order {
            taint.absorb(&self.value(expr, env));
        }
        if let Some(filter) = &call.filter {
            taint.absorb(&self.predicate(filter, env));
        }
        if let Some(window) = &call.over {
            taint.absorb(&self.window(window, env));
        }
        // The names that pg_settings lists are the server's own: custom settings are not among them.
        let lists_settings = values.first().and_then(|value| value.bare.as_ref()).is_some_and(|column| {
            column.schema == "pg_catalog" && column.table == "pg_settings" && column.column == "name"
        });
        let listed = [Some("a setting that pg_settings lists".to_owned())];
        let texts: &[Option<String>] =
            if lists_settings && call.name.name == "current_setting" { &listed } else { &call.texts };
        if let Some(why) = self.judge_routine(&call.name, &taint, texts) {
            taint.unknown = Some(why.into());
            return taint;
        }
        self.note_failures(&call.name.name, &values);
        if self.dialect == Dialect::Postgres {
            if let Some(columns) = super::routines::row_columns(&call.name) {
                let field = |name: &str| Column { name: Some(name.to_owned()), taint: taint.clone(), item: 0 };
                let fields: Vec<Column> = columns.map(field).collect();
                taint.fields = Some(Arc::new(fields));
            } else if super::routines::keeps_rows(&call.name.name) {
                taint.fields = values.iter().find_map(|value| value.fields.clone()).map(|fields| {
                    let blur = |field: &Column| {
                        let mut own = taint.clone();
                        own.fields.clone_from(&field.taint.fields);
                        Column { name: field.name.clone(), taint: own, item: 0 }
                    };
                    Arc::new(fields.iter().map(blur).collect())
                });
            }
        }
        taint
    }

    pub(super) fn window(&mut self, window: &Window, env: &Env<'_>) -> Taint {
        let mut taint = Taint::default();
        for expr in &window.partition {
            let value = self.value(expr, env);
            self.uses(&value, Usage::Group);
            taint.absorb(&value);
        }
        for expr in &window.order {
            let value = self.value(expr, env);
            self.uses(&value, Usage::Order);
            taint.absorb(&value);
        }
        taint
    }

    fn orders(&mut self, exprs: &[Expr], env: &Env<'_>) {
        for expr in exprs {
            let value = self.value(expr, env);
            self.uses(&value, Usage::Order);
        }
    }
}
