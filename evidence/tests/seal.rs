//! Recording, sealing, closing and opening again.
// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::{CannotRecord, Recorder};
use model::*;
use support::*;

#[test]
fn a_closed_store_has_nothing_left_to_seal_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, recovery) = open(config(folder.path()));
    assert_eq!(recovery, evidence::Recovery::default());
    let id = session(&recorder, "agent-1");
    run(&recorder, id, 1, "SELECT name, ssn FROM patients", 3);
    recorder.session_closed(id, "client disconnected").unwrap();
    let report = recorder.clone().close().unwrap();
    assert_eq!((report.segment, report.sealed), (1, recorder.health().journaled));
    assert_eq!(recorder.session_closed(id, "again"), Err(CannotRecord::Closed));
    drop(recorder);

    let (recorder, recovery) = open(config(folder.path()));
    assert_eq!(recovery, evidence::Recovery::default());
    let id = session(&recorder, "agent-2");
    run(&recorder, id, 1, "SELECT 1", 1);
    recorder.session_closed(id, "done").unwrap();
    assert_eq!(recorder.seal_now().unwrap().segment, 2);
    recorder.close().unwrap();
}

#[test]
fn two_writers_cannot_have_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = open(config(folder.path()));
    let refused = Recorder::open(config(folder.path())).map(drop).unwrap_err().to_string();
    assert!(refused.contains(&format!("pid {}", std::process::id())), "{refused}");
    first.close().unwrap();
}

#[test]
fn a_statement_under_an_unknown_policy_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let id = session(&recorder, "agent-1");
    let verdict = Verdict { policy: PolicyVersion([1; 32]), ..verdict() };
    let refused = recorder.intent(id, &statement(1, "SELECT 1"), &verdict, None).unwrap_err();
    assert!(matches!(refused, CannotRecord::Invalid(_)), "{refused}");
    let wrong = recorder.policy_loaded(PolicyVersion([1; 32]), POLICY, &evidence::PolicyOrigin::default());
    assert!(matches!(wrong, Err(CannotRecord::Invalid(_))), "{wrong:?}");
}
