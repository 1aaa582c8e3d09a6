//! The views of the second lock. Where statements run with a role that may not read protected columns, masks that are
//! computed from the value (a year, the last characters) come from views which run with their owner's rights and show
//! nothing else of it. An administrator makes them from what is written here; projections read them.

use crate::lineage::Tracer;
use crate::{Catalog, Dialect, RelationKind, Settings, bounds, mysql, postgres, systems};
use model::{Guarded, MaskSpec, SourceColumn, TableRef};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Longest name of a view or of its columns (bytes): what every engine keeps whole.
const LONGEST: usize = 60;

/// A view that stands for a guarded relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskView {
    /// Its name.
    pub name: TableRef,
    /// Its query.
    pub query: String,
}

impl MaskView {
    /// What tells its definition from another.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        digest(&[&self.query])
    }
}

/// The views that `guarded` needs in `schema`; none if no mask of it is computed.
///
/// # Errors
/// A column whose type the catalog does not know.
pub fn mask_views(
    dialect: Dialect,
    schema: &str,
    guarded: &Guarded,
    catalog: &Catalog,
) -> Result<Vec<MaskView>, String> {
    match dialect {
        Dialect::Postgres => Ok(postgres::mask_views(schema, guarded)),
        Dialect::Mysql | Dialect::MariaDb => mysql::mask_views(schema, guarded, catalog),
    }
}

/// Every relation of users in a catalog with its columns, in order of their names.
#[must_use]
pub fn relations(dialect: Dialect, catalog: &Catalog) -> Vec<(TableRef, Arc<[SourceColumn]>)> {
    let mut relations: Vec<_> = catalog
        .relations()
        .filter(|relation| relation.kind != RelationKind::Sequence)
        .filter(|relation| !systems::is_system_schema(dialect, &relation.name.schema))
        .map(|relation| {
            let mut tracer = Tracer::new(dialect, catalog, &Settings::default());
            let read = || match dialect {
                Dialect::Postgres => tracer.source_columns(relation),
                Dialect::Mysql | Dialect::MariaDb => tracer.named_columns(relation),
            };
            let (mut columns, spent) = bounds::within(bounds::Effort::Thorough, read);
            if spent.is_some() {
                // What could not be worked out may hold anything.
                columns = columns.iter().map(|own| SourceColumn { unknown: true, ..own.clone() }).collect();
            }
            (relation.name.clone(), columns)
        })
        .collect();
    relations.sort_by(|one, other| one.0.cmp(&other.0));
    relations
}

/// The name of the view that stands for a relation; `only` is for the relation without what inherits from it.
pub(crate) fn view(schema: &str, table: &TableRef, only: bool) -> TableRef {
    let plain = format!("{}.{}", table.schema, table.table);
    let ambiguous = table.schema.contains('.') || table.table.contains('.');
    let name = if ambiguous || plain.len() > LONGEST - 5 { digest(&[&table.schema, &table.table]) } else { plain };
    TableRef { schema: schema.to_owned(), table: if only { format!("{name}:only") } else { name } }
}

/// The view's column that shows this mask of a column.
pub(crate) fn view_column(column: &str, mask: &MaskSpec) -> String {
    let mark = match mask {
        MaskSpec::Partial { keep } => format!("partial:{keep}"),
        MaskSpec::Year => "year".to_owned(),
        MaskSpec::Zip3 => "zip3".to_owned(),
        // Constants are read from nowhere.
        _ => "constant".to_owned(),
    };
    let plain = format!("{column}:{mark}");
    if plain.len() > LONGEST { digest(&[column, &mark]) } else { plain }
}

fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    hex::encode(digest.finalize().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let table = |schema: &str, table: &str| TableRef { schema: schema.to_owned(), table: table.to_owned() };
        let named = |schema: &str, name: &str| view("masks", &table(schema, name), false).table;
        assert_eq!(named("public", "patients"), "public.patients");
        assert_eq!(view("masks", &table("public", "patients"), true).table, "public.patients:only");
        assert_ne!(named("a.b", "c"), named("a", "b.c"));
        let long = "x".repeat(63);
        assert!(named("public", &long).len() <= LONGEST && named("public", &long) != named("publix", &long));
        assert_eq!(view_column("dob", &MaskSpec::Year), "dob:year");
        assert!(view_column(&long, &MaskSpec::Partial { keep: 4 }).len() <= LONGEST);
    }
}
