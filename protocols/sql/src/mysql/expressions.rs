//! Lowers MySQL's expressions.

use super::queries::{Lower, Lowered, name_of, unsupported};
use crate::ir::{Call, Expr, Sub, Window};
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Ident, OrderByExpr, Query, UnaryOperator, Value, WindowSpec, WindowType,
};
use std::sync::Arc;

/// Units of TIMESTAMPADD and TIMESTAMPDIFF.
const UNITS: [&str; 9] = ["microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// The words one of which stands where a column could in a call of that function: a unit, or a format's kind.
pub(super) fn keyword_arguments(function: &str) -> &'static [&'static str] {
    match function {
        "timestampdiff" | "timestampadd" => &UNITS,
        "get_format" => &["date", "time", "datetime", "timestamp"],
        _ => &[],
    }
}

impl Lower {
    fn boxed(&mut self, expr: &Ast) -> Lowered<Box<Expr>> {
        Ok(Box::new(self.expr(expr)?))
    }

    pub(super) fn list<'a>(&mut self, exprs: impl IntoIterator<Item = &'a Ast>) -> Lowered<Vec<Expr>> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    fn derive<'a>(&mut self, exprs: impl IntoIterator<Item = &'a Ast>) -> Lowered<Expr> {
        Ok(Expr::Derive(self.list(exprs)?))
    }

    pub(super) fn expr(&mut self, expr: &Ast) -> Lowered<Expr> {
        Ok(match expr {
            Ast::Identifier(ident) => self.named(std::slice::from_ref(ident)),
            Ast::CompoundIdentifier(idents) => self.named(idents),
            Ast::Value(value) => literal(&value.value)?,
            Ast::Nested(inner) => self.expr(inner)?,
            Ast::Prefixed { value, .. } => Expr::Derive(vec![self.expr(value)?]),
            Ast::TypedString(_) => Expr::Literal(None),
            Ast::Interval(interval) => Expr::Derive(vec![self.expr(&interval.value)?]),
            Ast::IsFalse(e)
            | Ast::IsNotFalse(e)
            | Ast::IsTrue(e)
            | Ast::IsNotTrue(e)
            | Ast::IsNull(e)
            | Ast::IsNotNull(e)
            | Ast::IsUnknown(e)
            | Ast::IsNotUnknown(e)
            | Ast::Collate { expr: e, .. } => Expr::Derive(vec![self.expr(e)?]),
            Ast::InList { expr, list, negated } => {
                let test = Expr::In(self.boxed(expr)?, self.list(list)?);
                if *negated { Expr::Not(Box::new(test)) } else { test }
            }
            Ast::InSubquery { expr, subquery, negated } => {
                let test = self.subquery(Sub::In, subquery, Some(expr))?;
                if *negated { Expr::Not(Box::new(test)) } else { test }
            }
            Ast::Exists { subquery, negated } => {
                let test = self.subquery(Sub::Exists, subquery, None)?;
                if *negated { Expr::Not(Box::new(test)) } else { test }
            }
            Ast::Subquery(query) => self.subquery(Sub::Scalar, query, None)?,
            Ast::Between { expr, low, high, .. } => self.derive([&**expr, &**low, &**high])?,
            Ast::BinaryOp { left, op, right } => self.binary(left, op, right)?,
            Ast::UnaryOp { op, expr } => {
                let operand = self.expr(expr)?;
                match (op, &operand) {
                    (UnaryOperator::Minus | UnaryOperator::Plus, Expr::Number(_)) => Expr::Number(None),
                    (UnaryOperator::Not | UnaryOperator::BangNot, _) => Expr::Not(Box::new(operand)),
                    _ => Expr::Fallible(vec![operand]),
                }
            }
            Ast::Like { any: false, expr, pattern, escape_char, .. } => {
                self.derive([&**expr, &**pattern].into_iter().chain(escape_char.as_deref()))?
            }
            Ast::RLike { expr, pattern, .. } => Expr::Fallible(self.list([&**expr, &**pattern])?),
            Ast::AnyOp { left, right, .. } | Ast::AllOp { left, right, .. } => match strip(right) {
                Ast::Subquery(query) => self.subquery(Sub::Compare, query, Some(left))?,
                _ => self.derive([&**left, &**right])?,
            },
            Ast::Convert { expr, styles, .. } if styles.is_empty() => Expr::Fallible(vec![self.expr(expr)?]),
            Ast::Cast { expr, .. } => Expr::Fallible(vec![self.expr(expr)?]),
            Ast::Extract { expr, .. } | Ast::Ceil { expr, .. } | Ast::Floor { expr, .. } => {
                Expr::Derive(vec![self.expr(expr)?])
            }
            Ast::Position { expr, r#in } => self.derive([&**expr, &**r#in])?,
            Ast::Substring { expr, substring_from, substring_for, .. } => {
                self.derive([&**expr].into_iter().chain(substring_from.as_deref()).chain(substring_for.as_deref()))?
            }
            Ast::Trim { trim_what, expr, trim_characters: None, .. } => {
                self.derive([&**expr].into_iter().chain(trim_what.as_deref()))?
            }
            Ast::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())?
            }
            Ast::Tuple(items) => Expr::Row(self.list(items)?),
            Ast::Function(function) => self.function(function)?,
            Ast::MatchAgainst { columns, .. } => {
                let columns = columns.iter().map(|name| Ok(Expr::Column(name_of(name)?)));
                Expr::Derive(columns.collect::<Lowered<Vec<Expr>>>()?)
            }
            Ast::MemberOf(member) => Expr::Fallible(self.list([&*member.value, &*member.array])?),
            Ast::Rollup(lists) => Expr::Row(self.list(lists.iter().flatten())?),
            other => return unsupported("an expression", other),
        })
    }

    /// A column, a variable or a word that stands for a value.
    fn named(&mut self, idents: &[Ident]) -> Expr {
        if let [ident] = idents
            && ident.quote_style.is_none()
        {
            if ident.value.starts_with('@') {
                return Expr::Literal(None);
            }
            let word = ident.value.to_ascii_lowercase();
            if matches!(
                word.as_str(),
                "current_date"
                    | "current_time"
                    | "current_timestamp"
                    | "current_user"
                    | "localtime"
                    | "localtimestamp"
                    | "utc_date"
                    | "utc_time"
                    | "utc_timestamp"
                    | "default"
                    | "maxvalue"
            ) {
                return Expr::Literal(None);
            }
        }
        if idents.first().is_some_and(|ident| ident.quote_style.is_none() && ident.value.starts_with("@@")) {
            return Expr::Literal(None);
        }
        let mut path: Vec<String> = idents.iter().map(|ident| ident.value.clone()).collect();
        if let (Some(alias), [first, _]) = (&self.inserted, path.as_mut_slice())
            && first.eq_ignore_ascii_case(alias)
        {
            "excluded".clone_into(first);
        }
        Expr::Column(path)
    }

    fn case(&mut self, operand: Option<&Ast>, arms: &[CaseWhen], otherwise: Option<&Ast>) -> Lowered<Expr> {
        let tested = operand.map(|operand| self.expr(operand)).transpose()?;
        let mut conditions = Vec::new();
        let mut results = Vec::new();
        for arm in arms {
            let condition = self.expr(&arm.condition)?;
            conditions.push(Expr::arm(tested.as_ref(), condition, conditions.is_empty()));
            results.push(self.expr(&arm.result)?);
        }
        results.extend(otherwise.map(|expr| self.expr(expr)).transpose()?);
        Ok(Expr::Case { conditions, results })
    }

    fn subquery(&mut self, kind: Sub, query: &Query, test: Option<&Ast>) -> Lowered<Expr> {
        let test = test.map(|test| self.boxed(test)).transpose()?;
        Ok(Expr::Subquery { kind, query: Box::new(self.query(query)?), test })
    }

    fn binary(&mut self, left: &Ast, op: &BinaryOperator, right: &Ast) -> Lowered<Expr> {
        let (first, second) = (self.expr(left)?, self.expr(right)?);
        Ok(match op {
            BinaryOperator::And => Expr::And(vec![first, second]),
            BinaryOperator::Or => Expr::Or(vec![first, second]),
            BinaryOperator::Eq | BinaryOperator::Spaceship => Expr::Equal(Box::new(first), Box::new(second)),
            BinaryOperator::NotEq => Expr::Not(Box::new(Expr::Equal(Box::new(first), Box::new(second)))),
            BinaryOperator::Gt
            | BinaryOperator::Lt
            | BinaryOperator::GtEq
            | BinaryOperator::LtEq
            | BinaryOperator::StringConcat
            | BinaryOperator::Xor => Expr::Derive(vec![first, second]),
            BinaryOperator::Assignment => Expr::Derive(vec![Expr::Assign(Box::new(second))]),
            _ => Expr::Fallible(vec![first, second]),
        })
    }

    fn function(&mut self, function: &Function) -> Lowered<Expr> {
        let mut path = name_of(&function.name)?;
        let name = path.pop().unwrap_or_default();
        if function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None) {
            return unsupported("a function call", function);
        }
        let mut arguments = Vec::new();
        let mut order = Vec::new();
        let mut keyword = keyword_arguments(&name.to_ascii_lowercase());
        match &function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => arguments.push(self.subquery(Sub::Scalar, query, None)?),
            FunctionArguments::List(list) => {
                for argument in &list.args {
                    match argument {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(Ast::Identifier(word))) if !keyword.is_empty() => {
                            let spelled = word.value.to_ascii_lowercase();
                            let spelled = spelled.strip_prefix("sql_tsi_").unwrap_or(&spelled);
                            if word.quote_style.is_some() || !keyword.contains(&spelled) {
                                return unsupported("a unit", word);
                            }
                            keyword = &[];
                        }
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(self.expr(expr)?),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => arguments.push(Expr::Star(Vec::new())),
                        other => return unsupported("an argument", other),
                    }
                }
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(keys) => order.extend(self.orders(keys)?),
                        FunctionArgumentClause::Limit(expr) => order.push(self.expr(expr)?),
                        FunctionArgumentClause::Separator(_) | FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                        other => return unsupported("a clause of a function", other),
                    }
                }
            }
        }
        order.extend(self.orders(&function.within_group)?);
        if name.eq_ignore_ascii_case("values")
            && let [Expr::Column(column)] = arguments.as_slice()
        {
            let column = column.last().cloned().unwrap_or_default();
            return Ok(Expr::Column(vec!["excluded".to_owned(), column]));
        }
        let filter = function.filter.as_deref().map(|filter| self.expr(filter)).transpose()?;
        let over = match &function.over {
            None => None,
            Some(WindowType::WindowSpec(spec)) => Some(self.window(spec)?),
            Some(WindowType::NamedWindow(name)) => Some(self.named_window(name)),
        };
        let name = crate::ir::Name { schema: path.pop(), name };
        Ok(Expr::Call(Box::new(Call { name, arguments, order, filter, over, texts: Vec::new() })))
    }

    pub(super) fn orders(&mut self, keys: &[OrderByExpr]) -> Lowered<Vec<Expr>> {
        self.list(keys.iter().map(|key| &key.expr))
    }

    fn named_window(&self, name: &Ident) -> Window {
        let known = self.windows.iter().rev().find(|(own, _)| own.eq_ignore_ascii_case(&name.value));
        known.map(|(_, window)| window.copy()).unwrap_or_default()
    }

    pub(super) fn window(&mut self, spec: &WindowSpec) -> Lowered<Window> {
        let mut window = spec.window_name.as_ref().map(|name| self.named_window(name)).unwrap_or_default();
        window.partition.extend(self.list(&spec.partition_by)?.into_iter().map(Arc::new));
        window.order.extend(self.orders(&spec.order_by)?.into_iter().map(Arc::new));
        Ok(window)
    }
}

fn strip(expr: &Ast) -> &Ast {
    match expr {
        Ast::Nested(inner) => strip(inner),
        other => other,
    }
}

fn literal(value: &Value) -> Lowered<Expr> {
    Ok(match value {
        Value::Number(digits, _) => Expr::Number(digits.parse().ok()),
        Value::SingleQuotedString(_) | Value::HexStringLiteral(_) | Value::NationalStringLiteral(_) | Value::Null => {
            Expr::Literal(None)
        }
        Value::Boolean(_) => Expr::Number(None),
        Value::Placeholder(name) if name == "?" => Expr::Param,
        Value::Placeholder(name) if name.starts_with('@') => Expr::Literal(None),
        other => return unsupported("a literal", other),
    })
}
