//! Cells: from the bytes of a row to text for the record, and to values for the transforms and back.
//!
//! [`Repr::render`] is total: whatever a peer sent, something readable comes out, and nothing panics. [`Repr::decode`]
//! and [`Repr::encode`] let a transform be written once for values instead of once per engine and encoding.

mod calendar;
mod decimal;
mod float;
mod hex;
mod mysql;
mod nested;
mod parse;
mod postgres;
mod reader;
mod rebuild;
mod value;

pub use calendar::{Date, DateTime};
pub use decimal::Decimal;
pub use nested::array_elements;
pub use rebuild::{Element, rebuild_binary_array, rebuild_text_array};
pub use value::{Unencodable, Value};

use crate::{Encoding, Kind, Repr};

impl Repr {
    /// Appends the cell as text: what the engine's own text output shows, for PostgreSQL under its default settings
    /// (ISO dates, hex bytea, UTC). Bytes that are not this kind's, or of a kind with no text, appear as `\x` and hex.
    pub fn render(&self, cell: &[u8], out: &mut String) {
        let start = out.len();
        let done = match self.encoding {
            Encoding::PostgresBinary => postgres::render(&self.kind, cell, 0, out),
            Encoding::MysqlBinary => mysql::render(&self.kind, cell, out),
            // BIT cells are raw bytes in MySQL's text protocol too.
            Encoding::MysqlText if self.kind == Kind::Bit => {
                mysql::push_bits(out, cell);
                Some(())
            }
            Encoding::PostgresText | Encoding::MysqlText => {
                std::str::from_utf8(cell).ok().map(|text| out.push_str(text))
            }
        };
        if done.is_none() {
            out.truncate(start);
            hex::push_escaped(out, cell);
        }
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod render_tests;
