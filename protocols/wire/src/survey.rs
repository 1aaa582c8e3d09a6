//! What a datasource says of itself to whoever runs the proxy: rights that are wider than needed, settings that write
//! values down, columns with their types and comments. Neutral words, so that `doctor` and `suggest` know no engine.

use model::{ColumnRef, Facts, Lineage, Outputs, TableRef};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing leaks by it alone.
    Low,
    /// Widens what a mistake elsewhere would cost.
    Medium,
    /// Protected values can leave past the proxy's rules, or the proxy's user can take over the server.
    High,
}

impl Severity {
    /// Its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Something that should be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// A stable name of the check (`superuser`, `definer-routine`), for scripts that read the report.
    pub check: &'static str,
    /// What was found, one sentence, no trailing period.
    pub what: String,
    /// Why it matters, one sentence, no trailing period.
    pub why: &'static str,
    /// What to do: SQL for the datasource, one statement a line, ready to run by its administrator; or, where no SQL
    /// helps, a sentence behind `-- `.
    pub fix: Vec<String>,
}

/// A column that the proxy's user may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyColumn {
    /// Which.
    pub column: ColumnRef,
    /// Its type as the engine writes it.
    pub type_name: String,
    /// The comment on it, if there is one.
    pub comment: Option<String>,
    /// Whether it belongs to a view; its values are stored elsewhere then.
    pub of_view: bool,
    /// Columns of tables whose values a view's column shows or is computed from; empty for a table's column.
    pub sources: Vec<ColumnRef>,
    /// Why its sources are not known, for a view's column of which they are not.
    pub unproven: Option<String>,
}

/// Fills in the sources of a view's columns, by what the analysis says of a query for all of them, in order.
pub fn trace_view(columns: &mut [SurveyColumn], facts: &Facts) {
    let outputs = match facts.parts.as_slice() {
        [part] if facts.unparsed.is_none() => Some(&part.outputs),
        _ => None,
    };
    for (index, column) in columns.iter_mut().enumerate() {
        let unproven = |why: &str| Some(why.to_owned());
        (column.sources, column.unproven) = match outputs {
            Some(Outputs::Known(known)) => match known.get(index).map(|output| &output.lineage) {
                Some(Lineage::Bare(source)) => (vec![source.clone()], None),
                Some(Lineage::Derived(sources)) => {
                    (sources.iter().filter(|source| **source != column.column).cloned().collect(), None)
                }
                Some(Lineage::Unknown(why)) => (Vec::new(), unproven(why)),
                None => (Vec::new(), unproven("its definition has fewer columns")),
            },
            Some(Outputs::Unknown(why)) => (Vec::new(), unproven(why)),
            Some(Outputs::None) | None => {
                (Vec::new(), unproven(facts.unparsed.as_deref().unwrap_or("its definition could not be followed")))
            }
        };
    }
}

/// What a datasource says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The server's version.
    pub version: String,
    /// Findings about the user's rights, the server's settings and its objects.
    pub findings: Vec<Finding>,
    /// Every column of users' tables and views that the proxy's user may read, by table and position.
    pub columns: Vec<SurveyColumn>,
}

/// Values of some columns, for counting what they look like. They are raw: nobody may print, log or keep them.
pub struct Sample {
    /// The rows, one cell a column asked for, as text; `None` is NULL. Long cells are cut.
    pub rows: Vec<Vec<Option<String>>>,
}

/// How many rows of which columns to sample.
#[derive(Clone, Copy, Debug)]
pub struct SampleOrder<'a> {
    /// The table.
    pub table: &'a TableRef,
    /// Its columns.
    pub columns: &'a [String],
    /// Rows at most; never more than [`SampleOrder::MOST_ROWS`].
    pub rows: u32,
}

impl SampleOrder<'_> {
    /// More rows than this are never read.
    pub const MOST_ROWS: u32 = 10_000;
    /// Characters of a cell that are read; what comes behind them is cut by the server.
    pub const MOST_CHARACTERS: u32 = 1_000;

    /// The rows to ask for.
    #[must_use]
    pub fn bounded(&self) -> u32 {
        self.rows.min(Self::MOST_ROWS)
    }
}
