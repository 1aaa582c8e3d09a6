//! Columns: those of tables, by name, and those of a result, as the server announced them.

use crate::Repr;
use std::fmt;

/// A table or view, by its resolved name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// The schema (PostgreSQL) or database (MySQL).
    pub schema: String,
    /// The relation's name.
    pub table: String,
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A column of a table or view, by its resolved name. Rules match it as `datasource.schema.table.column`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnRef {
    /// The schema (PostgreSQL) or database (MySQL).
    pub schema: String,
    /// The relation's name.
    pub table: String,
    /// The column's name.
    pub column: String,
}

impl ColumnRef {
    /// The table that the column belongs to.
    #[must_use]
    pub fn table(&self) -> TableRef {
        TableRef { schema: self.schema.clone(), table: self.table.clone() }
    }
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.schema, self.table, self.column)
    }
}

/// A column of a result, as the upstream announced it.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name that the client sees. Not unique within a result.
    pub name: String,
    /// The type's name in the engine (`int4`, `varchar`, `MEDIUMINT UNSIGNED`).
    pub type_name: String,
    /// How a cell's bytes represent its value.
    pub repr: Repr,
    /// Whether the column may hold NULL, where that is known.
    pub nullable: Option<bool>,
    /// The declared length limit in characters (`varchar(n)`, `char(n)`), where there is one.
    pub max_chars: Option<u32>,
    /// The column it came from, as the server says, resolved against the catalog. A cross-check, never a proof by
    /// itself: servers name views, aliases and the wrong column of `RETURNING`.
    pub announced: Option<ColumnRef>,
}
