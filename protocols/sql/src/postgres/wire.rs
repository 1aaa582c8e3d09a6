//! The wire grammar: the forms in which a protected column may appear while its values are still masked in the rows on
//! their way to the client. A positive list; what is not on it is left to [`super::walk`], which calls it something else.

use super::comparisons::{plain_branch, plain_column};
use super::tree::{Branch, Tree};
use super::walk::{Ctx, Walk};
use model::{ColumnUse, Placement, UseContext};
use pg_query::protobuf::SetOperation;

/// What becomes of a query's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// They are the result.
    Result,
    /// A query around it takes them by their names.
    Handed,
    /// They go into something.
    Inner(&'static str),
}

impl Walk<'_, '_> {
    /// A query within an expression.
    pub(super) fn inner_select(&mut self, select: &Branch, what: &'static str) {
        self.select(select, Role::Inner(what));
    }

    /// A change of rows where no statement is expected.
    pub(super) fn inner_change(&mut self, change: &Branch) {
        self.change(change, Role::Inner("a change of rows within a statement"));
    }

    /// Runs `work` with the CTEs of a WITH clause in scope.
    pub(super) fn with(&mut self, statement: &Branch, work: impl FnOnce(&mut Self)) {
        let before = self.ctes.len();
        if let Some(with) = statement.branch("with_clause") {
            let name = |tree: &Tree| tree.branch().map(|cte| cte.text("ctename").to_owned());
            let recursive = with.is_set("recursive");
            if recursive {
                self.ctes.extend(with.list("ctes").iter().filter_map(name));
            }
            for (field, value) in with.fields() {
                match field {
                    "ctes" => {
                        for item in value.list() {
                            match item.branch() {
                                Some(cte) if cte.kind == "CommonTableExpr" => self.cte(cte),
                                _ => self.any(item, Ctx::Other("WITH")),
                            }
                            if !recursive {
                                self.ctes.extend(name(item));
                            }
                        }
                    }
                    _ => self.any(value, Ctx::Other("WITH")),
                }
            }
        }
        work(self);
        self.ctes.truncate(before);
    }

    fn cte(&mut self, cte: &Branch) {
        self.found.derived.push(cte.text("ctename").to_owned());
        if let Some(names) = cte.names("aliascolnames") {
            self.found.any.extend(names.into_iter().map(str::to_owned));
        }
        for (field, value) in cte.fields() {
            match (field, value.branch()) {
                ("ctequery", Some(query)) if query.kind == "SelectStmt" => self.select(query, Role::Handed),
                ("ctequery", Some(change)) => self.change(change, Role::Handed),
                ("search_clause" | "cycle_clause", _) => {
                    self.star(None, UseContext::Other("SEARCH and CYCLE".to_owned()));
                    self.any(value, Ctx::Other("SEARCH and CYCLE"));
                }
                _ => self.any(value, Ctx::Other("WITH")),
            }
        }
    }

    pub(super) fn select(&mut self, select: &Branch, role: Role) {
        self.with(select, |walk| walk.select_body(select, role));
    }

    fn select_body(&mut self, select: &Branch, role: Role) {
        let is_set = select.is_set("larg") || select.is_set("rarg");
        let compares =
            is_set && (select.number("op") != i64::from(SetOperation::SetopUnion as i32) || !select.is_set("all"));
        let distinct = matches!(select.list("distinct_clause"), [Tree::Nothing]);
        let role = if into(select) { Role::Inner("SELECT INTO") } else { role };
        for (field, value) in select.fields() {
            match field {
                "with_clause" => {}
                "into_clause" => self.defining(value),
                "larg" | "rarg" => {
                    let role = if compares && matches!(role, Role::Result | Role::Handed) {
                        Role::Inner("a set operation that compares rows")
                    } else {
                        role
                    };
                    match value.branch() {
                        Some(arm) => self.select(arm, role),
                        None => self.any(value, Ctx::Other("a set operation")),
                    }
                }
                "target_list" => value.list().iter().for_each(|target| self.target(target, role, distinct)),
                "from_clause" => value.list().iter().for_each(|item| self.from(item)),
                "where_clause" => self.conjuncts(value, "a condition"),
                "group_clause" => value.list().iter().for_each(|item| self.group(item, select)),
                "sort_clause" => value.list().iter().for_each(|item| self.sort(item, select, is_set)),
                "having_clause" => self.any(value, Ctx::Condition("HAVING")),
                "limit_offset" | "limit_count" => self.any(value, Ctx::Condition("LIMIT")),
                "distinct_clause" if distinct => {}
                "distinct_clause" => self.any(value, Ctx::Other("DISTINCT ON")),
                "window_clause" => self.any(value, Ctx::Other("a window")),
                "locking_clause" => self.locking(value),
                "values_lists" => self.any(value, Ctx::Other("VALUES")),
                _ => self.any(value, Ctx::Other("SELECT")),
            }
        }
        if is_set {
            self.set_names(select, role == Role::Handed || select.is_set("sort_clause"));
        }
    }

    /// The columns of a set operation have the names of its first query's, whatever the others show there.
    fn set_names(&mut self, select: &Branch, named: bool) {
        if !named {
            return;
        }
        let mut first = select;
        while let Some(left) = first.branch("larg") {
            first = left;
        }
        let mut unnamed = first.is_set("values_lists");
        for target in first.list("target_list").iter().filter_map(Tree::branch) {
            let name = target.text("name");
            let column = target.branch("val").filter(|value| value.kind == "ColumnRef");
            let last = column.and_then(|column| column.names("fields")).and_then(|names| names.last().copied());
            match (name, last) {
                ("", Some(last)) => self.found.any.push(last.to_owned()),
                ("", None) => unnamed = true,
                (name, _) => self.found.any.push(name.to_owned()),
            }
        }
        if unnamed {
            self.star(None, UseContext::Other("a set operation over columns without names".to_owned()));
        }
    }

    /// An output column.
    pub(super) fn target(&mut self, target: &Tree, role: Role, distinct: bool) {
        let Some(branch) = target.branch().filter(|branch| branch.kind == "ResTarget") else {
            return self.any(target, Ctx::Other("an output column"));
        };
        for (field, value) in branch.fields() {
            match (field, value.branch()) {
                ("name" | "location", _) => {}
                ("val", Some(column)) if column.kind == "ColumnRef" => {
                    let context = match role {
                        Role::Result | Role::Handed => UseContext::Output,
                        Role::Inner(what) => UseContext::Other(what.to_owned()),
                    };
                    let used = self.column_use(column, context);
                    if distinct {
                        self.note(ColumnUse { context: UseContext::Distinct, ..used.clone() });
                    }
                    let name = branch.text("name");
                    if !name.is_empty() {
                        self.found.renamed.push((used, name.to_owned()));
                    }
                }
                _ => {
                    let what = if let Role::Inner("EXPLAIN") = role { "EXPLAIN" } else { "an expression" };
                    self.any(value, Ctx::Other(what));
                }
            }
        }
    }

    pub(super) fn from(&mut self, item: &Tree) {
        let Some(branch) = item.branch() else { return };
        match branch.kind {
            "RangeVar" => self.relation(branch, Placement::From, false),
            "RangeTableSample" => {
                for (field, value) in branch.fields() {
                    match (field, value.branch()) {
                        ("relation", Some(range)) if range.kind == "RangeVar" => {
                            self.relation(range, Placement::From, true);
                        }
                        _ => self.any(value, Ctx::Other("TABLESAMPLE")),
                    }
                }
            }
            "RangeSubselect" => {
                self.derived_alias(branch.branch("alias"));
                for (field, value) in branch.fields() {
                    match (field, value.branch()) {
                        ("alias", _) => {}
                        ("subquery", Some(query)) if query.kind == "SelectStmt" => self.select(query, Role::Handed),
                        _ => self.any(value, Ctx::Other("a subquery in FROM")),
                    }
                }
            }
            "JoinExpr" => self.join(branch),
            _ => {
                self.derived_alias(branch.branch("alias"));
                self.any(item, Ctx::Other("a function in FROM"));
            }
        }
    }

    fn derived_alias(&mut self, alias: Option<&Branch>) {
        if let Some(alias) = alias {
            self.found.derived.push(alias.text("aliasname").to_owned());
            self.renames(alias);
        }
    }

    fn join(&mut self, join: &Branch) {
        self.derived_alias(join.branch("alias"));
        self.derived_alias(join.branch("join_using_alias"));
        if join.is_set("is_natural") {
            self.star(None, UseContext::Other("NATURAL JOIN".to_owned()));
        }
        for (field, value) in join.fields() {
            match field {
                "larg" | "rarg" => self.from(value),
                "alias" | "join_using_alias" => {}
                "using_clause" => match join.names("using_clause") {
                    Some(names) => {
                        for name in names {
                            self.joins = self.joins.saturating_add(1);
                            let context = UseContext::Join(self.joins);
                            self.note(ColumnUse { qualifier: None, name: Some(name.to_owned()), context });
                        }
                    }
                    None => self.star(None, UseContext::Other("USING".to_owned())),
                },
                "quals" => self.conjuncts(value, "a join condition"),
                _ => self.any(value, Ctx::Other("JOIN")),
            }
        }
    }

    /// Names in FOR UPDATE OF are aliases.
    fn locking(&mut self, clauses: &Tree) {
        for clause in clauses.list() {
            let Some(clause) = clause.branch() else { continue };
            for (field, value) in clause.fields() {
                match field {
                    "locked_rels" => value.list().iter().filter_map(Tree::branch).for_each(|range| self.visit(range)),
                    _ => self.any(value, Ctx::Other("FOR UPDATE")),
                }
            }
        }
    }

    fn group(&mut self, item: &Tree, select: &Branch) {
        match item.branch() {
            Some(column) if column.kind == "ColumnRef" => drop(self.column_use(column, UseContext::Group)),
            Some(number) if number.kind == "AConst" => self.positional(select, &UseContext::Group),
            _ => self.any(item, Ctx::Condition("GROUP BY")),
        }
    }

    fn sort(&mut self, item: &Tree, select: &Branch, is_set: bool) {
        let context = || UseContext::Condition("ORDER BY".to_owned());
        match item.branch() {
            Some(sort) if sort.kind == "SortBy" => {
                self.operators(sort);
                for (field, value) in sort.fields() {
                    match (field, value.branch()) {
                        ("node", Some(number)) if number.kind == "AConst" => {
                            if is_set {
                                self.star(None, context());
                            } else {
                                self.ordinal(number, select, &context());
                            }
                        }
                        _ => self.any(value, Ctx::Condition("ORDER BY")),
                    }
                }
            }
            _ => self.any(item, Ctx::Condition("ORDER BY")),
        }
    }

    /// `ORDER BY 2`: what stands there, or anything where a star stands before it.
    fn ordinal(&mut self, number: &Branch, select: &Branch, context: &UseContext) {
        let position = number.branch("val").filter(|value| value.kind == "Integer").map(|value| value.number("ival"));
        let position = position.and_then(|position| usize::try_from(position).ok()).and_then(|at| at.checked_sub(1));
        let targets = select.list("target_list");
        let column = |target: &Tree| {
            let value = target.branch()?.get("val")?;
            plain_column(value).map(|column| column.names("fields").unwrap_or_default().join("."))
        };
        let is_star = |target: &Tree| {
            let value = target.branch().and_then(|target| target.branch("val"));
            value.is_some_and(|value| value.kind == "ColumnRef" && plain_branch(value).is_none())
        };
        let Some(position) = position else { return };
        if targets.iter().take(position.saturating_add(1)).any(is_star) {
            return self.star(None, context.clone());
        }
        let Some(target) = targets.get(position) else { return };
        if column(target).is_some()
            && let Some(value) = target.branch().and_then(|target| target.branch("val"))
        {
            self.use_again(value, context.clone());
        }
    }

    /// `GROUP BY 2`, for each output column, whichever it is.
    fn positional(&mut self, select: &Branch, context: &UseContext) {
        for item in select.list("group_clause").iter().filter_map(Tree::branch).filter(|item| item.kind == "AConst") {
            self.ordinal(item, select, context);
        }
    }
}

pub(super) fn into(select: &Branch) -> bool {
    let mut leftmost = select;
    while let Some(left) = leftmost.branch("larg") {
        leftmost = left;
    }
    leftmost.is_set("into_clause")
}
