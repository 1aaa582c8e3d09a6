//! FROM lists: tables, derived tables, functions and joins.

use super::Tracer;
use super::queries::rename;
use super::reads::Bindings;
use super::scope::{Env, Item, Namespace, Open, Rows};
use super::taint::{Column, Taint};
use crate::Dialect;
use crate::ir::{Alias, Expr, From, FunctionSource, Join};
use model::Usage;
use std::collections::BTreeSet;

/// The parts of a join that say which rows match.
struct Matching<'a> {
    kind: Join,
    on: Option<&'a Expr>,
    using: &'a [String],
    natural: bool,
    using_alias: Option<&'a str>,
}

impl Tracer<'_> {
    /// The names of a FROM list.
    pub(super) fn sources(&mut self, from: &[From], env: &Env<'_>) -> Namespace {
        let mut names = Namespace::default();
        for item in from {
            let next = self.source(item, env, &names);
            names.append(next);
        }
        names
    }

    /// The names of one item; `left` is what stands before it and can be seen by what is lateral.
    fn source(&mut self, from: &From, env: &Env<'_>, left: &Namespace) -> Namespace {
        let lateral_env = env.with_names(left);
        match from {
            From::Table { name, alias, only, arguments } => {
                for argument in arguments {
                    self.value(argument, env);
                }
                self.table(name, alias.as_ref(), *only, env)
            }
            From::Derived { query, alias, lateral } => {
                let rows = self.query(query, if *lateral { &lateral_env } else { env });
                self.derived(rows, alias.as_ref())
            }
            From::Function { calls, alias, ordinality } => {
                self.function(calls, alias.as_ref(), *ordinality, &lateral_env)
            }
            From::Computed { inputs, columns, alias } => {
                let taint = self.computed(inputs, &lateral_env);
                self.may_fail(&taint);
                let columns = columns.iter().map(|name| named(name, &taint)).collect();
                self.item(columns, None, alias.as_ref())
            }
            From::Join { kind, left: first, right: second, on, using, natural, alias, using_alias } => {
                let first = self.source(first, env, left);
                // What comes second sees what comes first only where it is lateral.
                let second = if sees_its_left(second) {
                    if !self.hold(&left.columns) || !self.hold(&first.columns) {
                        return Namespace::default();
                    }
                    let mut seen = left.clone();
                    seen.append(first.clone());
                    self.source(second, env, &seen)
                } else {
                    self.source(second, env, left)
                };
                // Joined columns are copied, and looked for in each other where the join is natural.
                let looks = if *natural { first.columns.len().saturating_mul(second.columns.len()) } else { 0 };
                if !self.hold(&first.columns) || !self.hold(&second.columns) || !self.spend(looks) {
                    return Namespace::default();
                }
                let matching = Matching {
                    kind: *kind,
                    on: on.as_ref(),
                    using,
                    natural: *natural,
                    using_alias: using_alias.as_deref(),
                };
                let joined = self.join(first, second, &matching, env);
                self.aliased_join(joined, alias.as_ref())
            }
            From::Unknown(why) => {
                self.draft.unread(why);
                self.item(Vec::new(), Some(Open::Unknown(why.clone())), None)
            }
        }
    }

    fn item(&mut self, columns: Vec<Column>, open: Option<Open>, alias: Option<&Alias>) -> Namespace {
        let id = self.next_item();
        let mut item = Item { id, columns, open, ..Item::default() };
        if let Some(alias) = alias {
            item.name = Some(alias.name.clone());
            rename(&mut item.columns, &alias.columns);
        }
        for column in &mut item.columns {
            column.item = id;
        }
        Namespace::of(item)
    }

    pub(super) fn derived(&mut self, rows: Rows, alias: Option<&Alias>) -> Namespace {
        let open = rows.open.map(Open::Unknown);
        self.item(rows.columns, open, alias)
    }

    fn function(
        &mut self,
        calls: &[FunctionSource],
        alias: Option<&Alias>,
        ordinality: bool,
        env: &Env<'_>,
    ) -> Namespace {
        let mut columns = Vec::new();
        let mut open = None;
        for source in calls {
            let taint = self.value(&source.call, env);
            let mut plain = taint.clone();
            plain.fields = None;
            plain.bare = None;
            let listed = match &source.call {
                Expr::Call(call) => super::routines::row_columns(&call.name),
                _ => None,
            };
            if let Some(why) = &taint.unknown {
                open = Some(Open::Unknown(why.to_string()));
            }
            if !source.defined.is_empty() {
                columns.extend(source.defined.iter().map(|name| named(name, &plain)));
            } else if let Some(listed) = listed {
                columns.extend(listed.map(|name| named(name, &plain)));
            } else if let Some(fields) = &taint.fields {
                columns.extend(fields.iter().map(|field| Column { taint: field.taint.clone(), ..field.clone() }));
            } else {
                // The alias of a function with one column names the column too.
                let own = match alias {
                    Some(alias) if calls.len() == 1 => alias.name.as_str(),
                    _ => source.name.as_str(),
                };
                columns.push(Column { name: Some(own.to_owned()), taint: plain.clone(), item: 0 });
                if let Expr::Call(call) = &source.call
                    && super::routines::may_return_rows(&call.name.name)
                    && !taint.is_constant()
                {
                    open = open.or(Some(Open::Computed(plain)));
                }
            }
        }
        if ordinality {
            columns.push(named("ordinality", &Taint::default()));
        }
        let own = calls.first().map(|source| Alias { name: source.name.clone(), columns: Vec::new() });
        self.item(columns, open, alias.or(own.as_ref()))
    }

    fn join(&mut self, left: Namespace, right: Namespace, matching: &Matching<'_>, env: &Env<'_>) -> Namespace {
        let (left_ids, right_ids) = (left.ids(), right.ids());
        let mut rest_left = left.columns.clone();
        let mut rest_right = right.columns.clone();
        let mut merged: Vec<Column> = Vec::new();
        let mut using = Bindings::default();
        let mut shared: Vec<String> = matching.using.to_vec();
        if matching.natural {
            let has = |column: &Column| {
                right.columns.iter().any(|other| match (&column.name, &other.name) {
                    (Some(one), Some(two)) => self.same(one, two),
                    _ => false,
                })
            };
            shared =
                left.columns.iter().filter(|column| has(column)).filter_map(|column| column.name.clone()).collect();
            // What an unknown relation shares cannot be told.
            if left.opened().is_some() || right.opened().is_some() {
                self.draft.unread("a NATURAL JOIN with a relation whose columns are not known");
            }
        }
        let mut all = left;
        all.append(right);
        all.columns.clear();
        for name in &shared {
            let mut take = |columns: &mut Vec<Column>, side: &BTreeSet<usize>| {
                let at = columns.iter().position(|c| c.name.as_deref().is_some_and(|own| self.same(own, name)));
                match at {
                    Some(at) => {
                        let column = columns.remove(at);
                        (column.taint, column.name.map(|name| (column.item, name)))
                    }
                    None => {
                        let items = all.items.iter().filter(|item| side.contains(&item.id));
                        let open = Namespace { items: items.cloned().collect(), ..Namespace::default() };
                        (self.value(&Expr::Column(vec![name.clone()]), &Env::EMPTY.with_names(&open)), None)
                    }
                }
            };
            let (one, first) = take(&mut rest_left, &left_ids);
            let (two, second) = take(&mut rest_right, &right_ids);
            if let (Some(first), Some(second)) = (first, second) {
                using.join(&first, &second);
            }
            let usage = if one.bare.is_some() && two.bare.is_some() { Usage::Join } else { Usage::Comparison };
            self.uses(&one, usage);
            self.uses(&two, usage);
            let same_type = self.same_column_type(&one, &two);
            let taint = match matching.kind {
                Join::Inner | Join::Left if same_type => one,
                Join::Right if same_type => two,
                _ => {
                    let mut both = one.computed();
                    both.absorb(&two);
                    both
                }
            };
            merged.push(Column { name: Some(name.clone()), taint, item: left_ids.first().copied().unwrap_or(0) });
        }
        let using_columns = merged.clone();
        all.columns = merged;
        // MySQL turns a RIGHT JOIN round: with common columns, `*` shows the right side's others first.
        if matching.kind == Join::Right && self.dialect != Dialect::Postgres && !shared.is_empty() {
            std::mem::swap(&mut rest_left, &mut rest_right);
        }
        all.columns.append(&mut rest_left);
        all.columns.append(&mut rest_right);
        if let Some(on) = matching.on {
            self.predicate(on, &env.with_names(&all));
            using.extend(self.bindings(on, &all));
        }
        all.bindings.extend(match matching.kind {
            Join::Inner => using,
            Join::Left => using.about(&right_ids),
            Join::Right => using.about(&left_ids),
            Join::Full => Bindings::default(),
        });
        if let Some(alias) = matching.using_alias {
            let id = self.next_item();
            all.items.push(Item { id, name: Some(alias.to_owned()), columns: using_columns, ..Item::default() });
        }
        all
    }

    fn aliased_join(&mut self, joined: Namespace, alias: Option<&Alias>) -> Namespace {
        let Some(alias) = alias else { return joined };
        let open = joined
            .opened()
            .map(|item| Open::Unknown(format!("the columns of {}", item.name.as_deref().unwrap_or("a join"))));
        // Behind the alias, conditions no longer say what they are about: the reads are what they are now.
        self.note_reads(&joined, 0);
        self.item(joined.columns, open, Some(alias))
    }

    fn same_column_type(&self, one: &Taint, two: &Taint) -> bool {
        match (&one.bare, &two.bare) {
            (Some(one), Some(two)) => {
                let first = self.catalog.type_of(one);
                first.is_some() && first == self.catalog.type_of(two)
            }
            _ => false,
        }
    }
}

/// Whether a FROM item may name what stands before it.
fn sees_its_left(from: &From) -> bool {
    match from {
        From::Table { arguments, .. } => !arguments.is_empty(),
        From::Derived { lateral, .. } => *lateral,
        From::Function { .. } | From::Computed { .. } => true,
        From::Join { left, right, .. } => sees_its_left(left) || sees_its_left(right),
        From::Unknown(_) => false,
    }
}

fn named(name: &str, taint: &Taint) -> Column {
    Column { name: Some(name.to_owned()), taint: taint.clone(), item: 0 }
}
