//! Relations: finds them along the search path, expands views, follows inheritance.

use super::Draft;
use super::Tracer;
use super::scope::{Env, Item, Namespace, Open, Rows};
use super::taint::{Column, Taint};
use crate::ir::{Alias, Name};
use crate::{Catalog, CatalogColumn, Dialect, Relation, RelationKind, Settings, systems};
use model::{Access, ColumnRef, Reach, SourceColumn, TableRef};
use std::sync::Arc;

/// How many views may lie within each other.
const DEEPEST_VIEW: usize = 32;

/// What a name of a relation stands for.
pub(crate) enum Found<'c> {
    Relation(&'c Relation),
    /// A system relation that the snapshot leaves out.
    System(TableRef),
    Missing,
}

impl<'c> Tracer<'c> {
    /// Finds a relation along the search path.
    pub(crate) fn find(&self, name: &Name) -> Found<'c> {
        // MySQL's views never mean a temporary table, PostgreSQL's have them qualified.
        let own_hidden = self.views > 0 && self.dialect != Dialect::Postgres;
        let catalog: &'c Catalog = if own_hidden { self.catalog.shared() } else { self.catalog };
        let exact = |schema: &str| {
            let table = TableRef { schema: schema.to_owned(), table: name.name.clone() };
            let fresh =
                |own: &&Relation| own.name.schema == table.schema && self.same_relation(&own.name.table, &table.table);
            // A view of before the text means none of them.
            if let Some(made) = self.made.iter().find(fresh).filter(|_| self.views == 0) {
                return Some(made);
            }
            match catalog.relation(&table) {
                None if self.dialect != Dialect::Postgres => catalog.relation_ignoring_case(&table),
                found => found,
            }
        };
        if let Some(schema) = &name.schema {
            if let Some(relation) = exact(schema) {
                return Found::Relation(relation);
            }
            let table = TableRef { schema: schema.clone(), table: name.name.clone() };
            return if systems::is_system_schema(self.dialect, schema) { Found::System(table) } else { Found::Missing };
        }
        let postgres = self.dialect == Dialect::Postgres;
        // The temporary schema and pg_catalog come first unless the path places them.
        let implicit = ["pg_temp", "pg_catalog"].into_iter().filter(|s| postgres && !self.path.iter().any(|p| p == s));
        for schema in implicit.chain(self.path.iter().map(String::as_str)) {
            if let Some(relation) = exact(schema) {
                return Found::Relation(relation);
            }
            if schema == "pg_catalog" && systems::is_catalog_relation(&name.name) {
                return Found::System(TableRef { schema: schema.to_owned(), table: name.name.clone() });
            }
            if !postgres && systems::is_system_schema(self.dialect, schema) {
                return Found::System(TableRef { schema: schema.to_owned(), table: name.name.clone() });
            }
        }
        Found::Missing
    }

    /// How a table is reached from here.
    pub(super) fn reach(&self) -> Reach {
        if self.views == 0 { Reach::Direct } else { Reach::Indirect }
    }

    /// A table, view or common table expression in FROM.
    pub(super) fn table(&mut self, name: &Name, alias: Option<&Alias>, only: bool, env: &Env<'_>) -> Namespace {
        if name.schema.is_none() {
            let bound =
                env.levels().find_map(|level| level.ctes.iter().find(|cte| self.same_relation(&cte.name, &name.name)));
            if let Some(cte) = bound {
                let rows = std::sync::Arc::clone(&cte.rows);
                if !self.hold(&rows.columns) {
                    return Namespace::default();
                }
                let mut rows = Rows::clone(&rows);
                if rows.none {
                    rows.open = Some(format!("{name}, which returns no rows"));
                }
                let own = Alias { name: name.name.clone(), columns: Vec::new() };
                return self.derived(rows, Some(alias.unwrap_or(&own)));
            }
        }
        let mut item = self.stored(name, only, Access::Read);
        item.id = self.next_item();
        item.name = Some(alias.map_or_else(|| name.name.clone(), |alias| alias.name.clone()));
        if let Some(alias) = alias {
            item.schema = None;
            super::queries::rename(&mut item.columns, &alias.columns);
        }
        for column in &mut item.columns {
            column.item = item.id;
        }
        let system = item.schema.as_deref().is_some_and(|schema| systems::is_system_schema(self.dialect, schema))
            || matches!(item.open, Some(Open::System(_)));
        if system {
            item.table = None;
        }
        Namespace::of(item)
    }

    /// The columns of a stored relation, noting the access.
    pub(super) fn stored(&mut self, name: &Name, only: bool, access: Access) -> Item {
        match self.find(name) {
            Found::Relation(relation) => {
                let reach = self.reach();
                self.draft.table(&relation.name, access, reach);
                let columns = self.relation_columns(relation, only, access);
                let (table, schema) = (Some(relation.name.clone()), Some(relation.name.schema.clone()));
                Item { table, schema, columns, stored: true, ..Item::default() }
            }
            Found::System(table) => {
                let reach = self.reach();
                self.draft.table(&table, access, reach);
                let schema = Some(table.schema.clone());
                Item { schema, open: Some(Open::System(table)), stored: true, ..Item::default() }
            }
            Found::Missing => {
                self.draft.unknown_relation(name.to_string());
                let why = format!("relation {name}, which the catalog does not know");
                self.draft.opaque(&why, true);
                Item { open: Some(Open::Unknown(why)), stored: true, ..Item::default() }
            }
        }
    }

    pub(super) fn relation_columns(&mut self, relation: &Relation, only: bool, access: Access) -> Vec<Column> {
        let table = &relation.name;
        let reference = |column: &str| ColumnRef {
            schema: table.schema.clone(),
            table: table.table.clone(),
            column: column.to_owned(),
        };
        if !self.spend(relation.columns.len()) || !crate::bounds::hold(10 * relation.columns.len()) {
            return Vec::new();
        }
        let system = systems::is_system_schema(self.dialect, &table.schema);
        if system || systems::carries(self.dialect, table, None).is_some() {
            let value = |name: &str| super::columns::system_value(self.dialect, table, reference(name));
            let columns = relation.columns.iter();
            return columns
                .map(|own| Column { name: Some(own.name.clone()), taint: value(&own.name), item: 0 })
                .collect();
        }
        match relation.kind {
            RelationKind::View | RelationKind::MaterializedView => self.view_columns(relation),
            RelationKind::Sequence => relation
                .columns
                .iter()
                .map(|own| Column { name: Some(own.name.clone()), taint: Taint::default(), item: 0 })
                .collect(),
            RelationKind::Table | RelationKind::Foreign => {
                let catalog = self.catalog;
                for ancestor in catalog.ancestors(table) {
                    self.draft.table(&ancestor, access, Reach::Indirect);
                }
                if !only {
                    for descendant in catalog.descendants(table) {
                        self.draft.table(&descendant, access, Reach::Indirect);
                    }
                }
                relation
                    .columns
                    .iter()
                    .map(|own| {
                        let mut taint = Taint::bare(reference(&own.name));
                        for from in &own.generated_from {
                            taint.absorb(&Taint::bare(reference(from)));
                        }
                        Column { name: Some(own.name.clone()), taint, item: 0 }
                    })
                    .collect()
            }
        }
    }

    /// The visible columns of a relation with the columns whose rules apply to them.
    pub(crate) fn source_columns(&self, relation: &Relation) -> Arc<[SourceColumn]> {
        let mut apart = Self { draft: Draft::default(), ..Self::new(self.dialect, self.catalog, &Settings::default()) };
        let is_view = matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView);
        let expanded = is_view.then(|| apart.view_columns(relation));
        let name = &relation.name;
        let describe = |(index, own): (usize, &CatalogColumn)| {
            let itself = ColumnRef { schema: name.schema.clone(), table: name.table.clone(), column: own.name.clone() };
            let taint = expanded.as_ref().map(|columns| columns.get(index).map(|column| &column.taint));
            let (mut same, mut computed_from, mut unknown) = (vec![itself], Vec::new(), false);
            match taint {
                None => {
                    let kin: Vec<ColumnRef> = same.iter().flat_map(|itself| self.catalog.kin(itself)).collect();
                    same.extend(kin);
                }
                Some(Some(taint)) if taint.unknown.is_none() => match &taint.bare {
                    Some(base) => {
                        same.push(ColumnRef::clone(base));
                        same.extend(apart.draft.shown_of(base));
                        same.extend(self.catalog.kin(base));
                    }
                    None => {
                        for source in &taint.sources {
                            computed_from.push(ColumnRef::clone(source));
                            computed_from.extend(self.catalog.kin(source));
                        }
                    }
                },
                Some(_) => unknown = true,
            }
            SourceColumn {
                name: own.name.clone(),
                type_name: own.type_name.clone(),
                nullable: own.nullable,
                same,
                computed_from,
                unknown,
            }
        };
        relation.columns.iter().enumerate().map(describe).collect()
    }

    /// The columns of a view, from its definition.
    fn view_columns(&mut self, relation: &Relation) -> Vec<Column> {
        let expanded = self.expand(relation);
        let mut columns = Vec::with_capacity(relation.columns.len());
        for (index, own) in relation.columns.iter().enumerate() {
            let view = ColumnRef {
                schema: relation.name.schema.clone(),
                table: relation.name.table.clone(),
                column: own.name.clone(),
            };
            let taint = match &expanded {
                Ok(rows) => match rows.columns.get(index) {
                    Some(column) if rows.open.is_none() && rows.columns.len() == relation.columns.len() => {
                        self.shown(&column.taint, view)
                    }
                    _ => Taint::unknown(format!("view {}, whose definition does not fit its columns", relation.name)),
                },
                Err(why) => Taint::unknown(why.as_str()),
            };
            columns.push(Column { name: Some(own.name.clone()), taint, item: 0 });
        }
        columns
    }

    /// A view's column: what it shows, and a name of its own that rules may use.
    fn shown(&mut self, taint: &Taint, view: ColumnRef) -> Taint {
        let mut taint = taint.clone();
        taint.fields = None;
        if let Some(base) = &taint.bare {
            self.draft.shows(base, view);
        } else {
            taint.sources.insert(std::sync::Arc::new(view));
        }
        taint
    }

    fn expand(&mut self, relation: &Relation) -> Result<Rows, String> {
        let name = &relation.name;
        let Some(definition) = &relation.definition else {
            let why = format!("view {name}, whose definition the catalog does not know");
            self.draft.opaque(&why, true);
            return Err(why);
        };
        if self.views >= DEEPEST_VIEW {
            let why = format!("view {name}, which lies too deep in other views");
            self.draft.opaque(&why, true);
            return Err(why);
        }
        // Adapters read definitions with an empty search path; what is still unqualified is in the default path. A view that
        // others see too never means a temporary relation, whatever its name.
        let path = match (self.dialect, self.catalog.definition_path(name)) {
            (Dialect::Postgres, Some(own)) => own.to_vec(),
            (Dialect::Postgres, None) => ["pg_catalog", "public", "pg_temp"].map(str::to_owned).to_vec(),
            (Dialect::Mysql | Dialect::MariaDb, _) => vec![name.schema.clone()],
        };
        let path = std::mem::replace(&mut self.path, path);
        self.views += 1;
        let in_view = std::mem::replace(&mut self.draft.in_view, true);
        let rows = crate::with_view_query(self.dialect, definition, |query| self.query(query, &Env::EMPTY));
        self.draft.in_view = in_view;
        self.views -= 1;
        self.path = path;
        rows.map_err(|why| {
            let why = format!("view {name}, whose definition could not be read: {why}");
            self.draft.opaque(&why, true);
            why
        })
    }

    /// The columns of the row type that a name stands for.
    pub(super) fn row_type(&self, schema: Option<&str>, name: &str) -> Option<Vec<String>> {
        if schema == Some("pg_catalog") || super::totality::is_builtin_type(name) {
            return None;
        }
        match self.find(&Name { schema: schema.map(str::to_owned), name: name.to_owned() }) {
            Found::Relation(relation) => Some(relation.columns.iter().map(|column| column.name.clone()).collect()),
            _ => None,
        }
    }

    /// Notes a table that is touched without reading its rows.
    pub(crate) fn touch(&mut self, name: &Name, access: Access) {
        match self.find(name) {
            Found::Relation(relation) => {
                self.draft.table(&relation.name, access, Reach::Direct);
                for table in
                    self.catalog.descendants(&relation.name).into_iter().chain(self.catalog.ancestors(&relation.name))
                {
                    self.draft.table(&table, access, Reach::Indirect);
                }
            }
            Found::System(table) => self.draft.table(&table, access, Reach::Direct),
            Found::Missing => {
                self.draft.unknown_relation(name.to_string());
                self.draft.opaque(&format!("relation {name}, which the catalog does not know"), true);
            }
        }
    }

    /// Notes a table that is made: it need not exist.
    pub(crate) fn make(&mut self, name: &Name, temporary: bool) -> TableRef {
        let schema = match &name.schema {
            Some(schema) => schema.clone(),
            None if temporary && self.dialect == Dialect::Postgres => "pg_temp".to_owned(),
            None => {
                let own = self.path.iter().find(|schema| !matches!(schema.as_str(), "pg_temp" | "pg_catalog"));
                own.cloned().unwrap_or_else(|| "public".to_owned())
            }
        };
        let table = TableRef { schema, table: name.name.clone() };
        self.draft.table(&table, Access::Define, Reach::Direct);
        table
    }
}
