//! What must keep working: statements over structure and unprotected tables are understood to the last column.

mod hospital;

use affidavit_sql::Dialect;
use hospital::{facts, summary};
use model::{Facts, Lineage, Outputs};

/// Whether everything about a text is known, so that a policy lets it pass untouched.
fn is_clean(facts: &Facts) -> bool {
    facts.unparsed.is_none()
        && facts.unknown_relations.is_empty()
        && !facts.parts.is_empty()
        && facts.parts.iter().all(|part| {
            let known = match &part.outputs {
                Outputs::Known(columns) => columns.iter().all(|column| !matches!(column.lineage, Lineage::Unknown(_))),
                Outputs::None => true,
                Outputs::Unknown(_) => matches!(part.verb, model::Verb::Show | model::Verb::Explain),
            };
            known && part.opaque.is_empty()
        })
}

/// How many of the texts are clean, and the others with what is wrong.
fn share(dialect: Dialect, texts: &[&str]) -> (usize, Vec<String>) {
    let mut bad = Vec::new();
    for text in texts {
        let facts = facts(dialect, text);
        if !is_clean(&facts) {
            let mut said = summary(&facts);
            said.truncate(900);
            bad.push(format!("{}\n      => {said}", text.trim()));
        }
    }
    (texts.len() - bad.len(), bad)
}

fn texts(corpus: &str) -> Vec<&str> {
    corpus.split(";;;").map(str::trim).filter(|text| !text.is_empty()).collect()
}

fn all_clean(dialect: Dialect, corpus: &str, at_least: usize) {
    let texts = texts(corpus);
    assert!(texts.len() >= at_least, "the corpus was read: {}", texts.len());
    let (_, bad) = share(dialect, &texts);
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), texts.len(), bad.join("\n"));
}

#[test]
fn every_query_of_psql_15_is_understood() {
    all_clean(Dialect::Postgres, include_str!("data/psql-15-introspection.sql"), 150);
}

#[test]
fn ordinary_statements_on_postgres_are_understood() {
    all_clean(Dialect::Postgres, include_str!("data/postgres-ordinary.sql"), 60);
}

#[test]
fn ordinary_statements_on_mysql_are_understood() {
    all_clean(Dialect::MariaDb, include_str!("data/mysql-ordinary.sql"), 50);
}

#[test]
fn what_looks_after_unprotected_tables_is_understood() {
    let texts = [
        "RENAME TABLE orders TO shop.earlier",
        "ALTER TABLE orders RENAME TO earlier",
        "CHECKSUM TABLE orders",
        "CHECK TABLE orders, `orders` QUICK",
        "OPTIMIZE LOCAL TABLE orders",
        "REPAIR TABLE orders",
        "ANALYZE TABLE orders",
        "FLUSH STATUS",
        "FLUSH TABLES",
        "FLUSH TABLES orders WITH READ LOCK",
        "DROP PROCEDURE IF EXISTS shop.p",
        "DROP TRIGGER `t`",
        "CREATE TABLE z (value TINYINT ZEROFILL, n INT(5) UNSIGNED ZEROFILL NOT NULL)",
        "XA START 'x'",
        "XA COMMIT 'x' ONE PHASE",
    ];
    for dialect in [Dialect::Mysql, Dialect::MariaDb] {
        let (_, bad) = share(dialect, &texts);
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }
    // The second of several tables counts as well, and a list that cannot be read is none.
    let second = facts(Dialect::MariaDb, "ANALYZE TABLE orders, patients");
    assert!(second.parts[0].tables.iter().any(|used| used.table.table == "patients"), "{}", summary(&second));
    assert!(!is_clean(&facts(Dialect::MariaDb, "CHECKSUM TABLE orders, (patients)")));
    let sum = facts(Dialect::MariaDb, "CHECKSUM TABLE patients");
    assert!(summary(&sum).contains("patients.ssn"), "{}", summary(&sum));
}

#[test]
fn definitions_of_types_and_of_tables_that_refer_to_themselves_are_understood() {
    let texts = [
        "CREATE TABLE own (id int PRIMARY KEY, up int REFERENCES own (id) DEFERRABLE)",
        "CREATE TEMP TABLE own (id int PRIMARY KEY, up int, FOREIGN KEY (up) REFERENCES own)",
        "CREATE DOMAIN positive AS int DEFAULT 1 CHECK (value > 0)",
        "CREATE TYPE span AS RANGE (subtype = float8, subtype_diff = float8mi)",
        "CREATE TYPE words AS RANGE (subtype = text, collation = \"C\")",
        "SELECT pg_catalog.lo_open($1, $2)",
        "SELECT lo_get(7), loread(lo_open(7, 262144), 100), lo_unlink(7)",
    ];
    let (_, bad) = share(Dialect::Postgres, &texts);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    for other in [
        "CREATE TABLE own (id int REFERENCES elsewhere.own (id))",
        "CREATE DOMAIN d AS int CHECK (mine(value))",
        "CREATE TYPE span AS RANGE (subtype = float8, canonical = mine)",
        "SELECT lo_import('/etc/passwd')",
    ] {
        assert!(!is_clean(&facts(Dialect::Postgres, other)), "{other}");
    }
}

#[test]
fn a_text_may_name_what_it_has_just_made() {
    let made = "CREATE TEMP TABLE boom (age int, who text); INSERT INTO boom (age) VALUES (28); SELECT * FROM boom";
    let (_, bad) = share(Dialect::Postgres, &[made, "CREATE TABLE boom (a int); COPY boom FROM STDIN; TRUNCATE boom"]);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let made = "CREATE TABLE boom (age int); INSERT INTO boom VALUES (1); SELECT age, boom.* FROM boom";
    for dialect in [Dialect::Mysql, Dialect::MariaDb] {
        let (_, bad) = share(dialect, &[made]);
        assert!(bad.is_empty(), "{}", bad.join("\n"));
    }
    // A table that hides a protected one, and may be gone again.
    for text in [
        "BEGIN; CREATE TEMP TABLE patients (id int, ssn text); ROLLBACK; SELECT ssn FROM patients",
        "CREATE TEMP TABLE IF NOT EXISTS patients (ssn text); SELECT ssn FROM patients",
        "CREATE TEMP TABLE patients (ssn text) ON COMMIT DROP; SELECT ssn FROM patients",
        "CREATE TEMP TABLE patients (ssn text); DROP TABLE patients; SELECT ssn FROM patients",
        "CREATE TEMP TABLE patients (ssn text); ALTER TABLE patients RENAME TO p; SELECT ssn FROM patients",
        "CREATE TEMP TABLE patients (LIKE public.patients); SELECT ssn FROM patients",
        "CREATE TEMP TABLE patients (ssn text); DISCARD TEMP; SELECT ssn FROM patients",
    ] {
        assert!(!is_clean(&facts(Dialect::Postgres, text)), "{text}");
    }
    let hides = facts(Dialect::Postgres, "CREATE TEMP TABLE patients (ssn text); SELECT ssn FROM public.patients");
    assert!(summary(&hides).contains("ssn=patients.ssn"), "{}", summary(&hides));
    assert!(hides.parts[1].tables.iter().any(|used| used.table.schema == "public"), "{}", summary(&hides));
}
