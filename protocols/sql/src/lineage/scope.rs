//! Which names an expression can see.

use super::taint::{Column, Taint};
use model::TableRef;
use std::collections::BTreeSet;

/// A FROM item under its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    pub(crate) id: usize,
    /// Its alias, or the relation's own name.
    pub(crate) name: Option<String>,
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

/// Rows of `from` being filtered means rows of `to` are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) from: BTreeSet<usize>,
    pub(crate) to: BTreeSet<usize>,
}

/// The names of one FROM list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespace {
    pub(crate) items: Vec<Item>,
    /// Columns that can be named without a qualifier, in the order of `*`.
    pub(crate) columns: Vec<Column>,
    /// Items whose rows need a condition.
    pub(crate) needs: BTreeSet<usize>,
    /// Items that an ON condition limits by themselves.
    pub(crate) limited: BTreeSet<usize>,
    pub(crate) links: Vec<Link>,
}

impl Namespace {
    pub(crate) fn of(item: Item, needs_filter: bool) -> Self {
        let needs = if needs_filter { BTreeSet::from([item.id]) } else { BTreeSet::new() };
        Self { columns: item.columns.clone(), items: vec![item], needs, ..Self::default() }
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.items.extend(other.items);
        self.columns.extend(other.columns);
        self.needs.extend(other.needs);
        self.limited.extend(other.limited);
        self.links.extend(other.links);
    }

    pub(crate) fn ids(&self) -> BTreeSet<usize> {
        self.items.iter().map(|item| item.id).collect()
    }

    pub(crate) fn opened(&self) -> Option<&Item> {
        self.items.iter().find(|item| item.open.is_some())
    }

    /// Whether every item that needs a condition has one, when the items of `filtered` have their own.
    pub(crate) fn is_filtered(&self, mut filtered: BTreeSet<usize>) -> bool {
        filtered.extend(self.limited.iter().copied());
        loop {
            let before = filtered.len();
            for link in &self.links {
                if !link.from.is_disjoint(&filtered) {
                    filtered.extend(link.to.iter().copied());
                }
            }
            if filtered.len() == before {
                return self.needs.is_subset(&filtered);
            }
        }
    }
}

/// A common table expression that has been worked out.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) rows: Rows,
}

/// The columns of a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<Column>,
    /// Why the columns are not all known.
    pub(crate) open: Option<String>,
    /// Some table is read without a condition.
    pub(crate) unfiltered: bool,
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
