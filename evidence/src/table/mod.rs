//! The tables of the record: their columns, in the order in which they are hashed and written.

mod bounds;
mod canonical;
mod cut;
mod read;
mod rows;
mod value;
mod write;

#[cfg(test)]
pub(crate) use bounds::bomb;
pub(crate) use canonical::{Body, RowsCommit, RowsOf, record_hash};
pub(crate) use read::Batches;
pub(crate) use rows::{RowView, each_row};
pub(crate) use value::{Record, Value, date, rfc3339};
pub(crate) use write::PartWriter;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use std::sync::Arc;

/// Version of the columns that are written. A version has the columns of the one before, in their order, and more behind
/// them: so a reader of any version finds what it knows in files of all of them.
pub(crate) const SCHEMA_VERSION: i64 = 3;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    /// Signed 64-bit integer.
    Int,
    /// Microseconds since the Unix epoch, UTC.
    Time,
    /// UTF-8.
    Str,
    /// List of text, elements may be NULL.
    Strs,
    /// List of [`RESULT_COLUMN`] structs.
    Columns,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Col {
    pub(crate) name: &'static str,
    pub(crate) ty: Ty,
    /// High cardinality: no dictionary.
    pub(crate) plain: bool,
    pub(crate) bloom: bool,
    /// The first version that has it.
    pub(crate) since: i64,
}

const fn col(name: &'static str, ty: Ty) -> Col {
    Col { name, ty, plain: false, bloom: false, since: 1 }
}

const fn hash(name: &'static str) -> Col {
    Col { name, ty: Ty::Str, plain: true, bloom: false, since: 1 }
}

const fn bloom(name: &'static str) -> Col {
    Col { name, ty: Ty::Str, plain: false, bloom: true, since: 1 }
}

/// A column that came with a later version.
const fn since(since: i64, column: Col) -> Col {
    Col { since, ..column }
}

/// The columns that every table begins with.
pub(crate) const COMMON: [Col; 6] = [
    col("schema_version", Ty::Int),
    col("lsn", Ty::Int),
    col("ts", Ty::Time),
    col("writer_id", Ty::Str),
    hash("record_hash"),
    hash("prev_hash"),
];

/// Fields of an element of `statements.result_columns`; all text, all nullable. The first version has seven of them.
pub(crate) const RESULT_COLUMN: [&str; 8] =
    ["name", "type", "source_table", "source_column", "classification", "mask", "rule", "shown"];

/// How many fields an element of `statements.result_columns` has in a version.
fn result_column_width(version: i64) -> usize {
    if version < 2 { 7 } else { RESULT_COLUMN.len() }
}

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Sessions,
    Statements,
    StatementBodies,
    Rows,
    PolicyVersions,
    Approvals,
    Reviews,
    AuditAccesses,
}

impl Table {
    pub(crate) const ALL: [Self; 8] = [
        Self::Sessions,
        Self::Statements,
        Self::StatementBodies,
        Self::Rows,
        Self::PolicyVersions,
        Self::Approvals,
        Self::Reviews,
        Self::AuditAccesses,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Statements => "statements",
            Self::StatementBodies => "statement_bodies",
            Self::Rows => "rows",
            Self::PolicyVersions => "policy_versions",
            Self::Approvals => "approvals",
            Self::Reviews => "reviews",
            Self::AuditAccesses => "audit_accesses",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Whether its records carry a hash and form one chain through the store. Sessions and statements form a chain per
    /// session; rows and bodies are committed to by their statement.
    pub(crate) fn has_own_chain(self) -> bool {
        matches!(self, Self::PolicyVersions | Self::Approvals | Self::Reviews | Self::AuditAccesses)
    }

    /// The columns behind the common ones.
    pub(crate) fn own_columns(self) -> &'static [Col] {
        match self {
            Self::Sessions => &SESSIONS,
            Self::Statements => &STATEMENTS,
            Self::StatementBodies => &STATEMENT_BODIES,
            Self::Rows => &ROWS,
            Self::PolicyVersions => &POLICY_VERSIONS,
            Self::Approvals => &APPROVALS,
            Self::Reviews | Self::AuditAccesses => &ACCESSES,
        }
    }

    /// All columns.
    pub(crate) fn columns(self) -> impl Iterator<Item = &'static Col> {
        COMMON.iter().chain(self.own_columns())
    }

    /// The columns of a version.
    pub(crate) fn columns_of(self, version: i64) -> impl Iterator<Item = &'static Col> {
        self.columns().filter(move |column| column.since <= version)
    }

    /// Index of a column among all columns.
    pub(crate) fn index(self, name: &str) -> Option<usize> {
        self.columns().position(|column| column.name == name)
    }

    /// The Arrow schema that the Parquet files have.
    pub(crate) fn schema(self) -> Arc<Schema> {
        Arc::new(Schema::new(self.columns().map(|column| field(column.name, column.ty)).collect::<Vec<_>>()))
    }
}

fn field(name: &str, ty: Ty) -> Field {
    Field::new(name, data_type(ty), true)
}

fn data_type(ty: Ty) -> DataType {
    match ty {
        Ty::Int => DataType::Int64,
        Ty::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Ty::Str => DataType::Utf8,
        Ty::Strs => DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))),
        Ty::Columns => DataType::List(Arc::new(Field::new("element", DataType::Struct(result_column_fields()), true))),
    }
}

pub(crate) fn result_column_fields() -> Fields {
    RESULT_COLUMN.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect()
}

const SESSIONS: [Col; 26] = [
    bloom("session_id"),
    col("event", Ty::Str),
    bloom("user_id"),
    col("user_email", Ty::Str),
    col("issuer", Ty::Str),
    col("groups", Ty::Strs),
    col("auth_method", Ty::Str),
    col("client_addr", Ty::Str),
    col("client_app", Ty::Str),
    col("protocol", Ty::Str),
    col("server", Ty::Str),
    col("database", Ty::Str),
    col("db_user", Ty::Str),
    col("tls_version", Ty::Str),
    col("reason", Ty::Str),
    col("ticket", Ty::Str),
    col("token_expires", Ty::Time),
    col("policy_version", Ty::Str),
    col("close_reason", Ty::Str),
    hash("final_hash"),
    col("statement_count", Ty::Int),
    col("rows_returned", Ty::Int),
    col("bytes_returned", Ty::Int),
    col("claimed_user", Ty::Str),
    col("server_version", Ty::Str),
    col("token_id", Ty::Str),
];

const STATEMENTS: [Col; 36] = [
    bloom("session_id"),
    col("statement_id", Ty::Int),
    col("session_seq", Ty::Int),
    col("command", Ty::Str),
    bloom("fingerprint"),
    col("sql_normalized", Ty::Str),
    col("params_masked", Ty::Strs),
    col("tables", Ty::Strs),
    col("result_columns", Ty::Columns),
    col("decision", Ty::Str),
    col("rule", Ty::Str),
    col("policy_version", Ty::Str),
    bloom("approval_id"),
    col("sent", Ty::Time),
    col("first_row", Ty::Time),
    col("end", Ty::Time),
    col("status", Ty::Str),
    col("error_code", Ty::Str),
    col("row_count", Ty::Int),
    col("affected_rows", Ty::Int),
    col("bytes_out", Ty::Int),
    hash("rows_commit"),
    hash("body_commit"),
    col("phase", Ty::Str),
    col("prepared_by", Ty::Int),
    col("tag", Ty::Str),
    since(2, bloom("user_id")),
    since(2, col("user_email", Ty::Str)),
    since(2, col("issuer", Ty::Str)),
    since(2, col("datasource", Ty::Str)),
    since(2, col("kind", Ty::Str)),
    since(2, col("refusal", Ty::Str)),
    since(2, col("refusal_hint", Ty::Str)),
    since(2, col("columns_used", Ty::Strs)),
    since(3, col("class", Ty::Str)),
    since(3, col("role", Ty::Str)),
];

const STATEMENT_BODIES: [Col; 6] = [
    bloom("session_id"),
    col("statement_id", Ty::Int),
    col("sql_text", Ty::Str),
    col("params", Ty::Strs),
    hash("salt"),
    since(3, col("sent_sql", Ty::Str)),
];

const ROWS: [Col; 10] = [
    bloom("session_id"),
    col("statement_id", Ty::Int),
    col("result_set", Ty::Int),
    col("row_index", Ty::Int),
    col("columns", Ty::Strs),
    col("values", Ty::Strs),
    col("overflow", Ty::Str),
    since(2, col("shown", Ty::Strs)),
    since(2, bloom("user_id")),
    since(2, col("datasource", Ty::Str)),
];

const POLICY_VERSIONS: [Col; 9] = [
    bloom("version"),
    col("event", Ty::Str),
    col("content", Ty::Str),
    col("parent", Ty::Str),
    col("author", Ty::Str),
    col("change_reason", Ty::Str),
    col("git_commit", Ty::Str),
    col("effective_from", Ty::Time),
    col("effective_until", Ty::Time),
];

const APPROVALS: [Col; 17] = [
    bloom("approval_id"),
    col("event", Ty::Str),
    col("requester", Ty::Str),
    col("approver", Ty::Str),
    col("approver_auth", Ty::Str),
    col("justification", Ty::Str),
    col("ticket", Ty::Str),
    col("scope", Ty::Str),
    bloom("session_id"),
    col("statement_id", Ty::Int),
    col("valid_from", Ty::Time),
    col("valid_until", Ty::Time),
    col("policy_version", Ty::Str),
    since(2, col("requester_issuer", Ty::Str)),
    since(2, col("requester_subject", Ty::Str)),
    since(2, col("approver_issuer", Ty::Str)),
    since(2, col("approver_subject", Ty::Str)),
];

const ACCESSES: [Col; 5] = [
    col("actor", Ty::Str),
    col("action", Ty::Str),
    col("scope", Ty::Str),
    col("finding", Ty::Str),
    col("package_hash", Ty::Str),
];
