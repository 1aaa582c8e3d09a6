//! A store of approvals in a temporary folder with a clock of its own, and short ways to ask and to agree.

use affidavit::approvals::*;
use model::{
    Access, ApprovalNeed, AuthMethod, ColumnMask, ColumnRef, Decision, Encoding, Facts, Identity, Kind, Lineage,
    MaskSpec, OutputColumn, OutputPlan, Outputs, Param, Phase, PolicyVersion, Reach, Repr, SessionId, SessionInfo,
    Statement, StatementId, TableRef, TableUse, Timestamp, Verb, Verdict,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

pub(crate) const MINUTE: i64 = 60_000_000;

/// A record that remembers, and that can fail.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) lines: Mutex<Vec<(String, Step)>>,
    pub(crate) broken: AtomicBool,
}

impl ApprovalLog for Record {
    fn record(&self, step: &Logged<'_>) -> Result<(), Unlogged> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Unlogged("the disk is full".into()));
        }
        self.lines.lock().push((step.approval.request().id.to_string(), step.entry.step));
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) record: Arc<Record>,
    pub(crate) clock: Arc<AtomicI64>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(1_000 * MINUTE));
        Self { folder: tempfile::tempdir().unwrap(), record: Arc::default(), clock }
    }

    pub(crate) fn open(&self, reject: bool) -> Approvals {
        let clock = self.clock.clone();
        Approvals::open(
            ApprovalsConfig { wait: Duration::from_secs(900), reject, console_url: Some("https://console".into()) },
            self.folder.path(),
            self.record.clone(),
            Arc::new(move || Timestamp(clock.load(Ordering::SeqCst))),
            Vec::new(),
        )
        .unwrap()
    }

    pub(crate) fn later(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.record.lines.lock().iter().map(|(_, step)| *step).collect()
    }
}

pub(crate) fn identity(subject: &str, groups: &[&str]) -> Identity {
    Identity {
        issuer: "https://login".into(),
        subject: subject.into(),
        name: None,
        groups: groups.iter().map(ToString::to_string).collect(),
        expires: Timestamp(i64::MAX),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    }
}

pub(crate) fn session(subject: &str) -> SessionInfo {
    SessionInfo {
        id: SessionId([7; 16]),
        opened: Timestamp(0),
        identity: identity(subject, &["ci-agents"]),
        claimed_user: subject.into(),
        client_addr: "127.0.0.1:5".into(),
        client_app: "psql".into(),
        protocol: "postgres".into(),
        datasource: "ehr".into(),
        database: "ehr".into(),
        upstream_user: "affidavit".into(),
        server_version: "15".into(),
        tls_version: None,
        reason: Some("nightly report".into()),
        ticket: Some("OPS-7".into()),
    }
}

pub(crate) fn statement(sql: &str, param: &str) -> Statement {
    let column = |name: &str| ColumnRef { schema: "public".into(), table: "encounters".into(), column: name.into() };
    let part = model::Part {
        tables: vec![TableUse {
            table: TableRef { schema: "public".into(), table: "encounters".into() },
            access: Access::Read,
            reach: Reach::Direct,
        }],
        outputs: Outputs::Known(vec![OutputColumn { name: Some("mrn".into()), lineage: Lineage::Bare(column("mrn")) }]),
        ..empty_part(Verb::Select)
    };
    let facts = Facts {
        parts: vec![part],
        unparsed: None,
        normalized: "select ?".into(),
        fingerprint: format!("{:016x}", sql.split(char::is_numeric).next().unwrap().len()),
        unknown_relations: Vec::new(),
        catalog_epoch: 1,
    };
    Statement {
        id: StatementId(3),
        phase: Phase::Simple,
        sql: bytes::Bytes::copy_from_slice(sql.as_bytes()),
        params: vec![Param {
            repr: Repr { kind: Kind::Text, encoding: Encoding::PostgresText },
            value: Some(bytes::Bytes::copy_from_slice(param.as_bytes())),
        }],
        prepared: None,
        sent: None,
        role: None,
        facts: Arc::new(facts),
        wire: bytes::Bytes::new(),
    }
}

pub(crate) fn empty_part(verb: Verb) -> model::Part {
    model::Part {
        verb,
        tables: Vec::new(),
        outputs: Outputs::None,
        predicates: Vec::new(),
        writes: Vec::new(),
        calls: Vec::new(),
        opaque: Vec::new(),
        settings: Vec::new(),
        kin: Vec::new(),
        sources: Vec::new(),
        uses: None,
        verbs: Vec::new(),
        reads: Vec::new(),
        filtered: true,
        limited: false,
    }
}

pub(crate) fn need(count: u32) -> ApprovalNeed {
    ApprovalNeed {
        rule: "full history".into(),
        approver_groups: vec!["privacy-office".into()],
        count,
        valid_for_seconds: 1800,
        ..ApprovalNeed::default()
    }
}

pub(crate) fn verdict(policy: u8) -> Verdict {
    let mask = ColumnMask { mask: Some(MaskSpec::Redact), rule: Some("mrn".into()), source: None };
    Verdict {
        decision: Decision::Hold(need(1)),
        rule: Some("full history".into()),
        policy: PolicyVersion([policy; 32]),
        outputs: vec![OutputPlan::Columns(vec![mask])],
        recorded: vec![],
        guard_messages: true,
        class: model::Class::Wire,
        role: model::Role::Wire,
    }
}

pub(crate) fn ask_as(approvals: &Approvals, subject: &str, sql: &str, need: &ApprovalNeed) -> Opened {
    ask_with(approvals, &session(subject), &statement(sql, "a"), &verdict(1), need)
}

pub(crate) fn ask_with(
    approvals: &Approvals,
    session: &SessionInfo,
    statement: &Statement,
    verdict: &Verdict,
    need: &ApprovalNeed,
) -> Opened {
    approvals.ask(&Ask { session, statement, verdict, need, estimated_rows: Some(12) })
}

pub(crate) fn held(opened: Opened) -> Held {
    match opened {
        Opened::Held(held) => held,
        Opened::Granted(_) => panic!("granted"),
        Opened::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

pub(crate) fn refused(opened: Opened) -> model::Refusal {
    match opened {
        Opened::Refused(refusal) => refusal,
        Opened::Held(_) => panic!("held"),
        Opened::Granted(_) => panic!("granted"),
    }
}

pub(crate) fn approve(subject: &str) -> Event {
    Event::Approve {
        approver: Approver::proven(&identity(subject, &["privacy-office"]), "test"),
        justification: "needed for the report".into(),
        window: false,
    }
}

pub(crate) fn only(approvals: &Approvals) -> Approval {
    let all = approvals.list(10, |_| true);
    assert_eq!(all.len(), 1);
    all[0].clone()
}

pub(crate) fn deny(subject: &str) -> Event {
    Event::Deny {
        approver: Approver::proven(&identity(subject, &["privacy-office"]), "test"),
        justification: "not for this".into(),
    }
}
