//! Hostile texts: nothing makes the analysis fail, run away or remember without bounds.

mod generator;
mod hospital;

use affidavit_sql::{Analyser, Catalog, Dialect, LONGEST_TEXT, Settings};
use hospital::{mysql, mysql_settings, pg, postgres, postgres_settings, summary};
use proptest::prelude::*;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const CORPORA: [&str; 6] = [
    include_str!("data/postgres-ordinary.sql"),
    include_str!("data/mysql-ordinary.sql"),
    include_str!("data/postgres-attacks.txt"),
    include_str!("data/mysql-attacks.txt"),
    include_str!("data/postgres-further-attacks.txt"),
    include_str!("data/psql-15-introspection.sql"),
];

/// Settings under which a lexer reads a text as the scanner does not, and those under which it does.
fn settings(dialect: Dialect) -> [Settings; 3] {
    let usual = if dialect == Dialect::Postgres { postgres_settings() } else { mysql_settings() };
    let unsafe_encoding = Settings { ascii_safe_encoding: false, utf8: false, ..usual.clone() };
    let old_strings = Settings { standard_conforming_strings: false, utf8: false, ..usual.clone() };
    [usual, unsafe_encoding, old_strings]
}

fn analyse_everywhere(text: &[u8]) {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb] {
        let analyser = Analyser::new(dialect);
        let facts = match dialect {
            Dialect::Postgres => analyser.analyse(text, &postgres(), &postgres_settings()),
            _ => analyser.analyse(text, &mysql(), &mysql_settings()),
        };
        assert_eq!(facts.fingerprint.len(), 16);
    }
}

/// What a text does is what a fresh analyser says, whatever another one has seen before; its beginning, for one.
fn analyse_warm_and_fresh(text: &[u8], beginning: usize) {
    static WARM: LazyLock<[(Analyser, Catalog, Dialect); 3]> = LazyLock::new(|| {
        [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb].map(|dialect| {
            let catalog = if dialect == Dialect::Postgres { postgres() } else { mysql() };
            (Analyser::new(dialect), catalog, dialect)
        })
    });
    for (warm, catalog, dialect) in WARM.iter() {
        for settings in settings(*dialect) {
            let _ = warm.analyse(text.get(..beginning).unwrap_or_default(), catalog, &settings);
            let fresh = Analyser::new(*dialect).analyse(text, catalog, &settings);
            assert_eq!(warm.analyse(text, catalog, &settings), fresh, "{dialect:?}: {}", String::from_utf8_lossy(text));
            assert_eq!(fresh.fingerprint.len(), 16);
        }
    }
}

/// A text that no lexer of ours reads shares no facts with what was read before, nor does one that the server reads otherwise.
#[test]
fn what_is_refused_is_refused_though_its_beginning_is_remembered() {
    let refused: [(&str, &[u8]); 14] = [
        ("SELECT 1", b"SELECT 1\x0b, ssn FROM patients"),
        ("SELECT 1", b"SELECT 1 \x01, ssn FROM patients"),
        ("SELECT 1", b"SELECT 1 --\r, ssn FROM patients"),
        ("SELECT 1", b"SELECT 1 #\r, ssn FROM patients"),
        ("SELECT 1", b"SELECT 1 /* /* */ , ssn FROM patients /* */ */"),
        ("SELECT 1", b"SELECT 1 /*!50000 /*!50000 */ , ssn FROM patients */"),
        ("SELECT 1", b"SELECT 1 \xa0, ssn FROM patients"),
        ("SELECT 1", b"SELECT 1 \xe3\x80\x80, ssn FROM patients"),
        ("SELECT 1", b"SELECT 1 'x"),
        ("SELECT 1", b"SELECT 1 $x$"),
        ("SELECT 1", b"SELECT 1 \"a\x01b\" FROM patients"),
        ("SELECT 1", b"SELECT 1 /*+ SET_VAR(sql_mode='') */ , ssn FROM patients"),
        ("SELECT 'x', 'y'", b"SELECT '\\', ', ssn FROM patients -- '"),
        (
            "SELECT id FROM orders WHERE item = 'x'",
            b"SELECT id FROM orders WHERE item = '\xbf\\' UNION SELECT ssn FROM patients -- '",
        ),
    ];
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb] {
        let catalog = if dialect == Dialect::Postgres { postgres() } else { mysql() };
        for settings in settings(dialect) {
            for (before, text) in refused {
                let warm = Analyser::new(dialect);
                let _ = warm.analyse(before.as_bytes(), &catalog, &settings);
                let fresh = Analyser::new(dialect).analyse(text, &catalog, &settings);
                assert_eq!(
                    warm.analyse(text, &catalog, &settings),
                    fresh,
                    "{dialect:?}: {}",
                    String::from_utf8_lossy(text)
                );
            }
        }
    }
}

fn statements() -> Vec<&'static str> {
    CORPORA.iter().flat_map(|corpus| corpus.split([';', '\n'])).filter(|text| text.trim().len() > 4).collect()
}

/// Of each property; fifty times as many where `AFFIDAVIT_FULL=1` asks for everything.
fn cases() -> u32 {
    if std::env::var("AFFIDAVIT_FULL").is_ok_and(|full| full == "1") { 20_000 } else { 400 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        analyse_everywhere(&bytes);
    }

    #[test]
    fn mutated_statements_never_panic(
        pick in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        insert in "[-'\"`$/*();,.@:#\\\\0-9a-zA-Z\u{80}-\u{ff} \n]{0,6}",
    ) {
        let all = statements();
        let (one, two) = (pick.get(&all), other.get(&all));
        let at = one.char_indices().map(|(at, _)| at).nth(cut.index(one.chars().count())).unwrap_or(0);
        let text = format!("{}{insert}{}", &one[..at], &two[two.char_indices().map(|(at, _)| at).nth(cut.index(two.chars().count())).unwrap_or(0)..]);
        analyse_warm_and_fresh(text.as_bytes(), cut.index(text.len() + 1));
    }

    /// Facts that are shared must be those that each text has by itself.
    #[test]
    fn shared_facts_are_the_texts_own(seed in 0u64..100_000, number in 0i64..100, word in "[a-z]{0,4}") {
        let analyser = Analyser::new(Dialect::Postgres);
        let (catalog, settings) = (postgres(), postgres_settings());
        let text = generator::query(seed);
        let changed = text.replace('\'', &format!("'{word}")).replace("'x''", "'x'").replace(" 1", &format!(" {number}"));
        let _ = analyser.analyse(text.as_bytes(), &catalog, &settings);
        let shared = analyser.analyse(changed.as_bytes(), &catalog, &settings);
        let own = Analyser::new(Dialect::Postgres).analyse(changed.as_bytes(), &catalog, &settings);
        prop_assert_eq!(shared, own);
    }
}

fn within(limit: Duration, work: impl FnOnce()) {
    let begun = Instant::now();
    work();
    assert!(begun.elapsed() < limit, "took {:?}", begun.elapsed());
}

/// Each of these would overflow the stack of a parser that is given them as they are.
#[test]
fn deep_texts_are_read_or_refused() {
    for count in [12, 22, 60, 600, 1_900, 4_900, 200_000] {
        for (open, middle, close) in [
            ("SELECT ", "(", "1"),
            ("SELECT ", "- ", "1"),
            ("SELECT ", "NOT ", "true"),
            ("SELECT 1", " + 1", ""),
            ("SELECT 'a'", "::text", ""),
            ("SELECT 1", " UNION SELECT 1", ""),
            ("SELECT ", "CASE WHEN ", "1"),
            ("SELECT ", "ARRAY[", "1"),
            ("SELECT * FROM orders", " JOIN orders ON true", ""),
            ("SELECT (o)", ".item", " FROM orders o"),
            ("SELECT ", "a.", "b"),
            ("", "EXPLAIN ", "SELECT 1"),
            ("SELECT 1 WHERE 1=1", " AND 1=1", ""),
            ("SELECT 1 WHERE 1=1", " OR 1=1 AND 2=2", ""),
            ("SELECT ", "f(", "1"),
        ] {
            let closing = match middle {
                "(" | "f(" => ")".repeat(count),
                "ARRAY[" => "]".repeat(count),
                "CASE WHEN " => " THEN 1 END".repeat(count),
                _ => String::new(),
            };
            let text = format!("{open}{}{closing}{close}", middle.repeat(count));
            let text = match middle {
                "(" | "f(" | "ARRAY[" | "CASE WHEN " => format!("{open}{}{close}{closing}", middle.repeat(count)),
                _ => text,
            };
            if text.len() < LONGEST_TEXT {
                within(Duration::from_secs(60), || analyse_everywhere(text.as_bytes()));
            }
        }
    }
}

#[test]
fn what_an_orm_nests_is_read() {
    let concatenated = format!("SELECT item{} FROM orders", " || item".repeat(300));
    assert_eq!(summary(&pg(&concatenated)), "select ?column?<orders.item");
    let either = format!("SELECT id FROM orders WHERE id = 1{}", " OR (id = 2 AND total = 3)".repeat(800));
    assert!(summary(&pg(&either)).starts_with("select id=orders.id"), "{}", summary(&pg(&either)));
    let rows = format!("INSERT INTO orders (id, item) VALUES (1, 'a'){}", ", (2, 'b')".repeat(20_000));
    assert!(summary(&pg(&rows)).starts_with("insert none"));
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let text = format!("SELECT '{}'", "a".repeat(LONGEST_TEXT));
    assert!(summary(&pg(&text)).starts_with("unparsed: the text is longer"));
}

/// Common table expressions that double what they stand for.
#[test]
fn exponential_texts_end() {
    let mut text = "WITH c0 AS (SELECT * FROM patients)".to_owned();
    for level in 1..40 {
        let below = level - 1;
        text.push_str(&format!(", c{level} AS (SELECT a.*, b.* FROM c{below} a, c{below} b)"));
    }
    text.push_str(" SELECT * FROM c39");
    within(Duration::from_secs(60), || {
        let facts = pg(&text);
        assert!(summary(&facts).contains("room for columns"), "{:.300}", summary(&facts));
    });
}
