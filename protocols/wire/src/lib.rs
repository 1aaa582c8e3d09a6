//! The contract that a protocol fulfils, and what every protocol needs to fulfil it: transports, bounded frame reading.
//!
//! A protocol is two things. [`Protocol::login`] is an async conversation over two sockets that ends with a proven
//! identity and a logged-in upstream. From then on the protocol is a [`Conversation`]: a state machine **without I/O**
//! that is shown the bytes of both sides and says what they mean. The proxy owns the sockets, so a protocol cannot
//! write to a client past the pipeline (judge, approve, execute, mask, record, release).

mod conversation;
mod desk;
mod estimate;
mod frame;
mod give_way;
mod lock;
mod options;
mod protocol;
mod survey;
mod transport;

pub use conversation::{
    Answer, CellAnswer, CellMasker, Conversation, Request, RowBatch, Splice, Step, Upkeep, Violation,
};
pub use desk::{Admission, CancelTarget, Claim, Credential, Desk, Discovery, LoginError, Proof};
pub use estimate::plannable;
pub use frame::{Cursor, Truncated};
pub use give_way::give_way;
pub use lock::{LockMode, LockNames, LockPlan, LockReport, LockState, NamedRelation};
pub use options::{OptionKind, OptionSpec, OptionValue, Options};
pub use protocol::{Datasource, DatasourceSpec, Established, Login, Protocol, Secret, SpecError, UpstreamTls};
pub use survey::{Finding, Sample, SampleOrder, Severity, Survey, SurveyColumn, trace_view};
pub use transport::{Coded, Transport, notice_absence};
