//! Just-in-time approval: a risky statement waits on its own connection until people have decided.
//!
//! The rules, which [`state`] keeps and nothing else may decide:
//!
//! 1. Nobody approves their own statement, administrators included; `count = n` takes n different people.
//! 2. A grant is good for one identity, one datasource, one statement (exact text, parameters, tables), one policy version,
//!    until it expires; once, or for a window of one fingerprint when rule and approvers say so.
//! 3. A step is recorded, then stored, then takes effect. What cannot be recorded or stored does not happen.
//! 4. What is over stays over: the clock may run backwards, the proxy may restart, nothing expired or used revives.

mod ask;
mod book;
mod entry;
mod event;
mod grant;
mod hold;
mod in_session;
mod log;
mod micros;
mod picture;
mod request;
mod state;
mod store;
mod ticket;
pub mod webhook;

pub use ask::Ask;
pub use book::{Book, Change, Failed};
pub use entry::{Entry, Step};
pub use event::{Event, Objection, Review, State, Vote};
pub use grant::{Grant, Scope};
pub use hold::{Approvals, ApprovalsConfig, Classes, Held, Listener, Now, Opened};
pub use log::{ApprovalLog, Logged, Unlogged};
pub use picture::{Classified, ConditionOn, Picture, ShownColumn, TouchedTable};
pub use request::{ApprovalId, Approver, Binding, Person, Request, Terms};
pub use state::Approval;
pub use store::{Store, StoreError};
pub use ticket::Ticket;
