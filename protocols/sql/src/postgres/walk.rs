//! The walk over a statement's whole tree: every relation that it names, every use of a column, every routine.
//!
//! What [`super::wire`] has a form for it says so; everything else is visited here, where no kind of node and no field is
//! known by name: its columns are uses of [`UseContext::Other`], its relations cannot be replaced. At the end the nodes
//! that were visited are counted against those that the parser's tree holds.

use super::net::Spelt;
use super::tree::{Branch, Counts, Tree};
use crate::ir::Name;
use crate::lineage::{Nature, Tracer, is_of_large_objects};
use model::{ColumnUse, ColumnUses, Placement, SourceUse, UseContext};
use std::collections::{BTreeSet, HashSet};

/// Where a relation stands in the text, for [`super::substitute`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Byte at which its name begins.
    pub(super) at: usize,
    /// Rows of children are left out.
    pub(super) only: bool,
    /// The text gives it a name of its own.
    pub(super) aliased: bool,
    /// A TABLESAMPLE clause follows.
    pub(super) sampled: bool,
}

/// A column named with its relation's schema: `public.patients.ssn`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Qualified {
    /// Byte at which it begins.
    pub(super) at: usize,
    /// Names before the relation's own.
    pub(super) extra: usize,
    pub(super) relation: String,
}

/// How a construct's own columns count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ctx {
    Condition(&'static str),
    Other(&'static str),
}

impl Ctx {
    pub(super) fn context(self) -> UseContext {
        match self {
            Self::Condition(what) => UseContext::Condition(what.to_owned()),
            Self::Other(what) => UseContext::Other(what.to_owned()),
        }
    }
}

/// The walk over one statement.
pub(super) struct Walk<'w, 'c> {
    pub(super) tracer: &'w Tracer<'c>,
    /// CTE names in scope.
    pub(super) ctes: Vec<String>,
    pub(super) found: ColumnUses,
    seen: HashSet<ColumnUse>,
    pub(super) sources: Vec<SourceUse>,
    pub(super) places: Vec<Place>,
    pub(super) qualified: Vec<Qualified>,
    visited: Counts,
    pub(super) joins: u32,
    /// The row proposed for insertion has the name `excluded`.
    pub(super) excluded: bool,
    other_sessions: bool,
}

/// What a walk found.
pub(super) struct Walked {
    pub(super) uses: ColumnUses,
    pub(super) sources: Vec<SourceUse>,
    pub(super) places: Vec<Place>,
    pub(super) qualified: Vec<Qualified>,
    /// The names that spell relations and stand where names are known.
    pub(super) spelt: Spelt,
    /// It reaches for sessions that may be another one's.
    pub(super) other_sessions: bool,
}

/// Walks one statement.
pub(super) fn walk(statement: &pg_query::Node, tracer: &Tracer<'_>) -> Walked {
    let mut walk = Walk {
        tracer,
        ctes: Vec::new(),
        found: ColumnUses::default(),
        seen: HashSet::new(),
        sources: Vec::new(),
        places: Vec::new(),
        qualified: Vec::new(),
        visited: Counts::default(),
        joins: 0,
        excluded: false,
        other_sessions: false,
    };
    let mut spelt = Spelt::new();
    match super::tree::read(statement) {
        Ok((tree, counts)) => {
            super::net::accounted(&tree, tracer.catalog, &mut spelt);
            if let Some(branch) = tree.branch() {
                walk.statement(branch);
            }
            if walk.visited != counts {
                walk.beyond("a part of the statement that is not analysed".to_owned());
            }
        }
        Err(why) => walk.beyond(why),
    }
    walk.whole_rows();
    Walked {
        uses: walk.found,
        sources: walk.sources,
        places: walk.places,
        qualified: walk.qualified,
        spelt,
        other_sessions: walk.other_sessions,
    }
}

impl Walk<'_, '_> {
    pub(super) fn beyond(&mut self, what: String) {
        if !self.found.beyond.contains(&what) {
            self.found.beyond.push(what);
        }
    }

    pub(super) fn note(&mut self, used: ColumnUse) {
        if self.seen.insert(used.clone()) {
            self.found.uses.push(used);
        }
    }

    /// All columns at once.
    pub(super) fn star(&mut self, qualifier: Option<String>, context: UseContext) {
        self.note(ColumnUse { qualifier, name: None, context });
    }

    /// Counts a column reference as visited and tells its qualifier and name; `None` for the name where it is a star.
    pub(super) fn column(&mut self, reference: &Branch) -> (Option<String>, Option<String>) {
        self.visited.add(reference.kind);
        let mut path: Vec<&str> = Vec::new();
        let mut star = false;
        for field in reference.list("fields") {
            match field.branch() {
                Some(branch) if branch.kind == "String" => path.push(branch.text("sval")),
                _ => star = true,
            }
        }
        let name = if star { None } else { path.pop().map(str::to_owned) };
        let qualifier = path.pop().map(str::to_owned);
        if let (Some(relation), false) = (&qualifier, path.is_empty()) {
            let at = usize::try_from(reference.number("location")).unwrap_or(usize::MAX);
            self.qualified.push(Qualified { at, extra: path.len(), relation: relation.clone() });
        }
        if let Some(name) = &name {
            self.functional(name);
        }
        (qualifier, name)
    }

    pub(super) fn column_use(&mut self, reference: &Branch, context: UseContext) -> ColumnUse {
        let (qualifier, name) = self.column(reference);
        let used = ColumnUse { qualifier, name, context };
        // What is proposed for insertion is what the statement itself says.
        if !(self.excluded && used.qualifier.as_deref() == Some("excluded")) {
            self.note(used.clone());
        }
        used
    }

    /// `x.name` calls `name(x)` where `x` has no such column.
    pub(super) fn functional(&mut self, name: &str) {
        if self.tracer.catalog.routines(name).iter().any(|routine| !routine.builtin) {
            self.routine(&Name { schema: None, name: name.to_owned() });
        }
    }

    fn routine(&mut self, name: &Name) {
        match self.tracer.nature(name) {
            None => self.beyond(format!("routine {name}, which is not known to compute from its arguments alone")),
            Some(Nature::Sink) if is_of_large_objects(&name.name) => self.large_objects(),
            Some(_) => {}
        }
    }

    /// Anything: every field of every node.
    pub(super) fn any(&mut self, tree: &Tree, ctx: Ctx) {
        match tree {
            Tree::Branch(branch) => self.branch(branch, ctx),
            Tree::List(list) => list.iter().for_each(|item| self.any(item, ctx)),
            Tree::Text(_) | Tree::Number(_) | Tree::Flag | Tree::Nothing => {}
        }
    }

    fn branch(&mut self, branch: &Branch, ctx: Ctx) {
        match branch.kind {
            "ColumnRef" => drop(self.column_use(branch, ctx.context())),
            "RangeVar" => self.relation(branch, Placement::Fixed(describe(ctx)), false),
            "SelectStmt" => {
                let excluded = std::mem::take(&mut self.excluded);
                self.inner_select(branch, "a subquery");
                self.excluded = excluded;
            }
            "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => self.inner_change(branch),
            "SubLink" => self.sublink(branch, ctx),
            "FuncCall" => self.call(branch, ctx),
            _ => {
                if branch.kind == "AIndirection" {
                    for step in branch.list("indirection") {
                        if let Some(step) = step.branch().filter(|step| step.kind == "String") {
                            self.functional(step.text("sval"));
                        }
                    }
                }
                self.operators(branch);
                self.generic(branch, deeper(branch.kind, ctx));
            }
        }
    }

    pub(super) fn generic(&mut self, branch: &Branch, ctx: Ctx) {
        for (_, value) in branch.fields() {
            self.any(value, ctx);
        }
    }

    /// Operators of users run code of users.
    pub(super) fn operators(&mut self, branch: &Branch) {
        let field = match branch.kind {
            "AExpr" => "name",
            "SubLink" => "oper_name",
            "SortBy" => "use_op",
            _ => return,
        };
        let names = branch.names(field).unwrap_or_default();
        let Some(name) = names.last().copied() else { return };
        let foreign = names.len() > 1 && names.first() != Some(&"pg_catalog");
        if foreign || self.tracer.catalog.has_user_operator(name) {
            self.beyond(format!("operator {name}, which is user-defined"));
        }
    }

    fn sublink(&mut self, link: &Branch, ctx: Ctx) {
        self.operators(link);
        for (field, value) in link.fields() {
            match (field, value.branch()) {
                ("subselect", Some(_)) => self.any(value, ctx),
                _ => self.any(value, ctx),
            }
        }
    }

    fn call(&mut self, call: &Branch, ctx: Ctx) {
        self.visited.add(call.kind);
        let names = call.names("funcname").unwrap_or_default();
        let mut names = names.into_iter().rev();
        let name = names.next().unwrap_or_default().to_owned();
        let name = Name { name, schema: names.next().map(str::to_owned) };
        self.routine(&name);
        self.other_sessions |= super::net::reaches_other_sessions(&name.name, call);
        let known = ["funcname", "args", "agg_distinct", "funcformat", "location"];
        let only_argument = match call.list("args") {
            [argument] => argument.branch().filter(|branch| branch.kind == "ColumnRef"),
            _ => None,
        };
        let plain = call.fields().all(|(field, _)| known.contains(&field));
        match only_argument {
            Some(column)
                if name.name == "count"
                    && plain
                    && call.is_set("agg_distinct")
                    && self.tracer.catalog.routines("count").iter().all(|routine| routine.builtin) =>
            {
                self.column_use(column, UseContext::CountDistinct);
            }
            _ => self.generic(call, deeper("FuncCall", ctx)),
        }
    }

    /// A name that is a relation's alias may mean its whole row, which is every column of it.
    fn whole_rows(&mut self) {
        let rows: BTreeSet<String> =
            self.sources.iter().map(|source| source.alias.clone()).chain(self.found.derived.iter().cloned()).collect();
        let named = self.found.uses.iter().filter_map(|used| used.name.clone()).filter(|name| rows.contains(name));
        let named: BTreeSet<String> = named.collect();
        for row in named {
            self.star(Some(row), UseContext::Other("a whole row".to_owned()));
        }
    }

    /// Whether a constant stands in for a column of its own type: a literal, a parameter, or a cast of one.
    pub(super) fn visit(&mut self, branch: &Branch) {
        self.visited.add(branch.kind);
    }
}

/// The name of the construct that a column stands in, where it says more than what it is known by so far.
fn deeper(kind: &str, ctx: Ctx) -> Ctx {
    let what = match kind {
        "FuncCall" => "a function call",
        "AExpr" => "an operator",
        "NullTest" => "IS NULL",
        "CaseExpr" => "CASE",
        "TypeCast" => "a cast",
        "CoalesceExpr" => "COALESCE",
        "WindowDef" => "a window",
        _ => return ctx,
    };
    match ctx {
        Ctx::Condition(_) => ctx,
        Ctx::Other("EXPLAIN") => ctx,
        Ctx::Other(_) => Ctx::Other(what),
    }
}

fn describe(ctx: Ctx) -> String {
    match ctx {
        Ctx::Condition(what) | Ctx::Other(what) => what.to_owned(),
    }
}
