//! Lowers PostgreSQL's queries and FROM lists.

use super::expressions::kind;
use super::names::{figured, range, strings};
use crate::ir::{Alias, Body, Cte, Expr, From, FunctionSource, Join, Query, Select, Target, Window};
use pg_query::NodeEnum;
use pg_query::protobuf::{
    self, CommonTableExpr, JoinExpr, JoinType, JsonTable, Node, RangeFunction, RangeTableFunc, SelectStmt,
    SetOperation, WithClause,
};

/// Lowers one statement.
#[derive(Default)]
pub(super) struct Lower {
    /// Named windows that can be seen, innermost last.
    pub(super) windows: Vec<(String, Window)>,
}

impl Lower {
    /// A query from whatever node may stand for one.
    pub(super) fn query_node(&mut self, node: &Node) -> Query {
        match &node.node {
            Some(NodeEnum::SelectStmt(select)) => self.query(select),
            Some(NodeEnum::InsertStmt(insert)) => self.insert(insert),
            Some(NodeEnum::UpdateStmt(update)) => self.update(update),
            Some(NodeEnum::DeleteStmt(delete)) => self.delete(delete),
            Some(NodeEnum::MergeStmt(merge)) => self.merge(merge),
            Some(other) => Query::of(Body::Unknown(format!("a query that is a {}", kind(other)))),
            None => Query::of(Body::Unknown("a query that is missing".to_owned())),
        }
    }

    pub(super) fn query(&mut self, select: &SelectStmt) -> Query {
        let ctes = self.with(select.with_clause.as_ref());
        let depth = self.windows.len();
        let set = SetOperation::try_from(select.op).unwrap_or(SetOperation::SetopNone);
        let body = match (set, &select.larg, &select.rarg) {
            (
                SetOperation::SetopUnion | SetOperation::SetopIntersect | SetOperation::SetopExcept,
                Some(left),
                Some(right),
            ) => Body::Set {
                left: Box::new(self.query(left)),
                right: Box::new(self.query(right)),
                compares: !(set == SetOperation::SetopUnion && select.all),
            },
            _ if !select.values_lists.is_empty() => {
                let list = |lower: &mut Self, node: &Node| match &node.node {
                    Some(NodeEnum::List(list)) => lower.list(&list.items),
                    _ => vec![lower.expr(node)],
                };
                Body::Values(select.values_lists.iter().map(|node| list(self, node)).collect())
            }
            _ => Body::Select(Box::new(self.select(select))),
        };
        let mut limit = Vec::new();
        limit.extend(self.optional(&select.limit_count));
        limit.extend(self.optional(&select.limit_offset));
        let order = self.sorts(&select.sort_clause);
        self.windows.truncate(depth);
        Query { ctes, body, order, limit, limited: is_limit(&select.limit_count) }
    }

    pub(super) fn with(&mut self, clause: Option<&WithClause>) -> Vec<Cte> {
        let Some(clause) = clause else { return Vec::new() };
        let mut ctes = Vec::new();
        for node in &clause.ctes {
            if let Some(NodeEnum::CommonTableExpr(cte)) = &node.node {
                ctes.push(self.cte(cte, clause.recursive));
            }
        }
        ctes
    }

    fn cte(&mut self, cte: &CommonTableExpr, recursive: bool) -> Cte {
        let query = match cte.ctequery.as_deref() {
            Some(node) => self.query_node(node),
            None => Query::of(Body::Unknown("a WITH query that is missing".to_owned())),
        };
        let mut added = Vec::new();
        if let Some(search) = &cte.search_clause {
            added.push(search.search_seq_column.clone());
        }
        if let Some(cycle) = &cte.cycle_clause {
            added.push(cycle.cycle_mark_column.clone());
            added.push(cycle.cycle_path_column.clone());
        }
        Cte { name: cte.ctename.clone(), columns: strings(&cte.aliascolnames), query, recursive, added }
    }

    fn select(&mut self, select: &SelectStmt) -> Select {
        let mut windows = Vec::new();
        for node in &select.window_clause {
            if let Some(NodeEnum::WindowDef(window)) = &node.node {
                let lowered = self.window(window);
                self.windows.push((window.name.clone(), lowered.clone()));
                windows.push(lowered);
            }
        }
        let distinct = (!select.distinct_clause.is_empty()).then(|| {
            select.distinct_clause.iter().filter(|node| node.node.is_some()).map(|node| self.expr(node)).collect()
        });
        let mut targets = self.targets(&select.target_list);
        if let Some(name) = pinned_setting(select) {
            targets.iter_mut().for_each(|target| names_setting(&mut target.expr, &name));
        }
        Select {
            distinct,
            targets,
            from: select.from_clause.iter().map(|node| self.from(node)).collect(),
            filter: self.optional(&select.where_clause),
            group: self.groups(&select.group_clause),
            having: self.optional(&select.having_clause),
            windows,
        }
    }

    pub(super) fn targets(&mut self, nodes: &[Node]) -> Vec<Target> {
        let mut targets = Vec::new();
        for node in nodes {
            let Some(NodeEnum::ResTarget(target)) = &node.node else { continue };
            let expr = self.boxed(&target.val);
            let name = if target.name.is_empty() {
                target.val.as_deref().and_then(figured)
            } else {
                Some(target.name.clone())
            };
            targets.push(Target { name, expr });
        }
        targets
    }

    fn groups(&mut self, nodes: &[Node]) -> Vec<Expr> {
        let mut groups = Vec::new();
        for node in nodes {
            match &node.node {
                Some(NodeEnum::GroupingSet(set)) => groups.extend(self.groups(&set.content)),
                Some(NodeEnum::RowExpr(row)) => groups.extend(self.groups(&row.args)),
                Some(NodeEnum::List(list)) => groups.extend(self.groups(&list.items)),
                _ => groups.push(self.expr(node)),
            }
        }
        groups
    }

    pub(super) fn from(&mut self, node: &Node) -> From {
        match &node.node {
            Some(NodeEnum::RangeVar(table)) => From::Table {
                name: range(table),
                alias: alias(table.alias.as_ref()),
                only: !table.inh,
                arguments: Vec::new(),
            },
            Some(NodeEnum::RangeSubselect(subselect)) => match subselect.subquery.as_deref() {
                Some(query) => From::Derived {
                    query: Box::new(self.query_node(query)),
                    alias: alias(subselect.alias.as_ref()),
                    lateral: subselect.lateral,
                },
                None => From::Unknown("a subquery that is missing".to_owned()),
            },
            Some(NodeEnum::RangeFunction(function)) => self.function(function),
            Some(NodeEnum::RangeTableFunc(table)) => self.xml_table(table),
            Some(NodeEnum::JsonTable(table)) => self.json_table(table),
            Some(NodeEnum::RangeTableSample(sample)) => match sample.relation.as_deref().map(|node| self.from(node)) {
                Some(From::Table { name, alias, only, mut arguments }) => {
                    arguments.extend(self.list(&sample.args));
                    arguments.extend(self.optional(&sample.repeatable));
                    From::Table { name, alias, only, arguments }
                }
                _ => From::Unknown("TABLESAMPLE of what is not a table".to_owned()),
            },
            Some(NodeEnum::JoinExpr(join)) => self.join(join),
            Some(other) => From::Unknown(format!("a FROM item of a kind that is not analysed ({})", kind(other))),
            None => From::Unknown("a FROM item that is missing".to_owned()),
        }
    }

    fn function(&mut self, function: &RangeFunction) -> From {
        let mut calls = Vec::new();
        for node in &function.functions {
            let Some(NodeEnum::List(pair)) = &node.node else { continue };
            let Some(call) = pair.items.first() else { continue };
            let mut defined: Vec<String> = Vec::new();
            if let Some(NodeEnum::List(list)) = pair.items.get(1).and_then(|node| node.node.as_ref()) {
                defined = defined_columns(&list.items);
            }
            if defined.is_empty() {
                defined = defined_columns(&function.coldeflist);
            }
            let name = figured(call).unwrap_or_default();
            calls.push(FunctionSource { call: self.expr(call), name, defined });
        }
        From::Function { calls, alias: alias(function.alias.as_ref()), ordinality: function.ordinality }
    }

    fn xml_table(&mut self, table: &RangeTableFunc) -> From {
        let mut inputs = Vec::new();
        inputs.extend(self.optional(&table.docexpr));
        inputs.extend(self.optional(&table.rowexpr));
        inputs.extend(self.list(&table.namespaces));
        let mut columns = Vec::new();
        for node in &table.columns {
            if let Some(NodeEnum::RangeTableFuncCol(column)) = &node.node {
                inputs.extend(self.optional(&column.colexpr));
                inputs.extend(self.optional(&column.coldefexpr));
                columns.push(column.colname.clone());
            }
        }
        From::Computed { inputs, columns, alias: alias(table.alias.as_ref()) }
    }

    fn json_table(&mut self, table: &JsonTable) -> From {
        let mut inputs: Vec<Expr> = table.context_item.iter().map(|item| self.json_value(item)).collect();
        inputs.extend(self.list(&table.passing));
        let mut columns = Vec::new();
        let mut pending: Vec<&Node> = table.columns.iter().rev().collect();
        while let Some(node) = pending.pop() {
            let Some(NodeEnum::JsonTableColumn(column)) = &node.node else { continue };
            for behaviour in [&column.on_empty, &column.on_error].into_iter().flatten() {
                inputs.extend(self.optional(&behaviour.expr));
            }
            if column.columns.is_empty() {
                columns.push(column.name.clone());
            } else {
                pending.extend(column.columns.iter().rev());
            }
        }
        From::Computed { inputs, columns, alias: alias(table.alias.as_ref()) }
    }

    fn join(&mut self, join: &JoinExpr) -> From {
        let kind = match JoinType::try_from(join.jointype) {
            Ok(JoinType::JoinInner) => Join::Inner,
            Ok(JoinType::JoinLeft) => Join::Left,
            Ok(JoinType::JoinRight) => Join::Right,
            _ => Join::Full,
        };
        let (Some(left), Some(right)) = (join.larg.as_deref(), join.rarg.as_deref()) else {
            return From::Unknown("a join with a side missing".to_owned());
        };
        From::Join {
            kind,
            left: Box::new(self.from(left)),
            right: Box::new(self.from(right)),
            on: self.optional(&join.quals),
            using: strings(&join.using_clause),
            natural: join.is_natural,
            alias: alias(join.alias.as_ref()),
            using_alias: join.join_using_alias.as_ref().map(|alias| alias.aliasname.clone()),
        }
    }
}

/// The setting that `FROM pg_settings WHERE name = 'x'` is about: pg_dump sets one only where it is there.
fn pinned_setting(select: &SelectStmt) -> Option<String> {
    let [from] = select.from_clause.as_slice() else { return None };
    let Some(NodeEnum::RangeVar(table)) = &from.node else { return None };
    let of_engine = table.relname == "pg_settings" && matches!(table.schemaname.as_str(), "" | "pg_catalog");
    let Some(NodeEnum::AExpr(equal)) = select.where_clause.as_deref().and_then(|node| node.node.as_ref()) else {
        return None;
    };
    let is_equal = equal.kind == protobuf::AExprKind::AexprOp as i32 && strings(&equal.name) == ["="];
    let Some(NodeEnum::ColumnRef(column)) = equal.lexpr.as_deref().and_then(|node| node.node.as_ref()) else {
        return None;
    };
    let Some(NodeEnum::AConst(_)) = equal.rexpr.as_deref().and_then(|node| node.node.as_ref()) else { return None };
    let plain = of_engine && table.alias.is_none() && is_equal && strings(&column.fields) == ["name"];
    equal.rexpr.as_deref().filter(|_| plain).and_then(super::names::constant)
}

/// Lets `set_config(name, …)` over that row know the name.
fn names_setting(expr: &mut Expr, setting: &str) {
    if let Expr::Call(call) = expr
        && call.name.name == "set_config"
        && matches!(call.arguments.first(), Some(Expr::Column(path)) if path.as_slice() == ["name"])
        && let Some(text) = call.texts.first_mut()
    {
        *text = Some(setting.to_owned());
    }
}

pub(super) fn alias(alias: Option<&protobuf::Alias>) -> Option<Alias> {
    alias.map(|alias| Alias { name: alias.aliasname.clone(), columns: strings(&alias.colnames) })
}

fn defined_columns(nodes: &[Node]) -> Vec<String> {
    let name = |node: &Node| match &node.node {
        Some(NodeEnum::ColumnDef(column)) => Some(column.colname.clone()),
        _ => None,
    };
    nodes.iter().filter_map(name).collect()
}

/// LIMIT ALL and LIMIT NULL bound nothing.
fn is_limit(count: &Option<Box<Node>>) -> bool {
    match count.as_deref().and_then(|node| node.node.as_ref()) {
        None => false,
        Some(NodeEnum::AConst(value)) => !value.isnull,
        Some(_) => true,
    }
}
