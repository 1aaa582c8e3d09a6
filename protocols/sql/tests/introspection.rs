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
