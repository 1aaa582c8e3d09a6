//! The scanner alone: any bytes, every dialect and the settings that change where tokens end.
#![no_main]

use affidavit_sql::{Dialect, Settings, SqlMode, normalized};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let modes = [
        SqlMode::default(),
        SqlMode { ansi_quotes: true, ..SqlMode::default() },
        SqlMode { no_backslash_escapes: true, ..SqlMode::default() },
    ];
    for sql_mode in modes {
        let settings = Settings { sql_mode, ..Settings::default() };
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::MariaDb] {
            assert!(normalized(dialect, text, &settings).len() <= text.len() * 3);
        }
    }
});
