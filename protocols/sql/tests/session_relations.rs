//! Relations that only one session sees, and names that change their meaning within a text.

// Clippy knows tests by their attribute; what helps them panics as they do.
#![allow(clippy::unwrap_used)]

mod hospital;

use affidavit_sql::{Analyser, Catalog, CatalogColumn, Dialect, Relation, RelationKind, Settings};
use hospital::{my, mysql, mysql_settings, pg, postgres, postgres_settings, summary, table};
use std::collections::HashSet;
use std::sync::Arc;

fn relation(id: u32, schema: &str, name: &str, kind: RelationKind, columns: &[&str]) -> Relation {
    let column = |(index, name): (usize, &&str)| CatalogColumn {
        name: (*name).into(),
        type_name: "text".into(),
        number: i16::try_from(index + 1).unwrap_or(i16::MAX),
        nullable: true,
        collation: None,
        invisible: false,
        generated_from: Vec::new(),
        indexes: Vec::new(),
    };
    let columns = columns.iter().enumerate().map(column).collect();
    Relation { name: table(schema, name), id, kind, columns, definition: None, parents: Vec::new() }
}

fn postgres_with(own: Vec<Relation>, alive: Option<&HashSet<u32>>) -> Catalog {
    let path = ["pg_temp", "pg_catalog", "public"].map(str::to_owned).to_vec();
    Arc::new(postgres()).for_session(own, alive, path)
}

fn judged(catalog: &Catalog, sql: &str) -> String {
    summary(&Analyser::for_session(Dialect::Postgres).analyse(sql.as_bytes(), catalog, &postgres_settings()))
}

#[test]
fn a_temporary_table_hides_what_has_its_name() {
    let catalog =
        postgres_with(vec![relation(20_000, "pg_temp", "patients", RelationKind::Table, &["id", "ssn"])], None);
    assert_eq!(judged(&catalog, "SELECT * FROM patients"), "select id=patients.id ssn=patients.ssn");
    let facts = Analyser::new(Dialect::Postgres).analyse(b"SELECT ssn FROM patients", &catalog, &postgres_settings());
    assert_eq!(facts.parts[0].tables[0].table, table("pg_temp", "patients"));
    let facts =
        Analyser::new(Dialect::Postgres).analyse(b"SELECT ssn FROM public.patients", &catalog, &postgres_settings());
    assert_eq!(facts.parts[0].tables[0].table, table("public", "patients"));
    // A view that others see too still shows the table that it was made over.
    let facts = Analyser::new(Dialect::Postgres).analyse(b"SELECT zip FROM pv", &catalog, &postgres_settings());
    assert!(facts.parts[0].tables.iter().any(|used| used.table == table("public", "patients")), "{facts:?}");
}

#[test]
fn what_a_transaction_dropped_is_not_there() {
    let alive: HashSet<u32> = postgres().relations().map(|relation| relation.id).filter(|id| *id != 16_403).collect();
    let catalog = postgres_with(Vec::new(), Some(&alive));
    assert!(judged(&catalog, "SELECT item FROM orders").contains("catalog does not know"));
    assert_eq!(judged(&catalog, "SELECT v FROM uq"), "select v=uq.v");
    assert_eq!(catalog.relations().count(), postgres().relations().count() - 1);
}

#[test]
fn a_renamed_table_is_gone_under_its_old_name() {
    let catalog = postgres_with(vec![relation(16_403, "public", "sales", RelationKind::Table, &["item"])], None);
    assert_eq!(judged(&catalog, "SELECT item FROM sales"), "select item=sales.item");
    assert!(judged(&catalog, "SELECT item FROM orders").contains("catalog does not know"));
}

#[test]
fn children_and_parents_are_followed_through_the_session() {
    let kid = Relation {
        parents: vec![table("public", "patients")],
        ..relation(20_001, "pg_temp", "kid", RelationKind::Table, &["id", "ssn"])
    };
    let catalog = postgres_with(vec![kid], None);
    let facts = Analyser::new(Dialect::Postgres).analyse(b"SELECT ssn FROM kid", &catalog, &postgres_settings());
    assert!(facts.parts[0].kin.iter().any(|kin| kin.also.table == "patients"), "{facts:?}");
    let facts = Analyser::new(Dialect::Postgres).analyse(b"SELECT ssn FROM patients", &catalog, &postgres_settings());
    assert!(facts.parts[0].kin.iter().any(|kin| kin.also.table == "kid"), "{facts:?}");
}

#[test]
fn a_view_of_the_session_is_read_under_its_own_path() {
    let view = Relation {
        definition: Some("SELECT ssn AS x FROM patients".to_owned()),
        ..relation(20_002, "pg_temp", "v", RelationKind::View, &["x"])
    };
    let hidden = relation(20_000, "pg_temp", "patients", RelationKind::Table, &["id", "ssn"]);
    let over_table = postgres_with(vec![view.clone()], None);
    let facts = Analyser::new(Dialect::Postgres).analyse(b"SELECT x FROM v", &over_table, &postgres_settings());
    assert!(facts.parts[0].tables.iter().any(|used| used.table == table("public", "patients")), "{facts:?}");
    let over_temporary = postgres_with(vec![view, hidden], None);
    let facts = Analyser::new(Dialect::Postgres).analyse(b"SELECT x FROM v", &over_temporary, &postgres_settings());
    assert!(facts.parts[0].tables.iter().any(|used| used.table == table("pg_temp", "patients")), "{facts:?}");
}

#[test]
fn mysqls_views_never_mean_temporary_tables() {
    let own = vec![relation(0, "t", "patients", RelationKind::Table, &["id", "colour"])];
    let catalog = Arc::new(mysql()).for_session(own, None, Vec::new());
    let analyser = Analyser::for_session(Dialect::MariaDb);
    let judged = |sql: &str| summary(&analyser.analyse(sql.as_bytes(), &catalog, &mysql_settings()));
    assert_eq!(judged("SELECT * FROM patients"), "select id=patients.id colour=patients.colour");
    assert_eq!(judged("SELECT zip FROM pv"), "select zip=patients.ssn");
}

#[test]
fn names_that_move_within_a_text_are_unknown() {
    for (text, unknown) in [
        ("DROP TABLE patients; SELECT ssn FROM patients", true),
        ("DROP TABLE orders; SELECT ssn FROM patients", false),
        ("DROP TABLE orders CASCADE; SELECT ssn FROM patients", true),
        ("ROLLBACK; SELECT ssn FROM patients", true),
        ("BEGIN; SELECT ssn FROM patients", false),
        ("DISCARD TEMP; SELECT ssn FROM patients", true),
        ("CREATE TEMP TABLE patients (a int); SELECT ssn FROM patients", false),
        ("CREATE TEMP TABLE IF NOT EXISTS patients (a int); SELECT ssn FROM patients", true),
        ("SET ROLE x; SELECT ssn FROM patients", true),
        ("SET search_path = \"$user\"; SELECT ssn FROM patients", true),
        ("ROLLBACK; SELECT 1", false),
        ("CREATE TABLE a (x int); CREATE TABLE b (x int)", false),
        ("CREATE TABLE a (x int); COMMENT ON TABLE a IS 'x'; SELECT ssn FROM patients", false),
    ] {
        assert_eq!(summary(&pg(text)).contains("earlier statement of the same text"), unknown, "{text}");
    }
    assert!(
        summary(&pg("SET search_path = other; SELECT * FROM patients"))
            .ends_with("select id=patients.id colour=patients.colour")
    );
    assert!(summary(&my("USE other; SELECT ssn FROM patients")).contains("catalog does not know"));
    assert!(summary(&my("SET sql_mode = 'ANSI_QUOTES'; SELECT \"ssn\" FROM patients")).starts_with("unparsed"));
    assert!(summary(&my("DROP TABLE patients; SELECT ssn FROM patients")).contains("earlier statement"));
}

#[test]
fn custom_settings_are_plain_until_something_unseen_ran() {
    let plain = Settings { plain_settings: true, ..postgres_settings() };
    let catalog = postgres().with_code_that_sets_settings(false);
    let judged = |catalog: &Catalog, settings: &Settings, sql: &str| {
        summary(&Analyser::new(Dialect::Postgres).analyse(sql.as_bytes(), catalog, settings))
    };
    let sql = "SELECT current_setting('my.tenant')";
    assert_eq!(judged(&catalog, &plain, sql), "select current_setting<");
    assert!(judged(&catalog, &postgres_settings(), sql).contains("a custom setting"));
    assert!(judged(&postgres(), &plain, sql).contains("a custom setting"), "code of the database may set it");
    // What is stored there is judged when it is.
    let stored = judged(&catalog, &plain, "SELECT set_config('my.x', ssn, false) FROM patients");
    assert!(stored.contains("writes"), "{stored}");
}

#[test]
fn a_setting_that_a_condition_pins_is_known() {
    let dump = "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind'";
    assert!(!summary(&pg(dump)).contains("opaque"), "{}", summary(&pg(dump)));
    assert_eq!(pg(dump).parts[0].settings[0].name, "restrict_nonsystem_relation_kind");
    for other in [
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name <> 'a'",
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'a' OR true",
        "SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = short_desc",
        "SELECT set_config(name, 'x', false) FROM orders, pg_settings WHERE name = 'a'",
        "SELECT set_config(short_desc, 'x', false) FROM pg_settings WHERE name = 'a'",
        "SELECT set_config(name || '', 'x', false) FROM pg_settings WHERE name = 'a'",
    ] {
        assert!(summary(&pg(other)).contains("set_config of a setting that is computed"), "{other}");
    }
}

#[test]
fn what_mysql_writes_otherwise_is_read() {
    for (sql, expected) in [
        ("SELECT TIMESTAMPDIFF(HOUR, dob, NOW()) FROM patients", "select _<patients.dob"),
        ("SELECT TIMESTAMPADD(SQL_TSI_DAY, 1, dob) FROM patients", "select _<patients.dob"),
        ("SELECT EXTRACT(YEAR_MONTH FROM dob) FROM patients", "select _<patients.dob"),
        ("SELECT DATE_ADD(dob, INTERVAL 1 DAY) FROM patients", "select _<patients.dob"),
        ("SELECT dob + INTERVAL id MONTH FROM patients", "select _<patients.dob,patients.id"),
        ("SELECT id DIV 7, !id FROM patients", "select _<patients.id _<patients.id"),
        ("SELECT \\N, GET_FORMAT(DATE, 'USA')", "select _< _<"),
        ("SELECT id FROM patients LOCK IN SHARE MODE", "select id=patients.id"),
        ("LOCK TABLES t.patients READ, orders AS o WRITE", "session none"),
    ] {
        let told: String = summary(&my(sql)).split(" | ").next().unwrap_or_default().to_owned();
        assert_eq!(told, expected, "{sql}: {}", summary(&my(sql)));
    }
    assert!(summary(&my("SELECT TIMESTAMPDIFF(ssn, dob, NOW()) FROM patients")).starts_with("unparsed"));
}
