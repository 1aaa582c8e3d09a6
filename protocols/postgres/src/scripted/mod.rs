//! Conversations scripted from both sides, without sockets: each line of the list of what transparent proxies get wrong
//! has its test here. Both sides' bytes are shown as text, our names as `~`.

mod copying;
mod extended;
mod hostile;
mod messages;
mod relations;
mod roles;
mod simple;

use crate::catalog::Snapshot;
use crate::conversation::PostgresConversation;
use crate::datasource::Source;
use crate::message::extended::{Target, bind, execute, parse, target};
use crate::message::frame;
use crate::session::Session;
use messages::*;
use model::{Class, Refusal, RefusalKind, Role, TableRef};
use sql::{CatalogColumn, Relation, RelationKind};
use std::sync::Arc;
use std::time::Duration;
use wire::{
    Answer, CellAnswer, CellMasker, Conversation, DatasourceSpec, Request, Splice, Step, UpstreamTls, Violation,
};

/// A relay without sockets. Texts with `DENY` in them are refused; columns named `ssn` are masked.
pub(super) struct Script {
    pub(super) conversation: PostgresConversation,
    from_client: Vec<u8>,
    from_upstream: Vec<u8>,
    pub(super) to_upstream: Vec<u8>,
    pub(super) to_client: Vec<u8>,
    /// What the pipeline was told.
    pub(super) log: Vec<String>,
    pub(super) journal: Vec<u8>,
    /// Whether masking is foreseen for every statement.
    pub(super) foresee: bool,
    /// Whether the second lock is in force: texts with `ssn` in them need the wire role.
    pub(super) locked: bool,
}

struct Stars(Vec<bool>);

impl CellMasker for Stars {
    fn masks(&self, column: usize) -> bool {
        self.0[column]
    }

    fn mask(&mut self, _column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        match cell {
            None => CellAnswer::Keep,
            Some(_) => {
                out.extend_from_slice(b"***");
                CellAnswer::Replaced
            }
        }
    }
}

pub(super) fn source() -> Arc<Source> {
    let mut options = wire::Options::default();
    options.set("second_lock", wire::OptionValue::Choice("required"));
    let column = |number, name: &str, type_name: &str| CatalogColumn {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        number,
        nullable: number != 1,
        collation: None,
        invisible: false,
        generated_from: Vec::new(),
        indexes: Vec::new(),
    };
    let patients = Relation {
        name: TableRef { schema: "public".to_owned(), table: "patients".to_owned() },
        id: 16_385,
        kind: RelationKind::Table,
        columns: vec![column(1, "id", "integer"), column(2, "name", "text"), column(3, "ssn", "character varying(11)")],
        definition: None,
        parents: Vec::new(),
    };
    let spec = DatasourceSpec {
        name: "ehr".to_owned(),
        address: "localhost:1".to_owned(),
        database: None,
        user: "app".to_owned(),
        password: None,
        tls: UpstreamTls::Disabled,
        options,
        connect_timeout: Duration::from_secs(1),
    };
    Arc::new(Source::with_snapshot(spec, Snapshot::of(vec![patients])))
}

impl Script {
    pub(super) fn new() -> Self {
        let mut session = Session::new("app");
        session.report("standard_conforming_strings", "on");
        session.report("client_encoding", "UTF8");
        session.asked(false);
        session.refreshed("public", "none");
        Self {
            conversation: PostgresConversation::new(source(), session),
            from_client: Vec::new(),
            from_upstream: Vec::new(),
            to_upstream: Vec::new(),
            to_client: Vec::new(),
            log: Vec::new(),
            journal: Vec::new(),
            foresee: false,
            locked: false,
        }
    }

    /// A session of a datasource whose second lock is in force.
    pub(super) fn locked() -> Self {
        let mut script = Self::new();
        script.conversation.source.set_lock(wire::LockState::InForce);
        script.conversation.session.takes_roles();
        script.conversation.roles = Some(crate::roles::Roles::new("app"));
        Self { locked: true, ..script }
    }

    /// The client sends these bytes.
    pub(super) fn try_client(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.from_client.extend_from_slice(bytes);
        self.pump()
    }

    /// The upstream sends these bytes.
    pub(super) fn try_upstream(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.from_upstream.extend_from_slice(bytes);
        self.pump()
    }

    pub(super) fn client(&mut self, messages: &[Vec<u8>]) {
        self.try_client(&messages.concat()).expect("the client keeps to the protocol");
    }

    pub(super) fn upstream(&mut self, messages: &[Vec<u8>]) {
        self.try_upstream(&messages.concat()).expect("the upstream keeps to the protocol");
    }

    fn pump(&mut self) -> Result<(), Violation> {
        loop {
            let moved = self.answers()?;
            if !(self.requests()? || moved) {
                return Ok(());
            }
        }
    }

    fn requests(&mut self) -> Result<bool, Violation> {
        let input = std::mem::take(&mut self.from_client);
        let mut at = 0;
        let ended = loop {
            let (consumed, item) = match self.conversation.request(&input[at..]) {
                Err(violation) => break Err(violation),
                Ok(Step::Need(_)) => break Ok(()),
                Ok(Step::Got { consumed, item }) => (consumed, item),
            };
            at += consumed;
            let (mut statement, refusal) = match item {
                Request::Forward(_, bytes) => {
                    self.to_upstream.extend_from_slice(&bytes);
                    continue;
                }
                Request::Data(bytes) => {
                    self.to_upstream.extend_from_slice(bytes);
                    continue;
                }
                Request::Absorb | Request::Reply(_) => continue,
                Request::Terminate(_) => {
                    self.log.push("terminate".to_owned());
                    continue;
                }
                Request::Statement(statement) => {
                    let denied = statement.sql.windows(4).any(|window| window == b"DENY");
                    (statement, denied.then(|| Refusal::new(RefusalKind::Denied, "denied")))
                }
                Request::Refused(statement, refusal) => (statement, Some(refusal)),
            };
            let sql = String::from_utf8_lossy(&statement.sql).into_owned();
            let refusal = refusal.or_else(|| {
                let wire = sql.contains("ssn");
                let (class, role) = if wire { (Class::Wire, Role::Wire) } else { (Class::Untouched, Role::Masked) };
                let settled = self.locked.then(|| self.conversation.settle_class(&mut statement, &class, role));
                settled.and_then(Result::err)
            });
            self.log.push(format!("{} {} {sql}", statement.id.0, statement.phase.as_str()));
            match refusal {
                Some(refusal) => {
                    let mut client = Vec::new();
                    self.conversation.refuse(&statement, &refusal, &mut self.to_upstream, &mut client);
                    assert!(client.is_empty(), "PostgreSQL has an order to keep");
                }
                None => {
                    if self.foresee {
                        self.conversation.whole_rows(statement.id);
                    }
                    let mut extra = Vec::new();
                    self.conversation.permit(&statement, &mut self.to_upstream, &mut extra);
                    self.to_upstream.extend_from_slice(&statement.wire);
                    self.to_upstream.extend_from_slice(&extra);
                }
            }
        };
        self.from_client = input[at..].to_vec();
        ended.map(|()| at > 0)
    }

    fn answers(&mut self) -> Result<bool, Violation> {
        let input = std::mem::take(&mut self.from_upstream);
        let (mut at, mut moved) = (0, false);
        let ended = loop {
            let (consumed, item) = match self.conversation.answer(&input[at..]) {
                Err(violation) => break Err(violation),
                Ok(Step::Need(_)) => break Ok(()),
                Ok(Step::Got { consumed, item }) => (consumed, item),
            };
            at += consumed;
            moved = true;
            match item {
                Answer::Columns { statement, result, columns, wire } => {
                    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
                    self.log.push(format!("{} columns {result} {}", statement.0, names.join(",")));
                    self.to_client.extend_from_slice(&wire);
                }
                Answer::Rows(batch) => {
                    let mut masker = Stars(batch.columns.iter().map(|column| column.name == "ssn").collect());
                    // Batches depend on how the bytes came; their sum does not.
                    let prefix = format!("{} rows {} ", batch.statement.0, batch.result);
                    match self.log.last_mut().filter(|last| last.starts_with(&prefix)) {
                        Some(last) => {
                            let before: u64 = last[prefix.len()..].parse().unwrap();
                            *last = format!("{prefix}{}", before + batch.rows);
                        }
                        None => self.log.push(format!("{prefix}{}", batch.rows)),
                    }
                    let mut splice = Splice::default();
                    if masker.0.contains(&true) {
                        if let Err(violation) = self.conversation.splice(&batch, &mut masker, &mut splice) {
                            break Err(violation);
                        }
                        self.to_client.extend_from_slice(&splice.wire);
                        let journal = if splice.journal.is_empty() { &splice.wire } else { &splice.journal };
                        self.journal.extend_from_slice(journal);
                    } else {
                        self.to_client.extend_from_slice(batch.wire);
                        let mut journal = Vec::new();
                        match self.conversation.journal_rows(&batch, &mut journal) {
                            Err(violation) => break Err(violation),
                            Ok(Some(())) => self.journal.extend_from_slice(&journal),
                            Ok(None) => self.journal.extend_from_slice(batch.wire),
                        }
                    }
                }
                Answer::Done { statement, outcome, last, wire, .. } => {
                    let code = outcome.error_code.unwrap_or_default();
                    let end = if last { "done" } else { "part" };
                    let text = format!("{} {end} {} {}{code}", statement.0, outcome.status.as_str(), outcome.tag);
                    self.log.push(text.trim_end().to_owned());
                    self.to_client.extend_from_slice(&wire);
                }
                Answer::Message { statement, message, wire } => {
                    self.log.push(format!("{} message {}", statement.map_or(0, |id| id.0), message.code));
                    self.to_client.extend_from_slice(&wire);
                }
                Answer::Forward(wire) => self.to_client.extend_from_slice(&wire),
                Answer::Absorb => {}
            }
        };
        self.from_upstream = input[at..].to_vec();
        ended.map(|()| moved)
    }

    /// What was sent upstream since the last look.
    pub(super) fn sent(&mut self) -> String {
        let bytes = std::mem::take(&mut self.to_upstream);
        render(&self.conversation, &bytes, true)
    }

    /// What the client got since the last look.
    pub(super) fn told(&mut self) -> String {
        let bytes = std::mem::take(&mut self.to_client);
        render(&self.conversation, &bytes, false)
    }

    /// What the pipeline was told since the last look.
    pub(super) fn logged(&mut self) -> String {
        std::mem::take(&mut self.log).join("; ")
    }

    pub(super) fn waiting(&self) -> bool {
        !self.from_client.is_empty()
    }
}

/// Frames as text: the tag and what matters of the body.
fn render(conversation: &PostgresConversation, mut bytes: &[u8], requests: bool) -> String {
    let name = |name: &[u8]| {
        let ours = conversation.names.mentioned(name);
        if ours { "~".to_owned() } else { String::from_utf8_lossy(name).into_owned() }
    };
    let mut out = Vec::new();
    while let Ok(Step::Got { consumed, item }) = frame(bytes, usize::MAX) {
        let tag = char::from(item.tag);
        out.push(
            match (requests, item.tag) {
                (true, b'P') => {
                    parse(item.body).map(|p| format!("P({},{})", name(p.name), String::from_utf8_lossy(p.sql)))
                }
                (true, b'B') => bind(item.body).map(|b| format!("B({},{})", name(b.portal), name(b.statement))),
                (true, b'E') => execute(item.body).map(|(portal, _)| format!("E({})", name(portal))),
                (true, b'D' | b'C') => target(item.body).map(|t| match t {
                    Target::Statement(s) => format!("{tag}(S {})", name(s)),
                    Target::Portal(p) => format!("{tag}(P {})", name(p)),
                }),
                (false, b'E' | b'N') => crate::message::fields::Fields::decode(item.body)
                    .map(|f| format!("{tag}({} {})", f.text(b'C'), f.text(b'M'))),
                _ => {
                    let text: String = item.body.escape_ascii().to_string();
                    Ok(format!("{tag}({})", text.replace("\\x00", "")))
                }
            }
            .expect("what we send is well formed"),
        );
        bytes = &bytes[consumed..];
    }
    assert!(bytes.is_empty(), "a cut frame: {bytes:?}");
    out.join(" ").replace("()", "")
}
