//! Lineage over a catalog with views, inheritance and routines, under settings that servers read texts by otherwise: facts are
//! those that a fresh analyser gives, whatever another has seen before, the beginnings of the text among it.
#![no_main]

#[path = "../../tests/hospital/mod.rs"]
mod hospital;

use affidavit_sql::{Analyser, Catalog, Dialect, Settings};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static WARM: LazyLock<[(Analyser, Catalog, Settings, Dialect); 3]> = LazyLock::new(|| {
    [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb].map(|dialect| match dialect {
        Dialect::Postgres => (Analyser::new(dialect), hospital::postgres(), hospital::postgres_settings(), dialect),
        _ => (Analyser::new(dialect), hospital::mysql(), hospital::mysql_settings(), dialect),
    })
});

fuzz_target!(|text: &[u8]| {
    for (warm, catalog, usual, dialect) in WARM.iter() {
        let odd =
            Settings { ascii_safe_encoding: false, utf8: false, standard_conforming_strings: false, ..usual.clone() };
        for settings in [usual, &odd] {
            for end in [text.len() / 2, text.len().saturating_sub(1)] {
                let _ = warm.analyse(&text[..end], catalog, settings);
            }
            let fresh = Analyser::new(*dialect).analyse(text, catalog, settings);
            assert_eq!(warm.analyse(text, catalog, settings), fresh);
        }
    }
});
