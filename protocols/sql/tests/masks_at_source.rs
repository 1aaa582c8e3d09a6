//! MySQL: what a statement names, how it uses columns, and the text in which masked projections stand in for relations.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test reports")]

mod hospital;

use affidavit_sql::{Analyser, Catalog, CatalogColumn, Dialect, Relation, RelationKind, substitute};
use hospital::{mysql, mysql_settings};
use model::{Compared, Facts, MaskSpec, Placement, SourceColumn, SourceMask, Substitution, UseContext};
use std::sync::Arc;

fn facts(sql: &str) -> Arc<Facts> {
    Analyser::new(Dialect::Mysql).analyse(sql.as_bytes(), &mysql(), &mysql_settings())
}

fn hides(column: &SourceColumn) -> bool {
    column.same.iter().chain(&column.computed_from).any(|own| own.table == "patients" && own.column == "ssn")
}

/// The text in which everything protected is masked.
fn masked(sql: &str) -> Result<String, String> {
    let facts = facts(sql);
    if let Some(why) = &facts.unparsed {
        return Err(format!("not understood: {why}"));
    }
    let of = |column: &SourceColumn| (column.name.clone(), hides(column).then_some(MaskSpec::Redact));
    let parts = facts.parts.iter().map(|part| {
        assert!(part.uses.is_some(), "{sql}");
        let masks = part.sources.iter().map(|source| {
            let replaced = source.placement == Placement::From && source.columns.iter().any(hides);
            SourceMask { columns: if replaced { source.columns.iter().map(of).collect() } else { Vec::new() } }
        });
        masks.collect()
    });
    let substitution = Substitution { parts: parts.collect(), because: "a test".to_owned(), small_areas: vec![36, 59] };
    let text = substitute(Dialect::Mysql, sql.as_bytes(), &facts, &substitution, &mysql(), &mysql_settings())?.text;
    Ok(String::from_utf8(text).unwrap())
}

const PATIENTS: &str = "(SELECT `id`, `mrn`, CAST('***' AS CHAR) AS `ssn`, `full_name`, `dob`, `phone`, `email`, `address`, `zip`, \
    `notes` FROM `t`.`patients`)";

#[test]
fn relations_are_replaced_at_their_own_bytes_and_nothing_else_changes() {
    for (sql, expected) in [
        ("SELECT upper(ssn) FROM patients", "SELECT upper(ssn) FROM $ AS `patients`"),
        ("select/**/upper(p.ssn)\n from `t` . `patients`   p where 1", "select/**/upper(p.ssn)\n from $   p where 1"),
        ("SELECT t.patients.ssn, patients.* FROM t.patients", "SELECT patients.ssn, patients.* FROM $ AS `patients`"),
        ("(TABLE patients)", "(SELECT * FROM $ AS `patients`)"),
        ("TABLE  patients", "SELECT * FROM $ AS `patients`"),
        ("DO (SELECT ssn FROM patients)", "DO (SELECT ssn FROM $ AS `patients`)"),
        ("EXPLAIN FORMAT=JSON SELECT 1 FROM patients", "EXPLAIN FORMAT=JSON SELECT 1 FROM $ AS `patients`"),
        ("SELECT 1; SELECT ssn FROM patients p", "SELECT 1; SELECT ssn FROM $ p"),
        (
            "SELECT 'patients' AS `it is`, ssn FROM orders, patients",
            "SELECT 'patients' AS `it is`, ssn FROM orders, $ AS `patients`",
        ),
        (
            "SELECT id MOD 7, ssn FROM patients LOCK IN SHARE MODE",
            "SELECT id MOD 7, ssn FROM patients LOCK IN SHARE MODE",
        ),
        ("INSERT INTO uq SELECT ssn FROM patients", "INSERT INTO uq SELECT ssn FROM $ AS `patients`"),
        ("CREATE VIEW v AS SELECT ssn FROM patients p", "CREATE VIEW v AS SELECT ssn FROM $ p"),
        ("UPDATE uq JOIN patients p ON p.id = 1 SET uq.v = p.ssn", "UPDATE uq JOIN $ p ON p.id = 1 SET uq.v = p.ssn"),
        (
            "SELECT DISTINCT 1, EXISTS (SELECT 1 FROM patients p WHERE ssn > 'x') , 2 FROM orders",
            "SELECT DISTINCT 1, EXISTS (SELECT 1 FROM $ p WHERE ssn > 'x') AS `EXISTS (SELECT 1 FROM patients p WHERE ssn > 'x')` , 2 FROM orders",
        ),
        (
            "SELECT (SELECT max(ssn) FROM patients)+1 UNION SELECT 2",
            "SELECT (SELECT max(ssn) FROM $ AS `patients`)+1 AS `(SELECT max(ssn) FROM patients)+1` UNION SELECT 2",
        ),
        ("SELECT zip FROM pv", "SELECT zip FROM (SELECT `id`, CAST('***' AS CHAR) AS `zip` FROM `t`.`pv`) AS `pv`"),
        // Common table expressions and aliases are what the server takes them for.
        (
            "WITH patients AS (SELECT * FROM patients) SELECT * FROM patients",
            "WITH patients AS (SELECT * FROM $ AS `patients`) SELECT * FROM patients",
        ),
        (
            "WITH PATIENTS AS (SELECT 'x' AS ssn) SELECT ssn FROM patients",
            "WITH PATIENTS AS (SELECT 'x' AS ssn) SELECT ssn FROM $ AS `patients`",
        ),
        ("SELECT p.ssn FROM (SELECT 'x' AS ssn) P, patients p", "SELECT p.ssn FROM (SELECT 'x' AS ssn) P, $ p"),
        (
            "SELECT concat(1_0) FROM (SELECT ssn AS `1_0` FROM patients) d",
            "SELECT concat(1_0) FROM (SELECT ssn AS `1_0` FROM $ AS `patients`) d",
        ),
    ] {
        assert_eq!(masked(sql).as_deref(), Ok(expected.replace('$', PATIENTS).as_str()), "{sql}");
    }
}

#[test]
fn masks_of_every_type_are_read_back() {
    let types = [
        "varchar(20)",
        "char(2)",
        "text",
        "enum('f','m')",
        "set('a','b')",
        "int(11)",
        "int(10) unsigned",
        "bigint(20)",
        "decimal(10,2)",
        "float",
        "double",
        "date",
        "datetime(6)",
        "timestamp",
        "time(3)",
        "year(4)",
        "json",
        "varbinary(16)",
        "longblob",
        "bit(8)",
        "uuid",
        "inet4",
        "inet6",
        "geometry",
    ];
    let column = |(index, type_name): (usize, &&str)| CatalogColumn {
        name: format!("c{index}"),
        type_name: (*type_name).to_owned(),
        number: i16::try_from(index + 1).unwrap(),
        nullable: index % 2 == 0,
        collation: Some("utf8mb4_general_ci".to_owned()),
        invisible: false,
        generated_from: Vec::new(),
        indexes: Vec::new(),
    };
    let columns: Vec<CatalogColumn> = types.iter().enumerate().map(column).collect();
    let name = hospital::table("t", "everything");
    let relation = Relation {
        name: name.clone(),
        id: 0,
        kind: RelationKind::Table,
        columns,
        definition: None,
        parents: Vec::new(),
    };
    let catalog = Catalog::new(1, vec![relation], Vec::new());
    let sql = b"SELECT upper(c0), c1 FROM everything e";
    let facts = Analyser::new(Dialect::MariaDb).analyse(sql, &catalog, &mysql_settings());
    for mask in [MaskSpec::Redact, MaskSpec::Null, MaskSpec::Year, MaskSpec::Partial { keep: 4 }, MaskSpec::Hash] {
        let columns = facts.parts[0].sources[0].columns.iter().map(|column| (column.name.clone(), Some(mask.clone())));
        let masks = vec![vec![SourceMask { columns: columns.collect() }]];
        let substitution = Substitution { parts: masks, because: "a test".to_owned(), small_areas: vec![36, 59] };
        let text = substitute(Dialect::MariaDb, sql, &facts, &substitution, &catalog, &mysql_settings());
        assert!(text.is_ok(), "{mask:?}: {text:?}");
    }
}

#[test]
fn rows_do_not_come_in_the_order_of_a_masked_column() {
    let column = |name: &str, indexes: &[&str]| CatalogColumn {
        name: name.to_owned(),
        type_name: "varchar(9)".to_owned(),
        number: 1,
        nullable: true,
        collation: None,
        invisible: false,
        generated_from: Vec::new(),
        indexes: indexes.iter().map(|own| (*own).to_owned()).collect(),
    };
    let relation = Relation {
        name: hospital::table("t", "patients"),
        id: 0,
        kind: RelationKind::Table,
        columns: vec![column("id", &["PRIMARY"]), column("zip", &["z", "zs"]), column("ssn", &["kssn", "zs"])],
        definition: None,
        parents: Vec::new(),
    };
    let catalog = Catalog::new(1, vec![relation], Vec::new());
    let sql = b"SELECT upper(ssn) FROM patients p";
    let facts = Analyser::new(Dialect::Mysql).analyse(sql, &catalog, &mysql_settings());
    let masks = [("id", None), ("zip", None), ("ssn", Some(MaskSpec::Redact))];
    let columns = masks.into_iter().map(|(name, mask)| (name.to_owned(), mask)).collect();
    let substitution = Substitution {
        parts: vec![vec![SourceMask { columns }]],
        because: "a test".to_owned(),
        small_areas: vec![36, 59],
    };
    let text = substitute(Dialect::Mysql, sql, &facts, &substitution, &catalog, &mysql_settings()).unwrap();
    let text = String::from_utf8(text.text).unwrap();
    assert!(text.ends_with("FROM `t`.`patients` IGNORE INDEX (`kssn`, `zs`)) p"), "{text}");
}

#[test]
fn a_generated_column_is_what_it_is_computed_from() {
    let column = |name: &str, from: &[&str]| CatalogColumn {
        name: name.to_owned(),
        type_name: "varchar(9)".to_owned(),
        number: 1,
        nullable: true,
        collation: None,
        invisible: false,
        generated_from: from.iter().map(|own| (*own).to_owned()).collect(),
        indexes: Vec::new(),
    };
    let relation = Relation {
        name: hospital::table("t", "patients"),
        id: 0,
        kind: RelationKind::Table,
        columns: vec![column("ssn", &[]), column("head", &["ssn"])],
        definition: None,
        parents: Vec::new(),
    };
    let catalog = Catalog::new(1, vec![relation], Vec::new());
    let facts = Analyser::new(Dialect::Mysql).analyse(b"SELECT head FROM patients", &catalog, &mysql_settings());
    let head = &facts.parts[0].sources[0].columns[1];
    assert!(hides(head) && head.same.iter().all(|own| own.column == "head"), "{head:?}");
    assert_eq!(hospital::outputs(&facts.parts[0]), "head<patients.head,patients.ssn");
}

#[test]
fn what_is_understood_is_written_with_its_masks() {
    let attacks =
        include_str!("data/mysql-attacks.txt").lines().chain(include_str!("data/mysql-further-attacks.txt").lines());
    for statement in attacks.filter(|line| !line.starts_with('#')).flat_map(|line| line.split(";;")) {
        let facts = facts(statement);
        let known = facts.unparsed.is_none() && facts.parts.iter().all(|part| part.uses.is_some());
        if known && facts.parts.iter().all(|part| part.uses.as_ref().is_some_and(|uses| uses.beyond.is_empty())) {
            let text = masked(statement).unwrap_or_else(|why| panic!("{statement}: {why}"));
            let again = Analyser::new(Dialect::Mysql).analyse(text.as_bytes(), &mysql(), &mysql_settings());
            assert_eq!(again.unparsed, None, "{statement}\n{text}");
        }
    }
}

/// Uses of `ssn`, in short.
fn contexts(sql: &str) -> Vec<UseContext> {
    let facts = facts(sql);
    assert_eq!(facts.unparsed, None, "{sql}");
    let uses = facts.parts.iter().filter_map(|part| part.uses.as_ref()).flat_map(|uses| &uses.uses);
    uses.filter(|used| used.name.as_deref() == Some("ssn")).map(|used| used.context.clone()).collect()
}

#[test]
fn only_the_wire_grammar_is_called_that() {
    use UseContext::{CountDistinct, Distinct, Equals, Group, Output};
    for (sql, expected) in [
        ("SELECT ssn FROM patients", vec![Output]),
        ("SELECT id FROM patients WHERE id = 1 AND (ssn = 'x')", vec![Equals(Compared::Text)]),
        ("SELECT id FROM patients WHERE 830 = ssn", vec![Equals(Compared::Number)]),
        ("SELECT id FROM patients WHERE ssn = ?", vec![Equals(Compared::Parameter)]),
        ("SELECT id FROM patients WHERE ssn IN ('a', 'b')", vec![Equals(Compared::Text)]),
        ("SELECT id FROM patients WHERE ssn = 0x41", vec![Equals(Compared::OtherLiteral)]),
        ("SELECT DISTINCT ssn FROM patients", vec![Distinct]),
        ("SELECT count(DISTINCT ssn) FROM patients", vec![CountDistinct]),
        ("SELECT count(*) FROM patients GROUP BY ssn", vec![Group]),
        ("SELECT x.a FROM (SELECT ssn AS a FROM patients) x", vec![Output]),
        ("SELECT ssn FROM patients UNION SELECT ssn FROM patients", vec![Distinct]),
        ("SELECT EXISTS(SELECT ssn FROM patients)", vec![]),
        ("INSERT INTO patients(id, ssn) VALUES (1, 'x') ON DUPLICATE KEY UPDATE ssn = VALUES(ssn)", vec![]),
        ("INSERT INTO patients(id, ssn) VALUES (1, 'x') AS n ON DUPLICATE KEY UPDATE ssn = n.ssn", vec![]),
    ] {
        assert_eq!(contexts(sql), expected, "{sql}");
    }
    for sql in [
        "SELECT upper(ssn) FROM patients",
        "SELECT (ssn) FROM patients",
        "SELECT ssn + 0 FROM patients",
        "SELECT id FROM patients WHERE ssn = @x",
        "SELECT id FROM patients WHERE ssn = TIME'00:08:30'",
        "SELECT id FROM patients WHERE ssn <=> 'x'",
        "SELECT id FROM patients WHERE ssn = 'x' OR id = 1",
        "SELECT id FROM patients WHERE NOT ssn = 'x'",
        "SELECT id FROM patients ORDER BY ssn",
        "SELECT id FROM patients WHERE ssn = _utf8mb4'x'",
        "SELECT id FROM patients WHERE ssn IN (SELECT v FROM uq)",
        "SELECT id FROM patients WHERE id IN (SELECT ssn FROM patients)",
        "INSERT INTO uq SELECT ssn FROM patients",
        "SELECT a FROM (SELECT ssn AS 'a' FROM patients) x",
        "SELECT rank() OVER (ORDER BY ssn) FROM patients",
        "INSERT INTO uq(v) VALUES (1) ON DUPLICATE KEY UPDATE v = (SELECT VALUES(ssn) FROM patients)",
        "UPDATE patients SET zip = ssn",
    ] {
        let found = contexts(sql);
        let other = |context: &UseContext| matches!(context, UseContext::Other(_) | UseContext::Condition(_));
        assert!(!found.is_empty() && found.iter().all(other), "{sql}: {found:?}");
    }
}

#[test]
fn names_that_stand_where_nothing_was_looked_for_are_beyond() {
    let upsert = facts("INSERT INTO uq(v) VALUES (1) ON DUPLICATE KEY UPDATE v = VALUES(v)");
    assert_eq!(upsert.parts[0].uses.as_ref().map(|uses| uses.beyond.len()), Some(0));
    for sql in ["SELECT fp(1)", "SELECT 1 FROM nosuch", "SELECT nosuch(ssn) FROM patients"] {
        let facts = facts(sql);
        let beyond = facts.parts.iter().filter_map(|part| part.uses.as_ref()).any(|uses| !uses.beyond.is_empty());
        assert!(beyond, "{sql}");
    }
}

#[test]
fn the_engines_own_tables_are_shown_and_not_computed_with() {
    for sql in [
        "SELECT id FROM information_schema.processlist ORDER BY info",
        "SELECT id FROM information_schema.processlist WHERE info LIKE '%8%'",
        "SELECT q.x IS NULL FROM (SELECT info AS x FROM information_schema.processlist) q",
        "SELECT q.id FROM (SELECT id, info AS x FROM information_schema.processlist) q WHERE x = 'a'",
        "SELECT 1 FROM mysql.user WHERE authentication_string LIKE '*F%'",
        "SELECT p.id FROM patients p, information_schema.processlist",
    ] {
        assert!(facts(sql).unparsed.is_some(), "{sql}");
    }
    for sql in [
        "SELECT id, info FROM information_schema.processlist WHERE command = 'Query'",
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 't' ORDER BY table_name",
        "SHOW VARIABLES LIKE 'version'",
        "SHOW STATUS LIKE 'Ssl_cipher'",
    ] {
        assert_eq!(facts(sql).unparsed, None, "{sql}");
    }
    for sql in ["EXPLAIN FORMAT=JSON INTO @e SELECT 1", "EXPLAIN FOR SCHEMA t SELECT 1"] {
        assert!(facts(sql).unparsed.is_some(), "{sql}");
    }
    for sql in
        ["EXPLAIN FORMAT=JSON FOR CONNECTION 1", "SHOW VARIABLES WHERE 'a' IN (TABLE uq)", "SHOW CREATE USER a@b"]
    {
        assert!(facts(sql).parts[0].opaque.iter().any(|opaque| opaque.reaches_data), "{sql}");
    }
    for sql in
        ["SET PASSWORD = 'x'", "SET @x = 1, PASSWORD = 'x'", "ALTER USER a IDENTIFIED BY 'x'", "GRANT ALL ON *.* TO a"]
    {
        let settings: Vec<String> =
            facts(sql).parts.iter().flat_map(|p| p.settings.iter().map(|s| s.name.clone())).collect();
        assert_eq!(settings, [affidavit_sql::ACCOUNTS], "{sql}");
    }
}

#[test]
fn numbers_are_names_where_the_server_says_so() {
    for (sql, expected) in [
        ("SELECT 0x41, 1e5, .5, 1.5e-3, 0b1 FROM patients", ""),
        ("SELECT 0X41, 1_0, 0o7, 0xg, 0x, 0b2 FROM patients", "0X41 1_0 0o7 0xg 0x 0b2"),
        ("SELECT p.1_0, p.5 FROM patients p", "1_0 5"),
    ] {
        let facts = facts(sql);
        let uses = facts.parts[0].uses.as_ref().unwrap();
        let names: Vec<&str> = uses.uses.iter().filter_map(|used| used.name.as_deref()).collect();
        assert_eq!(names.join(" "), expected, "{sql}");
    }
}

#[test]
fn bytes_beyond_ascii_stand_in_quotes_unless_they_are_utf_8() {
    let mut settings = mysql_settings();
    settings.utf8 = false;
    let refused = |sql: &[u8]| Analyser::new(Dialect::Mysql).analyse(sql, &mysql(), &settings).unparsed.is_some();
    assert!(refused(b"SELECT 'x' AS ssn\xa0UNION\xa0SELECT\xa0ssn\xa0FROM\xa0patients"));
    assert!(!refused(b"SELECT 'caf\xe9' FROM patients"));
    assert!(facts("SELECT 1 AS `\u{1f600}`").unparsed.is_some());
}

#[test]
fn under_the_second_lock_computed_masks_come_from_a_view() {
    let sql = "SELECT max(dob) FROM patients p";
    let facts = facts(sql);
    let source = facts.parts.first().unwrap().sources.first().unwrap();
    let put = |mask: MaskSpec| {
        let of = |column: &SourceColumn| (column.name.clone(), (column.name == "dob").then(|| mask.clone()));
        let columns = source.columns.iter().map(of).collect();
        let substitution = Substitution {
            parts: vec![vec![SourceMask { columns }]],
            because: "a test".to_owned(),
            small_areas: vec![36],
        };
        let settings = affidavit_sql::Settings { mask_views: Some("app_masks".into()), ..mysql_settings() };
        let text = substitute(Dialect::Mysql, sql.as_bytes(), &facts, &substitution, &mysql(), &settings).unwrap();
        String::from_utf8(text.text).unwrap()
    };
    let text = put(MaskSpec::Year);
    assert!(text.contains("`dob:year` AS `dob`") && text.ends_with("FROM `app_masks`.`t.patients`) p"), "{text}");
    let text = put(MaskSpec::Redact);
    assert!(text.ends_with("FROM `t`.`patients`) p"), "{text}");
    let columns = source.columns.iter().map(|column| model::GuardedColumn {
        column: column.clone(),
        hidden: column.name == "dob",
        masks: if column.name == "dob" { vec![MaskSpec::Year] } else { Vec::new() },
    });
    let guarded = model::Guarded { table: source.table.clone(), columns: columns.collect(), small_areas: vec![36] };
    let views = affidavit_sql::mask_views(Dialect::Mysql, "app_masks", &guarded, &mysql()).unwrap();
    let view = views.first().unwrap();
    assert!(view.query.contains(" AS `dob:year`") && !view.query.contains(" `dob`,"), "{}", view.query);
}
