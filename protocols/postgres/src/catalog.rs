//! Reading an upstream's catalog (PostgreSQL 12 to 18): relations, columns, view texts, inheritance, routines, types.
//!
//! <https://www.postgresql.org/docs/current/catalogs.html>

use crate::link::{Link, Rows};
use crate::values::{TypeInfo, Types};
use model::{Kind, TableRef};
use sql::{Catalog, CatalogColumn, Relation, RelationKind, Routine, Volatility};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// What is known of an upstream's database at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// For the analysis.
    pub(crate) catalog: Arc<Catalog>,
    /// For values.
    pub(crate) types: Types,
    /// Whether a column may hold NULL, by relation OID and column number.
    nullable: HashMap<(u32, i16), bool>,
}

impl Snapshot {
    /// Of these relations.
    #[cfg(test)]
    pub(crate) fn of(relations: Vec<Relation>) -> Self {
        Self { catalog: Arc::new(Catalog::new(1, relations, Vec::new())), ..Self::default() }
    }

    /// Whether the column may hold NULL, where that is known.
    pub(crate) fn nullable(&self, relation: u32, number: i16) -> Option<bool> {
        self.nullable.get(&(relation, number)).copied()
    }
}

/// View texts come fully qualified when nothing is on the path.
const PREPARE: &str = "SET search_path = ''; SET client_encoding = 'UTF8'; SET extra_float_digits = 1; SET quote_all_identifiers = off; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// OIDs below it are the server's own objects, which do not change while it runs.
const FIRST_OF_USERS: &str = "16384";

/// Which objects a question is about: `<` for the server's own, `>=` for users'.
fn relations(whose: &str) -> String {
    format!(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, \
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.oid {whose} {FIRST_OF_USERS} \
         AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'"
    )
}

fn columns(whose: &str) -> String {
    format!(
        "SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), \
         NOT a.attnotnull FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
         WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
         AND a.attrelid {whose} {FIRST_OF_USERS} ORDER BY a.attrelid, a.attnum"
    )
}

const PARENTS: &str = "SELECT inhrelid, inhparent FROM pg_catalog.pg_inherits ORDER BY inhrelid, inhseqno";

/// Extensions whose routines and operators compute from their operands alone, whatever language they are written in: a list of
/// literals. Who may add members to an extension may change anything.
const WELL_KNOWN: &str = "'btree_gin', 'btree_gist', 'citext', 'cube', 'earthdistance', 'fuzzystrmatch', 'hstore', \
     'intarray', 'isn', 'ltree', 'pg_trgm', 'pgcrypto', 'postgis', 'postgis_sfcgal', 'seg', 'unaccent', 'uuid-ossp', 'vector'";

/// A routine of a well-known extension counts as one in C.
fn routines(whose: &str) -> String {
    format!(
        "SELECT n.nspname, p.proname, CASE WHEN {} THEN 'c' ELSE l.lanname END, p.provolatile, p.oid < 16384, \
         p.prosecdef, p.proretset {ROUTINES} WHERE p.oid {whose} {FIRST_OF_USERS} ORDER BY p.oid",
        member("pg_proc", "p.oid")
    )
}

/// Whether an object is of a well-known extension.
fn member(catalog: &str, oid: &str) -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
         WHERE d.classid = 'pg_catalog.{catalog}'::pg_catalog.regclass AND d.objid = {oid} \
         AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e' \
         AND e.extname IN ({WELL_KNOWN}))"
    )
}

const ROUTINES: &str = "FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
     JOIN pg_catalog.pg_language l ON l.oid = p.prolang";

/// Operators that may do more than compute from their operands: as with routines, immutable code in C is taken not to.
fn operators() -> String {
    format!(
        "SELECT DISTINCT o.oprname FROM pg_catalog.pg_operator o LEFT JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode \
         LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang WHERE o.oid >= 16384 AND NOT (NOT p.prosecdef \
         AND (p.provolatile = 'i' AND l.lanname IN ('c', 'internal') OR p.provolatile <> 'v' AND {}))",
        member("pg_operator", "o.oid")
    )
}

/// Whether a routine of users sets a custom setting (one with a dot in its name), as far as its text tells. Languages whose texts
/// are elsewhere count as doing so, C apart: extensions keep their own settings.
const SETTERS: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
     WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') \
     AND (l.lanname NOT IN ('sql', 'plpgsql') OR p.prosrc ~* \
     '(set_config|execute|set\\s+((local|session)\\s+)?\"?\\w+\"?\\s*\\.)'))";

/// The columns of unique indexes that hold for every row; those over expressions are left out.
const UNIQUE: &str = "SELECT i.indrelid, i.indexrelid, a.attname FROM pg_catalog.pg_index i \
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid \
     AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]) \
     WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL";

fn types(whose: &str) -> String {
    format!(
        "SELECT oid, pg_catalog.format_type(oid, NULL), typtype, typbasetype, typelem, typcategory \
         FROM pg_catalog.pg_type WHERE typtype IN ('b', 'c', 'd', 'e', 'r', 'm') AND oid {whose} {FIRST_OF_USERS} ORDER BY oid"
    )
}

const LABELS: &str = "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder";

/// Rows that were read: of relations, columns, routines and types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Objects {
    relations: Rows,
    columns: Rows,
    routines: Rows,
    types: Rows,
}

impl Objects {
    async fn read(link: &mut Link, whose: &str) -> io::Result<Self> {
        Ok(Self {
            relations: link.query(&relations(whose)).await?,
            columns: link.query(&columns(whose)).await?,
            routines: link.query(&routines(whose)).await?,
            types: link.query(&types(whose)).await?,
        })
    }
}

/// What was read last, so that what cannot have changed is not read again, and what has not is not looked at again.
#[derive(Debug, Default)]
pub(crate) struct LastRead {
    /// The server's own objects, and its version.
    own: Option<(u32, Objects)>,
    /// Everything else.
    users: Option<(Objects, [Rows; 5])>,
}

/// Reads the catalog over a link that is ours, to a server of this version. `None` when it is as it was read last.
pub(crate) async fn read(
    link: &mut Link,
    epoch: u64,
    version: u32,
    last: &mut LastRead,
) -> io::Result<Option<Snapshot>> {
    link.query(PREPARE).await?;
    if last.own.as_ref().is_none_or(|(of, _)| *of != version) {
        *last = LastRead { own: Some((version, Objects::read(link, "<").await?)), users: None };
    }
    let users = Objects::read(link, ">=").await?;
    let parents = link.query(PARENTS).await?;
    let operators = link.query(&operators()).await?;
    let setters = link.query(SETTERS).await?;
    let unique = link.query(UNIQUE).await?;
    let labels = link.query(LABELS).await?;
    link.query("ROLLBACK").await?;
    let read = (users, [parents, operators, setters, labels, unique]);
    if last.users.as_ref() == Some(&read) {
        return Ok(None);
    }
    let own = last.own.as_ref().map(|(_, own)| own.clone()).unwrap_or_default();
    let snapshot = snapshot(&own, &read.0, &read.1, epoch);
    last.users = Some(read);
    Ok(Some(snapshot))
}

fn snapshot(own: &Objects, users: &Objects, others: &[Rows; 5], epoch: u64) -> Snapshot {
    let [parents, operators, setters, labels, unique] = others;
    let both = |own: &Rows, users: &Rows| -> Rows { own.iter().chain(users).cloned().collect() };
    let columns = both(&own.columns, &users.columns);
    let nullable = columns.iter().filter_map(|row| Some(((number(row, 0)?, number(row, 1)?), flag(row, 4)))).collect();
    let relations = build_relations(&both(&own.relations, &users.relations), &columns, parents);
    let routines = own.routines.iter().chain(&users.routines).filter_map(|row| routine(row)).collect();
    let operators = operators.iter().map(|row| text(row, 0).to_owned());
    let catalog = Catalog::new(epoch, relations, routines).with_user_operators(operators);
    let catalog = catalog.with_code_that_sets_settings(setters.first().is_none_or(|row| text(row, 0) != "f"));
    let unique = unique_indexes(unique, &catalog);
    let catalog = catalog.with_unique_indexes(unique);
    let types = build_types(&both(&own.types, &users.types), labels);
    Snapshot { catalog: Arc::new(catalog), types, nullable }
}

/// The columns of each unique index, with its table.
fn unique_indexes(rows: &Rows, catalog: &Catalog) -> Vec<(TableRef, Vec<String>)> {
    let tables: HashMap<u32, &TableRef> = catalog.relations().map(|relation| (relation.id, &relation.name)).collect();
    let mut indexes: HashMap<u32, (TableRef, Vec<String>)> = HashMap::new();
    for row in rows {
        let (Some(table), Some(index)) = (number::<u32>(row, 0), number::<u32>(row, 1)) else { continue };
        let Some(table) = tables.get(&table) else { continue };
        let (_, columns) = indexes.entry(index).or_insert_with(|| (TableRef::clone(table), Vec::new()));
        columns.push(text(row, 2).to_owned());
    }
    indexes.into_values().collect()
}

/// A cell of a row; empty where there is none.
pub(crate) fn text(row: &[Option<String>], at: usize) -> &str {
    row.get(at).and_then(|cell| cell.as_deref()).unwrap_or_default()
}

fn number<T: std::str::FromStr>(row: &[Option<String>], at: usize) -> Option<T> {
    text(row, at).parse().ok()
}

fn flag(row: &[Option<String>], at: usize) -> bool {
    text(row, at) == "t"
}

fn build_relations(relations: &Rows, columns: &Rows, parents: &Rows) -> Vec<Relation> {
    let name = |row: &[Option<String>]| TableRef { schema: text(row, 1).to_owned(), table: text(row, 2).to_owned() };
    let names: HashMap<u32, TableRef> = relations.iter().filter_map(|row| Some((number(row, 0)?, name(row)))).collect();
    let mut columns_of: HashMap<u32, Vec<CatalogColumn>> = HashMap::new();
    for row in columns {
        let (Some(relation), Some(number)) = (number(row, 0), number(row, 1)) else { continue };
        columns_of.entry(relation).or_default().push(CatalogColumn {
            name: text(row, 2).to_owned(),
            type_name: text(row, 3).to_owned(),
            number,
            nullable: flag(row, 4),
            collation: None,
            invisible: false,
            generated_from: Vec::new(),
            indexes: Vec::new(),
        });
    }
    let mut parents_of: HashMap<u32, Vec<TableRef>> = HashMap::new();
    for row in parents {
        let (Some(child), Some(parent)) = (number(row, 0), number(row, 1)) else { continue };
        parents_of.entry(child).or_default().extend(names.get(&parent).cloned());
    }
    let build = |row: &Vec<Option<String>>| {
        let id = number(row, 0)?;
        Some(Relation {
            name: name(row),
            id,
            kind: relation_kind(text(row, 3)),
            columns: columns_of.remove(&id).unwrap_or_default(),
            definition: row.get(4).cloned().flatten(),
            parents: parents_of.remove(&id).unwrap_or_default(),
        })
    };
    relations.iter().filter_map(build).collect()
}

/// The kind that a letter of `pg_class.relkind` stands for.
pub(crate) fn relation_kind(letter: &str) -> RelationKind {
    match letter {
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::Foreign,
        "S" => RelationKind::Sequence,
        _ => RelationKind::Table,
    }
}

fn routine(row: &[Option<String>]) -> Option<Routine> {
    Some(Routine {
        schema: text(row, 0).to_owned(),
        name: text(row, 1).to_owned(),
        language: text(row, 2).to_owned(),
        volatility: match text(row, 3) {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            "v" => Volatility::Volatile,
            _ => return None,
        },
        builtin: flag(row, 4),
        security_definer: flag(row, 5),
        returns_set: flag(row, 6),
    })
}

fn build_types(types: &Rows, labels: &Rows) -> Types {
    let mut labels_of: HashMap<u32, Vec<String>> = HashMap::new();
    for row in labels {
        if let Some(oid) = number(row, 0) {
            labels_of.entry(oid).or_default().push(text(row, 1).to_owned());
        }
    }
    let built_in = Types::default();
    let rows: HashMap<u32, &Vec<Option<String>>> =
        types.iter().filter_map(|row| Some((number(row, 0)?, row))).collect();
    // Domains over domains and arrays of domains nest; the depth is bounded because a catalog may be odd, not infinite.
    fn kind(
        oid: u32,
        depth: u8,
        rows: &HashMap<u32, &Vec<Option<String>>>,
        labels: &HashMap<u32, Vec<String>>,
        built_in: &Types,
    ) -> Kind {
        let known = built_in.by_oid(oid).kind;
        let (Some(row), true) = (rows.get(&oid), known == Kind::Unknown && depth < 8) else { return known };
        let inner = |at| {
            let oid = number(row, at).unwrap_or(0);
            (oid, kind(oid, depth + 1, rows, labels, built_in))
        };
        match text(row, 2) {
            "e" => Kind::Enum { labels: labels.get(&oid).cloned().unwrap_or_default() },
            "d" => inner(3).1,
            "c" => Kind::Composite,
            "b" if text(row, 5) == "A" => {
                let (element_oid, element) = inner(4);
                Kind::Array { element: Box::new(element), element_oid }
            }
            // Extension types of the string category (citext) read and write as text.
            "b" if text(row, 5) == "S" => Kind::Text,
            _ => Kind::Unknown,
        }
    }
    let info = |(oid, row): (&u32, &&Vec<Option<String>>)| {
        let kind = kind(*oid, 0, &rows, &labels_of, &built_in);
        (*oid, TypeInfo { name: text(row, 1).to_owned(), kind })
    };
    Types::new(rows.iter().map(info).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned()).filter(|cell| cell != "NULL")).collect()
    }

    #[test]
    fn relations_are_put_together() {
        let relations = vec![row(&["1", "clinic", "patients", "p", "NULL"]), row(&["2", "clinic", "p1", "r", "NULL"])];
        let columns = vec![row(&["2", "1", "id", "integer", "f"]), row(&["2", "3", "ssn", "text", "t"])];
        let built = build_relations(&relations, &columns, &vec![row(&["2", "1"])]);
        assert_eq!(built[1].parents, [built[0].name.clone()]);
        let columns: Vec<_> = built[1].columns.iter().map(|c| (c.name.as_str(), c.number, c.nullable)).collect();
        assert_eq!(columns, [("id", 1, false), ("ssn", 3, true)]);
    }

    #[test]
    fn types_of_users() {
        let types = build_types(
            &vec![
                row(&["16400", "mood", "e", "0", "0", "E"]),
                row(&["16401", "mood[]", "b", "0", "16400", "A"]),
                row(&["16402", "ssn", "d", "25", "0", "S"]),
                row(&["16403", "loop", "d", "16403", "0", "S"]),
            ],
            &vec![row(&["16400", "sad"]), row(&["16400", "ok"])],
        );
        let mood = Kind::Enum { labels: vec!["sad".to_owned(), "ok".to_owned()] };
        assert_eq!(types.by_oid(16400).kind, mood);
        assert_eq!(types.by_oid(16401).kind, Kind::Array { element: Box::new(mood), element_oid: 16400 });
        assert_eq!(types.by_oid(16402).kind, Kind::Text);
        assert_eq!(types.by_oid(16403).kind, Kind::Unknown);
    }
}
