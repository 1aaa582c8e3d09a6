//! One session's door to the record: the recorder with the session's id filled in.

use evidence::{CannotRecord, Lsn, Recorder};
use model::{
    Column, ColumnMask, Outcome, Refusal, RefusalKind, RowLayout, SessionId, Statement, StatementId, Status, Verdict,
};

/// The recorder, for one session.
pub struct Recording {
    recorder: Recorder,
    session: SessionId,
}

impl Recording {
    /// For this session.
    #[must_use]
    pub fn new(recorder: Recorder, session: SessionId) -> Self {
        Self { recorder, session }
    }

    /// The recorder itself, to wait for durability.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// A statement is about to be sent, or was refused.
    pub(crate) fn intent(
        &self,
        statement: &Statement,
        verdict: &Verdict,
        approval: Option<&str>,
    ) -> Result<Lsn, CannotRecord> {
        self.recorder.intent(self.session, statement, verdict, approval)
    }

    /// A refused statement was answered at once.
    pub(crate) fn refused(&self, statement: StatementId) -> Result<Lsn, CannotRecord> {
        let outcome = Outcome { status: Status::Refused, tag: String::new(), affected: None, error_code: None };
        self.done(statement, &outcome, true)
    }

    /// The columns of a result, with what happens to each.
    pub(crate) fn columns(
        &self,
        statement: StatementId,
        result: u32,
        columns: &[Column],
        masks: &[ColumnMask],
        raw: &[bool],
    ) -> Result<Lsn, CannotRecord> {
        self.recorder.columns(self.session, statement, result, columns, masks, raw)
    }

    /// Rows as the client is about to get them.
    pub(crate) fn rows(
        &self,
        statement: StatementId,
        result: u32,
        layout: &RowLayout,
        rows: u64,
        bytes: &[u8],
    ) -> Result<Lsn, CannotRecord> {
        self.recorder.rows(self.session, statement, result, layout, rows, bytes)
    }

    /// A statement, or one part of it, ended.
    pub(crate) fn done(&self, statement: StatementId, outcome: &Outcome, last: bool) -> Result<Lsn, CannotRecord> {
        self.recorder.done(self.session, statement, outcome, last)
    }

    /// The second lock refused what the analysis had let pass.
    pub(crate) fn alarm(&self, statement: StatementId, outcome: &Outcome) {
        crate::alarm::alarm(&self.recorder, self.session, statement, outcome.error_code.as_deref());
    }

    /// The session is over; statements still unanswered are recorded as interrupted. Losing the record here is only
    /// logged: there is nobody left to refuse anything to.
    pub(crate) fn close(&self, unanswered: &[StatementId], reason: &str) {
        let interrupted = Outcome { status: Status::Interrupted, tag: String::new(), affected: None, error_code: None };
        let ended = unanswered
            .iter()
            .try_for_each(|statement| self.done(*statement, &interrupted, true).map(drop))
            .and_then(|()| self.recorder.session_closed(self.session, reason));
        if let Err(error) = ended {
            tracing::error!(session = %self.session, %error, "the end of a session could not be recorded");
        }
    }

    /// What a client is told when the record cannot be written.
    #[must_use]
    pub fn refusal(error: &CannotRecord) -> Refusal {
        Refusal::new(
            RefusalKind::CannotRecord,
            format!("the audit record cannot be written, so nothing may pass: {error}"),
        )
        .hint("tell whoever runs Affidavit; your statement was not run")
    }

    /// The same, for a client that has just logged in.
    #[must_use]
    pub fn refused_session(error: &CannotRecord) -> Refusal {
        Refusal::new(
            RefusalKind::CannotRecord,
            format!("the audit record cannot be written, so nobody is let in: {error}"),
        )
        .hint("tell whoever runs Affidavit, and connect again later")
    }
}
