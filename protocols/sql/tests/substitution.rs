//! Masked projections in the place of relations: what the text becomes, which uses of a column are forms of the wire grammar,
//! and that nothing of a statement goes unvisited.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a panic is how a test reports")]

mod hospital;

use affidavit_sql::{Dialect, substitute};
use hospital::{pg, postgres, postgres_settings};
use model::{Facts, MaskSpec, Placement, SourceMask, SourceUse, Substitution, UseContext};

const PATIENTS: &str = "(SELECT \"patients\".\"id\", \"patients\".\"mrn\", CAST('***' AS pg_catalog.text) AS \"ssn\", \
    \"patients\".\"full_name\", \"patients\".\"dob\", \"patients\".\"phone\", \"patients\".\"email\", \
    \"patients\".\"address\", \"patients\".\"zip\", \"patients\".\"notes\" FROM \"public\".\"patients\")";

/// Masks `ssn` of every relation that a subquery can stand in for.
fn masks(facts: &Facts, of: &str, with: &MaskSpec) -> Substitution {
    let mask = |source: &SourceUse| {
        let hidden = |column: &model::SourceColumn| {
            column
                .same
                .iter()
                .chain(&column.computed_from)
                .any(|own| own.column == of && own.table.starts_with("patients"))
        };
        let any = source.placement == Placement::From && source.columns.iter().any(hidden);
        let columns = source.columns.iter().map(|own| (own.name.clone(), hidden(own).then(|| with.clone())));
        SourceMask { columns: if any { columns.collect() } else { Vec::new() } }
    };
    let parts = facts.parts.iter().map(|part| part.sources.iter().map(mask).collect()).collect();
    Substitution { parts, because: "a test".to_owned(), small_areas: vec![36, 59] }
}

fn substituted(sql: &str) -> Result<String, String> {
    let facts = pg(sql);
    assert_eq!(facts.unparsed, None, "{sql}");
    let masks = masks(&facts, "ssn", &MaskSpec::Redact);
    let put = substitute(Dialect::Postgres, sql.as_bytes(), &facts, &masks, &postgres(), &postgres_settings())?;
    Ok(String::from_utf8(put.text).unwrap().replace(PATIENTS, "<P>"))
}

#[test]
fn relations_are_replaced_where_they_are_named() {
    for (sql, expected) in [
        ("SELECT upper(ssn) FROM patients", "SELECT upper(ssn) FROM <P> AS \"patients\""),
        ("SELECT upper(ssn) FROM patients p WHERE id = 3", "SELECT upper(ssn) FROM <P> p WHERE id = 3"),
        ("SELECT upper(ssn) FROM/*x*/public . patients AS p", "SELECT upper(ssn) FROM/*x*/<P> AS p"),
        ("SELECT upper(ssn) FROM \"patients\" * p", "SELECT upper(ssn) FROM <P> p"),
        ("TABLE patients", "SELECT * FROM <P> AS \"patients\""),
        ("SELECT public.patients.ssn || '' FROM patients", "SELECT patients.ssn || '' FROM <P> AS \"patients\""),
        (
            "WITH patients AS (SELECT ssn FROM public.patients) SELECT max(ssn) FROM patients",
            "WITH patients AS (SELECT ssn FROM <P> AS \"patients\") SELECT max(ssn) FROM patients",
        ),
        (
            "WITH x AS (SELECT 1) SELECT * FROM patients a, LATERAL (SELECT b.ssn FROM patients b WHERE b.id = a.id) q",
            "WITH x AS (SELECT 1) SELECT * FROM <P> a, LATERAL (SELECT b.ssn FROM <P> b WHERE b.id = a.id) q",
        ),
        (
            "INSERT INTO uq SELECT length(ssn) FROM patients FOR UPDATE OF patients",
            "INSERT INTO uq SELECT length(ssn) FROM <P> AS \"patients\" FOR UPDATE OF patients",
        ),
        (
            "UPDATE orders SET item[(SELECT ssn FROM patients LIMIT 1)] = '1' RETURNING item",
            "UPDATE orders SET item[(SELECT ssn FROM <P> AS \"patients\" LIMIT 1)] = '1' RETURNING item",
        ),
        (
            "CREATE TEMP TABLE x AS SELECT ssn FROM patients",
            "CREATE TEMP TABLE x AS SELECT ssn FROM <P> AS \"patients\"",
        ),
        ("EXPLAIN ANALYZE SELECT * FROM U&\"p\\0061tients\"", "EXPLAIN ANALYZE SELECT * FROM <P> AS \"patients\""),
        ("SELECT 'é', ssn::int FROM patients; SELECT 2", "SELECT 'é', ssn::int FROM <P> AS \"patients\"; SELECT 2"),
    ] {
        assert_eq!(substituted(sql).as_deref(), Ok(expected), "{sql}");
    }
    let only = substituted("SELECT min(ssn) FROM ONLY (patients) p").unwrap();
    assert!(only.contains("FROM ONLY \"public\".\"patients\") p"), "{only}");
    let sampled =
        substituted("SELECT min(ssn) FROM patients p TABLESAMPLE BERNOULLI (10) REPEATABLE (1) WHERE id = 1").unwrap();
    assert!(sampled.contains("\"patients\" TABLESAMPLE BERNOULLI (10) REPEATABLE (1)) p  WHERE id = 1"), "{sampled}");
    let view = substituted("SELECT max(zip), max(size) FROM deep").unwrap();
    assert!(
        view.contains("CAST('***' AS pg_catalog.text) AS \"zip\", CAST('***' AS pg_catalog.text) AS \"size\""),
        "{view}"
    );
}

#[test]
fn projections_of_every_transform_are_sql() {
    for (column, mask) in [
        ("dob", MaskSpec::Year),
        ("zip", MaskSpec::Zip3),
        ("phone", MaskSpec::Partial { keep: 4 }),
        ("dob", MaskSpec::Null),
        ("ssn", MaskSpec::Token { domain: "ssn".to_owned(), keep_format: true }),
    ] {
        let sql = format!("SELECT max({column}) FROM patients");
        let facts = pg(&sql);
        let masks = masks(&facts, column, &mask);
        let put = substitute(Dialect::Postgres, sql.as_bytes(), &facts, &masks, &postgres(), &postgres_settings());
        let text = String::from_utf8(put.unwrap().text).unwrap();
        assert!(text.contains(&format!(") AS \"{column}\"")), "{text}");
    }
}

/// The contexts in which `ssn` stands.
fn contexts(sql: &str) -> Vec<String> {
    let facts = pg(sql);
    let uses = facts.parts[0].uses.clone().unwrap();
    let named = uses.uses.iter().filter(|used| used.name.as_deref().is_none_or(|name| name == "ssn"));
    named
        .map(|used| match &used.context {
            UseContext::Other(what) => format!("other: {what}"),
            UseContext::Condition(what) => format!("condition: {what}"),
            UseContext::Join(_) => "join".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_wire_grammar_is_a_positive_list() {
    for (sql, expected) in [
        ("SELECT id, ssn FROM patients", &["Output"][..]),
        ("SELECT q.ssn FROM (SELECT * FROM patients) q", &["Output", "Output"]),
        ("SELECT id FROM patients WHERE ssn = '1' AND id > 3", &["Equals(Untyped)"]),
        ("SELECT id FROM patients WHERE $1 = ssn", &["Equals(Parameter)"]),
        ("SELECT id FROM patients WHERE ssn IN ('1', $1::text)", &["Equals(Untyped)", "Equals(Parameter)"]),
        ("SELECT id FROM patients WHERE ssn = ANY($2)", &["Equals(Elements(2))"]),
        ("SELECT id FROM patients WHERE ssn = ANY($1::text[])", &["Equals(Elements(1))"]),
        ("SELECT id FROM patients WHERE ssn = ANY(ARRAY['1', $1])", &["Equals(Untyped)", "Equals(Parameter)"]),
        ("SELECT id FROM patients WHERE ssn = ANY('{1,2}')", &["condition: a condition"]),
        ("SELECT id FROM patients WHERE ssn <> ALL($1)", &["condition: a condition"]),
        ("SELECT id FROM patients WHERE ssn = '1' OR id = 3", &["condition: a condition"]),
        ("SELECT id FROM patients a JOIN patients b USING (ssn)", &["join"]),
        ("SELECT ssn, count(*) FROM patients GROUP BY ssn", &["Output", "Group"]),
        ("SELECT count(DISTINCT ssn) FROM patients", &["CountDistinct"]),
        ("SELECT DISTINCT ssn FROM patients", &["Output", "Distinct"]),
        ("SELECT id, ssn FROM patients ORDER BY 2", &["Output", "condition: ORDER BY"]),
        ("SELECT id, ssn FROM patients ORDER BY 1", &["Output"]),
        ("SELECT upper(ssn) FROM patients", &["other: a function call"]),
        ("SELECT (SELECT ssn FROM patients LIMIT 1)", &["other: a subquery"]),
        ("INSERT INTO uq SELECT ssn FROM patients", &["other: INSERT … SELECT"]),
        ("EXPLAIN SELECT ssn FROM patients", &["other: EXPLAIN"]),
        (
            "SELECT id FROM patients TABLESAMPLE BERNOULLI ((SELECT max(length(ssn)) FROM patients))",
            &["other: a function call"],
        ),
        ("SELECT ssn FROM patients UNION SELECT '1'", &["other: a set operation that compares rows"]),
        ("COPY patients (id, ssn) TO STDOUT", &["Output"]),
        ("UPDATE patients SET zip = 'x' WHERE ssn = '1' RETURNING ssn", &["Output", "Equals(Untyped)"]),
    ] {
        let mut found = contexts(sql);
        let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{sql}");
    }
}

#[test]
fn what_reaches_beyond_the_text_is_named() {
    for sql in [
        "SELECT getp(1)",
        "UPDATE orders SET item[getp(1)] = '1'",
        "CREATE TABLE t1 PARTITION OF orders FOR VALUES IN (getp(1))",
        "SELECT id FROM orders TABLESAMPLE BERNOULLI (getp(1)::int)",
        "SELECT o.getp FROM orders o",
        "SELECT (o).getp FROM orders o",
        "SELECT query_to_xml('SELECT ssn FROM patients', true, false, '')",
        "SELECT * FROM nowhere",
        "DO $$BEGIN END$$",
        // Words that spell a relation where no relation was looked for.
        "ALTER TABLE orders RENAME TO patients",
        "CREATE PUBLICATION p FOR TABLES IN SCHEMA patients",
        "CREATE TYPE patients AS ENUM ('a')",
    ] {
        let facts = pg(sql);
        assert!(!facts.parts[0].uses.as_ref().unwrap().beyond.is_empty(), "{sql}");
    }
    for sql in [
        "SELECT now() - dob FROM patients",
        "SELECT json_build_object('id', id) FROM patients",
        "SELECT 1",
        "SELECT patients.id AS patients FROM orders patients WHERE 'patients' = E'patients'",
        "WITH patients AS (SELECT 1 AS patients) SELECT patients.patients FROM patients",
        "SET search_path = patients, \"patients\"",
        "SELECT extract(year FROM now()), U&\"\\0070atients\".id FROM patients",
        "COMMENT ON TABLE orders IS 'patients'",
        "ALTER TABLE orders RENAME COLUMN item TO patients",
        "SELECT count(*) OVER patients FROM orders WINDOW patients AS (ORDER BY id)",
        "CREATE TEMP TABLE t (patients int, CONSTRAINT patients UNIQUE (patients))",
    ] {
        let facts = pg(sql);
        assert_eq!(facts.parts[0].uses.as_ref().unwrap().beyond, Vec::<String>::new(), "{sql}");
    }
}

/// A field that the parser's next version adds to what the wire grammar reads must be looked at by somebody.
#[test]
fn the_nodes_of_the_wire_grammar_have_the_fields_that_it_knows() {
    use pg_query::protobuf::{AExpr, ColumnRef, JoinExpr, RangeVar, ResTarget, SelectStmt};
    let SelectStmt {
        distinct_clause: _,
        into_clause: _,
        target_list: _,
        from_clause: _,
        where_clause: _,
        group_clause: _,
        group_distinct: _,
        having_clause: _,
        window_clause: _,
        values_lists: _,
        sort_clause: _,
        limit_offset: _,
        limit_count: _,
        limit_option: _,
        locking_clause: _,
        with_clause: _,
        op: _,
        all: _,
        larg: _,
        rarg: _,
    } = SelectStmt::default();
    let RangeVar { catalogname: _, schemaname: _, relname: _, inh: _, relpersistence: _, alias: _, location: _ } =
        RangeVar::default();
    let ColumnRef { fields: _, location: _ } = ColumnRef::default();
    let ResTarget { name: _, indirection: _, val: _, location: _ } = ResTarget::default();
    let JoinExpr {
        jointype: _,
        is_natural: _,
        larg: _,
        rarg: _,
        using_clause: _,
        join_using_alias: _,
        quals: _,
        alias: _,
        rtindex: _,
    } = JoinExpr::default();
    let AExpr { kind: _, name: _, lexpr: _, rexpr: _, rexpr_list_start: _, rexpr_list_end: _, location: _ } =
        AExpr::default();
}

#[test]
fn under_the_second_lock_computed_masks_come_from_a_view() {
    let settings = affidavit_sql::Settings { mask_views: Some("app_masks".into()), ..postgres_settings() };
    let put = |sql: &str, mask: &MaskSpec| {
        let facts = pg(sql);
        let masks = masks(&facts, "dob", mask);
        let put = substitute(Dialect::Postgres, sql.as_bytes(), &facts, &masks, &postgres(), &settings);
        put.map(|put| String::from_utf8(put.text).unwrap())
    };
    let text = put("SELECT max(dob) FROM patients p", &MaskSpec::Year).unwrap();
    assert!(text.ends_with("FROM \"app_masks\".\"public.patients\") p"), "{text}");
    assert!(text.contains("\"public.patients\".\"dob:year\" AS \"dob\""), "{text}");
    let text = put("SELECT max(dob) FROM ONLY patients", &MaskSpec::Year).unwrap();
    assert!(text.contains("FROM \"app_masks\".\"public.patients:only\")"), "{text}");
    let text = put("SELECT max(dob) FROM patients", &MaskSpec::Null).unwrap();
    assert!(text.contains("FROM \"public\".\"patients\")") && !text.contains("\"patients\".\"dob\""), "{text}");
    assert!(put("SELECT max(dob) FROM patients TABLESAMPLE SYSTEM (10)", &MaskSpec::Year).is_err());

    let facts = pg("SELECT * FROM patients");
    let columns = facts.parts[0].sources[0].columns.iter().map(|column| model::GuardedColumn {
        column: column.clone(),
        hidden: matches!(column.name.as_str(), "dob" | "ssn"),
        masks: if column.name == "dob" { vec![MaskSpec::Year] } else { Vec::new() },
    });
    let guarded = model::Guarded {
        table: facts.parts[0].sources[0].table.clone(),
        columns: columns.collect(),
        small_areas: vec![36],
    };
    let views = affidavit_sql::mask_views(Dialect::Postgres, "app_masks", &guarded, &postgres()).unwrap();
    let [whole, only] = views.as_slice() else { panic!("{views:?}") };
    assert_eq!((whole.name.table.as_str(), only.name.table.as_str()), ("public.patients", "public.patients:only"));
    assert!(only.query.ends_with("FROM ONLY \"public\".\"patients\""), "{}", only.query);
    assert!(whole.query.contains(" AS \"dob:year\"") && !whole.query.contains("ssn"), "{}", whole.query);
    assert!(!whole.query.contains(", \"patients\".\"dob\","), "the column itself is not shown: {}", whole.query);
    assert_ne!(whole.fingerprint(), only.fingerprint());
}
