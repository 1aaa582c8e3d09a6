//! Hostile texts: `testdata/hostile` through the analysis, on a stack as small as a worker's. Each is read, or refused with
//! the bound that it exceeds; none overflows a stack, and none takes more memory than its budget.

#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod hospital;
#[path = "../../../testdata/hostile/texts.rs"]
mod texts;

use affidavit_sql::{Analyser, Dialect};
use hospital::{mysql, mysql_settings, postgres, postgres_settings};

/// What a worker of the proxy has.
const WORKERS_STACK: usize = 2 << 20;

fn said(dialect: Dialect, text: &str) -> String {
    std::thread::scope(|scope| {
        let work = || {
            let facts = match dialect {
                Dialect::Postgres => Analyser::new(dialect).analyse(text.as_bytes(), &postgres(), &postgres_settings()),
                _ => Analyser::new(dialect).analyse(text.as_bytes(), &mysql(), &mysql_settings()),
            };
            facts.unparsed.clone().unwrap_or_else(|| "read".to_owned())
        };
        let thread = std::thread::Builder::new().stack_size(WORKERS_STACK).spawn_scoped(scope, work).unwrap();
        thread.join().unwrap()
    })
}

#[test]
fn hostile_texts_are_read_or_refused_with_their_bound() {
    for hostile in texts::all() {
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb] {
            let said = said(dialect, &hostile.text);
            eprintln!("{} ({dialect:?}, {} bytes): {said:.160}", hostile.name, hostile.text.len());
            if hostile.works {
                assert_eq!(said, "read", "{} on {dialect:?}", hostile.name);
            }
        }
    }
}

#[test]
fn a_refusal_names_the_bound() {
    for (name, bound) in [
        ("5,000 joins", "more than 1000 joins"),
        ("UNION ALL, 40 KB", "more than 2000 set operations"),
        ("200,000 parentheses", "nests"),
        ("4,000 common table expressions", "more than 1000 common table expressions"),
        ("columns that double", "room for columns"),
        ("half a million columns", "more than 250000 tokens"),
    ] {
        let hostile = texts::all().into_iter().find(|hostile| hostile.name == name).expect(name);
        let said = said(Dialect::Postgres, &hostile.text);
        assert!(said.contains(bound), "{name}: {said}");
    }
}

/// Twenty nested POSITIONs are a million attempts, thirty a thousand million.
#[test]
fn attempts_of_the_mysql_parser_are_bounded() {
    let hostile = texts::all().into_iter().find(|hostile| hostile.name == "nested POSITION").unwrap();
    assert!(said(Dialect::Mysql, &hostile.text).contains("work for the analysis"));
}
