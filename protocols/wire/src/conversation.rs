//! One session's protocol state after login: what each side's bytes mean, with no I/O of its own.
//!
//! The proxy calls [`Conversation::request`] with unread client bytes and [`Conversation::answer`] with unread upstream
//! bytes, as often as either has a step to give. All slices handed out borrow the input, so bytes are looked at in
//! place and copied once, into the outgoing buffer.

use model::{Class, Column, Outcome, Refusal, RefusalKind, Role, RowLayout, ServerMessage, Statement, StatementId};
use std::borrow::Cow;
use std::sync::Arc;

/// The peer broke the protocol; the session ends. The text is for the log and, where possible, the client.
#[derive(Debug, thiserror::Error)]
#[error("protocol violation: {0}")]
pub struct Violation(pub String);

/// What a look at the input gave.
#[derive(Debug)]
pub enum Step<T> {
    /// Nothing yet: the next frame needs at least this many more bytes. From [`Conversation::request`], 0 means that the
    /// client's next frame waits for the upstream: ask again after the next answer, and do not read the client without
    /// bound until then.
    Need(usize),
    /// The first `consumed` bytes of the input are understood and mean `item`.
    Got {
        /// Bytes to drop from the front of the input.
        consumed: usize,
        /// What they mean.
        item: T,
    },
}

/// What an adapter sends to the upstream by itself, without a permit: the kinds there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Keeps both sides in step and says nothing of data: Sync, Flush, COM_PING, COM_SET_OPTION.
    Step,
    /// Asks what was permitted looks like: Describe.
    Describe,
    /// Goes on with what was permitted: Execute of a bound portal, COM_STMT_FETCH of an open cursor.
    Resume,
    /// Sends a parameter ahead of the statement that it is for, which is still to be judged: COM_STMT_SEND_LONG_DATA.
    Parameter,
    /// Gives up what was prepared or opened: Close, COM_STMT_CLOSE, COM_STMT_RESET.
    Close,
    /// Sets the session back to how it began: COM_RESET_CONNECTION.
    Reset,
    /// A question of the adapter's own, whose answer it swallows.
    Question,
    /// Answers what the upstream asked, where the client is not to: no file, our own credentials.
    Answer,
    /// Must fail: makes the upstream fail where it would have failed by itself, had names not been ours.
    Failure,
}

/// What the client wants.
#[derive(Debug)]
pub enum Request<'a> {
    /// A statement. Nothing of it has been sent; it goes through judge, approve and execute, and then
    /// [`Statement::wire`] is sent, or [`Conversation::refuse`] is called.
    Statement(Box<Statement>),
    /// A statement or command that the adapter can let pass under no policy (replication, another session's KILL, a
    /// text it cannot attribute results to). It is recorded as refused, then [`Conversation::refuse`] is called.
    Refused(Box<Statement>, Refusal),
    /// Protocol housekeeping in its place in the order: sent as it is. It can start nothing that has not been permitted.
    Forward(Upkeep, Cow<'a, [u8]>),
    /// Bulk data of a permitted COPY IN or LOCAL INFILE: sent as it is and counted.
    Data(&'a [u8]),
    /// Consumed; nothing is sent (frames after a refused one, until Sync).
    Absorb,
    /// Consumed and answered by the adapter itself: these bytes of its own go to the client. They carry nothing of the
    /// upstream's rows.
    Reply(Vec<u8>),
    /// The client says goodbye; these bytes may be sent before closing.
    Terminate(&'a [u8]),
}

/// Rows of one result of one statement.
#[derive(Debug)]
pub struct RowBatch<'a> {
    /// The statement that they answer.
    pub statement: StatementId,
    /// Index of the result within the statement (several parts, multi-results), from 0.
    pub result: u32,
    /// The columns, formats included: the same `Arc` for every batch of a result.
    pub columns: Arc<[Column]>,
    /// Whole rows in this batch (a row counts where it ends).
    pub rows: u64,
    /// The frames as the upstream sent them. Unless [`Conversation::whole_rows`] was asked for, the last may be cut.
    pub wire: &'a [u8],
    /// How to take the journaled stream apart.
    pub layout: RowLayout,
}

/// What the upstream says.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The columns of a result about to come. `wire` is empty when the client did not ask for them.
    Columns {
        /// The statement that they answer.
        statement: StatementId,
        /// Index of the result within the statement, from 0: the index of its part, where the adapter can tell.
        result: u32,
        /// The columns.
        columns: Arc<[Column]>,
        /// Frames for the client.
        wire: Cow<'a, [u8]>,
    },
    /// Rows.
    Rows(RowBatch<'a>),
    /// A statement ended (or one part of it; `last` says which).
    Done {
        /// Which.
        statement: StatementId,
        /// How.
        outcome: Outcome,
        /// The message, when it failed at the upstream.
        message: Option<ServerMessage>,
        /// Whether the statement is over.
        last: bool,
        /// Frames for the client.
        wire: Cow<'a, [u8]>,
    },
    /// A notice, warning or error that does not end a statement.
    Message {
        /// The statement that it belongs to, if any is running.
        statement: Option<StatementId>,
        /// What it is.
        message: ServerMessage,
        /// Frames for the client.
        wire: Cow<'a, [u8]>,
    },
    /// Protocol housekeeping without data of any row: for the client as it is.
    Forward(Cow<'a, [u8]>),
    /// Nothing for the client (the answer to something that the adapter itself asked).
    Absorb,
}

/// What a masked cell became. The bytes, if any, were appended to the scratch buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellAnswer {
    /// Unchanged.
    Keep,
    /// NULL.
    Null,
    /// The bytes that were appended to `out`.
    Replaced,
}

/// Masks the cells of one result. Given by the pipeline to [`Conversation::splice`].
pub trait CellMasker {
    /// Whether the column is masked at all; asked once per column and batch.
    fn masks(&self, column: usize) -> bool;
    /// Masks one cell, `None` being NULL. Appends the replacement, in the cell's own encoding, to `out`.
    fn mask(&mut self, column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer;
}

/// Where [`Conversation::splice`] puts its two results.
#[derive(Debug, Default)]
pub struct Splice {
    /// The frames for the client, masked.
    pub wire: Vec<u8>,
    /// The rows for the journal in the batch's layout, when they differ from `wire`; else empty.
    pub journal: Vec<u8>,
}

/// One session's protocol state. See the module's documentation.
pub trait Conversation: Send {
    /// The next thing the client wants. Called in order; a returned statement must be settled (its wire sent, or
    /// [`Conversation::permit`]/[`Conversation::refuse`] called) before the next call.
    fn request<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation>;

    /// The next thing the upstream says.
    fn answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation>;

    /// Gives the statement the text that its class asks for, before it is recorded and sent: [`Statement::sent`] and
    /// [`Statement::wire`] are those of the substituted text where protected relations are to be replaced. A statement that
    /// was prepared before ran through here when it was prepared; what runs now must be the very text that was sent then.
    /// Called once for each statement that is permitted, whatever its class. `role` is the one that it needs: where the second
    /// lock is in force, the adapter sees to it that the statement runs with it, and says so in [`Statement::role`].
    ///
    /// # Errors
    /// The text cannot be substituted, or what was prepared is another text than policy asks for now (SQLSTATE 0A000, which
    /// lets drivers prepare again).
    fn settle_class(&mut self, statement: &mut Statement, class: &Class, role: Role) -> Result<(), Refusal> {
        let _ = (statement, role);
        match class {
            Class::Untouched | Class::Wire => Ok(()),
            Class::AtSource(_) => {
                Err(Refusal::new(RefusalKind::NotSupported, "this protocol cannot mask where data is read"))
            }
        }
    }

    /// The statement is permitted and its wire bytes are about to be sent. Bytes appended to `before` are sent right before
    /// them, bytes appended to `after` right after: what the adapter asks by itself (a change of the role, a Describe) and
    /// whose answers it swallows.
    fn permit(&mut self, statement: &Statement, before: &mut Vec<u8>, after: &mut Vec<u8>);

    /// The statement is refused. What is appended to `upstream` is sent in its place, so that transaction state and
    /// order stay true (a statement that must fail; its error is replaced by `refusal` when it comes back as
    /// [`Answer::Done`]). What is appended to `client` answers at once, for protocols that have no order to keep.
    fn refuse(&mut self, statement: &Statement, refusal: &Refusal, upstream: &mut Vec<u8>, client: &mut Vec<u8>);

    /// Whether rows in which nothing is masked have to go through [`Conversation::splice`] too: frames are numbered, and masking
    /// has shifted the numbers of those that follow.
    fn renumbers(&self) -> bool {
        false
    }

    /// From now on batches of this statement hold only whole rows, because cells of it will be masked. A row larger
    /// than the adapter's limit is then a [`Violation`].
    fn whole_rows(&mut self, statement: StatementId);

    /// Rebuilds a batch with masked cells.
    fn splice(&mut self, batch: &RowBatch<'_>, masker: &mut dyn CellMasker, out: &mut Splice) -> Result<(), Violation>;

    /// Rebuilds a batch for the record alone, which holds masks where the client was shown more: nothing of it is sent, so
    /// nothing that is counted on the wire moves.
    fn splice_record(
        &mut self,
        batch: &RowBatch<'_>,
        masker: &mut dyn CellMasker,
        out: &mut Splice,
    ) -> Result<(), Violation> {
        self.splice(batch, masker, out)
    }

    /// The rows of an unmasked batch in the journal's layout, or `None` when the wire bytes already are that.
    fn journal_rows(&mut self, batch: &RowBatch<'_>, out: &mut Vec<u8>) -> Result<Option<()>, Violation>;

    /// Replaces the texts of an error or notice that may quote data by a template; code and severity stay.
    fn template(&mut self, message: &ServerMessage, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Violation>;

    /// A notice for the client, if the protocol can carry one at this moment (PostgreSQL between frames).
    fn notice(&mut self, text: &str, out: &mut Vec<u8>) -> bool;

    /// The last words to the client before the proxy closes the session, if the protocol allows any now.
    fn farewell(&mut self, refusal: &Refusal, out: &mut Vec<u8>);

    /// The answer that was understood last does not reach the client: [`Conversation::farewell`] stands in its place. For
    /// protocols that number their packets.
    fn withheld(&mut self) {}

    /// The last words to a client whose login is complete but which was not told so.
    fn turn_away(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        self.farewell(refusal, out);
    }

    /// The upstream's frames to close cleanly (Terminate, COM_QUIT).
    fn goodbye(&self, out: &mut Vec<u8>);

    /// Statements whose answer is still due, oldest first: they are recorded as interrupted if the session ends now.
    fn unanswered(&self) -> Vec<StatementId>;

    /// Whether the client is in the middle of a transaction, as far as the upstream has said. A session that is to end
    /// ends outside of one.
    fn in_transaction(&self) -> bool {
        false
    }

    /// Analyses a statement again, after the catalog was refreshed.
    fn reanalyse(&mut self, statement: &mut Statement);
}
