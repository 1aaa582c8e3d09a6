//! The one language that both front ends lower to and that lineage is worked out on: queries, changes of rows and
//! expressions, reduced to what decides where values come from.
//!
//! A front end that meets something it has no form for lowers it to [`Expr::Opaque`] with all the operands it can see.

use std::sync::Arc;

/// The name of a relation as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A query expression.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) ctes: Vec<Cte>,
    pub(crate) body: Body,
    pub(crate) order: Vec<Expr>,
    /// LIMIT, OFFSET, FETCH FIRST.
    pub(crate) limit: Vec<Expr>,
    pub(crate) limited: bool,
}

impl Query {
    pub(crate) fn of(body: Body) -> Self {
        Self { ctes: Vec::new(), body, order: Vec::new(), limit: Vec::new(), limited: false }
    }
}

/// A common table expression.
#[derive(Clone, Debug)]
pub(crate) struct Cte {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) query: Query,
    pub(crate) recursive: bool,
    /// Columns that SEARCH and CYCLE add, computed from all others.
    pub(crate) added: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Select(Box<Select>),
    /// UNION, INTERSECT, EXCEPT.
    Set {
        left: Box<Query>,
        right: Box<Query>,
        /// Rows are compared with each other.
        compares: bool,
    },
    Values(Vec<Vec<Expr>>),
    /// INSERT, UPDATE, DELETE, MERGE with or without RETURNING.
    Write(Box<Write>),
    /// Not analysed, with the reason.
    Unknown(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Select {
    /// DISTINCT (of all targets when empty) or DISTINCT ON.
    pub(crate) distinct: Option<Vec<Expr>>,
    pub(crate) targets: Vec<Target>,
    pub(crate) from: Vec<From>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    pub(crate) windows: Vec<Window>,
}

/// An item of a select list.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: Option<String>,
    pub(crate) expr: Expr,
}

/// Shared, because every call over a named window has all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) partition: Vec<Arc<Expr>>,
    pub(crate) order: Vec<Arc<Expr>>,
}

impl Window {
    /// The window as one that is named has it; nothing when the text's budget for such copies is spent.
    pub(crate) fn copy(&self) -> Self {
        match crate::bounds::hold(1 + self.partition.len() + self.order.len()) {
            true => self.clone(),
            false => Self::default(),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Inner,
    Left,
    Right,
    Full,
}

/// An item of a FROM list.
#[derive(Clone, Debug)]
pub(crate) enum From {
    Table {
        name: Name,
        alias: Option<Alias>,
        /// Without children.
        only: bool,
        /// TABLESAMPLE arguments and the like.
        arguments: Vec<Expr>,
    },
    Derived {
        query: Box<Query>,
        alias: Option<Alias>,
        lateral: bool,
    },
    Function {
        /// ROWS FROM has several.
        calls: Vec<FunctionSource>,
        alias: Option<Alias>,
        ordinality: bool,
    },
    /// XMLTABLE, JSON_TABLE: named columns computed from expressions.
    Computed {
        inputs: Vec<Expr>,
        columns: Vec<String>,
        alias: Option<Alias>,
    },
    Join {
        kind: Join,
        left: Box<From>,
        right: Box<From>,
        on: Option<Expr>,
        using: Vec<String>,
        natural: bool,
        alias: Option<Alias>,
        /// The alias of `USING (…) AS alias`.
        using_alias: Option<String>,
    },
    Unknown(String),
}

#[derive(Clone, Debug)]
pub(crate) struct FunctionSource {
    pub(crate) call: Expr,
    /// The name of its only column, when it has only one and no alias renames it.
    pub(crate) name: String,
    /// `AS (a int, b text)`.
    pub(crate) defined: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sub {
    /// `(SELECT …)` as a value.
    Scalar,
    /// `EXISTS (SELECT …)`.
    Exists,
    /// `x IN (SELECT …)`, `x = ANY (SELECT …)`.
    In,
    /// Any other comparison with a subquery.
    Compare,
    /// `ARRAY(SELECT …)`.
    Array,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    /// A constant; the number where it is an integer.
    Literal(Option<i64>),
    /// A constant that compares by number with text columns (MySQL).
    Number(Option<i64>),
    Param,
    /// Qualifiers and name.
    Column(Vec<String>),
    /// `*` or `t.*`.
    Star(Vec<String>),
    /// `(x).field`.
    Field(Box<Expr>, String),
    /// `(x).*`.
    FieldStar(Box<Expr>),
    /// Computed from its operands and nothing else.
    Derive(Vec<Expr>),
    /// As `Derive`, and evaluating it may fail depending on the operands.
    Fallible(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// `left = right`.
    Equal(Box<Expr>, Box<Expr>),
    /// `needle IN (list)`.
    In(Box<Expr>, Vec<Expr>),
    Row(Vec<Expr>),
    Case {
        conditions: Vec<Expr>,
        results: Vec<Expr>,
    },
    Call(Box<Call>),
    /// An operator by name: user-defined ones are opaque.
    Operator {
        schema: Option<String>,
        name: String,
        operands: Vec<Expr>,
    },
    Cast {
        operand: Box<Expr>,
        schema: Option<String>,
        name: String,
        /// With a length or array bounds.
        modified: bool,
    },
    Subquery {
        kind: Sub,
        query: Box<Query>,
        test: Option<Box<Expr>>,
    },
    /// `@x := value`.
    Assign(Box<Expr>),
    Opaque {
        what: String,
        operands: Vec<Expr>,
    },
}

impl Expr {
    /// The condition of an arm of CASE. What the arms compare with is written out once, or texts of CASE in CASE would grow
    /// with every arm on every level: the other arms depend on it by the first.
    pub(crate) fn arm(compared: Option<&Self>, condition: Self, first: bool) -> Self {
        let short = |expr: &Self| matches!(expr, Self::Literal(_) | Self::Number(_) | Self::Param | Self::Column(_));
        match compared {
            Some(compared) if first || short(compared) => Self::Equal(Box::new(compared.clone()), Box::new(condition)),
            _ => condition,
        }
    }

    /// A literal, a parameter, or a cast or row of them.
    pub(crate) fn is_constant(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Param => true,
            Self::Cast { operand, .. } => operand.is_constant(),
            Self::Row(items) => items.iter().all(Self::is_constant),
            _ => false,
        }
    }

    /// The integer it is, where it is one.
    pub(crate) fn position(&self) -> Option<usize> {
        match self {
            Self::Literal(number) | Self::Number(number) => number.and_then(|number| usize::try_from(number).ok()),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: Name,
    pub(crate) arguments: Vec<Expr>,
    /// ORDER BY inside an aggregate or WITHIN GROUP.
    pub(crate) order: Vec<Expr>,
    pub(crate) filter: Option<Expr>,
    pub(crate) over: Option<Window>,
    /// The names that constant string arguments spell, for `current_setting` and `set_config`.
    pub(crate) texts: Vec<Option<String>>,
}

/// An assignment of UPDATE SET, ON CONFLICT SET or MERGE.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) column: String,
    pub(crate) value: Expr,
}

#[derive(Clone, Debug)]
pub(crate) enum Write {
    Insert {
        table: Name,
        alias: Option<String>,
        columns: Vec<String>,
        /// `None` for DEFAULT VALUES.
        source: Option<Query>,
        conflict: Vec<Assignment>,
        conflict_filter: Vec<Expr>,
        returning: Option<Returning>,
    },
    Update {
        table: Name,
        alias: Option<String>,
        only: bool,
        assignments: Vec<Assignment>,
        from: Vec<From>,
        filter: Option<Expr>,
        order: Vec<Expr>,
        returning: Option<Returning>,
    },
    /// MySQL's UPDATE over joined tables: the target of each assignment is found by its column.
    UpdateJoined { from: Vec<From>, assignments: Vec<(Vec<String>, Expr)>, filter: Option<Expr>, order: Vec<Expr> },
    Delete {
        /// Aliases or names of the tables that lose rows, among `from`.
        targets: Vec<Name>,
        from: Vec<From>,
        filter: Option<Expr>,
        order: Vec<Expr>,
        returning: Option<Returning>,
    },
    Merge {
        table: Name,
        alias: Option<String>,
        source: From,
        on: Expr,
        actions: Vec<MergeAction>,
        returning: Option<Returning>,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct MergeAction {
    /// What it does to the row, where it does something.
    pub(crate) verb: Option<model::Verb>,
    pub(crate) condition: Option<Expr>,
    pub(crate) assignments: Vec<Assignment>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Returning {
    pub(crate) targets: Vec<Target>,
    /// Names for the row before (`old`) and after (`new`).
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
}
