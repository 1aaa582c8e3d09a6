//! What a package is about: the question, the population it was asked of, what is included.

use crate::error::StoreError;
use crate::search::{Archive, Condition, Query};
use crate::table::{Record, Table, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `scope.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) format: String,
    pub(crate) origin: String,
    pub(crate) writer: String,
    pub(crate) made: String,
    pub(crate) made_by: String,
    pub(crate) question: Question,
    /// Sessions that began in the time asked for.
    pub(crate) population: u64,
    /// Ids of the sessions included.
    pub(crate) sessions: BTreeSet<String>,
    /// First and last segment whose files are included, all tables of them but for what `excluded` says.
    pub(crate) first_segment: u64,
    pub(crate) last_segment: u64,
    pub(crate) excluded: Vec<String>,
    /// Leaves of the log that the package holds.
    pub(crate) tree_size: u64,
    /// The files of the tables that speak of people hold the records of `sessions` alone, each provable by its session's
    /// chain or by a leaf of its own.
    #[serde(default)]
    pub(crate) cut: bool,
    /// How many records of which table and segment were left out for that.
    #[serde(default)]
    pub(crate) left_out: Vec<LeftOut>,
}

/// Records that a filtered package does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) segment: u64,
    pub(crate) table: String,
    pub(crate) records: u64,
}

/// What `excluded` says when exact texts are left out.
pub(crate) const NO_BODIES: &str =
    "the exact texts and parameters of statements. Their hashes are; export with --with-bodies to have both.";
/// What it says of a filtered package.
pub(crate) const CUT: &str =
    "the records of other sessions and their approvals, and who read or reviewed the record. left_out counts them.";

/// Tables that a filtered package holds only the chosen records of: all that speak of people.
pub(crate) fn is_cut(table: Table) -> bool {
    table != Table::PolicyVersions
}

/// The filters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) identity: Option<String>,
    pub(crate) datasource: Option<String>,
    pub(crate) table: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) approval: Option<String>,
}

impl Question {
    /// Whether anything but the time narrows it.
    pub(crate) fn is_filtered(&self) -> bool {
        [&self.identity, &self.datasource, &self.table, &self.session, &self.approval].iter().any(|f| f.is_some())
    }

    /// Whether a time span and the time asked for have a moment in common.
    pub(crate) fn overlaps(&self, first: i64, last: i64) -> bool {
        self.from.is_none_or(|from| last >= from) && self.to.is_none_or(|to| first <= to)
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        let time = |at: Option<i64>, none: &str| at.map_or(none.to_owned(), crate::table::rfc3339);
        let mut words = format!("{} to {}", time(self.from, "the beginning"), time(self.to, "the end"));
        for (name, value) in [
            ("identity", &self.identity),
            ("datasource", &self.datasource),
            ("table", &self.table),
            ("session", &self.session),
            ("approval", &self.approval),
        ] {
            if let Some(value) = value {
                words.push_str(&format!(", {name} {value}"));
            }
        }
        words
    }

    /// Population and included sessions.
    pub(crate) fn sessions(&self, archive: &Archive) -> Result<(u64, BTreeSet<String>), StoreError> {
        let mut population = 0;
        let mut included = BTreeSet::new();
        archive.search(&Query::new(Table::Sessions).between(self.from, self.to), &mut |record, unsealed| {
            if record.str("event") != "close" && !unsealed {
                population += 1;
                let who = |name: &Option<String>, fields: [&str; 2]| {
                    name.as_deref().is_none_or(|name| fields.iter().any(|field| record.str(field) == name))
                };
                if who(&self.identity, ["user_id", "user_email"])
                    && who(&self.datasource, ["server", "server"])
                    && self.session.as_deref().is_none_or(|id| record.str("session_id").starts_with(id))
                {
                    included.insert(record.str("session_id").to_owned());
                }
            }
            Ok(true)
        })?;
        if self.table.is_some() || self.approval.is_some() {
            let mut touching = BTreeSet::new();
            let mut query = Query::new(Table::Statements);
            if let Some(approval) = &self.approval {
                query = query.with(Condition::equals("approval_id", approval));
            }
            archive.search(&query, &mut |record, _| {
                if self.table.as_deref().is_none_or(|table| touches(&record, table)) {
                    touching.insert(record.str("session_id").to_owned());
                }
                Ok(true)
            })?;
            included.retain(|id| touching.contains(id));
        }
        Ok((population, included))
    }
}

/// Whether a statement touches a table, given with or without its schema.
pub(crate) fn touches(record: &Record, table: &str) -> bool {
    let Value::Strs(tables) = record.get("tables") else { return false };
    tables.iter().flatten().any(|used| {
        let name = used.rsplit_once(':').map_or(used.as_str(), |(name, _)| name);
        name == table || name.rsplit_once('.').is_some_and(|(_, last)| last == table)
    })
}

impl Scope {
    /// Whether the exact texts are included.
    pub(crate) fn has_bodies(&self) -> bool {
        !self.excluded.iter().any(|words| words == NO_BODIES)
    }

    /// Whether a file of a segment is outside of the package.
    pub(crate) fn leaves_out(&self, segment: u64, name: &str) -> bool {
        let table = name.split('/').next().unwrap_or_default();
        let early = segment < self.first_segment
            && [Table::PolicyVersions, Table::Approvals].iter().any(|always| always.name() == table);
        let inside = (self.first_segment..=self.last_segment).contains(&segment);
        let cut = self.cut && Table::by_name(table).is_some_and(is_cut);
        !(inside || early) || cut || (table == Table::StatementBodies.name() && !self.has_bodies())
    }

    /// Whether a record belongs to what is reported: those of included sessions, and all that belong to no session.
    pub(crate) fn includes(&self, record: &Record) -> bool {
        match record.table {
            Table::PolicyVersions | Table::Reviews | Table::AuditAccesses => true,
            Table::Approvals if record.str("session_id").is_empty() => true,
            _ => self.sessions.contains(record.str("session_id")),
        }
    }
}
