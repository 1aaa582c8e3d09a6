//! Where the rows of a statement come from, as its text names them, and what it does with each column: what the choice
//! between masking on the wire and masking at the source is made from.
//!
//! Everything here is read off the parser's own tree by a walk that visits every field of every node. A use of a column
//! that the walk has no name for is [`UseContext::Other`]; a relation in a place that it has no name for is
//! [`Placement::Fixed`]. Nothing is left out because it looked harmless.

use crate::{ColumnRef, TableRef};
use std::sync::Arc;

/// A stored relation (table, view, materialised view, foreign table) that a statement names, once per place.
///
/// In the order in which the engine's walk meets them: the same text gives the same list each time, so a place is told by
/// its index. Bytes are looked up in the very text that is to be sent, because facts are shared by texts of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUse {
    /// Which.
    pub table: TableRef,
    /// What it is doing there.
    pub placement: Placement,
    /// The names under which its columns are qualified there: the alias, or the relation's own name.
    pub alias: String,
    /// Its visible columns in catalog order. Empty for a relation that the catalog does not know.
    pub columns: Arc<[SourceColumn]>,
}

/// What a relation is doing where it is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// A source of rows that a subquery can stand in for.
    From,
    /// Rows of it are inserted, changed or deleted: it must stay itself.
    Target,
    /// Named without reading rows: locked, truncated, altered, commented on.
    Named,
    /// Rows of it are read and no subquery can stand there, with the construct's name.
    Fixed(String),
}

/// A column of a named relation, and the columns whose rules apply to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceColumn {
    /// Its name.
    pub name: String,
    /// Its declared type as the engine writes it, length included.
    pub type_name: String,
    /// Whether it may hold NULL.
    pub nullable: bool,
    /// Itself, the column that a view shows unchanged, and the same column of parents and children: what hides one of
    /// these hides it in the same way.
    pub same: Vec<ColumnRef>,
    /// For a column that a view computes: what it is computed from. What hides one of these redacts it.
    pub computed_from: Vec<ColumnRef>,
    /// Where its values come from is not known, so that whatever is protected may be in it.
    pub unknown: bool,
}

/// What a comparison with a constant compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compared {
    /// A literal that takes the column's own type (PostgreSQL's quoted ones).
    Untyped,
    /// A string literal that stays a string.
    Text,
    /// A number.
    Number,
    /// Any other literal (bits, boolean, a date's own form).
    OtherLiteral,
    /// A parameter.
    Parameter,
    /// Each element of an array that is the parameter of this number (`= ANY($1)`), of which there are as many as whoever
    /// binds it likes.
    Elements(u32),
}

/// What is done with a column where it is named. Everything but [`UseContext::Other`] is a form of the wire grammar.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UseContext {
    /// A bare output column of a SELECT whose rows become the result, or of RETURNING.
    Output,
    /// `column = constant` or `column IN (at most 1,000 constants)`, as a top-level conjunct of WHERE.
    Equals(Compared),
    /// One side of `column = column` in ON or USING, or between two tables as a conjunct of WHERE; uses of one comparison
    /// have the same number.
    Join(u32),
    /// A whole GROUP BY item.
    Group,
    /// An output column of a SELECT DISTINCT or of a set operation that compares rows.
    Distinct,
    /// `count(DISTINCT column)`.
    CountDistinct,
    /// In an UPDATE's new value of the same column, joined with constants or changed in case (`SET notes = notes || '…'`).
    Kept,
    /// In any other way in WHERE, ON, HAVING, ORDER BY or LIMIT of a statement whose rows become the result, with the name of
    /// the construct, for people.
    Condition(String),
    /// Anywhere else, with the name of the construct, for people.
    Other(String),
}

/// One use of a column name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnUse {
    /// The alias or relation name before it, where there is one.
    pub qualifier: Option<String>,
    /// The name; `None` for all columns at once: `*`, `t.*`, a whole row.
    pub name: Option<String>,
    /// What is done with it.
    pub context: UseContext,
}

/// How a statement uses columns, by name. No scope is worked out: a name may mean every column of that name of every
/// relation that the statement names, or the one that its qualifier says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnUses {
    /// Every use, in the order of the text's tree, each once.
    pub uses: Vec<ColumnUse>,
    /// `SELECT name AS other` within the statement: what is true of `name` is true of `other`.
    pub renamed: Vec<(ColumnUse, String)>,
    /// Names that may stand for any column (column lists of aliases and CTEs, set operations).
    pub any: Vec<String>,
    /// Aliases of what is not a stored relation (subqueries, CTEs, functions): a qualifier of such a name says nothing.
    pub derived: Vec<String>,
    /// What may reach data that the text does not name: routines that are not known, relations that the catalog does not
    /// know, code that runs later, kinds of statement that are not on the list. It can be masked nowhere.
    pub beyond: Vec<String>,
    /// The engine's own relations among the sources that show data of tables (statistics, other sessions' texts). Their
    /// columns can be masked on the wire only.
    pub carriers: Vec<String>,
}
