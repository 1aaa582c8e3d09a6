//! A snapshot of an upstream's catalog: relations, their columns, view texts, inheritance, routines.

use model::{ColumnRef, TableRef};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

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
    /// The collation of a text column, where the engine tells it (MySQL).
    pub collation: Option<String>,
    /// `*` does not stand for it (MySQL's INVISIBLE columns); its name does.
    pub invisible: bool,
    /// The columns of its table that it is computed from, where the engine computes it (MySQL's generated columns).
    pub generated_from: Vec<String>,
    /// The indexes that it is part of (MySQL): rows come in their order where the engine reads one instead of the table.
    pub indexes: Vec<String>,
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
    /// Names of relations outside the engine's own schemas, in lower case.
    spelt: HashSet<String>,
    user_operators: HashSet<String>,
    unique: HashMap<TableRef, Vec<Vec<String>>>,
    code_sets_settings: bool,
    layer: Option<Layer>,
}

/// What one session sees otherwise than all others.
#[derive(Clone, Debug)]
struct Layer {
    under: Arc<Catalog>,
    /// Relations of the catalog below that are not there for this session.
    gone: HashSet<TableRef>,
    /// The search path under which the definitions of this layer's views are printed.
    path: Vec<String>,
}

/// First OID that is not the engine's own (PostgreSQL).
const FIRST_USER_ID: u32 = 16_384;

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
        let mut spelt = HashSet::new();
        for relation in &relations {
            let engines = ["information_schema", "performance_schema", "mysql", "sys", "pg_catalog"];
            if !engines.contains(&relation.name.schema.to_lowercase().as_str()) {
                spelt.insert(relation.name.table.to_lowercase());
            }
            for parent in &relation.parents {
                children.entry(parent.clone()).or_default().push(relation.name.clone());
            }
            let key = (relation.name.schema.to_lowercase(), relation.name.table.to_lowercase());
            folded.insert(key, relation.name.clone());
        }
        Self {
            children,
            folded,
            spelt,
            user_operators: HashSet::new(),
            unique: HashMap::new(),
            code_sets_settings: true,
            layer: None,
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

    /// Adds unique indexes, by table: the columns of each. Those over expressions or over part of the rows are left out.
    #[must_use]
    pub fn with_unique_indexes(mut self, indexes: impl IntoIterator<Item = (TableRef, Vec<String>)>) -> Self {
        for (table, columns) in indexes {
            self.unique.entry(table).or_default().push(columns);
        }
        self
    }

    /// The columns of each unique index of a table.
    #[must_use]
    pub fn unique_columns(&self, table: &TableRef) -> &[Vec<String>] {
        let own = self.unique.get(table);
        // A temporary relation of that name is another.
        let below = self.layer.as_ref().filter(|_| !self.relations.contains_key(table));
        match (own, below) {
            (Some(own), _) => own,
            (None, Some(layer)) => layer.under.unique_columns(table),
            (None, None) => &[],
        }
    }

    /// The same catalog as one session sees it that made relations which no other sees: temporary ones (in schema `pg_temp`;
    /// MySQL: in their database) and those of its open transaction, both in `own`. `alive` holds the ids of every relation
    /// that the session still sees, where it may have dropped some; `path` is the search path under which the definitions
    /// of views in `own` are printed.
    #[must_use]
    pub fn for_session(self: &Arc<Self>, own: Vec<Relation>, alive: Option<&HashSet<u32>>, path: Vec<String>) -> Self {
        let mut layer = Self::new(self.epoch, own, Vec::new());
        let dropped = |relation: &Relation| {
            relation.id >= FIRST_USER_ID && alive.is_some_and(|alive| !alive.contains(&relation.id))
        };
        let renamed =
            |relation: &Relation| layer.names_by_id.get(&relation.id).is_some_and(|name| *name != relation.name);
        let gone = self.relations.values().filter(|relation| dropped(relation) || renamed(relation));
        let gone = gone.map(|relation| relation.name.clone()).collect();
        layer.code_sets_settings = self.code_sets_settings;
        layer.layer = Some(Layer { under: Arc::clone(self), gone, path });
        layer
    }

    /// Says that no routine of the database sets a session setting by itself (see [`crate::Settings::plain_settings`]).
    #[must_use]
    pub fn with_code_that_sets_settings(mut self, sets: bool) -> Self {
        self.code_sets_settings = sets;
        self
    }

    /// Whether code of the database (a trigger's function, say) may set a session setting. True where that is not known.
    #[must_use]
    pub fn code_sets_settings(&self) -> bool {
        self.code_sets_settings
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A relation by its full name.
    #[must_use]
    pub fn relation(&self, name: &TableRef) -> Option<&Relation> {
        self.relations.get(name).or_else(|| {
            let layer = self.layer.as_ref().filter(|layer| !layer.gone.contains(name))?;
            layer.under.relation(name)
        })
    }

    /// The catalog that all sessions share.
    pub(crate) fn shared(&self) -> &Self {
        self.layer.as_ref().map_or(self, |layer| &layer.under)
    }

    /// The search path under which the definition of this view is to be read, where it is not the empty one.
    pub(crate) fn definition_path(&self, view: &TableRef) -> Option<&[String]> {
        let layer = self.layer.as_ref().filter(|_| self.relations.contains_key(view))?;
        Some(&layer.path)
    }

    /// All relations, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        let below = self.layer.iter().flat_map(|layer| {
            let hidden = |name: &TableRef| layer.gone.contains(name) || self.relations.contains_key(name);
            layer.under.relations.values().filter(move |relation| !hidden(&relation.name))
        });
        self.relations.values().chain(below)
    }

    /// All routines of that name, in any schema.
    #[must_use]
    pub fn routines(&self, name: &str) -> &[Routine] {
        match &self.layer {
            Some(layer) => layer.under.routines(name),
            None => self.routines.get(name).map_or(&[], Vec::as_slice),
        }
    }

    /// The column that a result's metadata names by relation id and column number.
    #[must_use]
    pub fn column_by_id(&self, relation: u32, number: i16) -> Option<ColumnRef> {
        let Some(name) = self.names_by_id.get(&relation) else {
            return self.layer.as_ref()?.under.column_by_id(relation, number);
        };
        let column = self.relation(name)?.columns.iter().find(|column| column.number == number)?;
        Some(ColumnRef { schema: name.schema.clone(), table: name.table.clone(), column: column.name.clone() })
    }

    pub(crate) fn has_user_operator(&self, name: &str) -> bool {
        self.shared().user_operators.contains(name)
    }

    /// A relation by its full name, however it is capitalised.
    pub(crate) fn relation_ignoring_case(&self, name: &TableRef) -> Option<&Relation> {
        let key = (name.schema.to_lowercase(), name.table.to_lowercase());
        match (self.folded.get(&key), &self.layer) {
            (Some(own), _) => self.relations.get(own),
            (None, Some(layer)) => {
                layer.under.relation_ignoring_case(name).filter(|found| !layer.gone.contains(&found.name))
            }
            (None, None) => None,
        }
    }

    /// Whether a word may be the name of a relation, however it is written.
    pub(crate) fn spells_relation(&self, word: &str) -> bool {
        let own = if word.is_ascii() {
            self.spelt.contains(&word.to_ascii_lowercase())
        } else {
            // Letters that are not ASCII compare with others in ways of the server's own.
            self.spelt.iter().any(|name| {
                name.chars().count() == word.chars().count()
                    && name
                        .chars()
                        .zip(word.chars())
                        .all(|(one, other)| !one.is_ascii() || !other.is_ascii() || one.eq_ignore_ascii_case(&other))
            })
        };
        own || self.layer.as_ref().is_some_and(|layer| layer.under.spells_relation(word))
    }

    /// A column's type.
    pub(crate) fn type_of(&self, column: &ColumnRef) -> Option<&str> {
        let relation = self.relation(&column.table())?;
        relation.columns.iter().find(|own| own.name == column.column).map(|own| own.type_name.as_str())
    }

    /// Every table that this one inherits from, directly or not.
    pub(crate) fn ancestors(&self, table: &TableRef) -> Vec<TableRef> {
        self.closure(table, Self::parents)
    }

    /// Every table that inherits from this one, directly or not.
    pub(crate) fn descendants(&self, table: &TableRef) -> Vec<TableRef> {
        self.closure(table, Self::children)
    }

    /// A table keeps the parents that all others know: whether the session has taken it out is not followed.
    fn parents(&self, table: &TableRef) -> Vec<&TableRef> {
        let own = self.relations.get(table).into_iter().flat_map(|relation| &relation.parents);
        own.chain(self.layer.iter().flat_map(|layer| layer.under.parents(table))).collect()
    }

    fn children(&self, table: &TableRef) -> Vec<&TableRef> {
        let own = self.children.get(table).into_iter().flatten();
        own.chain(self.layer.iter().flat_map(|layer| layer.under.children(table))).collect()
    }

    fn closure<'a>(
        &'a self,
        table: &TableRef,
        next: impl Fn(&'a Self, &TableRef) -> Vec<&'a TableRef>,
    ) -> Vec<TableRef> {
        let mut found: Vec<TableRef> = Vec::new();
        let mut seen: HashSet<&TableRef> = HashSet::new();
        let mut pending = next(self, table);
        while let Some(name) = pending.pop() {
            if name != table && seen.insert(name) {
                found.push(name.clone());
                pending.extend(next(self, name));
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
            self.relation(name).is_some_and(|r| r.columns.iter().any(|own| own.name == column.column))
        };
        related
            .into_iter()
            .filter(has)
            .map(|name| ColumnRef { schema: name.schema, table: name.table, column: column.column.clone() })
            .collect()
    }
}
