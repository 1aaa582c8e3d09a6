//! A snapshot of an upstream's catalog: relations, their columns, view texts, inheritance, routines.

use model::{ColumnRef, TableRef};
use std::collections::HashMap;

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// An ordinary, partitioned or temporary table.
    Table,
    /// A view; its columns come from its definition.
    View,
    /// A materialised view: stored, but computed from its definition.
    MaterializedView,
    /// A table that lives elsewhere.
    Foreign,
    /// A sequence.
    Sequence,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its name.
    pub name: String,
    /// The type as the engine writes it (`character varying(20)`, `int unsigned`).
    pub type_name: String,
    /// Its number within the relation (PostgreSQL `attnum`, MySQL `ORDINAL_POSITION`).
    pub number: i16,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: TableRef,
    /// The engine's id (PostgreSQL OID), 0 where there is none.
    pub id: u32,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns in order, dropped ones left out.
    pub columns: Vec<CatalogColumn>,
    /// The query of a view, as the engine prints it.
    pub definition: Option<String>,
    /// Tables that it inherits from or is a partition of.
    pub parents: Vec<TableRef>,
}

/// How freely the engine may evaluate a routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Volatility {
    /// Depends on its arguments only.
    Immutable,
    /// Reads, never writes.
    Stable,
    /// Anything.
    Volatile,
}

/// A routine (function, aggregate, window function or procedure).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// Schema or database.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `internal`, `c`, `sql`, `plpgsql` …; MySQL: `SQL`.
    pub language: String,
    /// Declared volatility.
    pub volatility: Volatility,
    /// Whether the engine shipped it (PostgreSQL: OID below 16384; MySQL: native).
    pub builtin: bool,
    /// Whether it runs with its owner's rights.
    pub security_definer: bool,
    /// Whether it returns a set of rows.
    pub returns_set: bool,
}

/// The snapshot.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    epoch: u64,
    relations: HashMap<TableRef, Relation>,
    names_by_id: HashMap<u32, TableRef>,
    routines: HashMap<String, Vec<Routine>>,
}

impl Catalog {
    /// Builds a snapshot. `epoch` grows with every snapshot of a datasource.
    #[must_use]
    pub fn new(epoch: u64, relations: Vec<Relation>, routines: Vec<Routine>) -> Self {
        let names_by_id =
            relations.iter().filter(|relation| relation.id != 0).map(|r| (r.id, r.name.clone())).collect();
        let mut by_name: HashMap<String, Vec<Routine>> = HashMap::new();
        for routine in routines {
            by_name.entry(routine.name.clone()).or_default().push(routine);
        }
        Self {
            epoch,
            relations: relations.into_iter().map(|relation| (relation.name.clone(), relation)).collect(),
            names_by_id,
            routines: by_name,
        }
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A relation by its full name.
    #[must_use]
    pub fn relation(&self, name: &TableRef) -> Option<&Relation> {
        self.relations.get(name)
    }

    /// All relations, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// All routines of that name, in any schema.
    #[must_use]
    pub fn routines(&self, name: &str) -> &[Routine] {
        self.routines.get(name).map_or(&[], Vec::as_slice)
    }

    /// The column that a result's metadata names by relation id and column number.
    #[must_use]
    pub fn column_by_id(&self, relation: u32, number: i16) -> Option<ColumnRef> {
        let name = self.names_by_id.get(&relation)?;
        let column = self.relations.get(name)?.columns.iter().find(|column| column.number == number)?;
        Some(ColumnRef { schema: name.schema.clone(), table: name.table.clone(), column: column.name.clone() })
    }
}
