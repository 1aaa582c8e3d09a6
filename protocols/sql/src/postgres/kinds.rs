//! Statements by their kinds: which query's rows become the result, what only names relations, what changes rows.

use super::tree::{Branch, Tree};
use super::walk::{Ctx, Walk};
use super::wire::{Role, into};
use model::{ColumnUse, Placement, UseContext};
use pg_query::protobuf::{AExprKind, ObjectType};

/// Statements that name relations without reading their rows and without changing what rules go by.
const HARMLESS: [&str; 8] = [
    "LockStmt",
    "TruncateStmt",
    "VacuumStmt",
    "ClusterStmt",
    "ReindexStmt",
    "CommentStmt",
    "GrantStmt",
    "RefreshMatViewStmt",
];

impl Walk<'_, '_> {
    /// A statement of its own.
    pub(super) fn statement(&mut self, statement: &Branch) {
        match statement.kind {
            "SelectStmt" if into(statement) => self.select(statement, Role::Inner("SELECT INTO")),
            "SelectStmt" => self.select(statement, Role::Result),
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => self.change(statement, Role::Result),
            "DeclareCursorStmt" | "PrepareStmt" => {
                for (field, value) in statement.fields() {
                    match (field, value.branch()) {
                        ("query", Some(query)) => self.statement(query),
                        _ => self.any(value, Ctx::Other("a definition")),
                    }
                }
            }
            "ExplainStmt" => {
                for (field, value) in statement.fields() {
                    match (field, value.branch()) {
                        // A plan quotes what it is a plan of, and estimates out of statistics.
                        ("query", Some(query)) if query.kind == "SelectStmt" => {
                            self.select(query, Role::Inner("EXPLAIN"));
                        }
                        _ => self.any(value, Ctx::Other("EXPLAIN")),
                    }
                }
            }
            "CopyStmt" => self.copy(statement),
            "CreateTableAsStmt" | "ViewStmt" => {
                let what = if statement.kind == "ViewStmt" { "CREATE VIEW" } else { "CREATE TABLE AS" };
                for (field, value) in statement.fields() {
                    match (field, value.branch()) {
                        ("query", Some(query)) if query.kind == "SelectStmt" => {
                            self.select(query, Role::Inner(what));
                        }
                        ("view", Some(view)) if view.text("relpersistence") == "t" => self.visit(view),
                        _ => self.defining(value),
                    }
                }
            }
            "CreateStmt" | "CreateSeqStmt" | "CompositeTypeStmt" => {
                let field = match statement.kind {
                    "CreateStmt" => "relation",
                    "CreateSeqStmt" => "sequence",
                    _ => "typevar",
                };
                self.made(statement, field);
            }
            "DropStmt" => {
                self.dropped(statement);
                statement.fields().for_each(|(_, value)| self.defining(value));
            }
            // A plain index changes no meaning; one that computes, chooses or compares rows tells about their values.
            "IndexStmt"
                if !statement.is_set("unique")
                    && !statement.is_set("where_clause")
                    && !statement.is_set("exclude_op_names")
                    && statement
                        .list("index_params")
                        .iter()
                        .all(|item| item.branch().is_some_and(|element| !element.is_set("expr"))) =>
            {
                self.mentions(statement);
            }
            kind if HARMLESS.contains(&kind) => self.mentions(statement),
            _ => statement.fields().for_each(|(_, value)| self.defining(value)),
        }
    }

    /// What defines or changes objects: its relations are named, its expressions run later.
    pub(super) fn defining(&mut self, tree: &Tree) {
        match tree {
            Tree::Branch(branch) => match branch.kind {
                "RangeVar" => self.relation(branch, Placement::Named, false),
                "SelectStmt" => self.select(branch, Role::Inner("a definition")),
                "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
                    self.change(branch, Role::Inner("a definition"));
                }
                "FuncCall" | "ColumnRef" | "SubLink" | "AExpr" => self.any(tree, Ctx::Other("a definition")),
                // What is made need not exist: its name means nothing yet.
                "IntoClause" => self.made(branch, "rel"),
                "CreateStmt" => self.made(branch, "relation"),
                "CreateSeqStmt" => self.made(branch, "sequence"),
                "CompositeTypeStmt" => self.made(branch, "typevar"),
                _ => branch.fields().for_each(|(_, value)| self.defining(value)),
            },
            Tree::List(list) => list.iter().for_each(|item| self.defining(item)),
            _ => {}
        }
    }

    /// A definition whose `field` is the relation that it makes.
    fn made(&mut self, definition: &Branch, field: &str) {
        for (name, value) in definition.fields() {
            match (name == field, value.branch()) {
                (true, Some(range)) if range.kind == "RangeVar" => self.visit(range),
                _ => self.defining(value),
            }
        }
    }

    /// DROP names its objects by lists of texts.
    fn dropped(&mut self, drop: &Branch) {
        let relations = [
            ObjectType::ObjectTable as i32,
            ObjectType::ObjectView as i32,
            ObjectType::ObjectMatview as i32,
            ObjectType::ObjectForeignTable as i32,
        ];
        if !relations.iter().any(|kind| i64::from(*kind) == drop.number("remove_type")) {
            return;
        }
        for object in drop.list("objects").iter().filter_map(Tree::branch) {
            let mut names = object.names("items").unwrap_or_default().into_iter().rev().map(str::to_owned);
            let name = crate::ir::Name { name: names.next().unwrap_or_default(), schema: names.next() };
            self.named(&name);
        }
    }

    /// Relations that are only mentioned.
    fn mentions(&mut self, branch: &Branch) {
        let before = self.sources.len();
        branch.fields().for_each(|(_, value)| self.defining(value));
        self.sources.truncate(before);
        self.places.truncate(before);
    }

    fn copy(&mut self, copy: &Branch) {
        for (field, value) in copy.fields() {
            match (field, value.branch()) {
                ("relation", Some(range)) if copy.is_set("is_from") => self.relation(range, Placement::Target, false),
                ("relation", Some(range)) => {
                    self.relation(range, Placement::Fixed("COPY of a table".to_owned()), false);
                    match copy.names("attlist") {
                        Some(names) if !names.is_empty() => {
                            for name in names {
                                let name = Some(name.to_owned());
                                self.note(ColumnUse { qualifier: None, name, context: UseContext::Output });
                            }
                        }
                        _ => self.star(None, UseContext::Output),
                    }
                }
                ("query", Some(query)) => self.statement(query),
                _ => self.any(value, Ctx::Other("COPY")),
            }
        }
    }

    pub(super) fn change(&mut self, change: &Branch, role: Role) {
        self.with(change, |walk| walk.change_body(change, role));
    }

    fn change_body(&mut self, change: &Branch, role: Role) {
        let what = match change.kind {
            "InsertStmt" => "INSERT",
            "UpdateStmt" => "SET",
            "MergeStmt" => "MERGE",
            _ => "DELETE",
        };
        for (field, value) in change.fields() {
            match (field, value.branch()) {
                ("with_clause", _) => {}
                ("relation", Some(range)) => self.relation(range, Placement::Target, false),
                ("select_stmt", Some(select)) => self.select(select, Role::Inner("INSERT … SELECT")),
                ("from_clause" | "using_clause", _) => value.list().iter().for_each(|item| self.from(item)),
                ("source_relation", _) => self.from(value),
                ("where_clause", _) => self.conjuncts(value, "a condition"),
                ("join_condition", _) => self.conjuncts(value, "a join condition"),
                ("returning_clause", Some(returning)) => {
                    for (field, value) in returning.fields() {
                        match field {
                            "exprs" => value.list().iter().for_each(|target| self.target(target, role, false)),
                            _ => self.any(value, Ctx::Other("RETURNING")),
                        }
                    }
                }
                ("target_list", _) if change.kind == "UpdateStmt" => {
                    value.list().iter().for_each(|assignment| self.assignment(assignment));
                }
                ("on_conflict_clause", _) => {
                    self.excluded = true;
                    self.any(value, Ctx::Other("ON CONFLICT"));
                    self.excluded = false;
                }
                _ => self.any(value, Ctx::Other(what)),
            }
        }
    }

    /// `SET column = …`. The column's own old value may be joined with constants: what is stored then tells no more, under its
    /// own mask, than what was stored before.
    fn assignment(&mut self, assignment: &Tree) {
        if let Some(target) = assignment.branch().filter(|target| target.kind == "ResTarget")
            && !target.is_set("indirection")
            && let Some(value) = target.get("val")
            && self.keeps(value, target.text("name"))
        {
            return self.kept(value);
        }
        self.any(assignment, Ctx::Other("SET"));
    }

    /// Whether a value is made of one column and constants by `||`, coalesce, concat and changes of case.
    fn keeps(&self, value: &Tree, column: &str) -> bool {
        let Some(branch) = value.branch() else { return false };
        let only = |known: &[&str]| branch.fields().all(|(field, _)| known.contains(&field));
        match branch.kind {
            "ColumnRef" => branch.names("fields").is_some_and(|names| names.last() == Some(&column)),
            "AConst" | "ParamRef" => true,
            "AExpr" => {
                branch.number("kind") == i64::from(AExprKind::AexprOp as i32)
                    && branch.names("name").as_deref() == Some(&["||"])
                    && only(&["kind", "name", "lexpr", "rexpr", "location"])
                    && !self.tracer.catalog.has_user_operator("||")
                    && [branch.get("lexpr"), branch.get("rexpr")]
                        .iter()
                        .all(|side| side.is_some_and(|side| self.keeps(side, column)))
            }
            "CoalesceExpr" => {
                only(&["args", "location"]) && branch.list("args").iter().all(|item| self.keeps(item, column))
            }
            "FuncCall" => {
                let names = branch.names("funcname").unwrap_or_default();
                let known = matches!(names.as_slice(), ["upper" | "lower" | "initcap" | "concat"]);
                known
                    && only(&["funcname", "args", "funcformat", "location"])
                    && names.iter().all(|name| self.tracer.catalog.routines(name).iter().all(|routine| routine.builtin))
                    && branch.list("args").iter().all(|item| self.keeps(item, column))
            }
            _ => false,
        }
    }

    fn kept(&mut self, value: &Tree) {
        match value {
            Tree::Branch(branch) if branch.kind == "ColumnRef" => {
                drop(self.column_use(branch, UseContext::Kept));
            }
            Tree::Branch(branch) => {
                if branch.kind == "FuncCall" {
                    self.visit(branch);
                }
                branch.fields().for_each(|(_, value)| self.kept(value));
            }
            Tree::List(list) => list.iter().for_each(|item| self.kept(item)),
            _ => {}
        }
    }
}
