//! What a value depends on.

use model::{ColumnRef, Lineage};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a value depends on. The default is a constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Taint {
    /// It is exactly this column's value.
    pub(crate) bare: Option<Arc<ColumnRef>>,
    /// Every column it depends on, `bare` included.
    pub(crate) sources: BTreeSet<Arc<ColumnRef>>,
    /// Why that is not the whole truth.
    pub(crate) unknown: Option<Arc<str>>,
    /// The fields, when it is a row.
    pub(crate) fields: Option<Arc<Vec<Column>>>,
}

/// A named value: a column of a FROM item or of a result, or a field of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: Option<String>,
    pub(crate) taint: Taint,
    /// The FROM item it belongs to.
    pub(crate) item: usize,
}

impl Column {
    /// The same, as a computed value.
    pub(crate) fn computed(&self) -> Self {
        let taint = Taint { bare: None, ..self.taint.clone() };
        Self { taint, ..self.clone() }
    }
}

impl Taint {
    pub(crate) fn bare(column: ColumnRef) -> Self {
        let column = Arc::new(column);
        Self { bare: Some(Arc::clone(&column)), sources: BTreeSet::from([column]), ..Self::default() }
    }

    pub(crate) fn unknown(why: impl Into<Arc<str>>) -> Self {
        Self { unknown: Some(why.into()), ..Self::default() }
    }

    /// Adds what `other` depends on; the value is then computed, not bare.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.bare = None;
        // When the budget is spent, what is found out is not used.
        if !crate::bounds::step(other.sources.len() / 4) {
            return;
        }
        self.sources.extend(other.sources.iter().cloned());
        if self.unknown.is_none() {
            self.unknown.clone_from(&other.unknown);
        }
    }

    /// The same dependencies, as a computed value.
    pub(crate) fn computed(mut self) -> Self {
        self.bare = None;
        self.fields = None;
        self
    }

    pub(crate) fn all<'a>(taints: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for taint in taints {
            sum.absorb(taint);
        }
        sum
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.sources.is_empty() && self.unknown.is_none()
    }

    /// A row of these columns.
    pub(crate) fn row(columns: Vec<Column>) -> Self {
        let mut row = Self::all(columns.iter().map(|column| &column.taint));
        row.fields = Some(Arc::new(columns));
        row
    }

    pub(crate) fn columns(&self) -> Vec<ColumnRef> {
        self.sources.iter().map(|column| ColumnRef::clone(column)).collect()
    }

    pub(crate) fn lineage(&self) -> Lineage {
        match (&self.unknown, &self.bare) {
            (Some(why), _) => Lineage::Unknown(why.to_string()),
            (None, Some(column)) => Lineage::Bare(ColumnRef::clone(column)),
            (None, None) => Lineage::Derived(self.columns()),
        }
    }
}
