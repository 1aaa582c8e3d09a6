//! A small hospital: the catalog that the tests share, and short ways to say what facts are expected.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test reports")]

use affidavit_sql::{Analyser, Catalog, CatalogColumn, Dialect, Relation, RelationKind, Routine, Settings, Volatility};
use model::{ColumnRef, Facts, Lineage, Outputs, Part, TableRef};
use std::sync::Arc;

pub(crate) fn table(schema: &str, name: &str) -> TableRef {
    TableRef { schema: schema.into(), table: name.into() }
}

fn relation(id: u32, schema: &str, name: &str, kind: RelationKind, columns: &[&str]) -> Relation {
    let type_of = |column: &str| match column {
        "id" | "patient_id" | "v" | "total" => "integer",
        "dob" => "date",
        _ => "text",
    };
    let columns = columns.iter().enumerate().map(|(index, column)| CatalogColumn {
        name: (*column).into(),
        type_name: type_of(column).into(),
        number: i16::try_from(index + 1).unwrap(),
        nullable: true,
        collation: None,
        invisible: false,
        generated_from: Vec::new(),
        indexes: Vec::new(),
    });
    Relation { name: table(schema, name), id, kind, columns: columns.collect(), definition: None, parents: Vec::new() }
}

const PATIENTS: [&str; 10] = ["id", "mrn", "ssn", "full_name", "dob", "phone", "email", "address", "zip", "notes"];

fn relations(schema: &str) -> Vec<Relation> {
    let view = |id, name: &str, columns: &[&str], definition: &str| Relation {
        definition: Some(definition.replace("$", schema)),
        ..relation(id, schema, name, RelationKind::View, columns)
    };
    vec![
        relation(16_400, schema, "patients", RelationKind::Table, &PATIENTS),
        relation(16_401, schema, "encounters", RelationKind::Table, &["id", "patient_id", "notes", "icd10"]),
        relation(16_402, schema, "uq", RelationKind::Table, &["v"]),
        relation(16_403, schema, "orders", RelationKind::Table, &["id", "item", "total"]),
        view(16_404, "pv", &["id", "zip"], "SELECT id, ssn AS zip FROM $.patients"),
        view(16_405, "pvt", &["id", "zip"], "SELECT p.id, p.ssn AS zip FROM $.patients p"),
        view(16_406, "deep", &["zip", "size"], "SELECT pv.zip, length(pv.zip) AS size FROM $.pv WHERE pv.id > 3"),
        Relation {
            parents: vec![table(schema, "patients")],
            ..relation(16_407, schema, "patients_2020", RelationKind::Table, &PATIENTS)
        },
        relation(16_408, schema, "s", RelationKind::Sequence, &["last_value"]),
    ]
}

fn routine(schema: &str, name: &str, language: &str, volatility: Volatility) -> Routine {
    Routine {
        schema: schema.into(),
        name: name.into(),
        language: language.into(),
        volatility,
        builtin: false,
        security_definer: name.ends_with('p'),
        returns_set: false,
    }
}

pub(crate) fn postgres() -> Catalog {
    let mut relations = relations("public");
    relations.push(relation(16_500, "other", "patients", RelationKind::Table, &["id", "colour"]));
    // What the second lock reads computed masks through.
    for (id, name) in [(16_600, "public.patients"), (16_601, "public.patients:only")] {
        relations.push(relation(id, "app_masks", name, RelationKind::Table, &["id", "mrn", "dob:year"]));
    }
    let routines = vec![
        routine("public", "getp", "sql", Volatility::Volatile),
        routine("public", "similarity", "c", Volatility::Immutable),
        routine("public", "lower", "plpgsql", Volatility::Immutable),
        routine("shadow", "upper", "plpgsql", Volatility::Immutable),
    ];
    Catalog::new(1, relations, routines).with_unique_indexes(unique("public"))
}

/// `id` of all, and the visit of a patient.
fn unique(schema: &str) -> Vec<(TableRef, Vec<String>)> {
    let ids = ["patients", "encounters", "orders"].map(|name| (table(schema, name), vec!["id".to_owned()]));
    let visit = vec!["patient_id".to_owned(), "icd10".to_owned()];
    ids.into_iter().chain([(table(schema, "encounters"), visit)]).collect()
}

pub(crate) fn mysql() -> Catalog {
    let routines =
        vec![routine("t", "fp", "SQL", Volatility::Stable), routine("t", "getp", "SQL", Volatility::Volatile)];
    Catalog::new(1, relations("t"), routines).with_unique_indexes(unique("t"))
}

pub(crate) fn postgres_settings() -> Settings {
    Settings { search_path: vec!["public".into()], server_version: 150_018, ..Settings::default() }
}

pub(crate) fn mysql_settings() -> Settings {
    Settings { search_path: vec!["t".into()], server_version: 101_100, ..Settings::default() }
}

pub(crate) fn facts(dialect: Dialect, sql: &str) -> Arc<Facts> {
    let analyser = Analyser::new(dialect);
    match dialect {
        Dialect::Postgres => analyser.analyse(sql.as_bytes(), &postgres(), &postgres_settings()),
        Dialect::Mysql | Dialect::MariaDb => analyser.analyse(sql.as_bytes(), &mysql(), &mysql_settings()),
    }
}

pub(crate) fn pg(sql: &str) -> Arc<Facts> {
    facts(Dialect::Postgres, sql)
}

pub(crate) fn my(sql: &str) -> Arc<Facts> {
    facts(Dialect::MariaDb, sql)
}

/// The only part of a text.
pub(crate) fn part(facts: &Facts) -> &Part {
    assert_eq!(facts.unparsed, None);
    assert_eq!(facts.parts.len(), 1, "{facts:?}");
    &facts.parts[0]
}

fn short(column: &ColumnRef) -> String {
    format!("{}.{}", column.table, column.column)
}

/// The outputs in short: `zip=patients.ssn` bare, `x<patients.ssn,patients.zip` derived, `x?why` unknown.
pub(crate) fn outputs(part: &Part) -> String {
    match &part.outputs {
        Outputs::None => "none".into(),
        Outputs::Unknown(why) => format!("unknown: {why}"),
        Outputs::Known(columns) => {
            let show = |column: &model::OutputColumn| {
                let name = column.name.as_deref().unwrap_or("_");
                match &column.lineage {
                    Lineage::Bare(source) => format!("{name}={}", short(source)),
                    Lineage::Derived(sources) => {
                        format!("{name}<{}", sources.iter().map(short).collect::<Vec<_>>().join(","))
                    }
                    Lineage::Unknown(why) => format!("{name}?{why}"),
                }
            };
            columns.iter().map(show).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Predicates in short: `ssn:Equality`.
pub(crate) fn predicates(part: &Part) -> String {
    let show = |p: &model::PredicateUse| format!("{}:{:?}", short(&p.column), p.usage);
    part.predicates.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// Writes in short: `patients.zip<patients.ssn`.
pub(crate) fn writes(part: &Part) -> String {
    let show = |w: &model::WriteFlow| {
        let target = w.target.as_ref().map_or("_".into(), short);
        format!("{target}<{}", w.sources.iter().map(short).collect::<Vec<_>>().join(","))
    };
    part.writes.iter().map(show).collect::<Vec<_>>().join(" ")
}

/// Everything that is opaque and reaches data.
pub(crate) fn opaque(part: &Part) -> String {
    let reaching = part.opaque.iter().filter(|opaque| opaque.reaches_data).map(|opaque| opaque.what.as_str());
    reaching.collect::<Vec<_>>().join("; ")
}

/// All that decides, on one line.
pub(crate) fn summary(facts: &Facts) -> String {
    if let Some(why) = &facts.unparsed {
        return format!("unparsed: {why}");
    }
    let show = |part: &Part| {
        let mut line = format!("{} {}", part.verb.as_str(), outputs(part));
        for (label, text) in [("where", predicates(part)), ("writes", writes(part)), ("opaque", opaque(part))] {
            if !text.is_empty() {
                line.push_str(&format!(" | {label} {text}"));
            }
        }
        line
    };
    facts.parts.iter().map(show).collect::<Vec<_>>().join(" ;; ")
}
