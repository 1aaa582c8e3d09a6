//! Records of a session's chain, reduced to what the checks need.

use crate::table::{Record, Table, Value};

/// A record of a session's chain, reduced to what the checks need.
pub(super) struct ChainRecord {
    pub(super) lsn: i64,
    pub(super) ts: i64,
    pub(super) order: (u8, i64),
    pub(super) session: [u8; 16],
    pub(super) prev: String,
    pub(super) hash: [u8; 32],
    pub(super) what: What,
}

/// What it says.
pub(super) enum What {
    Open { policy: String, owner: String },
    Denied,
    Statement(Box<StatementFact>),
    Close { final_hash: String, totals: [i64; 3] },
    Unknown(String),
}

/// What a statement's record says.
pub(super) struct StatementFact {
    pub(super) id: i64,
    pub(super) seq: i64,
    pub(super) rows: i64,
    pub(super) bytes: i64,
    pub(super) rows_commit: Option<String>,
    pub(super) body_commit: String,
    pub(super) policy: String,
    pub(super) decision: String,
    pub(super) approval: Option<String>,
    pub(super) phase: String,
    pub(super) sent: Option<i64>,
    pub(super) masks: Vec<Option<String>>,
    /// `issuer|subject`, from the second version on.
    pub(super) owner: Option<String>,
}

impl ChainRecord {
    pub(super) fn new(record: &Record, session: [u8; 16], hash: [u8; 32]) -> Self {
        let (lsn, ts) = (record.int("lsn"), record.int("ts"));
        let optional = |name: &str| record.get(name).as_str().map(str::to_owned);
        let (order, what) = if record.table == Table::Statements {
            let masks = match record.get("result_columns") {
                Value::Columns(columns) => columns.iter().map(|column| column.get(5).cloned().flatten()).collect(),
                _ => Vec::new(),
            };
            let fact = StatementFact {
                id: record.int("statement_id"),
                seq: record.int("session_seq"),
                rows: record.int("row_count"),
                bytes: record.int("bytes_out"),
                rows_commit: optional("rows_commit"),
                body_commit: record.str("body_commit").to_owned(),
                policy: record.str("policy_version").to_owned(),
                decision: record.str("decision").to_owned(),
                approval: optional("approval_id"),
                phase: record.str("phase").to_owned(),
                sent: record.get("sent").as_int(),
                masks,
                owner: optional("user_id").map(|user| format!("{}|{user}", record.str("issuer"))),
            };
            ((1, fact.seq), What::Statement(Box::new(fact)))
        } else {
            match record.str("event") {
                "open" => {
                    let owner = format!("{}|{}", record.str("issuer"), record.str("user_id"));
                    ((0, 0), What::Open { policy: record.str("policy_version").to_owned(), owner })
                }
                "denied" => ((0, 0), What::Denied),
                "close" => {
                    let totals = ["statement_count", "rows_returned", "bytes_returned"].map(|name| record.int(name));
                    ((2, 0), What::Close { final_hash: record.str("final_hash").to_owned(), totals })
                }
                other => ((0, 0), What::Unknown(other.to_owned())),
            }
        };
        Self { lsn, ts, order, session, prev: record.str("prev_hash").to_owned(), hash, what }
    }

    /// Records of its session before it, as it says itself.
    pub(super) fn before(&self) -> i64 {
        match &self.what {
            What::Statement(fact) => fact.seq,
            What::Close { totals: [statements, ..], .. } => statements + 1,
            What::Open { .. } | What::Denied | What::Unknown(_) => 0,
        }
    }
}
