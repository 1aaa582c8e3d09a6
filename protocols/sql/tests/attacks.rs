//! Attacks on masking: no statement may carry `patients.ssn` out without its facts saying so.
//!
//! One attack a line, its statements separated by `;;`. An attack is caught when some statement of it is not understood,
//! is opaque, names a protected column behind an output, writes one somewhere, or decides rows by one in a way that a rule
//! can refuse. `says` are attacks with the exact facts expected.

mod hospital;

use affidavit_sql::Dialect;
use hospital::{facts, my, pg, summary};
use model::{Facts, Lineage, Outputs, Usage};

const PROTECTED: [&str; 1] = ["ssn"];

fn is_protected(column: &model::ColumnRef) -> bool {
    column.table.starts_with("patients") && PROTECTED.contains(&column.column.as_str())
}

/// Whether a policy that protects `patients.ssn` has something in these facts to act on.
fn is_caught(facts: &Facts) -> bool {
    if facts.unparsed.is_some() {
        return true;
    }
    facts.parts.iter().any(|part| {
        let output = match &part.outputs {
            Outputs::Known(columns) => columns.iter().any(|column| match &column.lineage {
                Lineage::Bare(source) => is_protected(source),
                Lineage::Derived(sources) => sources.iter().any(is_protected),
                Lineage::Unknown(_) => true,
            }),
            Outputs::Unknown(_) => part.tables.iter().any(|table| table.table.table.starts_with("patients")),
            Outputs::None => false,
        };
        output
            || part.opaque.iter().any(|opaque| opaque.reaches_data)
            || part.writes.iter().any(|write| write.sources.iter().any(is_protected))
            || part.predicates.iter().any(|p| is_protected(&p.column) && p.usage != Usage::Equality)
            || part
                .tables
                .iter()
                .any(|table| table.access == model::Access::Define && table.table.table.starts_with("patients"))
    })
}

/// Attacks that read nothing protected: their danger is elsewhere (other statements' structure, engine settings).
const NOT_ABOUT_SSN: [&str; 6] = [
    // A change of accounts, which the adapter refuses whatever the policy.
    "DROP OWNED BY x",
    // Takes over its shape and none of its rows.
    "CREATE TABLE x LIKE patients",
    "INSERT INTO patients(id,ssn) VALUES (1,'x')",
    "SHOW CREATE VIEW pv",
    "SHOW TABLES LIKE 'x%'",
    // A string in MySQL's default sql_mode.
    "SELECT \"ssn\" FROM patients",
];

/// MariaDB takes version comments of 5.7.0 and later MySQLs for comments.
const MYSQLS_OWN: &str = "SELECT zip /*!50701 ,ssn */ FROM patients";

fn run(dialect: Dialect, attacks: &str) {
    let mut missed = Vec::new();
    let mut count = 0;
    for attack in attacks.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        count += 1;
        let caught = attack.split(";;").any(|statement| is_caught(&facts(dialect, statement.trim())));
        let harmless = NOT_ABOUT_SSN.contains(&attack) || (dialect == Dialect::MariaDb && attack == MYSQLS_OWN);
        if caught == harmless {
            missed.push(format!("{attack}\n    {}", summary(&facts(dialect, &attack.replace(";;", ";")))));
        }
    }
    assert!(count > 30, "the attacks were read");
    assert!(missed.is_empty(), "{} attacks:\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn starter_attacks_on_postgres_are_seen() {
    run(Dialect::Postgres, include_str!("data/postgres-attacks.txt"));
}

#[test]
fn starter_attacks_on_mysql_are_seen() {
    run(Dialect::MariaDb, include_str!("data/mysql-attacks.txt"));
    run(Dialect::Mysql, include_str!("data/mysql-attacks.txt"));
}

#[test]
fn further_attacks_on_postgres_are_seen() {
    run(Dialect::Postgres, include_str!("data/postgres-further-attacks.txt"));
}

#[test]
fn further_attacks_on_mysql_are_seen() {
    run(Dialect::MariaDb, include_str!("data/mysql-further-attacks.txt"));
}

#[test]
fn ansi_quotes_makes_a_string_a_column() {
    let mut settings = hospital::mysql_settings();
    settings.sql_mode.ansi_quotes = true;
    let analyser = affidavit_sql::Analyser::new(Dialect::MariaDb);
    let facts = analyser.analyse(b"SELECT \"ssn\" FROM patients", &hospital::mysql(), &settings);
    assert_eq!(summary(&facts), "select ssn=patients.ssn");
}

#[test]
fn a_backslash_means_what_the_mode_says() {
    let text = br"SELECT 'a\' , ssn FROM patients WHERE item = 'b'";
    let analyser = affidavit_sql::Analyser::new(Dialect::MariaDb);
    let mut settings = hospital::mysql_settings();
    let facts = analyser.analyse(text, &hospital::mysql(), &settings);
    assert!(facts.unparsed.is_some(), "{facts:?}");
    settings.sql_mode.no_backslash_escapes = true;
    let facts = analyser.analyse(text, &hospital::mysql(), &settings);
    assert!(summary(&facts).starts_with("select _< ssn=patients.ssn"), "{}", summary(&facts));
}

#[test]
fn escaped_identifiers_are_what_they_spell() {
    assert_eq!(summary(&pg(r#"SELECT U&"\0073sn" FROM patients"#)), "select ssn=patients.ssn");
    assert_eq!(summary(&pg(r#"SELECT U&"!0073sn" UESCAPE '!' FROM patients"#)), "select ssn=patients.ssn");
    // The escape character is a literal that decides: texts that differ in it share nothing.
    let analyser = affidavit_sql::Analyser::new(Dialect::Postgres);
    let (catalog, settings) = (hospital::postgres(), hospital::postgres_settings());
    let harmless = analyser.analyse(br#"SELECT U&"zi!0070" UESCAPE '!' FROM patients"#, &catalog, &settings);
    assert_eq!(summary(&harmless), "select zip=patients.zip");
    let other = analyser.analyse(br#"SELECT U&"zi!0070" UESCAPE '?' FROM patients"#, &catalog, &settings);
    assert!(summary(&other).contains('?'), "{}", summary(&other));
}

#[test]
fn statements_behind_comments_and_semicolons_are_all_seen() {
    let facts = pg("SELECT 1 /* ; */ ; -- SELECT 2\n SELECT ssn FROM patients");
    assert_eq!(facts.parts.len(), 2);
    assert_eq!(summary(&facts), "select ?column?< ;; select ssn=patients.ssn");
    let facts = my("SELECT 1 # ; \n ; SELECT ssn FROM patients --\n");
    assert_eq!(facts.parts.len(), 2, "{facts:?}");
}
