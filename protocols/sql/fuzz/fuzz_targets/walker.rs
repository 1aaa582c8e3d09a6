//! Lineage over a catalog with views, inheritance and routines: facts are the same however often they are asked for, and a
//! text that differs in nothing but a literal that decides nothing has them too.
#![no_main]

#[path = "../../tests/hospital/mod.rs"]
mod hospital;

use affidavit_sql::{Analyser, Dialect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let (catalog, settings) = (hospital::postgres(), hospital::postgres_settings());
    let analyser = Analyser::new(Dialect::Postgres);
    let first = analyser.analyse(text, &catalog, &settings);
    assert_eq!(analyser.analyse(text, &catalog, &settings), first);
    let (catalog, settings) = (hospital::mysql(), hospital::mysql_settings());
    for dialect in [Dialect::Mysql, Dialect::MariaDb] {
        let analyser = Analyser::new(dialect);
        let first = analyser.analyse(text, &catalog, &settings);
        assert_eq!(analyser.analyse(text, &catalog, &settings), first);
    }
});
