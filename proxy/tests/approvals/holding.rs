//! Holding, deciding, restarts, failing records: one thing at a time.

use crate::world::*;
use affidavit::approvals::*;
use model::{ApprovalNeed, RefusalKind, SessionInfo};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_held_statement_runs_once_someone_agrees() {
    let world = World::new();
    let approvals = world.open(false);
    approvals.know_classes(Arc::new(|datasource, column| {
        (datasource == "ehr" && column.column == "mrn").then(|| "number".to_owned())
    }));
    let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = held.ticket.id().clone();
    assert!(held.notice.contains(id.as_str()) && held.notice.contains("https://console/approvals/"), "{}", held.notice);
    let shown = only(&approvals);
    assert_eq!(shown.request().sql, "select 1");
    assert_eq!(shown.request().params, [Some("a".to_owned())]);
    assert_eq!(shown.request().picture.tables[0].name, "public.encounters");
    assert_eq!(shown.request().picture.columns[0].mask.as_deref(), Some("redact"));
    assert_eq!(shown.request().picture.estimated_rows, Some(12));
    let classified = Classified { class: "number".into(), columns: vec!["public.encounters.mrn".into()] };
    assert_eq!(shown.request().picture.classified, [classified]);
    let waiting = tokio::spawn(held.ticket.decided());
    tokio::task::yield_now().await;
    approvals.decide(&id, &approve("ann")).unwrap();
    let grant = waiting.await.unwrap().unwrap();
    assert_eq!(grant.approval(), &id);
    assert_eq!(only(&approvals).state(), State::Used);
    assert_eq!(world.steps(), [Step::Requested, Step::Approved, Step::Granted, Step::Used]);
}

#[tokio::test]
async fn a_denial_reaches_the_client_in_the_approvers_words() {
    let world = World::new();
    let approvals = world.open(false);
    let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = held.ticket.id().clone();
    let approver = Approver::proven(&identity("ann", &["privacy-office"]), "test");
    approvals.decide(&id, &Event::Deny { approver, justification: "use the summary".into() }).unwrap();
    let refusal = held.ticket.decided().await.unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::NeedsApproval);
    assert_eq!(refusal.message, format!("ann denied request {id}: use the summary"));
}

#[tokio::test]
async fn time_runs_out() {
    let world = World::new();
    let approvals = world.open(false);
    let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = held.ticket.id().clone();
    let waiting = tokio::spawn(held.ticket.decided());
    tokio::task::yield_now().await;
    world.later(15 * MINUTE);
    assert!(approvals.decide(&id, &approve("ann")).is_err(), "approved after expiry");
    approvals.tick().unwrap();
    let refusal = waiting.await.unwrap().unwrap_err();
    assert_eq!(refusal.message, format!("nobody approved request {id} within 15 minutes"));
    assert_eq!(only(&approvals).state(), State::Expired);
    world.later(-15 * MINUTE);
    assert!(approvals.decide(&id, &approve("ann")).is_err(), "a clock that runs backwards revives nothing");
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_request() {
    let world = World::new();
    let approvals = world.open(false);
    let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = held.ticket.id().clone();
    let waiting = tokio::spawn(held.ticket.decided());
    tokio::task::yield_now().await;
    waiting.abort();
    let _ = waiting.await;
    cancelled(&approvals, &id).await;
    assert!(approvals.decide(&id, &approve("ann")).is_err());
    assert_eq!(world.steps(), [Step::Requested, Step::Cancelled]);
}

/// Waits for it: a request is cancelled by a thread that may wait for the disk.
async fn cancelled(approvals: &Approvals, id: &ApprovalId) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while approvals.get(id).unwrap().state() != State::Cancelled {
        assert!(std::time::Instant::now() < end, "{:?}", approvals.get(id).unwrap().state());
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn whoever_waits_and_goes_away_never_blocks_the_thread_of_other_sessions() {
    let world = World::new();
    let approvals = world.open(false);
    let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = held.ticket.id().clone();
    // Somebody's change waits for a slow disk, and has the book meanwhile.
    let (has, begun) = std::sync::mpsc::channel();
    let (done, release) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn({
        let approvals = approvals.clone();
        move || {
            let _ = approvals.list(1, |_| {
                has.send(()).unwrap();
                release.recv().is_err()
            });
        }
    });
    begun.recv().unwrap();
    let waiting = tokio::spawn(held.ticket.decided());
    // This runtime has one thread: if it waited for the book, nothing here would come to its end.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    waiting.abort();
    let _ = waiting.await;
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    done.send(()).unwrap();
    other.join().unwrap();
    cancelled(&approvals, &id).await;
}

#[tokio::test]
async fn with_reject_the_same_statement_passes_later_and_nothing_else_does() {
    let world = World::new();
    let approvals = world.open(true);
    let ask = |sql: &str, param: &str, who: &str, policy: u8, datasource: &str| {
        let session = SessionInfo { datasource: datasource.into(), ..session(who) };
        ask_with(&approvals, &session, &statement(sql, param), &verdict(policy), &need(1))
    };
    let refusal = refused(ask("select 1", "a", "agent", 1, "ehr"));
    let id = only(&approvals).request().id.clone();
    assert!(refusal.message.contains(id.as_str()), "{refusal}");
    assert!(refused(ask("select 1", "a", "agent", 1, "ehr")).message.contains(id.as_str()), "asked once, not twice");
    approvals.decide(&id, &approve("ann")).unwrap();

    for (what, opened) in [
        ("another statement", ask("select 2", "a", "agent", 1, "ehr")),
        ("other parameters", ask("select 1", "b", "agent", 1, "ehr")),
        ("another identity", ask("select 1", "a", "eve", 1, "ehr")),
        ("another policy", ask("select 1", "a", "agent", 2, "ehr")),
        ("another datasource", ask("select 1", "a", "agent", 1, "lab")),
    ] {
        let refusal = refused(opened);
        assert!(!refusal.message.contains(id.as_str()), "{what}: {refusal}");
    }
    assert!(matches!(ask("select 1", "a", "agent", 1, "ehr"), Opened::Granted(_)));
    assert!(matches!(ask("select 1", "a", "agent", 1, "ehr"), Opened::Refused(_)), "one use");
}

#[tokio::test]
async fn a_grant_is_worth_nothing_after_its_time() {
    let world = World::new();
    let approvals = world.open(true);
    refused(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = only(&approvals).request().id.clone();
    approvals.decide(&id, &approve("ann")).unwrap();
    world.later(30 * MINUTE);
    let refusal = refused(ask_as(&approvals, "agent", "select 1", &need(1)));
    assert!(!refusal.message.contains(id.as_str()), "a new request: {refusal}");
}

#[tokio::test]
async fn a_window_covers_one_fingerprint() {
    let world = World::new();
    let approvals = world.open(true);
    let need = ApprovalNeed { window: true, ..need(1) };
    refused(ask_as(&approvals, "agent", "select 1", &need));
    let id = only(&approvals).request().id.clone();
    let Event::Approve { approver, justification, .. } = approve("ann") else { panic!() };
    approvals.decide(&id, &Event::Approve { approver, justification, window: true }).unwrap();
    for sql in ["select 1", "select 2", "select 3"] {
        assert!(matches!(ask_as(&approvals, "agent", sql, &need), Opened::Granted(_)), "{sql}");
    }
    refused(ask_as(&approvals, "agent", "select all 1", &need));
    refused(ask_as(&approvals, "eve", "select 1", &need));
}

#[tokio::test]
async fn an_emergency_opens_at_once_and_stays_on_the_list_until_reviewed() {
    let world = World::new();
    let approvals = world.open(false);
    let need = ApprovalNeed { break_glass: true, ..need(1) };
    assert!(matches!(ask_as(&approvals, "agent", "select 1", &need), Opened::Granted(_)));
    assert!(
        matches!(ask_as(&approvals, "agent", "select 1", &need), Opened::Granted(_)),
        "each use is its own emergency"
    );
    assert_eq!(approvals.list(10, |approval| approval.review() == Some(&Review::Due)).len(), 2);
    assert_eq!(world.steps(), [Step::Requested, Step::Opened, Step::Used].repeat(2));
    world.later(365 * 24 * 60 * MINUTE);
    approvals.tick().unwrap();
    assert_eq!(approvals.list(10, |approval| approval.review() == Some(&Review::Due)).len(), 2, "still owed");
}

#[tokio::test]
async fn a_restart_forgets_nothing_and_revives_nothing() {
    let world = World::new();
    let (waiting, granted, lapsed);
    {
        let approvals = world.open(true);
        let id = |subject: &str| {
            approvals.list(1, |approval| approval.request().requester.subject == subject)[0].request().id.clone()
        };
        refused(ask_as(&approvals, "early", "select 1", &need(1)));
        lapsed = id("early");
        world.later(14 * MINUTE);
        refused(ask_as(&approvals, "agent", "select 1", &need(1)));
        refused(ask_as(&approvals, "other", "select 1", &need(2)));
        (granted, waiting) = (id("agent"), id("other"));
        approvals.decide(&granted, &approve("ann")).unwrap();
        approvals.decide(&waiting, &approve("ann")).unwrap();
    }
    world.later(2 * MINUTE);
    let approvals = world.open(true);
    assert_eq!(approvals.get(&lapsed).unwrap().state(), State::Expired);
    assert!(matches!(ask_as(&approvals, "agent", "select 1", &need(1)), Opened::Granted(_)));
    assert!(approvals.decide(&waiting, &approve("ann")).is_err(), "votes are remembered");
    approvals.decide(&waiting, &approve("bob")).unwrap();
    assert!(matches!(ask_as(&approvals, "other", "select 1", &need(2)), Opened::Granted(_)));
    drop(approvals);
    let approvals = world.open(true);
    assert!(matches!(ask_as(&approvals, "agent", "select 1", &need(1)), Opened::Refused(_)), "used before the restart");
}

#[tokio::test]
async fn a_connection_that_died_with_the_proxy_is_cancelled_at_the_next_start() {
    let world = World::new();
    let approvals = world.open(false);
    let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = held.ticket.id().clone();
    // What `kill -9` leaves: the file as it is now, and nobody who cleans up.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(world.folder.path().join("approvals.redb"), copy.path().join("approvals.redb")).unwrap();
    let after = World { folder: copy, record: Arc::default(), clock: world.clock.clone() };
    let restarted = after.open(false);
    assert_eq!(restarted.get(&id).unwrap().state(), State::Cancelled);
    assert_eq!(after.steps(), [Step::Cancelled]);
    drop(held);
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let world = World::new();
    let approvals = world.open(true);
    refused(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = only(&approvals).request().id.clone();
    world.record.broken.store(true, Ordering::SeqCst);
    assert!(matches!(approvals.decide(&id, &approve("ann")), Err(Failed::Unlogged(_))));
    assert_eq!(approvals.get(&id).unwrap().state(), State::Pending);
    assert_eq!(refused(ask_as(&approvals, "eve", "select 1", &need(1))).kind, RefusalKind::CannotRecord);
    world.record.broken.store(false, Ordering::SeqCst);
    approvals.decide(&id, &approve("ann")).unwrap();
    world.record.broken.store(true, Ordering::SeqCst);
    assert_eq!(refused(ask_as(&approvals, "agent", "select 1", &need(1))).kind, RefusalKind::CannotRecord);
    world.record.broken.store(false, Ordering::SeqCst);
    let refusal = refused(ask_as(&approvals, "agent", "select 1", &need(1)));
    assert!(!refusal.message.contains(id.as_str()), "a use that could not be recorded spends the grant");
}

#[tokio::test]
async fn one_person_cannot_flood_the_approvers() {
    let world = World::new();
    let approvals = world.open(true);
    let flood = (0..40).map(|n| refused(ask_as(&approvals, "agent", &format!("select {n}"), &need(1))));
    assert_eq!(flood.filter(|refusal| refusal.kind == RefusalKind::LimitReached).count(), 8);
    assert_eq!(refused(ask_as(&approvals, "other", "select 1", &need(1))).kind, RefusalKind::NeedsApproval);
}

#[test]
fn only_the_proxys_user_can_read_the_file_and_only_one_proxy_can_open_it() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let _open = world.open(false);
    let mode = std::fs::metadata(world.folder.path().join("approvals.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(Store::open(world.folder.path()), Err(StoreError::InUse(_))));
}
