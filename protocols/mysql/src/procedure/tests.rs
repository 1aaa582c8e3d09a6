//! What is followed into a procedure, and what is not.

use super::*;
use model::{ColumnRef, TableRef};
use sql::{Analyser, Catalog, CatalogColumn, Dialect, Relation, RelationKind};

fn catalog() -> Catalog {
    let table = |schema: &str, table: &str, columns: &[&str]| Relation {
        name: TableRef { schema: schema.to_owned(), table: table.to_owned() },
        id: 0,
        kind: RelationKind::Table,
        columns: columns
            .iter()
            .zip(1..)
            .map(|(name, number)| CatalogColumn {
                name: (*name).to_owned(),
                type_name: "text".to_owned(),
                number,
                nullable: true,
                collation: None,
                invisible: false,
                generated_from: Vec::new(),
                indexes: Vec::new(),
            })
            .collect(),
        definition: None,
        parents: Vec::new(),
    };
    let relations = vec![table("ehr", "patients", &["id", "ssn", "most"]), table("stats", "wards", &["code", "beds"])];
    Catalog::new(1, relations, Vec::new())
}

/// The facts of `sql` where `stats.p` has this body and the parameters `most` and `total`.
fn facts(body: &str, mode: &str, sql: &str) -> Option<Facts> {
    let (facts, followed) = looked_at(body, mode, sql);
    followed.then_some(facts)
}

/// The same, and whether the procedure was followed.
fn looked_at(body: &str, mode: &str, sql: &str) -> (Facts, bool) {
    let text = |text: &str| text.to_owned();
    let parameters = ["most", "Total"].map(|name| [text("stats"), text("p"), text(name)]).to_vec();
    let procedures = Procedures::new(vec![[text("stats"), text("p"), text(body), text(mode)]], parameters);
    let (analyser, catalog) = (Analyser::new(Dialect::MariaDb), catalog());
    let settings = Settings { search_path: vec!["ehr".to_owned()], ..Settings::default() };
    let analyse = |sql: &str, settings: &Settings| analyser.analyse(sql.as_bytes(), &catalog, settings);
    let call = analyse(sql, &settings);
    let facts = procedures.facts(sql.as_bytes(), &call, &settings, &analyse);
    let followed = facts.parts != call.parts;
    (facts, followed)
}

const CALL: &str = "CALL stats.p(3, @t)";

#[test]
fn a_call_touches_what_its_statements_touch() {
    let body = "BEGIN\n  -- the first\n  SELECT code, beds FROM wards WHERE beds > most ORDER BY code LIMIT 2;\n  \
                SET total = (SELECT count(*) FROM stats.wards); SELECT 'a;b' AS x;\nEND";
    let facts = facts(body, "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION", CALL).unwrap();
    let [part] = facts.parts.as_slice() else { panic!("{facts:?}") };
    assert_eq!(part.verb, Verb::Call);
    assert!(part.opaque.is_empty());
    let tables: Vec<String> = part.tables.iter().map(|table| table.table.to_string()).collect();
    assert_eq!(tables, ["stats.wards"], "in the procedure's own database");
    assert_eq!(part.calls[0].name, "stats.p");
    assert!(!part.filtered && !part.limited, "one of them reads the whole table");
}

#[test]
fn protected_columns_are_seen_in_it() {
    let ssn = ColumnRef { schema: "ehr".to_owned(), table: "patients".to_owned(), column: "ssn".to_owned() };
    let set = facts("SET total = (SELECT ssn FROM ehr.patients WHERE id = most)", "", CALL).unwrap();
    assert!(
        set.parts[0].writes.iter().any(|flow| flow.target.is_none() && flow.sources.contains(&ssn)),
        "{:?}",
        set.parts[0].writes
    );
    let set = facts("BEGIN DECLARE x TEXT DEFAULT (SELECT ssn FROM ehr.patients LIMIT 1); SELECT x; END", "", CALL);
    assert!(set.is_none_or(|facts| facts.parts[0].writes.iter().any(|flow| flow.sources.contains(&ssn))));
    let rows = facts("SELECT ssn FROM ehr.patients", "", CALL).unwrap();
    assert!(matches!(rows.parts[0].outputs, Outputs::Unknown(_)));
    assert_eq!(rows.parts[0].tables[0].table.to_string(), "ehr.patients");
    // A parameter hides the column of its name; with the table before it, it is the column.
    let own = facts("SELECT most FROM ehr.patients WHERE patients.most = 1", "", CALL).unwrap();
    assert!(own.parts[0].predicates.iter().any(|used| used.column.column == "most"));
}

#[test]
fn parameters_are_given_back() {
    let facts = facts("BEGIN DECLARE twice INT DEFAULT 2; SET total = most * twice; END", "", CALL).unwrap();
    assert!(facts.parts[0].tables.is_empty() && facts.parts[0].opaque.is_empty());
}

#[test]
fn a_procedure_that_is_not_known_may_be_new() {
    let (facts, followed) = looked_at("SELECT 1", "", "CALL stats.q()");
    assert_eq!((facts.unknown_relations, followed), (vec!["procedure stats.q".to_owned()], false));
    let (facts, followed) = looked_at("DELETE FROM wards", "", CALL);
    assert!(facts.unknown_relations.is_empty() && !followed, "another look would not help");
}

#[test]
fn whatever_else_stays_opaque() {
    for body in [
        "",
        "BEGIN IF most > 1 THEN SELECT code FROM wards; END IF; END",
        "BEGIN PREPARE s FROM 'SELECT ssn FROM ehr.patients'; EXECUTE s; END",
        "CALL other()",
        "INSERT INTO wards VALUES (1, 2)",
        "DELETE FROM wards",
        "SELECT code FROM gone",
        "SELECT secret_function(code) FROM wards",
        "SET sql_mode = 'ANSI_QUOTES'",
        "SET total = 1, sql_mode = ''",
        "SET GLOBAL total = 1",
        "BEGIN DECLARE c CURSOR FOR SELECT ssn FROM ehr.patients; OPEN c; END",
        "BEGIN DECLARE CONTINUE HANDLER FOR NOT FOUND SET total = 1; END",
        "SELECT code FROM wards /*!50000 UNION SELECT ssn FROM ehr.patients */",
        "SELECT ssn INTO total FROM ehr.patients WHERE id = most",
        "SELECT code INTO OUTFILE '/tmp/x' FROM wards",
        "l: BEGIN SELECT 1; END",
        "BEGIN SELECT 'open",
    ] {
        assert!(facts(body, "", CALL).is_none(), "{body}");
    }
    let plain = "SELECT code FROM wards";
    assert!(facts(plain, "", CALL).is_some());
    assert!(facts(plain, "ANSI_QUOTES", CALL).is_none() && facts(plain, "ORACLE", CALL).is_none());
    for call in [
        "CALL stats.q()",
        "CALL p()",
        "CALL stats.p((SELECT ssn FROM ehr.patients LIMIT 1), @t)",
        "CALL stats.p(secret_function(1), @t)",
        "CALL stats.p(1); SELECT 1",
        "CALL stats.p(1) x",
        "/*!CALL stats.p(1)*/",
        "SELECT 1",
    ] {
        assert!(facts(plain, "", call).is_none(), "{call}");
    }
    for call in ["call `stats`.`p`;", "CALL stats.p", "CALL stats.p(?, ?)", "CALL stats . p('a''b', -1.5e3)"] {
        assert!(facts(plain, "", call).is_some(), "{call}");
    }
}
