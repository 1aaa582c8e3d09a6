//! What the scanner keeps, lifts and refuses.

use super::*;

fn key(dialect: Dialect, sql: &str) -> String {
    let lifted = lift(sql.as_bytes(), Lexis::new(dialect, &Settings::default()), Keep::Decisive);
    match lifted.refused {
        Some(why) => format!("refused: {why}"),
        None => readable(&lifted.key),
    }
}

#[test]
fn postgres_literals_are_lifted_and_space_is_folded() {
    let cases = [
        ("SELECT 1,  'a''b' /* x /* y */ z */ FROM t -- end", "SELECT ?, ? FROM t"),
        ("SELECT E'a\\'b', $x$ ' $x$, $$;$$, $1", "SELECT ?, ?, ?, $1"),
        ("SELECT B'01', x'ff', U&'d\\0061', N'x'", "SELECT ?, ?, ?, ?"),
        ("SELECT \"a b\", U&\"d\\0061\" FROM a$b", "SELECT \"a b\", U&\"d\\0061\" FROM a$b"),
        ("SELECT 1.5e-3, .5, 0xFF, 1_000, a1", "SELECT ?, ?, ?, ?, a1"),
        ("SELECT 'a\\' FROM t", "SELECT ? FROM t"),
        ("SELECT a FROM t ORDER BY 2, (1) LIMIT 3", "SELECT a FROM t ORDER BY 2, (1) LIMIT ?"),
        ("SELECT a FROM t WHERE x IN (SELECT 1 GROUP BY 1)", "SELECT a FROM t WHERE x IN (SELECT ? GROUP BY 1)"),
        ("SELECT DISTINCT ON (1) a", "SELECT DISTINCT ON (1) a"),
        ("SET x = 'y'; SELECT 'z'", "SET x = 'y'; SELECT ?"),
        ("SELECT set_config('a', 'b', true)", "SELECT set_config('a', 'b', true)"),
        ("SELECT \"set_config\"('a', 'b', true)", "SELECT \"set_config\"('a', 'b', true)"),
    ];
    for (sql, expected) in cases {
        assert_eq!(key(Dialect::Postgres, sql), expected, "{sql}");
    }
}

#[test]
fn mysql_literals_follow_its_rules() {
    let cases = [
        ("SELECT 'a\\'b', \"c\", `d`` e`, x'ff', 0xff # end", "SELECT ?, ?, `d`` e`, ?, ?"),
        ("SELECT 1--1, 2 -- x\n, 3", "SELECT ?--?, ? , ?"),
        ("SELECT t.1a, @v, @@x", "SELECT t.1a, @v, @@x"),
        (
            "SELECT 1 /*! , ssn */",
            "refused: a version comment (/*! … */) cannot be read while the server's version is not known",
        ),
        ("SELECT 1 /* a /* b */", "refused: a comment within a comment is not accepted"),
    ];
    for (sql, expected) in cases {
        assert_eq!(key(Dialect::Mysql, sql), expected, "{sql}");
    }
}

#[test]
fn version_comments_are_read_as_the_server_reads_them() {
    let read = |dialect: Dialect, version: u32, sql: &str| {
        let settings = Settings { server_version: version, ..Settings::default() };
        let lifted = lift(sql.as_bytes(), Lexis::new(dialect, &settings), Keep::Canonical);
        match lifted.refused {
            Some(why) => format!("refused: {why}"),
            None => String::from_utf8_lossy(&lifted.key).into_owned(),
        }
    };
    let mysql = |sql: &str| read(Dialect::Mysql, 90_700, sql);
    let mariadb = |sql: &str| read(Dialect::MariaDb, 101_114, sql);
    for (sql, on_mysql, on_mariadb) in [
        ("SELECT /*!40001 a, */ b", "SELECT a, b", "SELECT a, b"),
        ("SELECT /*!a,*/b", "SELECT a, b", "SELECT a, b"),
        ("SELECT /*!50701 a, */ b", "SELECT a, b", "SELECT b"),
        ("SELECT /*!80000 a, */ b", "SELECT a, b", "SELECT b"),
        ("SELECT /*!99999 a, */ b", "SELECT b", "SELECT b"),
        ("SELECT /*!100100 a, */ b", "SELECT b", "SELECT a, b"),
        ("SELECT /*!101115 a, */ b", "SELECT b", "SELECT b"),
        ("SELECT /*M! a, */ b", "SELECT b", "SELECT a, b"),
        ("SELECT /*M!50701 a, */ b", "SELECT b", "SELECT a, b"),
        ("SELECT /*!1234 + a */", "SELECT 1234 + a", "SELECT 1234 + a"),
        ("SELECT /*!40000 'a */ b', /* c */ d */ e", "SELECT 'a */ b', d e", "SELECT 'a */ b', d e"),
    ] {
        assert_eq!(mysql(sql), on_mysql, "{sql}");
        assert_eq!(mariadb(sql), on_mariadb, "{sql}");
    }
    for sql in ["SELECT /*!40000 a", "SELECT /*!40000 a /*!40000 b */ */", "SELECT /*!999999 a /* b */ */"] {
        assert!(mysql(sql).starts_with("refused"), "{sql}: {}", mysql(sql));
    }
}

#[test]
fn what_no_parser_should_see_is_refused() {
    for sql in ["SELECT 'a", "SELECT \"a", "SELECT $$a", "SELECT /* a", "SELECT \0", "SELECT \x01", "SELECT '\0'"] {
        assert!(key(Dialect::Postgres, sql).starts_with("refused"), "{sql:?}");
    }
}

#[test]
fn nesting_is_bounded_from_above() {
    let nesting =
        |sql: &str| lift(sql.as_bytes(), Lexis::new(Dialect::Postgres, &Settings::default()), Keep::Nothing).nesting;
    assert!(nesting(&format!("SELECT {}1{}", "(".repeat(500), ")".repeat(500))) >= 500);
    assert!(nesting(&format!("SELECT 1{}", "+1".repeat(500))) >= 500);
    assert!(nesting(&format!("SELECT {}1", "NOT ".repeat(500))) >= 500);
    assert!(nesting(&format!("SELECT ((1{}))", "+1".repeat(500))) >= 500);
    assert!(nesting(&format!("SELECT {}1", "1, ".repeat(500))) < 20);
    assert!(nesting(&format!("SELECT 1{}", " AND a = 1".repeat(500))) < 20);
}
