//! A snapshot of an upstream's catalog: relations, their columns, view texts, inheritance, routines.

use model::{ColumnRef, TableRef};
use std::collections::{HashMap, HashSet};

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
    /// The query of a view, as the engine prints it with an empty search path (PostgreSQL: `SET search_path = ''` before
    /// `pg_get_viewdef`), so that every name in it is qualified.
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
    children: HashMap<TableRef, Vec<TableRef>>,
    folded: HashMap<(String, String), TableRef>,
    user_operators: HashSet<String>,
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
        let mut children: HashMap<TableRef, Vec<TableRef>> = HashMap::new();
        let mut folded = HashMap::new();
        for relation in &relations {
            for parent in &relation.parents {
                children.entry(parent.clone()).or_default().push(relation.name.clone());
            }
            let key = (relation.name.schema.to_lowercase(), relation.name.table.to_lowercase());
            folded.insert(key, relation.name.clone());
        }
        Self {
            children,
            folded,
            user_operators: HashSet::new(),
            epoch,
            relations: relations.into_iter().map(|relation| (relation.name.clone(), relation)).collect(),
            names_by_id,
            routines: by_name,
        }
    }

    /// Adds the names of operators that run code of users (PostgreSQL: `pg_operator.oid >= 16384` with a function whose
    /// language is neither `c` nor `internal`): expressions with an operator of such a name are opaque.
    #[must_use]
    pub fn with_user_operators(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.user_operators.extend(names);
        self
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

    pub(crate) fn has_user_operator(&self, name: &str) -> bool {
        self.user_operators.contains(name)
    }

    /// A relation by its full name, however it is capitalised.
    pub(crate) fn relation_ignoring_case(&self, name: &TableRef) -> Option<&Relation> {
        let key = (name.schema.to_lowercase(), name.table.to_lowercase());
        self.relations.get(self.folded.get(&key)?)
    }

    /// A column's type.
    pub(crate) fn type_of(&self, column: &ColumnRef) -> Option<&str> {
        let relation = self.relations.get(&column.table())?;
        relation.columns.iter().find(|own| own.name == column.column).map(|own| own.type_name.as_str())
    }

    /// Every table that this one inherits from, directly or not.
    pub(crate) fn ancestors(&self, table: &TableRef) -> Vec<TableRef> {
        self.closure(table, |name| self.relations.get(name).map_or(&[], |relation| relation.parents.as_slice()))
    }

    /// Every table that inherits from this one, directly or not.
    pub(crate) fn descendants(&self, table: &TableRef) -> Vec<TableRef> {
        self.closure(table, |name| self.children.get(name).map_or(&[], Vec::as_slice))
    }

    fn closure<'a>(&'a self, table: &TableRef, next: impl Fn(&TableRef) -> &'a [TableRef]) -> Vec<TableRef> {
        let mut found: Vec<TableRef> = Vec::new();
        let mut seen: HashSet<&TableRef> = HashSet::new();
        let mut pending: Vec<&TableRef> = next(table).iter().collect();
        while let Some(name) = pending.pop() {
            if name != table && seen.insert(name) {
                found.push(name.clone());
                pending.extend(next(name));
            }
        }
        found
    }

    /// Columns of other tables whose rules apply to this one: those it inherits and those that inherit it.
    pub(crate) fn kin(&self, column: &ColumnRef) -> Vec<ColumnRef> {
        let table = column.table();
        let mut related = self.ancestors(&table);
        related.extend(self.descendants(&table));
        let has = |name: &TableRef| {
            self.relations.get(name).is_some_and(|r| r.columns.iter().any(|own| own.name == column.column))
        };
        related
            .into_iter()
            .filter(has)
            .map(|name| ColumnRef { schema: name.schema, table: name.table, column: column.column.clone() })
            .collect()
    }
}
