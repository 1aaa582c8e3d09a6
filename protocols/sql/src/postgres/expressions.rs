//! Lowers PostgreSQL's expressions.

use super::names::{constant, qualified, strings};
use super::queries::Lower;
use crate::ir::{Call, Expr, Name, Sub, Window};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    AExpr, AExprKind, BoolExprType, FuncCall, JsonAggConstructor, JsonValueExpr, Node, SubLink, SubLinkType, TypeName,
    WindowDef, a_const,
};
use std::sync::Arc;

type Boxed = Option<Box<Node>>;

impl Lower {
    pub(super) fn boxed(&mut self, node: &Boxed) -> Expr {
        match node {
            Some(node) => self.expr(node),
            None => Expr::Literal(None),
        }
    }

    pub(super) fn optional(&mut self, node: &Boxed) -> Option<Expr> {
        node.as_deref().map(|node| self.expr(node))
    }

    pub(super) fn list(&mut self, nodes: &[Node]) -> Vec<Expr> {
        nodes.iter().map(|node| self.expr(node)).collect()
    }

    fn present(&mut self, nodes: &[&Boxed]) -> Vec<Expr> {
        nodes.iter().filter_map(|node| self.optional(node)).collect()
    }

    pub(super) fn expr(&mut self, node: &Node) -> Expr {
        let Some(inner) = &node.node else { return Expr::Literal(None) };
        match inner {
            NodeEnum::ColumnRef(column) => {
                let path = strings(&column.fields);
                if path.len() == column.fields.len() { Expr::Column(path) } else { Expr::Star(path) }
            }
            NodeEnum::AStar(_) => Expr::Star(Vec::new()),
            NodeEnum::AConst(value) => match &value.val {
                Some(a_const::Val::Ival(number)) => Expr::Literal(Some(i64::from(number.ival))),
                // An integer zero is written without a value.
                None if !value.isnull => Expr::Literal(Some(0)),
                _ => Expr::Literal(None),
            },
            NodeEnum::ParamRef(_) => Expr::Param,
            NodeEnum::TypeCast(cast) => {
                let operand = self.boxed(&cast.arg);
                lower_cast(operand, cast.type_name.as_ref())
            }
            NodeEnum::AExpr(expr) => self.operation(expr),
            NodeEnum::BoolExpr(expr) => {
                let mut operands = self.list(&expr.args);
                match BoolExprType::try_from(expr.boolop) {
                    Ok(BoolExprType::AndExpr) => Expr::And(operands),
                    Ok(BoolExprType::OrExpr) => Expr::Or(operands),
                    _ => Expr::Not(Box::new(operands.pop().unwrap_or(Expr::Literal(None)))),
                }
            }
            NodeEnum::SubLink(link) => self.sublink(link),
            NodeEnum::FuncCall(call) => self.call(call),
            NodeEnum::NamedArgExpr(argument) => self.boxed(&argument.arg),
            NodeEnum::CaseExpr(case) => {
                let tested = self.optional(&case.arg);
                let mut conditions = Vec::new();
                let mut results = Vec::new();
                for arm in &case.args {
                    if let Some(NodeEnum::CaseWhen(when)) = &arm.node {
                        let condition = self.boxed(&when.expr);
                        conditions.push(Expr::arm(tested.as_ref(), condition, conditions.is_empty()));
                        results.push(self.boxed(&when.result));
                    }
                }
                results.extend(self.optional(&case.defresult));
                Expr::Case { conditions, results }
            }
            NodeEnum::CoalesceExpr(expr) => Expr::Derive(self.list(&expr.args)),
            NodeEnum::MinMaxExpr(expr) => Expr::Derive(self.list(&expr.args)),
            NodeEnum::RowExpr(expr) => Expr::Row(self.list(&expr.args)),
            NodeEnum::AArrayExpr(expr) => {
                let items = self.list(&expr.elements);
                Expr::Derive(items)
            }
            NodeEnum::AIndirection(indirection) => {
                let mut expr = self.boxed(&indirection.arg);
                for step in &indirection.indirection {
                    expr = match &step.node {
                        Some(NodeEnum::String(name)) => Expr::Field(Box::new(expr), name.sval.clone()),
                        Some(NodeEnum::AStar(_)) => Expr::FieldStar(Box::new(expr)),
                        Some(NodeEnum::AIndices(indices)) => {
                            let mut operands = vec![expr];
                            operands.extend(self.present(&[&indices.lidx, &indices.uidx]));
                            Expr::Derive(operands)
                        }
                        _ => opaque("an indirection", vec![expr]),
                    };
                }
                expr
            }
            NodeEnum::CollateClause(clause) => Expr::Derive(vec![self.boxed(&clause.arg)]),
            NodeEnum::NullTest(test) => Expr::Derive(vec![self.boxed(&test.arg)]),
            NodeEnum::BooleanTest(test) => Expr::Derive(vec![self.boxed(&test.arg)]),
            NodeEnum::SqlvalueFunction(_)
            | NodeEnum::SetToDefault(_)
            | NodeEnum::GroupingFunc(_)
            | NodeEnum::MergeSupportFunc(_) => Expr::Literal(None),
            NodeEnum::CurrentOfExpr(_) => Expr::Param,
            NodeEnum::List(list) => Expr::Row(self.list(&list.items)),
            NodeEnum::ResTarget(target) => self.boxed(&target.val),
            NodeEnum::MultiAssignRef(reference) => self.boxed(&reference.source),
            NodeEnum::XmlExpr(xml) => {
                let mut operands = self.list(&xml.args);
                operands.extend(self.list(&xml.named_args));
                Expr::Fallible(operands)
            }
            NodeEnum::XmlSerialize(xml) => Expr::Derive(vec![self.boxed(&xml.expr)]),
            _ => self.json(inner),
        }
    }

    fn json(&mut self, node: &NodeEnum) -> Expr {
        match node {
            NodeEnum::JsonValueExpr(value) => self.json_value(value),
            NodeEnum::JsonIsPredicate(test) => Expr::Derive(vec![self.boxed(&test.expr)]),
            NodeEnum::JsonParseExpr(parse) => Expr::Fallible(parse.expr.iter().map(|e| self.json_value(e)).collect()),
            NodeEnum::JsonScalarExpr(scalar) => Expr::Derive(vec![self.boxed(&scalar.expr)]),
            NodeEnum::JsonSerializeExpr(expr) => Expr::Fallible(expr.expr.iter().map(|e| self.json_value(e)).collect()),
            NodeEnum::JsonKeyValue(pair) => {
                let mut operands = self.present(&[&pair.key]);
                operands.extend(pair.value.iter().map(|value| self.json_value(value)));
                Expr::Derive(operands)
            }
            NodeEnum::JsonObjectConstructor(json) => Expr::Fallible(self.list(&json.exprs)),
            NodeEnum::JsonArrayConstructor(json) => Expr::Fallible(self.list(&json.exprs)),
            NodeEnum::JsonArrayQueryConstructor(json) => match json.query.as_deref() {
                Some(query) => Expr::Subquery { kind: Sub::Array, query: Box::new(self.query_node(query)), test: None },
                None => opaque("JSON_ARRAY without a query", Vec::new()),
            },
            NodeEnum::JsonArrayAgg(json) => {
                let operands = json.arg.iter().map(|value| self.json_value(value)).collect();
                self.json_aggregate(json.constructor.as_deref(), operands)
            }
            NodeEnum::JsonObjectAgg(json) => {
                let mut operands = Vec::new();
                if let Some(pair) = &json.arg {
                    operands.extend(self.present(&[&pair.key]));
                    operands.extend(pair.value.iter().map(|value| self.json_value(value)));
                }
                self.json_aggregate(json.constructor.as_deref(), operands)
            }
            NodeEnum::JsonFuncExpr(json) => {
                let mut operands: Vec<Expr> = json.context_item.iter().map(|item| self.json_value(item)).collect();
                operands.extend(self.present(&[&json.pathspec]));
                operands.extend(self.list(&json.passing));
                for behaviour in [&json.on_empty, &json.on_error].into_iter().flatten() {
                    operands.extend(self.present(&[&behaviour.expr]));
                }
                Expr::Fallible(operands)
            }
            NodeEnum::JsonArgument(argument) => {
                let operands = argument.val.iter().map(|value| self.json_value(value)).collect();
                Expr::Derive(operands)
            }
            other => opaque(&format!("an expression of a kind that is not analysed ({})", kind(other)), Vec::new()),
        }
    }

    pub(super) fn json_value(&mut self, value: &JsonValueExpr) -> Expr {
        let operands = self.present(&[&value.raw_expr, &value.formatted_expr]);
        Expr::Derive(operands)
    }

    fn json_aggregate(&mut self, constructor: Option<&JsonAggConstructor>, arguments: Vec<Expr>) -> Expr {
        let mut call = Call {
            name: Name { schema: Some("pg_catalog".to_owned()), name: "json_object_agg".to_owned() },
            arguments,
            order: Vec::new(),
            filter: None,
            over: None,
            texts: Vec::new(),
        };
        if let Some(constructor) = constructor {
            call.order = self.sorts(&constructor.agg_order);
            call.filter = self.optional(&constructor.agg_filter);
            call.over = constructor.over.as_deref().map(|window| self.window(window));
        }
        Expr::Call(Box::new(call))
    }

    fn operation(&mut self, expr: &AExpr) -> Expr {
        let name = qualified(&expr.name);
        let kind = AExprKind::try_from(expr.kind).unwrap_or(AExprKind::Undefined);
        let plain = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
        let equals = plain && name.name == "=";
        let left = self.optional(&expr.lexpr);
        let operands = |left: Option<Expr>, right: Expr| left.into_iter().chain([right]).collect::<Vec<Expr>>();
        let boxed = |left: Option<Expr>| Box::new(left.unwrap_or(Expr::Literal(None)));
        match kind {
            AExprKind::AexprIn => {
                let items = match expr.rexpr.as_deref().and_then(|node| node.node.as_ref()) {
                    Some(NodeEnum::List(list)) => self.list(&list.items),
                    _ => vec![array(self.boxed(&expr.rexpr))],
                };
                let test = Expr::In(boxed(left), items);
                if equals { test } else { Expr::Not(Box::new(test)) }
            }
            AExprKind::AexprOpAny if equals => {
                let items = match expr.rexpr.as_deref().and_then(|node| node.node.as_ref()) {
                    Some(NodeEnum::AArrayExpr(array)) => self.list(&array.elements),
                    _ => vec![array(self.boxed(&expr.rexpr))],
                };
                Expr::In(boxed(left), items)
            }
            AExprKind::AexprOp if equals && left.is_some() => {
                let right = self.boxed(&expr.rexpr);
                Expr::Equal(boxed(left), Box::new(right))
            }
            AExprKind::AexprNotDistinct => {
                let right = self.boxed(&expr.rexpr);
                Expr::Equal(boxed(left), Box::new(right))
            }
            AExprKind::AexprDistinct => {
                let right = self.boxed(&expr.rexpr);
                Expr::Not(Box::new(Expr::Equal(boxed(left), Box::new(right))))
            }
            AExprKind::AexprOp
            | AExprKind::AexprOpAny
            | AExprKind::AexprOpAll
            | AExprKind::AexprLike
            | AExprKind::AexprIlike
            | AExprKind::AexprSimilar => {
                let right = self.boxed(&expr.rexpr);
                Expr::Operator { schema: name.schema, name: name.name, operands: operands(left, right) }
            }
            AExprKind::AexprNullif
            | AExprKind::AexprBetween
            | AExprKind::AexprNotBetween
            | AExprKind::AexprBetweenSym
            | AExprKind::AexprNotBetweenSym => {
                let right = self.boxed(&expr.rexpr);
                Expr::Derive(operands(left, right))
            }
            AExprKind::Undefined => {
                let right = self.boxed(&expr.rexpr);
                opaque("an operation of a kind that is not analysed", operands(left, right))
            }
        }
    }

    fn sublink(&mut self, link: &SubLink) -> Expr {
        let Some(node) = link.subselect.as_deref() else { return opaque("a subquery that is missing", Vec::new()) };
        let query = Box::new(self.query_node(node));
        let test = self.optional(&link.testexpr).map(Box::new);
        let equals = strings(&link.oper_name).last().is_none_or(|name| name == "=");
        let kind = match SubLinkType::try_from(link.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => Sub::Exists,
            Ok(SubLinkType::AnySublink) if equals => Sub::In,
            Ok(SubLinkType::ExprSublink | SubLinkType::MultiexprSublink) => Sub::Scalar,
            Ok(SubLinkType::ArraySublink) => Sub::Array,
            _ => Sub::Compare,
        };
        Expr::Subquery { kind, query, test }
    }

    pub(super) fn call(&mut self, call: &FuncCall) -> Expr {
        let mut arguments = self.list(&call.args);
        if call.agg_star {
            arguments.push(Expr::Star(Vec::new()));
        }
        Expr::Call(Box::new(Call {
            name: qualified(&call.funcname),
            arguments,
            order: self.sorts(&call.agg_order),
            filter: self.optional(&call.agg_filter),
            over: call.over.as_deref().map(|window| self.window(window)),
            texts: call.args.iter().map(constant).collect(),
        }))
    }

    pub(super) fn sorts(&mut self, nodes: &[Node]) -> Vec<Expr> {
        let mut sorts = Vec::new();
        for node in nodes {
            match &node.node {
                Some(NodeEnum::SortBy(sort)) => {
                    let key = self.boxed(&sort.node);
                    let operator = qualified(&sort.use_op);
                    if operator.name.is_empty() {
                        sorts.push(key);
                    } else {
                        sorts.push(Expr::Operator {
                            schema: operator.schema,
                            name: operator.name,
                            operands: vec![key],
                        });
                    }
                }
                _ => sorts.push(self.expr(node)),
            }
        }
        sorts
    }

    pub(super) fn window(&mut self, window: &WindowDef) -> Window {
        let mut lowered = Window::default();
        for name in [&window.name, &window.refname] {
            if let Some((_, known)) = self.windows.iter().rev().find(|(own, _)| own == name && !name.is_empty()) {
                lowered = known.copy();
            }
        }
        lowered.partition.extend(self.list(&window.partition_clause).into_iter().map(Arc::new));
        lowered.order.extend(self.sorts(&window.order_clause).into_iter().map(Arc::new));
        let frame = self.present(&[&window.start_offset, &window.end_offset]);
        lowered.order.extend(frame.into_iter().map(Arc::new));
        lowered
    }
}

fn lower_cast(operand: Expr, target: Option<&TypeName>) -> Expr {
    let Some(target) = target else { return opaque("a cast without a type", vec![operand]) };
    let name = qualified(&target.names);
    let modified = !target.typmods.is_empty() || !target.array_bounds.is_empty();
    // `char(n)` is bpchar with a length even where none is written.
    Expr::Cast { operand: Box::new(operand), schema: name.schema, name: name.name, modified }
}

/// An array that is given as one value: how many values it holds is not known.
fn array(given: Expr) -> Expr {
    match given.is_constant() {
        true => Expr::Cast { operand: Box::new(given), schema: None, name: "array".to_owned(), modified: true },
        false => given,
    }
}

pub(super) fn opaque(what: &str, operands: Vec<Expr>) -> Expr {
    Expr::Opaque { what: what.to_owned(), operands }
}

/// The name of a node's kind, for people.
pub(super) fn kind(node: &NodeEnum) -> String {
    let debug = format!("{node:?}");
    debug.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
