//! Generated SELECTs against a real PostgreSQL: what the analysis calls bare, the server must announce as that column; the
//! number and the names of the columns must be the server's. Needs PostgreSQL's binaries; their folder is taken from
//! `PG_BINDIR` or from Debian's place for version 15.

mod generator;
mod hospital;
mod server;

use affidavit_sql::{Analyser, Dialect};
use hospital::{postgres, postgres_settings, summary};
use model::{ColumnRef, Lineage, Outputs};

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
    for seed in 0..4_000 {
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
    assert!(described > 2_000, "only {described} statements were valid");
    assert!(bare > 2_000, "only {bare} bare columns");
}
