//! The data of LOCAL INFILE: passed on as it comes, counted and hashed for the record.

use crate::conversation::MysqlConversation;
use crate::message::packet::{self, HEADER, LONGEST};
use sha2::Digest as _;
use wire::{Request, Step, Violation};

impl MysqlConversation {
    /// Takes what there is of the file.
    pub(super) fn upload<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        let expected = self.expected;
        let Some(upload) = self.present_upload() else { return Ok(Step::Need(0)) };
        let mut at = 0;
        if upload.left == 0 {
            let Some((length, sequence)) = packet::header(input) else {
                return Ok(Step::Need(HEADER - input.len().min(HEADER - 1)));
            };
            if sequence != expected {
                return Err(Violation(format!("sequence id {sequence} where {expected} was due, in a file")));
            }
            at = HEADER;
            let ends = length == 0 && !upload.full;
            upload.left = length;
            upload.full = length == LONGEST;
            if ends {
                self.uploaded();
            }
            self.expected = expected.wrapping_add(1);
        }
        let Some(upload) = self.present_upload() else {
            // That was the empty packet which ends it.
            return Ok(Step::Got { consumed: at, item: Request::Data(input.get(..at).unwrap_or_default()) });
        };
        let rest = input.get(at..).unwrap_or_default();
        let body = rest.get(..upload.left.min(rest.len())).unwrap_or_default();
        if at == 0 && body.is_empty() {
            return Ok(Step::Need(1));
        }
        upload.left -= body.len();
        upload.bytes = upload.bytes.saturating_add(body.len() as u64);
        upload.hash.update(body);
        let consumed = at + body.len();
        Ok(Step::Got { consumed, item: Request::Data(input.get(..consumed).unwrap_or_default()) })
    }
}
