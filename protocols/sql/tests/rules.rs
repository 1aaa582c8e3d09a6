//! What rules ask of a statement: everything that it does, how it uses tables, and which reads are narrow.

mod hospital;

use affidavit_sql::Dialect;
use hospital::{facts, my, part, pg};
use model::Access;

const BOTH: [Dialect; 3] = [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb];

fn verbs(dialect: Dialect, sql: &str) -> String {
    let facts = facts(dialect, sql);
    if facts.unparsed.is_some() {
        return "unparsed".to_owned();
    }
    let verbs = part(&facts).verbs.iter();
    if part(&facts).verbs.len() >= model::Verb::UNSEEN.len() {
        return "everything".to_owned();
    }
    verbs.map(|verb| verb.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_stands_within_counts() {
    for (sql, expected) in [
        ("SELECT 1", "select"),
        ("DELETE FROM orders WHERE id = 1", "delete"),
        ("INSERT INTO orders (id) VALUES (1)", "insert"),
        ("INSERT INTO orders (id) SELECT id FROM encounters", "select insert"),
        ("UPDATE orders SET item = 'x' WHERE id = (SELECT max(id) FROM encounters)", "select update"),
        ("CREATE VIEW vep AS SELECT * FROM encounters", "select ddl"),
        ("SELECT 1 UNION ALL SELECT notes FROM encounters", "select"),
        ("TRUNCATE TABLE orders", "delete truncate ddl"),
        ("SET @x = 1", "set"),
        ("EXPLAIN SELECT * FROM orders", "explain"),
    ] {
        for dialect in BOTH {
            if dialect == Dialect::Postgres && sql.starts_with("SET @") {
                continue;
            }
            assert_eq!(verbs(dialect, sql), expected, "{dialect:?} {sql}");
        }
    }
}

#[test]
fn what_postgres_hides_within() {
    for (sql, expected) in [
        ("EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1", "delete explain"),
        ("EXPLAIN (ANALYZE, TIMING OFF) UPDATE orders SET item = 'x'", "update explain"),
        ("EXPLAIN DELETE FROM orders", "explain"),
        ("COPY (DELETE FROM orders RETURNING id) TO STDOUT", "select delete copy-out"),
        ("COPY encounters TO STDOUT", "select copy-out"),
        ("COPY orders FROM STDIN", "insert copy-in"),
        ("WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone", "select delete"),
        (
            "WITH a AS (UPDATE orders SET item = 'x' RETURNING id), b AS (DELETE FROM uq RETURNING v) SELECT 1",
            "select update delete",
        ),
        (
            "MERGE INTO orders o USING encounters e ON o.id = e.id WHEN MATCHED AND o.id > 3 THEN DELETE \
             WHEN MATCHED THEN UPDATE SET item = 'x' WHEN NOT MATCHED THEN INSERT (id) VALUES (1)",
            "select insert update delete merge",
        ),
        ("INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET item = 'x'", "insert update"),
        ("UPDATE orders SET item = 'x' RETURNING *", "select update"),
        ("PREPARE d AS DELETE FROM orders", "delete session"),
        ("DECLARE c CURSOR FOR SELECT * FROM encounters", "select session"),
        ("CREATE TABLE copy AS SELECT * FROM encounters", "select insert ddl"),
        ("SELECT * INTO copy FROM encounters", "select insert ddl"),
        ("CREATE TABLE copy AS EXECUTE d", "everything"),
        ("EXECUTE d", "everything"),
        ("DO $$ BEGIN DELETE FROM orders; END $$", "everything"),
        ("CALL p()", "everything"),
        ("SELECT getp(1)", "everything"),
    ] {
        assert_eq!(verbs(Dialect::Postgres, sql), expected, "{sql}");
    }
}

#[test]
fn what_mysql_hides_within() {
    for (sql, expected) in [
        ("ANALYZE UPDATE orders SET item = 'x' WHERE id = 9", "update explain"),
        ("ANALYZE FORMAT=JSON INSERT INTO orders (id) VALUES (7)", "insert explain"),
        ("EXPLAIN ANALYZE UPDATE orders SET item = 'x' WHERE id = 9", "update explain"),
        ("EXPLAIN UPDATE orders SET item = 'x' WHERE id = 9", "explain"),
        ("REPLACE INTO orders (id) VALUES (1)", "insert delete"),
        ("INSERT INTO orders (id) VALUES (1) ON DUPLICATE KEY UPDATE item = 'x'", "insert update"),
        ("SET @x = (SELECT group_concat(notes) FROM encounters)", "select set"),
        ("DO (SELECT count(*) FROM encounters)", "select call"),
        ("CREATE TEMPORARY TABLE te AS SELECT * FROM encounters", "select insert ddl"),
        ("PREPARE s FROM 'DELETE FROM orders WHERE id = 5'", "everything"),
        ("EXECUTE s", "everything"),
        ("EXECUTE IMMEDIATE 'DELETE FROM orders WHERE id = 6'", "everything"),
        ("HANDLER orders OPEN", "everything"),
        ("CALL getp(1)", "everything"),
        ("FLUSH TABLES orders", "session"),
    ] {
        let said = verbs(Dialect::MariaDb, sql);
        assert!(said == expected || said == "unparsed", "{sql}: {said}");
    }
}

/// The reads of a table that are wide, with what binds them.
fn wide(dialect: Dialect, sql: &str, table: &str) -> bool {
    let facts = facts(dialect, sql);
    if facts.unparsed.is_some() {
        return true;
    }
    let part = part(&facts);
    part.opaque.iter().any(|opaque| opaque.reaches_data)
        || part.reads.iter().any(|read| read.table.table == table && read.unique.is_none_or(|rows| rows > 100))
}

const NARROW: [&str; 14] = [
    "SELECT * FROM encounters WHERE id = 1",
    "SELECT * FROM encounters WHERE id = -1",
    "SELECT * FROM encounters WHERE 3 = id AND notes LIKE '%'",
    "SELECT * FROM encounters e WHERE e.id IN (1, 2, 3)",
    "SELECT * FROM encounters WHERE patient_id = 4 AND icd10 = 'x'",
    "SELECT * FROM encounters WHERE patient_id IN (4, 5) AND icd10 IN ('x', 'y')",
    "SELECT e.* FROM orders o JOIN encounters e ON e.id = o.id WHERE o.id = 3",
    "SELECT e.* FROM orders o LEFT JOIN encounters e ON e.id = o.id WHERE o.id = 3",
    "SELECT e.* FROM orders o JOIN encounters e USING (id) WHERE o.id = 3",
    "SELECT * FROM orders o LEFT JOIN encounters e ON e.id = 3",
    "SELECT (SELECT notes FROM encounters WHERE id = 7)",
    "UPDATE encounters SET notes = 'x' WHERE id = 1",
    "DELETE FROM encounters WHERE id IN (1, 2)",
    "SELECT * FROM orders",
];

const WIDE: [&str; 34] = [
    "SELECT * FROM encounters",
    "SELECT * FROM encounters WHERE TRUE",
    "SELECT * FROM encounters WHERE encounters.id = id",
    "SELECT * FROM encounters WHERE id = -1 OR 1 = 1",
    "SELECT * FROM encounters WHERE id = -1 OR id = id",
    "SELECT * FROM encounters WHERE id IS NOT NULL",
    "SELECT * FROM encounters WHERE id >= 0",
    "SELECT * FROM encounters WHERE id + 0 = id",
    "SELECT * FROM encounters WHERE id BETWEEN id AND id",
    "SELECT * FROM encounters WHERE NOT (id <> id)",
    "SELECT * FROM encounters WHERE notes LIKE '%'",
    "SELECT * FROM encounters WHERE patient_id = 3",
    "SELECT * FROM encounters WHERE id IN (1,2,3) OR id NOT IN (1,2,3)",
    "SELECT * FROM encounters e WHERE EXISTS (SELECT 1 WHERE e.id = e.id)",
    "SELECT * FROM encounters WHERE id IN (SELECT id FROM encounters)",
    "SELECT * FROM encounters LIMIT 1000000",
    "WITH c AS (SELECT * FROM encounters) SELECT * FROM c WHERE id = 1",
    "SELECT * FROM (SELECT * FROM encounters) q WHERE q.id = 1",
    "SELECT (SELECT max(notes) FROM encounters)",
    "SELECT count(*) FROM encounters",
    "SELECT e.* FROM encounters e JOIN orders d ON d.id = 1",
    "SELECT e.* FROM orders d LEFT JOIN encounters e ON 1 = 1 WHERE d.id = 1",
    "SELECT e.* FROM encounters e LEFT JOIN orders d ON e.id = 3",
    "SELECT e.* FROM orders d RIGHT JOIN encounters e ON e.id = d.id WHERE d.id = 1 OR d.id IS NULL",
    "SELECT e.* FROM encounters e JOIN orders d ON e.id > d.id OR e.id <= d.id WHERE d.id = 1",
    "SELECT e.* FROM encounters e JOIN encounters f USING (id) WHERE f.id > 0",
    "SELECT id FROM encounters INTERSECT SELECT id FROM encounters WHERE id > 0",
    "SELECT 1 UNION ALL SELECT id FROM encounters",
    "SELECT * FROM orders WHERE id IN (SELECT id FROM encounters)",
    "INSERT INTO orders (id) SELECT id FROM encounters",
    "CREATE VIEW vep AS SELECT * FROM encounters",
    "UPDATE encounters SET notes = 'x'",
    "DELETE FROM encounters WHERE notes IS NOT NULL",
    "TRUNCATE TABLE encounters",
];

#[test]
fn only_values_filter() {
    for dialect in BOTH {
        for sql in NARROW {
            assert!(!wide(dialect, sql, "encounters"), "{dialect:?} {sql}");
        }
        for sql in WIDE {
            assert!(wide(dialect, sql, "encounters"), "{dialect:?} {sql}");
        }
        let many = format!("SELECT * FROM encounters WHERE id IN (1{})", ", 2".repeat(100));
        assert!(wide(dialect, &many, "encounters"));
    }
    for sql in ["COPY encounters TO STDOUT", "TABLE encounters", "SELECT * FROM encounters WHERE id = ANY ('{1,2}')"] {
        assert!(wide(Dialect::Postgres, sql, "encounters"), "{sql}");
    }
    // MySQL compares a text with a number by the number at its beginning.
    assert!(wide(Dialect::Mysql, "SELECT * FROM encounters WHERE patient_id = 1 AND icd10 = 0", "encounters"));
}

#[test]
fn bound_columns_are_told_by_the_tables_own_names() {
    let facts = pg("SELECT * FROM encounters AS e (a, b) WHERE e.b = 4");
    let read = &part(&facts).reads[0];
    assert_eq!((read.bound[0].column.as_str(), read.bound[0].values, read.unique), ("patient_id", 1, None));
    let facts = my("SELECT * FROM encounters WHERE patient_id IN (?, ?, ?)");
    let read = &part(&facts).reads[0];
    assert_eq!((read.bound[0].column.as_str(), read.bound[0].values), ("patient_id", 3));
}

#[test]
fn what_is_only_described_is_not_written() {
    let access = |sql: &str| part(&pg(sql)).tables.iter().map(|used| used.access).collect::<Vec<_>>();
    assert_eq!(access("EXPLAIN DELETE FROM orders WHERE id = 1"), [Access::Read]);
    assert!(access("EXPLAIN ANALYZE DELETE FROM orders WHERE id = 1").contains(&Access::Write));
    assert!(access("UPDATE orders SET item = 'x' WHERE id = 1 RETURNING item").contains(&Access::Read));
}
