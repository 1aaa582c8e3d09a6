//! The second lock's alarm: the database has refused, for want of a right, what the analysis had let pass.

use evidence::{AccessEvent, Recorder};
use model::{Facts, SessionId, StatementId, Verb};
use std::sync::atomic::{AtomicU64, Ordering};

/// Alarms since the process began.
static ALARMS: AtomicU64 = AtomicU64::new(0);

/// How many alarms of the second lock there were since the process began.
#[must_use]
pub fn alarms() -> u64 {
    ALARMS.load(Ordering::Relaxed)
}

/// The database has refused what the analysis had let pass.
pub(crate) fn alarm(recorder: &Recorder, session: SessionId, statement: StatementId, code: Option<&str>) {
    ALARMS.fetch_add(1, Ordering::Relaxed);
    let code = code.unwrap_or_default();
    tracing::error!(%session, statement = statement.0, code, "ALARM: the second lock refused a statement that the analysis had let pass");
    let event = AccessEvent {
        actor: "affidavit".to_owned(),
        action: "second lock alarm".to_owned(),
        scope: format!("session {session} statement {}", statement.0),
        finding: Some(format!("the database refused it for want of a right ({code}); the analysis had let it pass")),
        package_hash: None,
    };
    if let Err(error) = recorder.accessed(&event) {
        tracing::error!(%error, "an alarm of the second lock could not be recorded");
    }
}

/// Whether a refusal by the masked role says something about the analysis: it reads or changes rows.
pub(crate) fn concerns(facts: &Facts) -> bool {
    let rows = [Verb::Select, Verb::Insert, Verb::Update, Verb::Delete, Verb::Merge, Verb::CopyOut, Verb::CopyIn];
    facts.parts.iter().flat_map(|part| part.verbs.iter().chain([&part.verb])).any(|verb| rows.contains(verb))
}
