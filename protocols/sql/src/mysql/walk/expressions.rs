//! Expressions.

use super::{Rows, Seat, Walk};
use crate::mysql::queries::{Lowered, unsupported};
use model::{ColumnUse, Compared, UseContext};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, Expr, Ident, Interval, MemberOf, TypedString, UnaryOperator, Value,
    ValueWithSpan,
};

/// Longest list of constants that a column is looked up in.
const LONGEST_LIST: usize = 1_000;

impl Walk<'_> {
    pub(super) fn list<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, seat: Seat<'_>) -> Lowered<()> {
        exprs.into_iter().try_for_each(|expr| self.expr(expr, seat))
    }

    /// A condition, taken apart at AND. Equality with constants is noted as such where it is looked for (`equals`).
    pub(super) fn conjuncts(&mut self, expr: &Expr, seat: Seat<'_>, equals: bool) -> Lowered<()> {
        match expr {
            Expr::Nested(inner) => self.conjuncts(inner, seat, equals),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conjuncts(left, seat, equals)?;
                self.conjuncts(right, seat, equals)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                match (self.bare(left), self.bare(right)) {
                    (Some(left), Some(right)) => {
                        self.join(left, right);
                        return Ok(());
                    }
                    (Some(idents), None) if equals && self.looked_up(idents, std::slice::from_ref(&**right)) => {
                        return Ok(());
                    }
                    (None, Some(idents)) if equals && self.looked_up(idents, std::slice::from_ref(&**left)) => {
                        return Ok(());
                    }
                    _ => {}
                }
                self.expr(expr, seat)
            }
            Expr::InList { expr: needle, list, negated: false } if equals => {
                if let Some(idents) = self.bare(needle)
                    && self.looked_up(idents, list)
                {
                    return Ok(());
                }
                self.expr(expr, seat)
            }
            other => self.expr(other, seat),
        }
    }

    /// Notes `column = constant` or `column IN (constants)`; false if they are not all constants.
    fn looked_up(&mut self, idents: &[Ident], constants: &[Expr]) -> bool {
        let kinds: Option<Vec<Compared>> = constants.iter().map(compared).collect();
        let Some(kinds) = kinds.filter(|kinds| !kinds.is_empty() && kinds.len() <= LONGEST_LIST) else { return false };
        for (constant, kind) in constants.iter().zip(kinds) {
            let used = self.column(idents, UseContext::Equals(kind));
            if kind == Compared::Parameter {
                self.parameter(constant, used);
            }
        }
        true
    }

    fn parameter(&mut self, constant: &Expr, used: ColumnUse) {
        if let Expr::Value(ValueWithSpan { value: _, span }) = Self::strip(constant)
            && let Some(at) = self.source.offset(*span)
            && let Some(index) = self.parameters.get(&at)
        {
            self.walked.compared.push((*index, used));
        }
    }

    pub(super) fn expr(&mut self, expr: &Expr, seat: Seat<'_>) -> Lowered<()> {
        match expr {
            Expr::Identifier(ident) => {
                self.identifier(expr, std::slice::from_ref(ident), seat);
                Ok(())
            }
            Expr::CompoundIdentifier(idents) => {
                self.identifier(expr, idents, seat);
                Ok(())
            }
            Expr::Value(ValueWithSpan { value, span: _ }) => literal(value),
            Expr::Nested(inner) => self.expr(inner, seat),
            Expr::Prefixed { prefix, value } => {
                self.see(prefix);
                self.expr(value, seat)
            }
            Expr::TypedString(TypedString { data_type: _, value: _, uses_odbc_syntax: _ }) => Ok(()),
            Expr::Interval(interval) => {
                let Interval {
                    value,
                    leading_field: _,
                    leading_precision: _,
                    last_field: _,
                    fractional_seconds_precision: _,
                } = interval;
                self.expr(value, seat)
            }
            Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.expr(inner, seat),
            Expr::Collate { expr: inner, collation } => {
                self.parts(collation)?;
                self.expr(inner, seat)
            }
            Expr::InList { expr: needle, list, negated: _ } => {
                self.expr(needle, seat)?;
                self.list(list, seat)
            }
            Expr::InSubquery { expr: needle, subquery, negated: _ } => {
                self.expr(needle, seat)?;
                self.subquery(subquery, Rows::Apart(seat.within("IN")))
            }
            Expr::Exists { subquery, negated: _ } => self.subquery(subquery, Rows::Exists),
            Expr::Subquery(query) => self.subquery(query, Rows::Apart(seat.within("a subquery"))),
            Expr::Between { expr: tested, negated: _, low, high } => {
                self.list([&**tested, &**low, &**high], seat.within("BETWEEN"))
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, seat),
            Expr::UnaryOp { op, expr: inner } => match op {
                UnaryOperator::Plus
                | UnaryOperator::Minus
                | UnaryOperator::Not
                | UnaryOperator::BangNot
                | UnaryOperator::BitwiseNot => self.expr(inner, seat),
                _ => unsupported("an operator", expr),
            },
            Expr::Like { negated: _, any: false, expr: tested, pattern, escape_char } => {
                let seat = seat.within("LIKE");
                self.list([&**tested, &**pattern].into_iter().chain(escape_char.as_deref()), seat)
            }
            Expr::RLike { negated: _, expr: tested, pattern, regexp: _ } => {
                self.list([&**tested, &**pattern], seat.within("REGEXP"))
            }
            Expr::AnyOp { left, compare_op: _, right, is_some: _ } => self.quantified(left, right, seat),
            Expr::AllOp { left, compare_op: _, right } => self.quantified(left, right, seat),
            Expr::Convert { is_try: false, expr: inner, data_type: _, charset, target_before_value: _, styles }
                if styles.is_empty() =>
            {
                if let Some(charset) = charset {
                    self.parts(charset)?;
                }
                self.expr(inner, seat.within("CONVERT"))
            }
            Expr::Cast { kind: CastKind::Cast, expr: inner, data_type: _, format: None } => {
                self.expr(inner, seat.within("CAST"))
            }
            Expr::Extract { field: _, syntax: _, expr: inner } => self.expr(inner, seat.within("EXTRACT")),
            Expr::Ceil { expr: inner, field: _ } | Expr::Floor { expr: inner, field: _ } => {
                self.expr(inner, seat.within("rounding"))
            }
            Expr::Position { expr: inner, r#in } => self.list([&**inner, &**r#in], seat.within("POSITION")),
            Expr::Substring { expr: inner, substring_from, substring_for, special: _, shorthand: _ } => {
                let bounds = substring_from.as_deref().into_iter().chain(substring_for.as_deref());
                self.list([&**inner].into_iter().chain(bounds), seat.within("SUBSTRING"))
            }
            Expr::Trim { trim_where: _, trim_what, expr: inner, trim_characters: None } => {
                self.list([&**inner].into_iter().chain(trim_what.as_deref()), seat.within("TRIM"))
            }
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                let seat = seat.within("CASE");
                self.list(operand.as_deref(), seat)?;
                for arm in conditions {
                    let CaseWhen { condition, result } = arm;
                    self.list([condition, result], seat)?;
                }
                self.list(else_result.as_deref(), seat)
            }
            Expr::Tuple(items) => self.list(items, seat),
            Expr::Rollup(lists) => self.list(lists.iter().flatten(), seat),
            Expr::Function(function) => self.call(function, seat),
            Expr::MatchAgainst { columns, match_value: _, opt_search_modifier: _ } => {
                for name in columns {
                    let idents: Vec<Ident> = self.parts(name)?.into_iter().cloned().collect();
                    self.column(&idents, seat.within("MATCH … AGAINST").context());
                }
                Ok(())
            }
            Expr::MemberOf(MemberOf { value, array }) => self.list([&**value, &**array], seat.within("MEMBER OF")),
            other => unsupported("an expression", other),
        }
    }

    fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, seat: Seat<'_>) -> Lowered<()> {
        let seat = match op {
            BinaryOperator::Assignment => Seat::other("an assignment to a variable"),
            BinaryOperator::And => seat.within("AND"),
            BinaryOperator::Or => seat.within("OR"),
            BinaryOperator::Eq | BinaryOperator::Spaceship | BinaryOperator::NotEq => seat.within("a comparison"),
            BinaryOperator::Gt | BinaryOperator::Lt | BinaryOperator::GtEq | BinaryOperator::LtEq => {
                seat.within("a comparison")
            }
            BinaryOperator::Plus
            | BinaryOperator::Minus
            | BinaryOperator::Multiply
            | BinaryOperator::Divide
            | BinaryOperator::Modulo
            | BinaryOperator::MyIntegerDivide
            | BinaryOperator::StringConcat
            | BinaryOperator::Xor
            | BinaryOperator::BitwiseOr
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseXor
            | BinaryOperator::PGBitwiseShiftLeft
            | BinaryOperator::PGBitwiseShiftRight
            | BinaryOperator::Arrow
            | BinaryOperator::LongArrow => seat.within("an operator"),
            _ => return unsupported("an operator", op),
        };
        self.expr(left, seat)?;
        self.expr(right, seat)
    }

    fn quantified(&mut self, left: &Expr, right: &Expr, seat: Seat<'_>) -> Lowered<()> {
        self.expr(left, seat)?;
        match Self::strip(right) {
            Expr::Subquery(query) => self.subquery(query, Rows::Apart(seat.within("ANY"))),
            _ => self.expr(right, seat),
        }
    }

    pub(super) fn subquery(&mut self, query: &sqlparser::ast::Query, rows: Rows<'_>) -> Lowered<()> {
        // Proposed rows and locks are those of the statement around it.
        let (upserting, locking) = (std::mem::take(&mut self.upserting), self.locking.take());
        let done = self.query(query, rows);
        (self.upserting, self.locking) = (upserting, locking);
        done
    }
}

/// What a constant is for a comparison; `None` if it is none.
fn compared(expr: &Expr) -> Option<Compared> {
    match expr {
        Expr::Nested(inner) => compared(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr: inner } => {
            (compared(inner)? == Compared::Number).then_some(Compared::Number)
        }
        Expr::Value(ValueWithSpan { value, span: _ }) => match value {
            Value::SingleQuotedString(_) => Some(Compared::Text),
            Value::Number(..) => Some(Compared::Number),
            Value::Placeholder(mark) if mark == "?" => Some(Compared::Parameter),
            Value::HexStringLiteral(_) | Value::NationalStringLiteral(_) | Value::Boolean(_) | Value::Null => {
                Some(Compared::OtherLiteral)
            }
            _ => None,
        },
        _ => None,
    }
}

fn literal(value: &Value) -> Lowered<()> {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::HexStringLiteral(_)
        | Value::NationalStringLiteral(_)
        | Value::Null
        | Value::Boolean(_) => Ok(()),
        Value::Placeholder(mark) if mark == "?" || mark.starts_with('@') => Ok(()),
        other => unsupported("a literal", other),
    }
}
