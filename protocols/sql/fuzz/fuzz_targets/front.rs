//! The parsers and what lowers their trees, with no catalog: any text, every dialect.
#![no_main]

use affidavit_sql::{Analyser, Catalog, Dialect, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb] {
        let facts = Analyser::new(dialect).analyse(text, &Catalog::default(), &Settings::default());
        assert_eq!(facts.fingerprint.len(), 16);
    }
});
