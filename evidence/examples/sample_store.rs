//! Makes a small store with everything in it, for tests in other languages: `sample_store DIR` writes `DIR/store`, the
//! key beside it, and an `affidavit.toml` that names both. The key is a fixed one: never use it for anything real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../tests/support/mod.rs"]
mod support;

use evidence::{ApprovalEvent, ApprovalStep, LoginDenied, PolicyOrigin, new_session_id};
use model::{StatementId, Timestamp};
use std::time::{Duration, SystemTime};
use support::*;

fn main() {
    let folder = std::path::PathBuf::from(std::env::args().nth(1).expect("usage: sample_store DIR"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("log.key"), key().to_text().as_bytes()).unwrap();
    std::fs::write(folder.join("log.vkey"), format!("{}\n", vkey())).unwrap();
    let toml = format!("[store]\npath = \"store\"\norigin = \"{ORIGIN}\"\nsigning_key = {{ file = \"log.key\" }}\n");
    std::fs::write(folder.join("affidavit.toml"), toml).unwrap();
    let mut config = config(&folder.join("store"));
    config.epoch = Duration::from_millis(1);
    let (recorder, _) = open(config);
    let long = session(&recorder, "agent-long");
    for number in 0..3 {
        let id = session(&recorder, &format!("agent-{number}"));
        run(&recorder, id, 1, "SELECT name, ssn FROM patients", 5);
        run(&recorder, id, 2, "SELECT 'it''s', E'\\u00e9' FROM patients", 0);
        run(&recorder, long, number + 1, "SELECT name, ssn FROM patients WHERE id = 1", 2);
        recorder.session_closed(id, "client disconnected").unwrap();
        recorder.seal_now().unwrap();
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
    let until = Timestamp(i64::try_from(now).unwrap() + 600_000_000);
    for step in [ApprovalStep::Requested, ApprovalStep::Approved, ApprovalStep::Used] {
        let decided = step == ApprovalStep::Approved;
        let event = ApprovalEvent {
            approval_id: "grant-1".into(),
            step,
            requester: "agent-long".into(),
            approver: decided.then(|| "ann".into()),
            approver_auth: decided.then(|| "oidc".into()),
            justification: decided.then(|| "treatment of case 7".into()),
            ticket: None,
            scope: "rule history".into(),
            session: Some(long),
            statement: Some(StatementId(4)),
            valid_from: None,
            valid_until: decided.then_some(until),
            policy: version(POLICY),
        };
        recorder.approval(&event).unwrap();
    }
    recorder.intent(long, &statement(4, "SELECT history FROM encounters"), &verdict(), Some("grant-1")).unwrap();
    recorder.done(long, StatementId(4), &completed(0), true).unwrap();
    let other = "[[mask]]\nname = \"other\"\ncolumns = [\"*.*.*.mrn\"]\nwith = \"redact\"\n";
    recorder.policy_loaded(version(other), other, &PolicyOrigin::default()).unwrap();
    let origin = PolicyOrigin { author: Some("ann".into()), change_reason: Some("MRNs".into()), ..Default::default() };
    recorder.policy_activated(version(other), &origin).unwrap();
    let denial = LoginDenied {
        session: new_session_id(),
        claimed_user: "mallory".into(),
        issuer: None,
        subject: None,
        name: None,
        groups: vec![],
        method: None,
        token_id: None,
        client_addr: "127.0.0.1:6000".into(),
        client_app: "psql".into(),
        protocol: "postgres".into(),
        datasource: Some("ehr".into()),
        database: Some("ehr".into()),
        tls_version: None,
        reason: None,
        ticket: None,
        refusal: "the token expired 3 minutes ago".into(),
    };
    recorder.login_denied(&denial).unwrap();
    recorder.session_closed(long, "done").unwrap();
    recorder.close().unwrap();
}
