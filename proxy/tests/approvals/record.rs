//! What the real record says of approvals: each way that one can end is its own event, and the store verifies.

use crate::world::*;
use affidavit::approvals::*;
use evidence::{LogKey, PolicyOrigin, Reader, Recorder, SigningKeySource, StoreConfig, new_session_id};
use model::*;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const POLICY: &str = "[[deny]]\nname = \"x\"\nwhen = { verbs = [\"ddl\"] }\n";
const ORIGIN: &str = "audit.example.org/test";

fn policy() -> PolicyVersion {
    PolicyVersion(Sha256::digest(POLICY.as_bytes()).into())
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_micros()).unwrap())
}

/// A store, its approvals, and one session of `agent`.
struct Whole {
    folder: tempfile::TempDir,
    key: LogKey,
    recorder: Recorder,
    approvals: Approvals,
}

impl Whole {
    fn new(reject: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = LogKey::generate(ORIGIN).unwrap();
        let source = SigningKeySource::Text { text: key.to_text(), origin: "test".into() };
        let mut config = StoreConfig::new(folder.path(), ORIGIN, source);
        config.create = true;
        config.journal.soft_free_bytes = 0;
        config.journal.hard_free_bytes = 0;
        let (recorder, _) = Recorder::open(config).unwrap();
        recorder.policy_loaded(policy(), POLICY, &PolicyOrigin::default()).unwrap();
        recorder.policy_activated(policy(), &PolicyOrigin::default()).unwrap();
        let wait = Duration::from_secs(60);
        let config = ApprovalsConfig { wait, reject, console_url: None };
        let log = Arc::new(recorder.clone());
        let approvals = Approvals::open(config, folder.path(), log, Arc::new(now), Vec::new()).unwrap();
        Self { folder, key, recorder, approvals }
    }

    fn session(&self, subject: &str) -> SessionInfo {
        let info = SessionInfo { id: new_session_id(), ..session(subject) };
        self.recorder.session_opened(&info, policy()).unwrap();
        info
    }

    fn ask(&self, session: &SessionInfo, id: u64, sql: &str, need: &ApprovalNeed) -> Opened {
        let statement = Statement { id: StatementId(id), ..statement(sql, "a") };
        let verdict = Verdict { policy: policy(), ..verdict(1) };
        ask_with(&self.approvals, session, &statement, &verdict, need)
    }

    /// What the pipeline records of a statement that ran under a grant.
    fn ran(&self, session: &SessionInfo, id: u64, sql: &str, grant: &Grant) {
        let statement = Statement { id: StatementId(id), ..statement(sql, "a") };
        let verdict = Verdict { policy: policy(), ..verdict(1) };
        self.recorder.intent(session.id, &statement, &verdict, Some(grant.approval().as_str())).unwrap();
        let outcome = Outcome { status: Status::Completed, tag: "SELECT 0".into(), affected: None, error_code: None };
        self.recorder.done(session.id, statement.id, &outcome, true).unwrap();
    }

    /// The events of each approval, and what verification says against the store.
    fn end(self, sessions: &[&SessionInfo]) -> (Vec<String>, Vec<String>) {
        for session in sessions {
            self.recorder.session_closed(session.id, "done").unwrap();
        }
        drop(self.approvals);
        self.recorder.close().unwrap();
        let events = events(self.folder.path());
        let options = evidence::verify::Options::new(self.key.verifier());
        let report = evidence::verify::verify(self.folder.path(), &options).unwrap();
        let wrong = report.failed().map(|check| format!("{}: {:?}", check.name, check.findings)).collect();
        (events, wrong)
    }
}

fn events(store: &Path) -> Vec<String> {
    let reader = Reader::open(store, None).unwrap();
    reader.approvals().unwrap().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
}

fn granted(opened: Opened) -> Grant {
    match opened {
        Opened::Granted(grant) => grant,
        Opened::Refused(refusal) => panic!("refused: {refusal}"),
        Opened::Held(_) => panic!("held"),
    }
}

fn office(subject: &str) -> Approver {
    Approver::proven(&identity(subject, &["privacy-office"]), "console login")
}

#[tokio::test]
async fn a_grant_a_window_and_an_emergency_verify() {
    let whole = Whole::new(false);
    let agent = whole.session("agent");
    let held = held(whole.ask(&agent, 1, "select 1", &need(2)));
    let id = held.ticket.id().clone();
    whole.approvals.decide(&id, &approve("ann")).unwrap();
    whole.approvals.decide(&id, &approve("bob")).unwrap();
    let grant = held.ticket.decided().await.unwrap();
    whole.ran(&agent, 1, "select 1", &grant);

    let window = ApprovalNeed { window: true, ..need(1) };
    let waiting = crate::world::held(whole.ask(&agent, 2, "select x where 2", &window));
    let wide = Event::Approve { approver: office("ann"), justification: "all night".into(), window: true };
    whole.approvals.decide(waiting.ticket.id(), &wide).unwrap();
    let first = waiting.ticket.decided().await.unwrap();
    whole.ran(&agent, 2, "select x where 2", &first);
    let second = granted(whole.ask(&agent, 3, "select x where 3", &window));
    whole.ran(&agent, 3, "select x where 3", &second);

    let emergency = ApprovalNeed { break_glass: true, ..need(1) };
    let opened = granted(whole.ask(&agent, 4, "select 4", &emergency));
    whole.ran(&agent, 4, "select 4", &opened);
    let review = Event::Review { approver: office("ann"), finding: "it was one".into() };
    whole.approvals.decide(opened.approval(), &review).unwrap();

    let (events, wrong) = whole.end(&[&agent]);
    let expected = [
        "requested",
        "approved",
        "approved",
        "used",
        "requested",
        "approved",
        "window",
        "used",
        "used",
        "requested",
        "emergency",
        "used",
        "reviewed",
    ];
    assert_eq!(events, expected);
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn each_end_has_its_own_word() {
    let whole = Whole::new(true);
    let agent = whole.session("agent");
    let ask = |sql: &str| {
        refused(whole.ask(&agent, 1, sql, &need(1)));
        whole.approvals.list(1, |approval| approval.request().sql == sql)[0].request().id.clone()
    };
    let withdrawn = ask("select withdrawn");
    let person = withdrawn_by();
    whole.approvals.decide(&withdrawn, &Event::Withdraw { person }).unwrap();
    whole.approvals.decide(&ask("select denied"), &deny("ann")).unwrap();
    let revoked = ask("select revoked");
    whole.approvals.decide(&revoked, &approve("ann")).unwrap();
    let revoke = Event::Revoke { approver: office("bob"), justification: "a mistake".into() };
    whole.approvals.decide(&revoked, &revoke).unwrap();
    let (events, wrong) = whole.end(&[&agent]);
    let expected = ["requested", "cancelled", "requested", "denied", "requested", "approved", "revoked"];
    assert_eq!(events, expected);
    assert_eq!(wrong, Vec::<String>::new());
}

fn withdrawn_by() -> Person {
    Person::of(&identity("agent", &[]))
}

#[tokio::test]
async fn another_session_of_the_same_identity_may_use_a_grant() {
    let whole = Whole::new(true);
    let first = whole.session("agent");
    refused(whole.ask(&first, 1, "select 1", &need(1)));
    let id = whole.approvals.list(1, |_| true)[0].request().id.clone();
    whole.recorder.seal_now().unwrap();
    whole.approvals.decide(&id, &approve("ann")).unwrap();
    let second = whole.session("agent");
    let grant = granted(whole.ask(&second, 1, "select 1", &need(1)));
    whole.ran(&second, 1, "select 1", &grant);
    let (events, wrong) = whole.end(&[&first, &second]);
    assert_eq!(events, ["requested", "approved", "used"]);
    assert_eq!(wrong, Vec::<String>::new());
}
