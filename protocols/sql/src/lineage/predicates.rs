//! How conditions use columns.

use super::Tracer;
use super::scope::Env;
use super::taint::Taint;
use crate::ir::{Expr, Sub};
use model::Usage;

impl Tracer<'_> {
    /// Notes how a condition uses columns; returns what it depends on.
    pub(super) fn predicate(&mut self, expr: &Expr, env: &Env<'_>) -> Taint {
        match expr {
            Expr::And(items) | Expr::Or(items) => {
                let mut sum = Taint::default();
                for item in items {
                    sum.absorb(&self.predicate(item, env));
                }
                sum
            }
            Expr::Equal(left, right) => self.equality(left, right, env),
            Expr::In(needle, list) => {
                let value = self.value(needle, env);
                let others = self.computed(list, env);
                let simple = list.iter().all(|item| self.is_key(item, &value));
                self.uses(&value, if simple { Usage::Equality } else { Usage::Comparison });
                self.uses(&others, Usage::Comparison);
                let mut sum = value.computed();
                sum.absorb(&others);
                sum
            }
            Expr::Subquery { kind: Sub::In, query, test: Some(test) } => {
                let value = self.value(test, env);
                let subquery = Expr::Subquery { kind: Sub::In, query: query.clone(), test: None };
                let others = self.value(&subquery, env);
                let simple = value.bare.is_some() && others.sources.len() <= 1;
                self.uses(&value, if simple { Usage::Join } else { Usage::Comparison });
                self.uses(&others, if simple { Usage::Join } else { Usage::Comparison });
                let mut sum = value.computed();
                sum.absorb(&others);
                sum
            }
            Expr::Subquery { kind: Sub::Exists, .. } => self.value(expr, env),
            Expr::Not(operand) if matches!(**operand, Expr::Subquery { kind: Sub::Exists, .. }) => {
                self.value(operand, env)
            }
            _ => {
                let value = self.value(expr, env);
                self.uses(&value, Usage::Comparison);
                value.computed()
            }
        }
    }

    fn equality(&mut self, left: &Expr, right: &Expr, env: &Env<'_>) -> Taint {
        if let (Expr::Row(lefts), Expr::Row(rights)) = (left, right)
            && lefts.len() == rights.len()
        {
            let mut sum = Taint::default();
            for (left, right) in lefts.iter().zip(rights) {
                sum.absorb(&self.equality(left, right, env));
            }
            return sum;
        }
        let first = self.value(left, env);
        let second = self.value(right, env);
        let usage = match (&first.bare, &second.bare) {
            (Some(_), Some(_)) => Usage::Join,
            (Some(_), None) if self.is_key(right, &first) => Usage::Equality,
            (None, Some(_)) if self.is_key(left, &second) => Usage::Equality,
            _ => Usage::Comparison,
        };
        self.uses(&first, usage);
        self.uses(&second, usage);
        let mut sum = first.computed();
        sum.absorb(&second);
        sum
    }

    /// Whether `expr` is a constant that equals at most one value of the bare column `value`. MySQL compares a text
    /// column with a number by the number at its beginning, which many values share.
    fn is_key(&self, expr: &Expr, value: &Taint) -> bool {
        let Some(column) = &value.bare else { return false };
        match expr {
            Expr::Number(_) => self.catalog.type_of(column).is_some_and(super::totality::is_number_type),
            other => other.is_constant(),
        }
    }
}
