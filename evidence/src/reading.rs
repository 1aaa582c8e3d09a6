//! Reading the record from within the proxy: what its console searches and replays. The same searches as the `evidence`
//! commands, in the same words: objects carry the columns of the Parquet tables.
//!
//! Nothing here notes that someone looked: whoever shows what they read calls [`crate::Recorder::accessed`] first.

use crate::cli::sessions::{self, When, Who};
use crate::cli::statements::{self, Which};
use crate::error::StoreError;
use crate::search::{Archive, Condition, Query};
use crate::table::{Record, Table, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

/// What a search is narrowed by. Empty fields ask nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Subject or e-mail address of the identity, exactly.
    pub identity: Option<String>,
    /// Name of the datasource, exactly.
    pub datasource: Option<String>,
    /// From this time on, microseconds since the epoch.
    pub from: Option<i64>,
    /// Up to this time, microseconds since the epoch.
    pub to: Option<i64>,
    /// `patients` or `public.patients`. Statements only.
    pub table: Option<String>,
    /// Text in the statement, whatever the case. Statements only.
    pub text: Option<String>,
    /// `allow`, `deny`, `approved`. Statements only.
    pub decision: Option<String>,
    /// The approval that it used. Statements only.
    pub approval: Option<String>,
}

/// A store, open for reading, at one moment: what is written later is seen when it is opened again.
pub struct Reader {
    archive: Archive,
}

/// The exact text of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// As the client sent it.
    Exact {
        /// The SQL.
        sql: String,
        /// What went to the database in its place, if another text did.
        sent: Option<String>,
        /// Its parameters; `None` is NULL.
        params: Vec<Option<String>>,
    },
    /// It is encrypted, and the key is not here.
    Closed,
    /// It is not in the store.
    Missing,
}

/// A row as the client got it: masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRow {
    /// Which result of the statement, from 0.
    pub result_set: i64,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The values; `None` is NULL.
    pub values: Vec<Option<String>>,
    /// What could not be kept of it, if something.
    pub overflow: Option<String>,
}

/// A policy version that the store knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRecord {
    /// SHA-256 of the text, hex.
    pub version: String,
    /// The canonical text.
    pub content: String,
    /// When it began to decide, microseconds since the epoch. A version may decide several times.
    pub activated: Vec<i64>,
    /// When it last stopped deciding; `None` while it decides, or when it never did.
    pub until: Option<i64>,
    /// Who changed it, as far as that is known.
    pub author: Option<String>,
    /// Why.
    pub change_reason: Option<String>,
    /// The git commit that the folder stood at.
    pub git_commit: Option<String>,
}

/// A time as people write it: `2026-11-23T10:00:00Z`, `2026-11-23` (its beginning, UTC), or `90s`, `15m`, `2h`, `7d` (ago).
/// Microseconds since the epoch.
///
/// # Errors
/// Which forms there are.
pub fn parse_time(text: &str) -> Result<i64, String> {
    crate::cli::time::parse(text)
}

impl Filter {
    fn who(&self) -> Who {
        Who { identity: self.identity.clone(), datasource: self.datasource.clone(), session: None }
    }

    fn when(&self) -> When {
        When { from: self.from, to: self.to }
    }
}

impl Reader {
    /// Opens a store, also one that is being written. `body_key` opens encrypted texts of statements.
    ///
    /// # Errors
    /// There is no store, or it is damaged.
    pub fn open(store: &Path, body_key: Option<&[u8]>) -> Result<Self, StoreError> {
        let mut archive = Archive::open(store)?;
        archive.body_key = body_key.map(|key| key.to_vec().into());
        Ok(Self { archive })
    }

    /// Sessions that match, newest first, at most `most`, refused logins included. As `evidence sessions --json`.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn sessions(&self, filter: &Filter, most: usize) -> Result<Vec<Json>, StoreError> {
        let found = sessions::find(&self.archive, &filter.who(), &filter.when(), Some(most))?;
        Ok(found.iter().rev().map(sessions::Session::json).collect())
    }

    /// Statements that match, newest first, at most `most`, and whether encrypted texts were left out of the search. As
    /// `evidence statements --json`.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn statements(&self, filter: &Filter, most: usize) -> Result<(Vec<Json>, bool), StoreError> {
        let which = Which {
            who: filter.who(),
            when: filter.when(),
            table: filter.table.clone(),
            text: filter.text.clone(),
            decision: filter.decision.clone(),
            approval: filter.approval.clone(),
            ..Which::default()
        };
        let (query, closed) = which.query(&self.archive)?;
        let found = self.archive.collect(&query, Some(most))?;
        let owners = statements::sessions_of(&self.archive, &found)?;
        let none = BTreeMap::new();
        let objects = found.iter().rev().map(|(record, unsealed)| statements::json(record, *unsealed, &owners, &none));
        Ok((objects.collect(), closed))
    }

    /// One session by its full id. As `evidence sessions --json`.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn session(&self, id: &str) -> Result<Option<Json>, StoreError> {
        let who = Who { session: Some(id.to_owned()), ..Who::default() };
        let found = sessions::find(&self.archive, &who, &When::default(), None)?;
        Ok(found.iter().find(|session| session.id() == id).map(sessions::Session::json))
    }

    /// The statements of a session whose numbers are in a range, in order. As `evidence statements --json`.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn statements_of(&self, session: &str, numbers: RangeInclusive<i64>) -> Result<Vec<Json>, StoreError> {
        let query = Query::new(Table::Statements)
            .with(Condition::equals("session_id", session))
            .with(Condition::Test(Box::new(move |record| numbers.contains(&record.int("statement_id")))));
        let mut found = self.archive.collect(&query, None)?;
        found.sort_by_key(|(record, _)| record.int("statement_id"));
        let none = (BTreeMap::new(), BTreeMap::new());
        Ok(found.iter().map(|(record, unsealed)| statements::json(record, *unsealed, &none.0, &none.1)).collect())
    }

    /// The exact text of a statement, which may hold protected values.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn text(&self, session: &str, statement: i64) -> Result<Text, StoreError> {
        let query = Query::new(Table::StatementBodies)
            .with(Condition::equals("session_id", session))
            .with(Condition::Int("statement_id", statement));
        let found = match self.archive.collect(&query, Some(1)) {
            Ok(found) => found,
            Err(StoreError::Damaged { .. }) if self.archive.body_key.is_none() => return Ok(Text::Closed),
            Err(error) => return Err(error),
        };
        Ok(found.first().map_or(Text::Missing, |(record, _)| Text::Exact {
            sql: record.str("sql_text").to_owned(),
            sent: record.get("sent_sql").as_str().map(str::to_owned),
            params: if let Value::Strs(params) = record.get("params") { params.clone() } else { Vec::new() },
        }))
    }

    /// The rows of a statement's results, one result after the other: those whose place is in `window`, from 0.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn rows(&self, session: &str, statement: i64, window: Range<u64>) -> Result<Vec<RecordedRow>, StoreError> {
        let found = self.archive.some_rows(session, statement, &window)?;
        Ok(found
            .into_iter()
            .map(|row| RecordedRow {
                result_set: row.result_set,
                columns: row.columns,
                values: row.values,
                overflow: row.overflow,
            })
            .collect())
    }

    /// Who looked at what contains `scope`, newest first, at most `most`: actor, action, scope and time.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn accesses(&self, scope: &str, most: usize) -> Result<Vec<Json>, StoreError> {
        let query = Query::new(Table::AuditAccesses).with(Condition::contained(&["scope"], scope));
        Ok(self.archive.collect(&query, Some(most))?.iter().rev().map(|(record, _)| record.json()).collect())
    }

    /// Every step of every approval, oldest first. As `evidence approvals --json`.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn approvals(&self) -> Result<Vec<Json>, StoreError> {
        let mut found = self.archive.collect(&Query::new(Table::Approvals), None)?;
        found.sort_by_key(|(record, _)| record.int("lsn"));
        Ok(found.iter().map(|(record, _)| record.json()).collect())
    }

    /// Every policy version, the one in force first, then by when each last began to decide.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn policies(&self) -> Result<Vec<PolicyRecord>, StoreError> {
        let mut all: BTreeMap<String, PolicyRecord> = BTreeMap::new();
        let records = self.archive.collect(&Query::new(Table::PolicyVersions), None)?;
        let mut records: Vec<Record> = records.into_iter().map(|(record, _)| record).collect();
        records.sort_by_key(|record| record.int("lsn"));
        for record in records {
            let policy = all.entry(record.str("version").to_owned()).or_default();
            policy.version = record.str("version").to_owned();
            match record.str("event") {
                "loaded" => policy.content = record.str("content").to_owned(),
                "activated" => {
                    let since = record.get("effective_from").as_int().unwrap_or(record.int("ts"));
                    // A restart activates again what decides already.
                    if policy.activated.last() != Some(&since) {
                        policy.activated.push(since);
                    }
                    policy.until = None;
                }
                "superseded" => {
                    policy.until = Some(record.get("effective_until").as_int().unwrap_or(record.int("ts")));
                    continue;
                }
                _ => continue,
            }
            let optional = |name: &str| record.get(name).as_str().filter(|text| !text.is_empty()).map(str::to_owned);
            policy.author = optional("author").or(policy.author.take());
            policy.change_reason = optional("change_reason").or(policy.change_reason.take());
            policy.git_commit = optional("git_commit").or(policy.git_commit.take());
        }
        let mut all: Vec<PolicyRecord> = all.into_values().collect();
        all.sort_by_key(|policy| std::cmp::Reverse((policy.until.is_none(), policy.activated.last().copied())));
        Ok(all)
    }
}
