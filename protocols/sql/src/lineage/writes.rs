//! INSERT, UPDATE, DELETE and MERGE: what flows into which stored column, and what RETURNING shows.

use super::Tracer;
use super::scope::{Env, Item, Namespace, Rows};
use super::taint::{Column, Taint};
use crate::ir::{Alias, Assignment, Expr, From, MergeAction, Name, Query, Returning, Write};
use model::{Access, ColumnRef, Verb};

/// A change with its sources, conditions and result.
struct Change<'a> {
    target: Item,
    /// FROM, USING or the source of MERGE.
    others: Namespace,
    returning: Option<&'a Returning>,
}

impl Tracer<'_> {
    /// Works out a change of rows.
    pub(super) fn write(&mut self, write: &Write, env: &Env<'_>) -> Rows {
        match write {
            Write::Insert { table, alias, columns, source, conflict, conflict_filter, returning } => {
                self.draft.does(Verb::Insert);
                if !conflict.is_empty() {
                    self.draft.does(Verb::Update);
                }
                let insert = Insert { table, alias: alias.as_deref(), columns, source: source.as_ref() };
                self.insert(&insert, conflict, conflict_filter, returning.as_ref(), env)
            }
            Write::Update { table, alias, only, assignments, from, filter, order, returning } => {
                self.draft.does(Verb::Update);
                let target = self.target(table, alias.as_deref(), *only);
                let others = self.sources(from, env);
                let change = Change { target, others, returning: returning.as_ref() };
                self.update(change, assignments, filter.as_ref(), order, env)
            }
            Write::UpdateJoined { from, assignments, filter, order } => {
                self.draft.does(Verb::Update);
                self.update_joined(from, assignments, filter.as_ref(), order, env)
            }
            Write::Delete { targets, from, filter, order, returning } => {
                self.draft.does(Verb::Delete);
                self.delete(targets, from, filter.as_ref(), order, returning.as_ref(), env)
            }
            Write::Merge { table, alias, source, on, actions, returning } => {
                self.draft.does(Verb::Merge);
                actions.iter().filter_map(|action| action.verb).for_each(|verb| self.draft.does(verb));
                let target = self.target(table, alias.as_deref(), false);
                let others = self.sources(std::slice::from_ref(source), env);
                self.merge(Change { target, others, returning: returning.as_ref() }, on, actions, env)
            }
        }
    }

    /// The table that is changed, as an item of its own.
    fn target(&mut self, name: &Name, alias: Option<&str>, only: bool) -> Item {
        let mut item = self.stored(name, only, Access::Write);
        item.id = self.next_item();
        item.name = Some(alias.unwrap_or(&name.name).to_owned());
        if alias.is_some() {
            item.schema = None;
        }
        for column in &mut item.columns {
            column.item = item.id;
        }
        item
    }

    /// Notes that `value` flows into a column of `target`.
    fn assign(&mut self, target: &Item, table: &Name, column: &str, value: &Taint) {
        let own = target.columns.iter().find(|c| c.name.as_deref().is_some_and(|name| self.same(name, column)));
        if let Some(base) = own.and_then(|own| own.taint.bare.as_ref()) {
            self.draft.write(Some(ColumnRef::clone(base)), value);
            return;
        }
        let schema = target.schema.clone().or_else(|| table.schema.clone()).unwrap_or_default();
        let reference = ColumnRef { schema, table: table.name.clone(), column: column.to_owned() };
        self.draft.write(Some(reference), value);
    }

    fn insert(
        &mut self,
        insert: &Insert<'_>,
        conflict: &[Assignment],
        conflict_filter: &[Expr],
        returning: Option<&Returning>,
        env: &Env<'_>,
    ) -> Rows {
        let target = self.target(insert.table, insert.alias, true);
        let names: Vec<String> = if insert.columns.is_empty() {
            target.columns.iter().filter_map(|column| column.name.clone()).collect()
        } else {
            insert.columns.to_vec()
        };
        let mut changed = target.clone();
        if let Some(source) = insert.source {
            let rows = self.query(source, env);
            if let Some(why) = &rows.open {
                let everything = Taint::unknown(why.as_str());
                for name in &names {
                    self.assign(&target, insert.table, name, &everything);
                    taint_column(&mut changed, name, &everything);
                }
            }
            for (index, column) in rows.columns.iter().enumerate() {
                let name = names.get(index).map_or("?", String::as_str);
                self.assign(&target, insert.table, name, &column.taint);
                taint_column(&mut changed, name, &column.taint);
            }
        }
        let mut excluded = changed.clone();
        excluded.id = self.next_item();
        excluded.name = Some("excluded".to_owned());
        excluded.schema = None;
        let mut names = Namespace::of(target.clone());
        names.items.push(excluded);
        let scope = env.with_names(&names);
        for expr in conflict_filter {
            self.predicate(expr, &scope);
        }
        for assignment in conflict {
            let value = self.value(&assignment.value, &scope);
            self.assign(&target, insert.table, &assignment.column, &value);
            taint_column(&mut changed, &assignment.column, &value);
        }
        let change = Change { target, others: Namespace::default(), returning };
        self.returning(change, &changed, env)
    }

    fn update(
        &mut self,
        change: Change<'_>,
        assignments: &[Assignment],
        filter: Option<&Expr>,
        order: &[Expr],
        env: &Env<'_>,
    ) -> Rows {
        let mut names = Namespace::of(change.target.clone());
        names.append(change.others.clone());
        self.condition(filter, order, &mut names, 1, env);
        let scope = env.with_names(&names);
        let mut changed = change.target.clone();
        let table = Name { schema: change.target.schema.clone(), name: change.target.name.clone().unwrap_or_default() };
        for assignment in assignments {
            let value = self.value(&assignment.value, &scope);
            self.assign(&change.target, &table, &assignment.column, &value);
            taint_column(&mut changed, &assignment.column, &value);
        }
        self.returning(change, &changed, env)
    }

    /// Notes a condition and what it says of the rows read; `changed` of the tables are those that are changed.
    fn condition(
        &mut self,
        filter: Option<&Expr>,
        order: &[Expr],
        names: &mut Namespace,
        changed: usize,
        env: &Env<'_>,
    ) {
        let scope = env.with_names(names);
        if let Some(filter) = filter {
            self.predicate(filter, &scope);
        }
        for expr in order {
            let value = self.value(expr, &scope);
            self.uses(&value, model::Usage::Order);
        }
        if let Some(filter) = filter {
            let bound = self.bindings(filter, names);
            names.bindings.extend(bound);
        }
        self.note_reads(names, changed);
    }

    fn update_joined(
        &mut self,
        from: &[From],
        assignments: &[(Vec<String>, Expr)],
        filter: Option<&Expr>,
        order: &[Expr],
        env: &Env<'_>,
    ) -> Rows {
        let mut names = self.sources(from, env);
        self.condition(filter, order, &mut names, 1, env);
        let scope = env.with_names(&names);
        for (path, expr) in assignments {
            let target = self.value(&Expr::Column(path.clone()), &scope);
            let value = self.value(expr, &scope);
            let column = target.bare.as_ref().map(|column| ColumnRef::clone(column));
            match &column {
                Some(column) => self.draft.table(&column.table(), Access::Write, model::Reach::Direct),
                None => self.draft.opaque(&format!("an assignment to {}", path.join(".")), true),
            }
            self.draft.write(column, &value);
        }
        Rows { none: true, ..Rows::default() }
    }

    fn delete(
        &mut self,
        targets: &[Name],
        from: &[From],
        filter: Option<&Expr>,
        order: &[Expr],
        returning: Option<&Returning>,
        env: &Env<'_>,
    ) -> Rows {
        let mut names = self.sources(from, env);
        for target in targets {
            let table = from.iter().find_map(|from| table_named(from, target)).unwrap_or(target);
            let access = self.stored(table, false, Access::Write);
            drop(access);
        }
        self.condition(filter, order, &mut names, targets.len().max(1), env);
        match returning {
            Some(returning) => {
                self.draft.does(Verb::Select);
                let (columns, open) = self.targets(&returning.targets, &env.with_names(&names));
                Rows { columns, open, ..Rows::default() }
            }
            None => Rows { none: true, ..Rows::default() },
        }
    }

    fn merge(&mut self, change: Change<'_>, on: &Expr, actions: &[MergeAction], env: &Env<'_>) -> Rows {
        let mut names = Namespace::of(change.target.clone());
        names.append(change.others.clone());
        self.condition(Some(on), &[], &mut names, 1, env);
        let scope = env.with_names(&names);
        let mut changed = change.target.clone();
        let table = Name { schema: change.target.schema.clone(), name: change.target.name.clone().unwrap_or_default() };
        let ordered: Vec<String> = change.target.columns.iter().filter_map(|column| column.name.clone()).collect();
        for action in actions {
            if let Some(condition) = &action.condition {
                self.predicate(condition, &scope);
            }
            for (index, assignment) in action.assignments.iter().enumerate() {
                let value = self.value(&assignment.value, &scope);
                // INSERT without a column list names its columns by position.
                let column = match assignment.column.as_str() {
                    "" => ordered.get(index).cloned().unwrap_or_default(),
                    name => name.to_owned(),
                };
                self.assign(&change.target, &table, &column, &value);
                taint_column(&mut changed, &column, &value);
            }
        }
        self.returning(change, &changed, env)
    }

    /// The result of RETURNING over the changed row and the other sources.
    fn returning(&mut self, change: Change<'_>, changed: &Item, env: &Env<'_>) -> Rows {
        let Some(returning) = change.returning else { return Rows { none: true, ..Rows::default() } };
        self.draft.does(Verb::Select);
        if let Some(table) = &change.target.table {
            self.draft.table(table, Access::Read, model::Reach::Direct);
        }
        let mut names = Namespace::of(changed.clone());
        names.append(change.others);
        for (name, item) in [(&returning.old, &change.target), (&returning.new, changed)] {
            if let Some(name) = name {
                let mut item = item.clone();
                item.name = Some(name.clone());
                item.schema = None;
                names.items.push(item);
            }
        }
        let (columns, open) = self.targets(&returning.targets, &env.with_names(&names));
        Rows { columns, open, ..Rows::default() }
    }

    /// Columns of a table that COPY or LOAD fills from the client.
    pub(crate) fn fill(&mut self, table: &Name, columns: &[String]) {
        let target = self.target(table, None, true);
        let all: Vec<String> = target.columns.iter().filter_map(|column| column.name.clone()).collect();
        for column in if columns.is_empty() { &all } else { columns } {
            self.assign(&target, table, column, &Taint::default());
        }
    }
}

struct Insert<'a> {
    table: &'a Name,
    alias: Option<&'a str>,
    columns: &'a [String],
    source: Option<&'a Query>,
}

/// Makes a column of the changed row depend on what was assigned to it. A constant leaves it what it is: its own.
fn taint_column(item: &mut Item, name: &str, value: &Taint) {
    if value.is_constant() {
        return;
    }
    if let Some(column) = item.columns.iter_mut().find(|column: &&mut Column| column.name.as_deref() == Some(name)) {
        column.taint.absorb(value);
    }
}

/// The table behind an alias or a name.
fn table_named<'a>(from: &'a From, target: &Name) -> Option<&'a Name> {
    match from {
        From::Table { name, alias, .. } => {
            let own = alias.as_ref().map_or(&name.name, |alias: &Alias| &alias.name);
            (own.eq_ignore_ascii_case(&target.name)).then_some(name)
        }
        From::Join { left, right, .. } => table_named(left, target).or_else(|| table_named(right, target)),
        _ => None,
    }
}
