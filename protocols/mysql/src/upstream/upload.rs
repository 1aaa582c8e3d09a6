//! LOCAL INFILE: the upstream asks the client for a file. It gets one only where the datasource allows it, for a
//! statement that was judged as filling a table, under the name that stands in that statement: a server that asks for
//! something else gets an empty file, and the client an error.

use super::due::{Expect, Kind, Run};
use super::{LONGEST_OTHER, Packet};
use crate::conversation::MysqlConversation;
use crate::errors;
use crate::message::capability::Capabilities;
use crate::message::packet;
use model::{Outcome, Refusal, RefusalKind, Status};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use wire::{Answer, Step, Violation};

/// A file on its way.
#[derive(Default)]
pub(crate) struct Upload {
    /// Bytes of the present packet that are still to come.
    pub(crate) left: usize,
    /// The packet before was as long as can be: an empty one after it ends no file.
    pub(crate) full: bool,
    /// Bytes so far.
    pub(crate) bytes: u64,
    /// Over these bytes.
    pub(crate) hash: Sha256,
}

/// A file that has arrived.
pub(crate) struct Received {
    /// Its length.
    pub(crate) bytes: u64,
    /// Its SHA-256.
    pub(crate) digest: [u8; 32],
}

impl MysqlConversation {
    /// What the record says of a file that the running statement got.
    pub(super) fn tag(&self) -> String {
        let Some(Kind::Run(run)) = self.due.front().map(|due| &due.kind) else { return String::new() };
        run.received.as_ref().map_or_else(String::new, |Received { bytes, digest }| {
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("LOAD DATA LOCAL {bytes} bytes sha256:{digest}")
        })
    }

    /// Whether the client's file is due.
    pub(crate) fn uploading(&self) -> bool {
        matches!(self.due.front().map(|due| &due.kind), Some(Kind::Run(Run { expect: Expect::File(_), .. })))
    }

    /// The file that is coming.
    pub(crate) fn present_upload(&mut self) -> Option<&mut Upload> {
        match self.due.front_mut().map(|due| &mut due.kind) {
            Some(Kind::Run(Run { expect: Expect::File(upload), .. })) => Some(upload),
            _ => None,
        }
    }

    /// The file is whole: the statement's answer is due.
    pub(crate) fn uploaded(&mut self) {
        let Some(Kind::Run(run)) = self.due.front_mut().map(|due| &mut due.kind) else { return };
        if let Expect::File(upload) = std::mem::replace(&mut run.expect, Expect::Result) {
            run.received = Some(Received { bytes: upload.bytes, digest: upload.hash.finalize().into() });
        }
    }

    /// Whether the running statement has asked for a file that it must not have.
    pub(super) fn is_unwanted(&self) -> bool {
        matches!(self.due.front().map(|due| &due.kind), Some(Kind::Run(run)) if run.unwanted)
    }

    /// The upstream names a file of the client.
    pub(super) fn file_asked_for<'a>(
        &mut self,
        input: &'a [u8],
        packet: &Packet<'_>,
    ) -> Result<Step<Answer<'a>>, Violation> {
        let name = packet.payload.get(1..).unwrap_or_default();
        let (consumed, next) = (packet.extent.bytes, packet.extent.next_sequence());
        let offered = self.capabilities.has(Capabilities::LOCAL_FILES);
        let shifted = self.shift != 0;
        let Some(Kind::Run(run)) = self.due.front_mut().map(|due| &mut due.kind) else {
            return Err(Violation("a file is asked for by nothing".to_owned()));
        };
        if offered && !shifted && run.asks_for_file.as_ref().is_some_and(|sql| names(sql, name)) {
            run.expect = Expect::File(Box::default());
            let wire = self.pass(input, consumed, next);
            return Ok(Step::Got { consumed, item: Answer::Forward(wire) });
        }
        run.unwanted = true;
        let mut frames = Vec::new();
        self.expected = packet::put(&mut frames, next, &[]);
        self.to_upstream = Some(frames);
        Ok(Step::Got { consumed, item: Answer::Absorb })
    }

    /// The answer of a statement that got an empty file instead of what it asked for.
    pub(super) fn answer_for_unwanted<'a>(&mut self, packet: &Packet<'_>) -> Result<Step<Answer<'a>>, Violation> {
        if packet.payload.first() == Some(&0) && crate::message::ok::Ok::decode(&packet.payload)?.more_results() {
            return Err(Violation("the upstream asked for a file that is not to be had, and goes on".to_owned()));
        }
        let Some(due) = self.due.front() else { return Err(Violation("nothing is due".to_owned())) };
        let (Some(statement), sequence) = (due.statement(), due.sequence) else {
            return Err(Violation("nothing runs".to_owned()));
        };
        let refusal = Refusal::new(RefusalKind::NotSupported, "LOCAL INFILE is not let through here").hint(
            "set local_infile = true for this datasource, turn it on in the client and the server, and name the file \
             plainly in the statement; the database got an empty file",
        );
        let code = errors::code(refusal.kind);
        let mut payload = Vec::new();
        errors::put_refusal(&mut payload, &refusal, code);
        let mut wire = Vec::new();
        packet::put(&mut wire, sequence, &payload);
        self.answered();
        let outcome = Outcome {
            status: Status::Failed,
            tag: String::new(),
            affected: None,
            error_code: Some(String::from_utf8_lossy(&code.1).into_owned()),
        };
        let item = Answer::Done { statement, outcome, message: None, last: true, wire: Cow::Owned(wire) };
        Ok(Step::Got { consumed: packet.extent.bytes, item })
    }

    /// While the file comes, the server only reports progress. Its ids then count what it has read.
    pub(super) fn during_upload<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let Some((_, sequence)) = packet::header(input) else { return Ok(Step::Need(packet::HEADER)) };
        let packet = match self.packet(input, sequence, LONGEST_OTHER)? {
            Ok(packet) => packet,
            Err(more) => return Ok(Step::Need(more)),
        };
        if self.is_progress(&packet) {
            return Ok(Step::Got { consumed: packet.extent.bytes, item: Answer::Absorb });
        }
        Err(Violation("the upstream answered before it had the whole file".to_owned()))
    }
}

/// Whether this file name stands in the text as a literal: as it is, or with backslashes or quotes escaped.
fn names(sql: &[u8], name: &[u8]) -> bool {
    let escaped = |escape: &dyn Fn(u8) -> Option<u8>| -> Vec<u8> {
        name.iter().flat_map(|byte| escape(*byte).into_iter().chain([*byte])).collect()
    };
    let backslashes = escaped(&|byte| matches!(byte, b'\\' | b'\'' | b'"').then_some(b'\\'));
    let single = escaped(&|byte| (byte == b'\'').then_some(byte));
    let double = escaped(&|byte| (byte == b'"').then_some(byte));
    let stands = |quote: u8, text: &[u8]| {
        let mut literal = vec![quote];
        literal.extend_from_slice(text);
        literal.push(quote);
        sql.windows(literal.len()).any(|window| window == literal)
    };
    !name.is_empty()
        && (stands(b'\'', &backslashes)
            || stands(b'"', &backslashes)
            || stands(b'\'', &single)
            || stands(b'"', &double))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_only_given_under_the_name_in_the_statement() {
        for (sql, name) in [
            ("LOAD DATA LOCAL INFILE '/tmp/a.csv' INTO TABLE t", "/tmp/a.csv"),
            ("LOAD DATA LOCAL INFILE \"a b.csv\" INTO TABLE t", "a b.csv"),
            ("LOAD DATA LOCAL INFILE 'C:\\\\x.csv' INTO TABLE t", "C:\\x.csv"),
            ("LOAD DATA LOCAL INFILE 'o''clock' INTO TABLE t", "o'clock"),
            ("LOAD DATA LOCAL INFILE 'o\\'clock' INTO TABLE t", "o'clock"),
        ] {
            assert!(names(sql.as_bytes(), name.as_bytes()), "{sql}");
            for other in ["", "/etc/passwd", "/tmp/a.cs", "a.csv"] {
                assert!(!names(sql.as_bytes(), other.as_bytes()), "{sql} {other}");
            }
        }
    }
}
