//! What the second lock keeps: relations of a datasource with columns that somebody is not to see, whoever asks.

use crate::{MaskSpec, SourceColumn, TableRef};

/// A relation with columns that a policy hides from anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Which.
    pub table: TableRef,
    /// Its visible columns, in catalog order.
    pub columns: Vec<GuardedColumn>,
    /// The three-digit ZIP areas that [`MaskSpec::Zip3`] does not show; empty where it is not among the masks.
    pub small_areas: Vec<u16>,
}

/// A column of a guarded relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardedColumn {
    /// Which, with its type.
    pub column: SourceColumn,
    /// Whether a rule hides it from anybody.
    pub hidden: bool,
    /// The masks that rules may put in its place. Those that are computed from the value are read through a view.
    pub masks: Vec<MaskSpec>,
}

impl Guarded {
    /// The names of the hidden columns, or of the others.
    pub fn named(&self, hidden: bool) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(move |own| own.hidden == hidden).map(|own| own.column.name.as_str())
    }
}
