//! Tables of statements and the facts expected: where outputs come from, how predicates use columns, what is written.

mod hospital;

use hospital::{my, opaque, part, pg, summary, writes};
use model::{Access, Reach, Verb};

/// `(statement, outputs and predicates in short)`.
fn check(cases: &[(&str, &str)], analyse: impl Fn(&str) -> String) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(sql, expected)| {
            let got = analyse(sql);
            (got != *expected).then(|| format!("{sql}\n  expected {expected}\n  got      {got}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bare_columns_stay_bare() {
    check(
        &[
            ("SELECT ssn AS zip FROM patients", "select zip=patients.ssn"),
            ("SELECT p.ssn FROM public.patients p", "select ssn=patients.ssn"),
            ("WITH t(a) AS (SELECT ssn FROM patients) SELECT a FROM t", "select a=patients.ssn"),
            ("SELECT x FROM (SELECT ssn FROM patients) q(x)", "select x=patients.ssn"),
            ("SELECT zip FROM pv", "select zip=patients.ssn"),
            ("SELECT (p).ssn FROM patients p", "select ssn=patients.ssn"),
            ("SELECT l.s FROM patients p, LATERAL (SELECT p.ssn AS s) l", "select s=patients.ssn"),
            ("SELECT ssn::text FROM patients", "select ssn=patients.ssn"),
            ("SELECT DISTINCT id FROM orders", "select id=orders.id | where orders.id:Order"),
            (
                "SELECT id, item FROM orders GROUP BY 1, 2",
                "select id=orders.id item=orders.item | where orders.id:Group orders.item:Group",
            ),
        ],
        |sql| summary(&pg(sql)),
    );
}

#[test]
fn computed_values_name_all_their_sources() {
    check(
        &[
            ("SELECT ssn::varchar(5) FROM patients", "select ssn<patients.ssn"),
            ("SELECT ssn FROM patients UNION ALL SELECT zip FROM patients", "select ssn<patients.ssn,patients.zip"),
            ("SELECT min(ssn) FROM patients", "select min<patients.ssn"),
            ("SELECT (q).ssn FROM (SELECT p AS q FROM patients p) x", "select ssn<patients.ssn"),
            ("SELECT (SELECT p FROM patients p LIMIT 1).ssn", "select ssn<patients.ssn"),
            ("SELECT count(*) FROM patients WHERE ssn = '1'", "select count< | where patients.ssn:Equality"),
            ("SELECT (SELECT ssn FROM patients LIMIT 1) AS x", "select x<patients.ssn"),
            (
                "SELECT id FROM patients FULL JOIN orders USING (id)",
                "select id<orders.id,patients.id | where patients.id:Join orders.id:Join",
            ),
            ("SELECT size FROM deep", "select size<deep.size,patients.ssn | where patients.id:Comparison"),
            (
                "SELECT sum(total) OVER (PARTITION BY item ORDER BY id) FROM orders",
                "select sum<orders.id,orders.item,orders.total | where orders.item:Group orders.id:Order orders.total:Comparison",
            ),
            ("SELECT u.ssn FROM unnest(ARRAY[ROW(1)]) u(ssn)", "select ssn<"),
            (
                "UPDATE patients SET zip = ssn WHERE id = 3 RETURNING zip",
                "update zip<patients.ssn,patients.zip | where patients.id:Equality | writes patients.zip<patients.ssn",
            ),
            (
                "UPDATE patients SET zip = 'x' WHERE id = 3 RETURNING zip",
                "update zip=patients.zip | where patients.id:Equality | writes patients.zip<",
            ),
        ],
        |sql| summary(&pg(sql)),
    );
}

#[test]
fn predicates_say_how_they_use_columns() {
    check(
        &[
            ("SELECT id FROM patients WHERE mrn = $1", "select id=patients.id | where patients.mrn:Equality"),
            ("SELECT id FROM patients WHERE mrn IN ('a', 'b')", "select id=patients.id | where patients.mrn:Equality"),
            ("SELECT id FROM patients WHERE mrn = ANY ($1)", "select id=patients.id | where patients.mrn:Equality"),
            (
                "SELECT id FROM patients WHERE mrn = 'a' OR mrn = 'b'",
                "select id=patients.id | where patients.mrn:Equality",
            ),
            (
                "SELECT id FROM patients WHERE (mrn, zip) = ('a', 'b')",
                "select id=patients.id | where patients.mrn:Equality patients.zip:Equality",
            ),
            ("SELECT id FROM patients WHERE NOT mrn = 'a'", "select id=patients.id | where patients.mrn:Comparison"),
            ("SELECT id FROM patients WHERE mrn <> 'a'", "select id=patients.id | where patients.mrn:Comparison"),
            (
                "SELECT id FROM patients WHERE lower(mrn) = 'a'",
                "select id=patients.id | where patients.mrn:Comparison | opaque routine lower, which is not known to compute from its arguments alone; a condition over routine lower, which is not known to compute from its arguments alone",
            ),
            ("SELECT id FROM patients WHERE upper(mrn) = 'A'", "select id=patients.id | where patients.mrn:Comparison"),
            ("SELECT id FROM patients ORDER BY ssn", "select id=patients.id | where patients.ssn:Order"),
            ("SELECT count(*) FROM patients GROUP BY zip", "select count< | where patients.zip:Group"),
            (
                "SELECT p.id FROM patients p JOIN encounters e ON e.patient_id = p.id",
                "select id=patients.id | where encounters.patient_id:Join patients.id:Join",
            ),
        ],
        |sql| summary(&pg(sql)),
    );
}

#[test]
fn a_number_is_no_key_of_a_text_column_in_mysql() {
    check(
        &[
            ("SELECT id FROM patients WHERE ssn = 'a'", "select id=patients.id | where patients.ssn:Equality"),
            ("SELECT id FROM patients WHERE ssn = 0", "select id=patients.id | where patients.ssn:Comparison"),
            ("SELECT id FROM patients WHERE ssn IN ('a', 1)", "select id=patients.id | where patients.ssn:Comparison"),
            ("SELECT ssn FROM patients WHERE id = 1", "select ssn=patients.ssn | where patients.id:Equality"),
        ],
        |sql| summary(&my(sql)),
    );
}

#[test]
fn limits_are_seen() {
    assert!(part(&pg("SELECT * FROM patients LIMIT 5")).limited);
    assert!(!part(&pg("SELECT * FROM patients LIMIT ALL")).limited);
}

#[test]
fn tables_and_kin_reach_through_views_and_inheritance() {
    let facts = pg("SELECT zip FROM pv");
    let tables: Vec<String> = part(&facts).tables.iter().map(|t| format!("{}:{:?}", t.table.table, t.reach)).collect();
    assert_eq!(tables, ["pv:Direct", "patients:Indirect", "patients_2020:Indirect"]);
    let kin: Vec<String> = part(&facts).kin.iter().map(|k| format!("{} also {}", k.column, k.also)).collect();
    assert_eq!(kin, ["public.patients.ssn also public.patients_2020.ssn", "public.patients.ssn also public.pv.zip"]);

    let facts = pg("SELECT ssn FROM patients_2020");
    assert!(part(&facts).tables.iter().any(|t| t.table.table == "patients" && t.reach == Reach::Indirect));
    assert!(part(&facts).kin.iter().any(|k| k.also.table == "patients" && k.also.column == "ssn"));

    let facts = pg("SELECT ssn FROM ONLY patients");
    assert!(!part(&facts).tables.iter().any(|t| t.table.table == "patients_2020"));
}

#[test]
fn search_path_decides_which_table_is_meant() {
    let analyser = affidavit_sql::Analyser::new(affidavit_sql::Dialect::Postgres);
    let mut settings = hospital::postgres_settings();
    settings.search_path = vec!["other".into(), "public".into()];
    let facts = analyser.analyse(b"SELECT * FROM patients", &hospital::postgres(), &settings);
    assert_eq!(summary(&facts), "select id=patients.id colour=patients.colour");
    assert_eq!(part(&facts).tables[0].table.schema, "other");
    settings.search_path = Vec::new();
    let facts = analyser.analyse(b"SELECT * FROM patients", &hospital::postgres(), &settings);
    assert_eq!(facts.unknown_relations, ["patients"]);
    assert!(opaque(part(&facts)).contains("patients"));
}

#[test]
fn settings_that_change_are_named_with_their_values() {
    let settings = |sql: &str| {
        let facts = pg(sql);
        let show = |s: &model::SettingChange| format!("{}={}", s.name, s.value.as_deref().unwrap_or("?"));
        part(&facts).settings.iter().map(show).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(settings("SET search_path TO a, 'b'"), "search_path=a, b");
    assert_eq!(settings("SET LOCAL statement_timeout = 5"), "statement_timeout=5");
    assert_eq!(settings("RESET ALL"), "all=?");
    assert_eq!(settings("SET TIME ZONE 'UTC'"), "timezone=UTC");
    assert_eq!(settings("SET ROLE x"), "role=x");
    assert_eq!(settings("SELECT set_config('search_path', 'x', true)"), "search_path=x");
    assert!(opaque(part(&pg("SELECT set_config(item, 'x', true) FROM orders"))).contains("set_config"));
    let facts = my("SET autocommit=1, sql_mode='ANSI_QUOTES', @@session.x = 3");
    assert_eq!(facts.parts[0].settings.len(), 3);
    assert_eq!(facts.parts[0].settings[1].value.as_deref(), Some("ANSI_QUOTES"));
    assert_eq!(facts.parts[0].settings[2].name, "x");
    // Values are literals that decide: two texts that differ in one share nothing.
    let analyser = affidavit_sql::Analyser::new(affidavit_sql::Dialect::Postgres);
    let (catalog, session) = (hospital::postgres(), hospital::postgres_settings());
    let one = analyser.analyse(b"SET search_path = 'a'", &catalog, &session);
    let two = analyser.analyse(b"SET search_path = 'b'", &catalog, &session);
    assert_ne!(one.parts[0].settings, two.parts[0].settings);
    assert_eq!(one.fingerprint, two.fingerprint);
}

#[test]
fn literals_that_decide_are_part_of_the_key() {
    let analyser = affidavit_sql::Analyser::new(affidavit_sql::Dialect::Postgres);
    let (catalog, settings) = (hospital::postgres(), hospital::postgres_settings());
    let judge = |sql: &str| analyser.analyse(sql.as_bytes(), &catalog, &settings);
    assert_eq!(
        summary(&judge("SELECT id, ssn FROM patients ORDER BY 1")),
        "select id=patients.id ssn=patients.ssn | where patients.id:Order"
    );
    assert_eq!(
        summary(&judge("SELECT id, ssn FROM patients ORDER BY 2")),
        "select id=patients.id ssn=patients.ssn | where patients.ssn:Order"
    );
    assert_eq!(
        summary(&judge("SELECT DISTINCT ON (1) id, ssn FROM patients")),
        "select id=patients.id ssn=patients.ssn | where patients.id:Order"
    );
    assert_eq!(
        summary(&judge("SELECT DISTINCT ON (2) id, ssn FROM patients")),
        "select id=patients.id ssn=patients.ssn | where patients.ssn:Order"
    );
    let one = judge("SELECT id FROM orders WHERE id = 1 AND item = 'x'");
    let two = judge("SELECT  id\nFROM orders /* y */ WHERE id = 22 AND item = $$z$$ -- end");
    assert!(std::sync::Arc::ptr_eq(&one, &two));
    assert_eq!(one.normalized, "SELECT id FROM orders WHERE id = ? AND item = ?");
}

#[test]
fn verbs_and_writes() {
    let verb = |sql: &str| part(&pg(sql)).verb;
    assert_eq!(verb("WITH x AS (DELETE FROM orders RETURNING id) SELECT id FROM x"), Verb::Delete);
    assert_eq!(verb("SELECT id INTO z FROM orders"), Verb::Ddl);
    assert_eq!(verb("EXPLAIN SELECT 1"), Verb::Explain);
    assert_eq!(verb("COPY orders TO STDOUT"), Verb::CopyOut);
    assert_eq!(verb("COPY orders FROM STDIN"), Verb::CopyIn);
    assert_eq!(pg("  -- nothing\n").parts.len(), 0);
    let flows = |sql: &str| writes(part(&pg(sql)));
    assert_eq!(flows("CREATE TABLE z AS SELECT ssn AS a FROM patients"), "z.a<patients.ssn");
    assert_eq!(flows("INSERT INTO pv (id) SELECT id FROM orders"), "patients.id<orders.id");
    assert_eq!(flows("EXPLAIN INSERT INTO orders (item) SELECT ssn FROM patients"), "");
    assert_eq!(flows("EXPLAIN ANALYZE INSERT INTO orders (item) SELECT ssn FROM patients"), "orders.item<patients.ssn");
    assert_eq!(flows("ALTER TABLE patients ADD c text GENERATED ALWAYS AS (ssn) STORED"), "patients.c<patients.ssn");
    let facts = pg("INSERT INTO pv (id) VALUES (1)");
    assert!(part(&facts).tables.iter().any(|t| t.table.table == "pv" && t.access == Access::Write));
}
