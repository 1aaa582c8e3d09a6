//! Which names an expression can see.

use super::reads::Bindings;
use super::taint::{Column, Taint};
use model::TableRef;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A FROM item under its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    pub(crate) id: usize,
    /// Its alias, or the relation's own name.
    pub(crate) name: Option<String>,
    /// The relation, where it is one that is stored.
    pub(crate) table: Option<TableRef>,
    /// The relation's schema, when no alias hides it.
    pub(crate) schema: Option<String>,
    pub(crate) columns: Vec<Column>,
    /// It has columns that are not listed.
    pub(crate) open: Option<Open>,
    /// A stored relation: it has system columns.
    pub(crate) stored: bool,
}

/// What is known of columns that are not listed.
#[derive(Clone, Debug)]
pub(crate) enum Open {
    /// A system relation that the catalog snapshot leaves out.
    System(TableRef),
    /// Nothing, with the reason.
    Unknown(String),
    /// They all depend on this.
    Computed(Taint),
}

/// The names of one FROM list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespace {
    pub(crate) items: Vec<Item>,
    /// Columns that can be named without a qualifier, in the order of `*`.
    pub(crate) columns: Vec<Column>,
    /// What conditions say of its rows.
    pub(crate) bindings: Bindings,
}

impl Namespace {
    pub(crate) fn of(item: Item) -> Self {
        Self { columns: item.columns.clone(), items: vec![item], ..Self::default() }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.items.extend(other.items);
        self.columns.extend(other.columns);
        self.bindings.extend(other.bindings);
    }

    pub(crate) fn ids(&self) -> BTreeSet<usize> {
        self.items.iter().map(|item| item.id).collect()
    }

    pub(crate) fn opened(&self) -> Option<&Item> {
        self.items.iter().find(|item| item.open.is_some())
    }
}

/// A common table expression that has been worked out.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) name: Arc<str>,
    pub(crate) rows: Arc<Rows>,
}

impl Bound {
    pub(crate) fn new(name: &str, rows: Rows) -> Self {
        Self { name: name.into(), rows: Arc::new(rows) }
    }
}

/// The columns of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<Column>,
    /// Why the columns are not all known.
    pub(crate) open: Option<String>,
    /// LIMIT bounds it.
    pub(crate) limited: bool,
    /// It returns no rows at all (a change without RETURNING).
    pub(crate) none: bool,
}

/// A chain of namespaces and common table expressions, innermost first.
#[derive(Clone, Copy)]
pub(crate) struct Env<'e> {
    pub(crate) parent: Option<&'e Env<'e>>,
    pub(crate) names: Option<&'e Namespace>,
    pub(crate) ctes: &'e [Bound],
}

impl<'e> Env<'e> {
    pub(crate) const EMPTY: Env<'static> = Env { parent: None, names: None, ctes: &[] };

    pub(crate) fn with_names(&'e self, names: &'e Namespace) -> Env<'e> {
        Env { parent: Some(self), names: Some(names), ctes: &[] }
    }

    pub(crate) fn with_ctes(&'e self, ctes: &'e [Bound]) -> Env<'e> {
        Env { parent: Some(self), names: None, ctes }
    }

    /// This level and all around it.
    pub(crate) fn levels(&'e self) -> impl Iterator<Item = &'e Env<'e>> {
        std::iter::successors(Some(self), |env| env.parent)
    }
}
