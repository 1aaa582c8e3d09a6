//! What a piece of SQL does: the result of analysing it against a catalog. Policies judge these facts, never the text.
//!
//! One text may hold several statements; each is a [`Part`]. A fact that could not be established is said to be unknown
//! or opaque; nothing is ever assumed harmless because it was not understood.

use crate::{ColumnRef, ColumnUses, SourceUse, TableRef};

/// What kind of statement a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// SELECT, VALUES, TABLE, cursor FETCH, EXECUTE of a SELECT.
    Select,
    /// INSERT, REPLACE.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
    /// TRUNCATE.
    Truncate,
    /// COPY … TO STDOUT.
    CopyOut,
    /// COPY … FROM STDIN, LOAD DATA LOCAL.
    CopyIn,
    /// CALL, DO.
    Call,
    /// CREATE, ALTER, DROP, GRANT, COMMENT, REINDEX …
    Ddl,
    /// SET, RESET, USE.
    Set,
    /// SHOW, DESCRIBE.
    Show,
    /// EXPLAIN.
    Explain,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT …
    Transaction,
    /// PREPARE, DEALLOCATE, DECLARE, CLOSE, MOVE, LISTEN, NOTIFY, LOCK, DISCARD …
    Session,
    /// Nothing but white space and comments.
    Empty,
    /// Anything else, named in [`Part::opaque`].
    Other,
}

impl Verb {
    /// What code may do that was not read.
    pub const UNSEEN: [Self; 12] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Merge,
        Self::Truncate,
        Self::CopyOut,
        Self::CopyIn,
        Self::Call,
        Self::Ddl,
        Self::Set,
        Self::Other,
    ];

    /// The name that rules (`verbs = ["select"]`) and the record use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Merge => "merge",
            Self::Truncate => "truncate",
            Self::CopyOut => "copy-out",
            Self::CopyIn => "copy-in",
            Self::Call => "call",
            Self::Ddl => "ddl",
            Self::Set => "set",
            Self::Show => "show",
            Self::Explain => "explain",
            Self::Transaction => "transaction",
            Self::Session => "session",
            Self::Empty => "empty",
            Self::Other => "other",
        }
    }
}

/// What a statement does to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Reads rows.
    Read,
    /// Changes rows.
    Write,
    /// Changes the table itself.
    Define,
}

/// How a statement comes to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Named in the text.
    Direct,
    /// Through a view, rule, trigger, partition or inheritance.
    Indirect,
}

/// A table that a statement touches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableUse {
    /// Which.
    pub table: TableRef,
    /// To do what.
    pub access: Access,
    /// How it gets there.
    pub reach: Reach,
}

/// A column that must equal one of a few given values in every row that is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoundColumn {
    /// The column's name.
    pub column: String,
    /// How many values are given: 1 for `=`, the length of the list for IN.
    pub values: u32,
}

/// A read of a table's rows, in one place of the statement: what of it is known to be narrow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableRead {
    /// Which table.
    pub table: TableRef,
    /// Columns that conjuncts over this place bind to given values, each once.
    pub bound: Vec<BoundColumn>,
    /// How many rows that can be, where all columns of a unique index are bound.
    pub unique: Option<u32>,
}

/// Where a column of the result comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lineage {
    /// Exactly this column's values, unchanged, type included: a bare reference, through any number of aliases,
    /// derived tables, CTEs and views.
    Bare(ColumnRef),
    /// Computed from, or influenced by, these columns (empty: constants only).
    Derived(Vec<ColumnRef>),
    /// Not proven, with the reason.
    Unknown(String),
}

/// A column of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name that the server will announce, where the analysis knows it.
    pub name: Option<String>,
    /// Where its values come from.
    pub lineage: Lineage,
}

/// The columns of a statement's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// It returns no rows.
    None,
    /// It returns exactly these columns.
    Known(Vec<OutputColumn>),
    /// It may return rows whose columns could not be worked out, with the reason.
    Unknown(String),
}

/// How a predicate, ordering or grouping uses a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// `column = literal or parameter`, or `IN` a list of them.
    Equality,
    /// Equality with another column (a join).
    Join,
    /// Any other comparison or expression in WHERE, HAVING, ON, CASE, LIMIT …
    Comparison,
    /// ORDER BY, DISTINCT, window order.
    Order,
    /// GROUP BY, PARTITION BY.
    Group,
}

/// A column that influences which rows are returned or in which order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PredicateUse {
    /// Which column.
    pub column: ColumnRef,
    /// How.
    pub usage: Usage,
}

/// Data flowing into a stored column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFlow {
    /// The column written, or `None` when what is written is not a column (variable, file, large object).
    pub target: Option<ColumnRef>,
    /// The columns it is computed from. Literals and parameters leave it empty.
    pub sources: Vec<ColumnRef>,
}

/// A routine that is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// `schema.name` as resolved, or the name as written.
    pub name: String,
    /// Whether it is known to compute only from its arguments.
    pub pure: bool,
}

/// A construct whose effect the analysis cannot bound.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Opaque {
    /// The construct (`DO block`, `function query_to_xml`, `unknown relation foo`).
    pub what: String,
    /// Whether it could reach any table at all, protected ones included. False where the analysis knows it reaches none.
    pub reaches_data: bool,
}

/// A session setting that a statement changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SettingChange {
    /// Name, lower case.
    pub name: String,
    /// New value, if it is a constant.
    pub value: Option<String>,
}

/// Two columns that hold the same values: a view's column and the one it shows, a table's column and the inherited one of
/// a partition, child or parent. What protects `also` protects `column`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kin {
    /// A column that other facts of the part name.
    pub column: ColumnRef,
    /// A column whose rules apply to it as well.
    pub also: ColumnRef,
}

/// So many rows are few, for those who ask nothing closer.
pub const FEW: u32 = 100;

/// What one statement does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Kind of statement.
    pub verb: Verb,
    /// Everything that it does, however deep within, `verb` included: an INSERT … SELECT inserts and selects, EXPLAIN ANALYZE
    /// DELETE explains and deletes. What runs code that was not read does everything.
    pub verbs: Vec<Verb>,
    /// Tables touched, each access once.
    pub tables: Vec<TableUse>,
    /// Columns returned.
    pub outputs: Outputs,
    /// Columns that decide which rows are returned or in which order.
    pub predicates: Vec<PredicateUse>,
    /// Data flowing into storage.
    pub writes: Vec<WriteFlow>,
    /// Routines called, operators' functions excluded where the catalog knows them as pure.
    pub calls: Vec<Call>,
    /// Constructs that could not be bounded.
    pub opaque: Vec<Opaque>,
    /// Settings changed.
    pub settings: Vec<SettingChange>,
    /// Further columns whose rules apply to the columns named above.
    pub kin: Vec<Kin>,
    /// Reads of tables, once per place and table.
    pub reads: Vec<TableRead>,
    /// Whether every table read is bound to given values of a unique index, at most [`FEW`] of them.
    pub filtered: bool,
    /// Whether a LIMIT or FETCH FIRST bounds the result.
    pub limited: bool,
    /// Stored relations that the text names, once per place.
    pub sources: Vec<SourceUse>,
    /// How it uses columns. `None` where the engine's front end does not say: then the statement is judged by `outputs`,
    /// `predicates` and `writes` alone, and nothing can be masked at the source.
    pub uses: Option<ColumnUses>,
}

/// What a text does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// One per statement, in order. Empty for an empty text.
    pub parts: Vec<Part>,
    /// Why the text could not be parsed, in words for its author. With this set, `parts` is not to be relied on.
    pub unparsed: Option<String>,
    /// The text with literals replaced by placeholders and white space folded.
    pub normalized: String,
    /// Hex SHA-256 prefix (16 characters) over `normalized`.
    pub fingerprint: String,
    /// Relations that the catalog snapshot did not know: a reason to refresh it and analyse again.
    pub unknown_relations: Vec<String>,
    /// Epoch of the catalog snapshot that was used.
    pub catalog_epoch: u64,
}
