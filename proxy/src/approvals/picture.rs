//! What an approver sees of a statement beside its text: tables, columns and their masks, conditions, what is odd.

use serde::{Deserialize, Serialize};

/// A table that the statement touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedTable {
    /// `schema.table`.
    pub name: String,
    /// `reads`, `writes` or `defines`.
    pub access: String,
    /// Through a view, rule, trigger or partition.
    pub indirect: bool,
}

/// A column of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownColumn {
    /// Its name in the result.
    pub name: String,
    /// Where it comes from, if that is proven.
    pub source: Option<String>,
    /// How it would be masked, or `None` when it is shown as it is.
    pub mask: Option<String>,
    /// The rule that says so: the column's classification.
    pub rule: Option<String>,
}

/// A column that decides which rows come, or in what order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionOn {
    /// `schema.table.column`.
    pub column: String,
    /// `equals`, `joins`, `compares`, `orders` or `groups`.
    pub usage: String,
}

/// Columns of one classification that the statement reads, compares or writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// What the policy calls them: `name`, `geography`.
    pub class: String,
    /// `schema.table.column`, sorted.
    pub columns: Vec<String>,
}

/// What an approver sees of the statement beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Kinds of statement, in order.
    pub verbs: Vec<String>,
    /// Tables touched.
    pub tables: Vec<TouchedTable>,
    /// Columns returned, where they are known.
    pub columns: Vec<ShownColumn>,
    /// Columns used in its conditions, joins and orders, returned or not.
    #[serde(default)]
    pub conditions: Vec<ConditionOn>,
    /// Classified columns among all that it touches, whatever is shown of them.
    #[serde(default)]
    pub classified: Vec<Classified>,
    /// What deserves a second look: no condition, a construct that could not be bounded.
    pub warnings: Vec<String>,
    /// The planner's estimate, if one was asked for.
    pub estimated_rows: Option<u64>,
}
