//! The common vocabulary of Affidavit: what an identity, a session, a statement, a column, a value, a row, a verdict
//! and a refusal are, whichever engine they come from.
//!
//! This is floor 0: no I/O, no async, no clock, no policy. Everything above speaks in these types, so nothing here may
//! know who uses it.

pub mod codec;
mod column;
mod facts;
mod guarded;
mod identity;
mod outcome;
mod refusal;
mod repr;
mod rows;
mod session;
mod sources;
mod statement;
mod time;
mod verdict;

pub use column::{Column, ColumnRef, TableRef};
pub use facts::{
    Access, BoundColumn, Call, FEW, Facts, Kin, Lineage, Opaque, OutputColumn, Outputs, Part, PredicateUse, Reach,
    SettingChange, TableRead, TableUse, Usage, Verb, WriteFlow,
};
pub use guarded::{Guarded, GuardedColumn};
pub use identity::{AuthMethod, Identity};
pub use outcome::{Outcome, ServerMessage, Severity, Status};
pub use refusal::{Refusal, RefusalKind};
pub use repr::{Encoding, Kind, Repr};
pub use rows::{Delimited, RowLayout};
pub use session::{SessionId, SessionInfo};
pub use sources::{ColumnUse, ColumnUses, Compared, Placement, SourceColumn, SourceUse, UseContext};
pub use statement::{Param, Phase, Statement, StatementId};
pub use time::Timestamp;
pub use verdict::{
    ApprovalNeed, Class, ColumnMask, Decision, Escalation, MaskSpec, OutputPlan, PolicyVersion, Role, SourceMask,
    Substitution, Verdict,
};
