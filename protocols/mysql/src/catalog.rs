//! The catalog: what of `information_schema` the analysis needs to know.
//! <https://dev.mysql.com/doc/refman/9.0/en/information-schema.html>

use crate::link::Link;
use crate::message::capability::Capabilities;
use crate::own_query::{QueryError, TextRow, run};
use crate::procedure::Procedures;
use model::TableRef;
use sha2::{Digest as _, Sha256};
use sql::{Catalog, CatalogColumn, Relation, RelationKind, Routine, Volatility};
use std::collections::HashMap;

const COLUMNS: &str = "SELECT table_schema, table_name, column_name, ordinal_position, column_type, is_nullable, \
    collation_name, extra, generation_expression \
    FROM information_schema.columns ORDER BY table_schema, table_name, ordinal_position";
/// A part of an index that is an expression has no column.
const INDEXES: &str = "SELECT table_schema, table_name, index_name, column_name FROM information_schema.statistics \
    ORDER BY table_schema, table_name, index_name, seq_in_index";
const TABLES: &str = "SELECT table_schema, table_name, table_type FROM information_schema.tables";
const VIEWS: &str = "SELECT table_schema, table_name, view_definition FROM information_schema.views";
const ROUTINES: &str = "SELECT routine_schema, routine_name, routine_body, is_deterministic, sql_data_access, security_type \
    FROM information_schema.routines";
/// Bodies of procedures, which only those see who may.
const BODIES: &str = "SELECT routine_schema, routine_name, routine_definition, sql_mode \
    FROM information_schema.routines WHERE routine_type = 'PROCEDURE' AND routine_definition IS NOT NULL";
const PARAMETERS: &str = "SELECT specific_schema, specific_name, parameter_name FROM information_schema.parameters \
    WHERE routine_type = 'PROCEDURE' AND parameter_name IS NOT NULL";
/// The columns of unique indexes; of one over an expression the column is NULL.
const UNIQUE: &str = "SELECT table_schema, table_name, index_name, column_name FROM information_schema.statistics \
    WHERE non_unique = 0 ORDER BY table_schema, table_name, index_name, seq_in_index";
/// Functions loaded from libraries; few may read this, and who may not learns of none.
const LOADED: &str = "SELECT name FROM mysql.func";

/// The raw rows of a catalog, with a hash that tells whether anything changed.
pub(crate) struct Snapshot {
    columns: Vec<TextRow>,
    tables: Vec<TextRow>,
    indexes: Vec<TextRow>,
    views: Vec<TextRow>,
    routines: Vec<TextRow>,
    loaded: Vec<TextRow>,
    bodies: Vec<TextRow>,
    parameters: Vec<TextRow>,
    unique: Vec<TextRow>,
    /// SHA-256 over all of it.
    pub(crate) digest: [u8; 32],
}

impl Snapshot {
    /// Reads it.
    pub(crate) async fn read(link: &mut Link, capabilities: Capabilities) -> Result<Self, QueryError> {
        let columns = run(link, COLUMNS, capabilities).await?;
        let tables = run(link, TABLES, capabilities).await?;
        let indexes = run(link, INDEXES, capabilities).await?;
        let views = run(link, VIEWS, capabilities).await?;
        let routines = run(link, ROUTINES, capabilities).await?;
        let loaded = match run(link, LOADED, capabilities).await {
            Err(QueryError::Server(..)) => Vec::new(),
            other => other?,
        };
        let bodies = run(link, BODIES, capabilities).await?;
        let parameters = run(link, PARAMETERS, capabilities).await?;
        let unique = run(link, UNIQUE, capabilities).await?;
        let mut hash = Sha256::new();
        for table in [&columns, &tables, &indexes, &views, &routines, &loaded, &bodies, &parameters, &unique] {
            hash.update((table.len() as u64).to_le_bytes());
            for cell in table.iter().flatten() {
                let text = cell.as_deref();
                hash.update([u8::from(text.is_some())]);
                hash.update((text.map_or(0, str::len) as u64).to_le_bytes());
                hash.update(text.unwrap_or_default());
            }
        }
        let digest = hash.finalize().into();
        Ok(Self { columns, tables, indexes, views, routines, loaded, bodies, parameters, unique, digest })
    }

    /// The procedures that can be followed.
    pub(crate) fn procedures(&mut self) -> Procedures {
        let bodies = std::mem::take(&mut self.bodies).into_iter().filter_map(cells).collect();
        Procedures::new(bodies, std::mem::take(&mut self.parameters).into_iter().filter_map(cells).collect())
    }

    /// As the analysis reads it.
    pub(crate) fn catalog(self, epoch: u64) -> Catalog {
        let mut relations: HashMap<TableRef, Relation> = HashMap::new();
        for [schema, table, kind] in self.tables.into_iter().filter_map(cells) {
            let kind = if kind.contains("VIEW") && !kind.contains("SYSTEM") {
                RelationKind::View
            } else if kind == "SEQUENCE" {
                RelationKind::Sequence
            } else {
                RelationKind::Table
            };
            let name = TableRef { schema, table };
            let relation = Relation {
                name: name.clone(),
                id: 0,
                kind,
                columns: Vec::new(),
                definition: None,
                parents: Vec::new(),
            };
            relations.insert(name, relation);
        }
        for [schema, table, column, position, type_name, nullable, collation, extra, generated] in
            self.columns.into_iter().filter_map(cells)
        {
            if let Some(relation) = relations.get_mut(&TableRef { schema, table }) {
                relation.columns.push(CatalogColumn {
                    name: column,
                    type_name,
                    number: position.parse().unwrap_or(i16::MAX),
                    nullable: nullable != "NO",
                    collation: Some(collation).filter(|name| !name.is_empty()),
                    indexes: Vec::new(),
                    // Names stand in backticks there.
                    generated_from: generated.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
                    invisible: extra.split([' ', ',']).any(|word| word.eq_ignore_ascii_case("INVISIBLE")),
                });
            }
        }
        for [schema, table, index, column] in self.indexes.into_iter().filter_map(cells) {
            let columns = relations.get_mut(&TableRef { schema, table }).map(|relation| relation.columns.iter_mut());
            // An index over an expression may be over any of them.
            for own in columns.into_iter().flatten().filter(|own| column.is_empty() || own.name == column) {
                if !own.indexes.contains(&index) {
                    own.indexes.push(index.clone());
                }
            }
        }
        for [schema, table, definition] in self.views.into_iter().filter_map(cells) {
            // Empty without the right to see it; then nothing is known of what the view reads.
            if let Some(relation) = relations.get_mut(&TableRef { schema, table }).filter(|_| !definition.is_empty()) {
                relation.definition = Some(definition);
            }
        }
        let mut unique: Vec<(TableRef, String, Vec<String>)> = Vec::new();
        for [schema, table, index, column] in self.unique.into_iter().filter_map(cells) {
            let table = TableRef { schema, table };
            match unique.last_mut() {
                Some((last, name, columns)) if *last == table && *name == index => columns.push(column),
                _ => unique.push((table, index, vec![column])),
            }
        }
        // An index with an expression in it says nothing about columns.
        unique.retain(|(_, _, columns)| columns.iter().all(|column| !column.is_empty()));
        let unique = unique.into_iter().map(|(table, _, columns)| (table, columns));
        let stored = self.routines.into_iter().filter_map(cells).map(routine);
        let loaded = self.loaded.into_iter().filter_map(cells).map(|[name]| Routine {
            schema: String::new(),
            name,
            language: "c".to_owned(),
            volatility: Volatility::Volatile,
            builtin: false,
            security_definer: false,
            returns_set: false,
        });
        Catalog::new(epoch, relations.into_values().collect(), stored.chain(loaded).collect())
            .with_unique_indexes(unique)
    }
}

fn routine([schema, name, body, deterministic, access, security]: [String; 6]) -> Routine {
    let volatility = match access.as_str() {
        "NO SQL" if deterministic == "YES" => Volatility::Immutable,
        "READS SQL DATA" => Volatility::Stable,
        _ => Volatility::Volatile,
    };
    Routine {
        schema,
        name,
        language: body,
        // What a routine declares is not checked by the server, so it is only ever taken as a hint.
        volatility,
        builtin: false,
        security_definer: security == "DEFINER",
        returns_set: false,
    }
}

/// A row with exactly so many cells; NULL is empty.
fn cells<const N: usize>(row: TextRow) -> Option<[String; N]> {
    let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
    cells.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<TextRow> {
        rows.iter().map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect()).collect()
    }

    #[test]
    fn tables_views_and_routines() {
        let snapshot = Snapshot {
            columns: rows(&[
                &["ehr", "patients", "id", "1", "int(11)", "NO", "", "auto_increment, INVISIBLE", ""],
                &["ehr", "patients", "ssn", "2", "varchar(11)", "YES", "utf8mb4_bin", "", "concat(`id`,`x``y`)"],
                &["ehr", "gone", "x", "1", "int(11)", "NO", "", "", ""],
            ]),
            indexes: rows(&[&["ehr", "patients", "kssn", "ssn"], &["ehr", "patients", "fx", ""]]),
            tables: rows(&[
                &["ehr", "patients", "BASE TABLE"],
                &["ehr", "pv", "VIEW"],
                &["ehr", "hidden", "VIEW"],
                &["information_schema", "TABLES", "SYSTEM VIEW"],
            ]),
            views: rows(&[&["ehr", "pv", "select 1"], &["ehr", "hidden", ""]]),
            routines: rows(&[&["ehr", "f", "SQL", "YES", "NO SQL", "DEFINER"]]),
            loaded: rows(&[&["sys_exec"]]),
            bodies: Vec::new(),
            parameters: Vec::new(),
            unique: rows(&[&["ehr", "patients", "PRIMARY", "id"], &["ehr", "patients", "odd", ""]]),
            digest: [0; 32],
        };
        let catalog = snapshot.catalog(3);
        assert_eq!(catalog.epoch(), 3);
        let patients = TableRef { schema: "ehr".to_owned(), table: "patients".to_owned() };
        assert_eq!(catalog.unique_columns(&patients), [["id"]]);
        let relation = |schema: &str, table: &str| {
            catalog.relation(&TableRef { schema: schema.to_owned(), table: table.to_owned() }).unwrap()
        };
        let [id, ssn] = relation("ehr", "patients").columns.as_slice() else { panic!("two columns") };
        assert_eq!((ssn.type_name.as_str(), ssn.collation.as_deref()), ("varchar(11)", Some("utf8mb4_bin")));
        assert_eq!(ssn.generated_from.first().map(String::as_str), Some("id"));
        assert_eq!(
            (ssn.indexes.as_slice(), id.indexes.as_slice()),
            (&["kssn".to_owned(), "fx".to_owned()][..], &["fx".to_owned()][..])
        );
        assert!(id.invisible && !ssn.invisible && id.collation.is_none());
        assert_eq!(relation("ehr", "pv").definition.as_deref(), Some("select 1"));
        assert_eq!(
            (relation("ehr", "hidden").kind, &relation("ehr", "hidden").definition),
            (RelationKind::View, &None)
        );
        assert_eq!(relation("information_schema", "TABLES").kind, RelationKind::Table);
        assert_eq!(catalog.routines("f")[0].volatility, Volatility::Immutable);
        assert_eq!(catalog.routines("sys_exec")[0].language, "c");
    }
}
