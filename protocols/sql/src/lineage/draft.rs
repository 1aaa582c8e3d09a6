//! The facts of a statement while they are collected, each once.

use super::Taint;
use crate::Relation;
use model::{
    Access, Call, ColumnRef, FEW, Opaque, Outputs, Part, PredicateUse, Reach, SettingChange, TableRead, TableRef,
    TableUse, Usage, Verb, WriteFlow,
};
use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

/// A list without duplicates, in order of arrival.
#[derive(Debug)]
struct Once<T> {
    list: Vec<T>,
    seen: HashSet<T>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { list: Vec::new(), seen: HashSet::new() }
    }
}

impl<T: Clone + Eq + Hash> Once<T> {
    fn add(&mut self, item: T) {
        if self.seen.insert(item.clone()) {
            self.list.push(item);
        }
    }
}

/// The facts of one statement while they are collected.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    tables: Once<TableUse>,
    predicates: Once<PredicateUse>,
    writes: Vec<WriteFlow>,
    calls: Once<Call>,
    opaque: Once<Opaque>,
    /// What may reach data that the text does not name, beside what the lineage could not work out.
    beyond: Once<String>,
    /// Within the definition of a view, whose owner answers for what it calls.
    pub(crate) in_view: bool,
    settings: Vec<SettingChange>,
    unknown_relations: Once<String>,
    /// View columns by the column they show.
    shown: Once<(ColumnRef, ColumnRef)>,
    verbs: BTreeSet<Verb>,
    reads: Once<TableRead>,
    /// A table that it makes, where the text tells all of its columns.
    pub(crate) fresh: Option<Relation>,
}

impl Draft {
    /// It does this, among other things.
    pub(crate) fn does(&mut self, verb: Verb) {
        self.verbs.insert(verb);
    }

    /// It runs code that was not read.
    pub(crate) fn runs_unseen(&mut self) {
        self.verbs.extend(Verb::UNSEEN);
    }

    pub(crate) fn read(&mut self, read: TableRead) {
        self.reads.add(read);
    }

    pub(crate) fn table(&mut self, table: &TableRef, access: Access, reach: Reach) {
        if reach == Reach::Indirect {
            let direct = TableUse { table: table.clone(), access, reach: Reach::Direct };
            if self.tables.seen.contains(&direct) {
                return;
            }
        }
        self.tables.add(TableUse { table: table.clone(), access, reach });
    }

    pub(crate) fn predicate(&mut self, column: &ColumnRef, usage: Usage) {
        self.predicates.add(PredicateUse { column: column.clone(), usage });
    }

    pub(crate) fn write(&mut self, target: Option<ColumnRef>, value: &Taint) {
        if let Some(why) = &value.unknown {
            self.unread(&format!("a write of {why}"));
        }
        let flow = WriteFlow { target, sources: value.columns() };
        if self.writes.len() < 10_000 && !self.writes.contains(&flow) {
            self.writes.push(flow);
        }
    }

    pub(crate) fn call(&mut self, name: String, pure: bool) {
        self.calls.add(Call { name, pure });
    }

    /// Something that the lineage could not work out: it reaches no more than what the text names.
    pub(crate) fn unread(&mut self, what: &str) {
        self.opaque.add(Opaque { what: what.to_owned(), reaches_data: true });
    }

    pub(crate) fn opaque(&mut self, what: &str, reaches_data: bool) {
        if reaches_data && !self.in_view {
            self.beyond.add(what.to_owned());
        }
        self.opaque.add(Opaque { what: what.to_owned(), reaches_data });
    }

    pub(crate) fn setting(&mut self, name: &str, value: Option<String>) {
        self.settings.push(SettingChange { name: name.to_lowercase(), value });
    }

    pub(crate) fn unknown_relation(&mut self, name: String) {
        self.unknown_relations.add(name);
    }

    pub(crate) fn shows(&mut self, base: &ColumnRef, view: ColumnRef) {
        self.shown.add((base.clone(), view));
    }

    /// View columns by the column they show.
    pub(super) fn into_shown(self) -> Vec<(ColumnRef, ColumnRef)> {
        self.shown.list
    }

    /// Nothing of it runs: it is only described.
    pub(crate) fn only_described(&mut self) {
        self.writes.clear();
        self.verbs.clear();
        let described = |used: &TableUse| TableUse { access: Access::Read, ..used.clone() };
        let tables: Vec<TableUse> = self.tables.list.iter().map(described).collect();
        self.tables = Once::default();
        tables.into_iter().for_each(|used| self.tables.add(used));
    }

    pub(crate) fn columns_mentioned(&self) -> Vec<ColumnRef> {
        self.predicates.list.iter().map(|use_| use_.column.clone()).collect()
    }

    /// The part and the relations that were not found.
    pub(crate) fn finish(mut self, verb: Verb, outputs: Outputs, filtered: bool, limited: bool) -> Finished {
        self.does(verb);
        match verb {
            Verb::Truncate => self.verbs.extend([Verb::Delete, Verb::Ddl]),
            Verb::CopyIn => self.does(Verb::Insert),
            Verb::CopyOut => self.does(Verb::Select),
            Verb::Call | Verb::Other if !self.opaque.list.is_empty() => self.runs_unseen(),
            _ => {}
        }
        let few = |read: &TableRead| read.unique.is_some_and(|rows| rows <= FEW);
        let filtered = filtered && self.reads.list.iter().all(few);
        Finished {
            part: Part {
                verb,
                tables: self.tables.list,
                outputs,
                predicates: self.predicates.list,
                writes: self.writes,
                calls: self.calls.list,
                opaque: self.opaque.list,
                settings: self.settings,
                kin: Vec::new(),
                sources: Vec::new(),
                uses: None,
                verbs: self.verbs.into_iter().collect(),
                reads: self.reads.list,
                filtered,
                limited,
            },
            unknown_relations: self.unknown_relations.list,
            shown: self.shown.list,
            beyond: self.beyond.list,
            fresh: self.fresh,
        }
    }

    /// The columns that show a column unchanged.
    pub(crate) fn shown_of(&self, base: &ColumnRef) -> Vec<ColumnRef> {
        self.shown.list.iter().filter(|(own, _)| own == base).map(|(_, view)| view.clone()).collect()
    }
}

/// A part whose kin are still to be listed.
pub(crate) struct Finished {
    pub(crate) part: Part,
    pub(crate) unknown_relations: Vec<String>,
    pub(crate) shown: Vec<(ColumnRef, ColumnRef)>,
    pub(crate) beyond: Vec<String>,
    /// A table that it makes, where the text tells all of its columns.
    pub(crate) fresh: Option<Relation>,
}
