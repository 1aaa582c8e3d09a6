//! Generated SELECTs against a real PostgreSQL: what the analysis calls bare, the server must announce as that column; the
//! number and the names of the columns must be the server's. Needs PostgreSQL's binaries; their folder is taken from
//! `PG_BINDIR` or from Debian's place for the newest version.

mod generator;
mod hospital;
mod server;

use affidavit_sql::{Analyser, Dialect};
use hospital::{postgres, postgres_settings, summary};
use model::{ColumnRef, Lineage, Outputs, Part};
use std::collections::BTreeSet;

const SCHEMA: &str = "
    CREATE TABLE patients(id int primary key, mrn text, ssn text, full_name text, dob date, phone text, email text,
        address text, zip text, notes text);
    CREATE TABLE encounters(id int primary key, patient_id int, notes text, icd10 text);
    CREATE TABLE uq(v int);
    CREATE TABLE orders(id int primary key, item text, total int);
    CREATE VIEW pv AS SELECT id, ssn AS zip FROM patients;
    CREATE VIEW pvt AS SELECT p.id, p.ssn AS zip FROM patients p;
    CREATE VIEW deep AS SELECT pv.zip, length(pv.zip) AS size FROM pv WHERE pv.id > 3;
    CREATE TABLE patients_2020() INHERITS (patients);";

/// Two rows a table; every text says which column it is from.
const ROWS: &str = "
    INSERT INTO patients SELECT i, '<patients.mrn>', '<patients.ssn>', '<patients.full_name>', '1930-01-01', '<patients.phone>',
        '<patients.email>', '<patients.address>', '<patients.zip>', '<patients.notes>' FROM generate_series(1, 2) i;
    INSERT INTO patients_2020 SELECT i, '<patients_2020.mrn>', '<patients_2020.ssn>', '<patients_2020.full_name>', '1930-01-01',
        '', '', '', '<patients_2020.zip>', '<patients_2020.notes>' FROM generate_series(2, 3) i;
    INSERT INTO encounters SELECT i, i, '<encounters.notes>', '<encounters.icd10>' FROM generate_series(1, 2) i;
    INSERT INTO orders SELECT i, '<orders.item>', i FROM generate_series(1, 2) i;";

/// Where a column's values can come from, as `table.column`; `None` when that is not known.
fn sources(part: &Part, lineage: &Lineage) -> Option<BTreeSet<String>> {
    let named: Vec<&ColumnRef> = match lineage {
        Lineage::Bare(column) => vec![column],
        Lineage::Derived(columns) => columns.iter().collect(),
        Lineage::Unknown(_) => return None,
    };
    let kin = part.kin.iter().filter(|kin| named.contains(&&kin.column)).map(|kin| &kin.also);
    Some(named.iter().copied().chain(kin).map(|c| format!("{}.{}", c.table, c.column)).collect())
}

/// The marks `<table.column>` in a cell.
fn marks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(mark, _)| mark)
}

/// Every value that really comes back must be of a column that its lineage names.
#[test]
fn no_value_comes_from_a_column_that_its_lineage_does_not_name() {
    let server = server::Server::start();
    let mut client = server.connect();
    client.run(SCHEMA);
    client.run(ROWS);
    client.run("SET statement_timeout = '2s'");
    let analyser = Analyser::new(Dialect::Postgres);
    let (catalog, settings) = (postgres(), postgres_settings());
    let (mut statements, mut seen) = (0, 0);
    let mut wrong = Vec::new();
    for seed in 10_000..11_200 {
        let sql = generator::query(seed);
        let limited = format!("SELECT * FROM ({sql}) limited LIMIT 60");
        let Ok(rows) = client.rows(&limited).or_else(|_| client.rows(&sql)) else { continue };
        statements += 1;
        let facts = analyser.analyse(sql.as_bytes(), &catalog, &settings);
        let Some(part) = facts.parts.first() else { continue };
        let Outputs::Known(columns) = &part.outputs else { continue };
        let named: Vec<Option<BTreeSet<String>>> = columns.iter().map(|c| sources(part, &c.lineage)).collect();
        for row in &rows {
            for (cell, named) in row.iter().zip(&named) {
                let Some(named) = named else { continue };
                for mark in marks(cell) {
                    seen += 1;
                    if !named.contains(mark) {
                        wrong.push(format!("{sql}\n   {mark} is not among {named:?}"));
                    }
                }
            }
        }
    }
    println!("{statements} statements ran, {seen} marked values came from where they should");
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(statements > 600 && seen > 3_000, "{statements} statements, {seen} values");
}

#[test]
fn what_is_called_bare_is_what_the_server_announces() {
    let server = server::Server::start();
    let mut client = server.connect();
    client.run(SCHEMA);
    let relations = client.relations();
    let analyser = Analyser::new(Dialect::Postgres);
    let (catalog, settings) = (postgres(), postgres_settings());
    let (mut described, mut bare, mut missed) = (0, 0, 0);
    let mut wrong = Vec::new();
    for seed in 0..1_200 {
        let sql = generator::query(seed);
        let Ok(announced) = client.describe(&sql) else { continue };
        described += 1;
        let facts = analyser.analyse(sql.as_bytes(), &catalog, &settings);
        let Some(part) = facts.parts.first() else {
            wrong.push(format!("{sql}\n   {}", summary(&facts)));
            continue;
        };
        let Outputs::Known(columns) = &part.outputs else { continue };
        if columns.len() != announced.len() {
            wrong.push(format!("{sql}\n   {} columns, the server has {}", columns.len(), announced.len()));
            continue;
        }
        for (column, field) in columns.iter().zip(&announced) {
            let origin = relations.get(&field.table).and_then(|(table, names)| {
                let column = names.get(usize::try_from(field.number).ok()?.checked_sub(1)?)?;
                Some(ColumnRef { schema: "public".into(), table: table.clone(), column: column.clone() })
            });
            if column.name.as_ref().is_some_and(|name| *name != field.name) {
                wrong.push(format!("{sql}\n   named {:?}, the server says {}", column.name, field.name));
            }
            match (&column.lineage, origin) {
                (Lineage::Bare(source), Some(origin)) => {
                    bare += 1;
                    let kin = part.kin.iter().any(|kin| kin.column == *source && kin.also == origin);
                    if *source != origin && !kin {
                        wrong.push(format!("{sql}\n   {source} is {origin} for the server"));
                    }
                }
                (Lineage::Bare(source), None) => {
                    wrong.push(format!("{sql}\n   {source} has no origin for the server"));
                }
                (Lineage::Derived(sources), Some(origin)) => {
                    // Not bare though the server says so: safe, but the origin must be among the sources.
                    missed += 1;
                    let known = sources.contains(&origin) || part.kin.iter().any(|kin| kin.also == origin);
                    if !known {
                        wrong.push(format!("{sql}\n   {origin} is not among {sources:?}"));
                    }
                }
                _ => {}
            }
        }
    }
    println!("{described} statements described, {bare} bare columns agree, {missed} origins not called bare");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(described > 600, "only {described} statements were valid");
    assert!(bare > 800, "only {bare} bare columns");
}
