//! The answer to our own question about a temporary table: looked at once it is whole, and kept from the client.

use super::due::Kind;
use super::{LONGEST_OTHER, is_end, is_error};
use crate::conversation::MysqlConversation;
use crate::message::lenenc;
use wire::{Answer, Cursor, Step, Violation};

/// Columns that the answer may have.
const MOST_COLUMNS: u8 = 16;

impl MysqlConversation {
    /// A count, the definitions, an EOF without DEPRECATE_EOF, rows, the end; or an error.
    pub(super) fn table_answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let Some(Kind::Table(question)) = self.due.front().map(|due| &due.kind) else {
            return Err(Violation("nothing about a table is due".to_owned()));
        };
        let question = question.clone();
        let (mut at, mut expected, mut before_rows) = (0, self.expected, None);
        let (mut seen, mut rows) = (0, Vec::new());
        let told = loop {
            let packet = match self.packet(input.get(at..).unwrap_or_default(), expected, LONGEST_OTHER)? {
                Ok(packet) => packet,
                Err(more) => return Ok(Step::Need(more)),
            };
            at += packet.extent.bytes;
            expected = packet.extent.next_sequence();
            if is_error(&packet) {
                break None;
            }
            match before_rows {
                None => match packet.payload.as_ref() {
                    [count] if (1..=MOST_COLUMNS).contains(count) => {
                        before_rows = Some(usize::from(*count) + usize::from(!self.deprecate_eof));
                    }
                    _ => return Err(unreadable()),
                },
                Some(count) if seen < count => seen += 1,
                Some(_) if is_end(&packet, self.deprecate_eof) => break Some(rows),
                Some(_) => {
                    let mut cursor = Cursor::new(&packet.payload);
                    let mut row = Vec::new();
                    while !cursor.is_empty() {
                        let cell = lenenc::cell(&mut cursor).map_err(|_| unreadable())?;
                        row.push(cell.map(|cell| String::from_utf8_lossy(cell).into_owned()));
                    }
                    rows.push(row);
                }
            }
        };
        self.made.told(question, told);
        self.answered();
        Ok(Step::Got { consumed: at, item: Answer::Absorb })
    }
}

fn unreadable() -> Violation {
    Violation("the upstream's answer about a temporary table cannot be read".to_owned())
}
