//! FunctionCall: a function by its OID, with arguments beside any SQL. libpq reads and writes large objects so (pg_dump,
//! psycopg2, JDBC), and those functions are judged as the same call in SQL would be. Of any other nothing is known.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-FUNCTION-CALL>

use crate::conversation::PostgresConversation;
use crate::message::Frame;
use crate::state::{Live, Proposal, Proposed};
use bytes::Bytes;
use model::{Facts, Param, Phase, Statement};
use std::sync::Arc;
use wire::{Cursor, Request, Violation};

/// The functions on large objects that touch nothing else: their OIDs are the same in every version.
const LARGE_OBJECTS: [(u32, &str); 17] = [
    (715, "lo_create"),
    (952, "lo_open"),
    (953, "lo_close"),
    (954, "loread"),
    (955, "lowrite"),
    (956, "lo_lseek"),
    (957, "lo_creat"),
    (958, "lo_tell"),
    (964, "lo_unlink"),
    (1004, "lo_truncate"),
    (3170, "lo_lseek64"),
    (3171, "lo_tell64"),
    (3172, "lo_truncate64"),
    (3457, "lo_from_bytea"),
    (3458, "lo_get"),
    (3459, "lo_get"),
    (3460, "lo_put"),
];

/// What a FunctionCall asks for.
struct Called<'a> {
    oid: u32,
    arguments: Vec<Option<&'a [u8]>>,
    binary: Vec<bool>,
}

fn decode(body: &[u8]) -> Result<Called<'_>, Violation> {
    let cut = |_| Violation("a function call message is truncated".to_owned());
    let mut cursor = Cursor::new(body);
    let oid = cursor.u32_be().map_err(cut)?;
    let formats = cursor.u16_be().map_err(cut)?;
    let binary: Vec<bool> =
        (0..formats).map(|_| cursor.u16_be().map(|format| format == 1)).collect::<Result<_, _>>().map_err(cut)?;
    let count = cursor.u16_be().map_err(cut)?;
    let mut arguments = Vec::new();
    for _ in 0..count {
        let length = cursor.i32_be().map_err(cut)?;
        arguments.push(match usize::try_from(length) {
            Ok(length) => Some(cursor.take(length).map_err(cut)?),
            Err(_) => None,
        });
    }
    cursor.u16_be().map_err(cut)?;
    if cursor.is_empty() {
        Ok(Called { oid, arguments, binary })
    } else {
        Err(Violation("bytes follow a function call".to_owned()))
    }
}

impl PostgresConversation {
    pub(super) fn function_call<'a>(&mut self, frame: Frame<'a>) -> Result<Request<'a>, Violation> {
        let called = decode(frame.body)?;
        let name = LARGE_OBJECTS.iter().find(|(oid, _)| *oid == called.oid).map(|(_, name)| *name);
        let places: Vec<String> = (1..=called.arguments.len()).map(|place| format!("${place}")).collect();
        let (sql, facts) = match name {
            Some(name) => {
                let sql = Bytes::from(format!("SELECT pg_catalog.{name}({})", places.join(", ")));
                let facts = self.analyse(&sql, None);
                (sql, facts)
            }
            None => {
                let text =
                    format!("-- function call message: OID {} with {} arguments", called.oid, called.arguments.len());
                (Bytes::from(text), Arc::new(self.of_a_function()))
            }
        };
        let snapshot = self.source.snapshot();
        let one = |(index, value): (usize, &Option<&[u8]>)| {
            let binary = called.binary.get(index).or(called.binary.first().filter(|_| called.binary.len() == 1));
            Param {
                repr: snapshot.types.repr(0, binary.copied().unwrap_or(false)),
                value: value.map(Bytes::copy_from_slice),
            }
        };
        let params = called.arguments.iter().enumerate().map(one).collect();
        let id = self.next_id();
        let wire = Bytes::copy_from_slice(frame.wire);
        let statement =
            Statement { id, phase: Phase::Simple, sql, params, prepared: None, facts, sent: None, role: None, wire };
        let mut live = Live::new(id, statement.phase, statement.facts.clone(), statement.sql.clone());
        live.function = true;
        // Whatever it is, it is no SQL that changes settings or names, unless it is nothing that is known.
        (live.doubtful, live.moves, live.defines) = (name.is_none(), name.is_none(), name.is_none());
        self.proposal = Some(Box::new(Proposal { live, kind: Proposed::Query }));
        Ok(Request::Statement(Box::new(statement)))
    }

    fn of_a_function(&self) -> Facts {
        Facts {
            parts: Vec::new(),
            unparsed: Some("a function call message carries no SQL: call the function with SELECT instead".to_owned()),
            normalized: String::new(),
            fingerprint: String::new(),
            unknown_relations: Vec::new(),
            catalog_epoch: self.source.snapshot().catalog.epoch(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_within_the_message() {
        let body = b"\0\0\x03\xba\0\x01\0\x01\0\x02\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\x01";
        let called = decode(body).unwrap();
        assert_eq!((called.oid, called.arguments.len(), called.binary.as_slice()), (954, 2, &[true][..]));
        assert_eq!(called.arguments[0], Some(&b"\0\0\0\x07"[..]));
        for cut in 0..body.len() {
            assert!(decode(&body[..cut]).is_err(), "{cut}");
        }
    }
}
