//! What the journal holds, kind by kind: written from the vocabulary's types, read back as what sealing needs.
//!
//! Each file holds the writer and the reader of its kinds side by side, so that a field cannot be added to only one.

mod other;
mod session;
mod statement;

pub(crate) use other::{Access, Approval, Boot, Policy, access, approval, boot, policy};
pub(crate) use session::{Closed, Denied, Opened, Who, closed, denied, opened};
pub(crate) use statement::{
    Columns, Done, Intent, ResultColumn, RowsHead, columns, done, intent, read_layout, rows_head, write_layout,
};

use crate::journal::codec::{Take, Undecodable};

/// The kinds. Numbers are part of the journal's format.
pub(crate) mod kind {
    pub(crate) const BOOT: u8 = 1;
    pub(crate) const SESSION_OPENED: u8 = 2;
    pub(crate) const LOGIN_DENIED: u8 = 3;
    pub(crate) const INTENT: u8 = 4;
    pub(crate) const COLUMNS: u8 = 5;
    pub(crate) const ROWS: u8 = 6;
    pub(crate) const DONE: u8 = 7;
    pub(crate) const SESSION_CLOSED: u8 = 8;
    pub(crate) const POLICY: u8 = 9;
    pub(crate) const APPROVAL: u8 = 10;
    pub(crate) const ACCESS: u8 = 11;
    /// [`COLUMNS`] of the second edition: what the client saw unmasked is said.
    pub(crate) const SHOWN_COLUMNS: u8 = 12;
    /// [`INTENT`] of the second edition: the refusal and the columns used are there.
    pub(crate) const FULL_INTENT: u8 = 13;
    /// [`INTENT`] of the third edition: the text that is sent, the class and the role are there.
    pub(crate) const SENT_INTENT: u8 = 14;
}

/// How a record's fields are written. A journal that an older program left is still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Edition {
    First,
    Second,
    Third,
}

/// A record, read back.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Boot,
    Opened(Box<Opened>),
    Denied(Box<Denied>),
    Intent(Box<Intent>),
    Columns(Columns),
    Rows(RowsHead, &'a [u8]),
    Done(Done),
    Closed(Closed),
    Policy(Box<Policy>),
    Approval(Box<Approval>),
    Access(Box<Access>),
}

/// Reads a record's payload.
pub(crate) fn decode(kind: u8, payload: &[u8]) -> Result<Record<'_>, Undecodable> {
    let mut take = Take(payload);
    let take = &mut take;
    Ok(match kind {
        kind::BOOT => {
            Boot::read(take)?;
            Record::Boot
        }
        kind::SESSION_OPENED => Record::Opened(Box::new(Opened::read(take)?)),
        kind::LOGIN_DENIED => Record::Denied(Box::new(Denied::read(take)?)),
        kind::INTENT => Record::Intent(Box::new(Intent::read(take, Edition::First)?)),
        kind::FULL_INTENT => Record::Intent(Box::new(Intent::read(take, Edition::Second)?)),
        kind::SENT_INTENT => Record::Intent(Box::new(Intent::read(take, Edition::Third)?)),
        kind::COLUMNS => Record::Columns(Columns::read(take, Edition::First)?),
        kind::SHOWN_COLUMNS => Record::Columns(Columns::read(take, Edition::Second)?),
        kind::ROWS => {
            let head = RowsHead::read(take)?;
            Record::Rows(head, take.0)
        }
        kind::DONE => Record::Done(Done::read(take)?),
        kind::SESSION_CLOSED => Record::Closed(Closed::read(take)?),
        kind::POLICY => Record::Policy(Box::new(Policy::read(take)?)),
        kind::APPROVAL => Record::Approval(Box::new(Approval::read(take)?)),
        kind::ACCESS => Record::Access(Box::new(Access::read(take)?)),
        _ => return Err(Undecodable("unknown record kind")),
    })
}
