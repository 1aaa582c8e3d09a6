//! SQL text + dialect + catalog snapshot → what a statement reads, writes, calls, and where each column of its result
//! comes from ([`model::Facts`]).
//!
//! No I/O: protocols fill the [`Catalog`] from their upstream and keep the [`Settings`] of their session.
//!
//! One way through: the scanner (`lift`) gives the key under which facts are remembered and refuses what no parser should
//! see; a front end (`postgres`, `mysql`) lowers the parser's tree to one internal representation (`ir`); `lineage`
//! works out the facts on that. What is not understood on any of these steps is unknown or opaque, never harmless.

mod analyser;
mod apart;
mod bounds;
mod catalog;
mod condense;
mod ir;
mod lift;
mod lineage;
mod mask_views;
mod memory;
mod mysql;
mod postgres;
mod sequence;
mod session;
mod settings;
mod substitute;
mod systems;
mod templates;

pub use analyser::Analyser;
pub use apart::{GiveWay, give_way_by};
pub use bounds::LONGEST_TEXT;
pub use catalog::{Catalog, CatalogColumn, Relation, RelationKind, Routine, Volatility};
pub use mask_views::{MaskView, mask_views, relations};
pub use mysql::canonical_statements;
pub use session::Session;
pub use settings::{Dialect, Settings, SqlMode};
pub use substitute::{ComparedParameter, Origins, Substituted, compared_parameters, substitute};

/// What a text does to a name that a PostgreSQL session keeps, the name in the server's own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionName {
    /// PREPARE.
    Prepares(String),
    /// DECLARE.
    Declares(String),
    /// EXECUTE.
    Executes(String),
    /// FETCH.
    Fetches(String),
    /// MOVE.
    Moves(String),
    /// CLOSE of one cursor.
    Closes(String),
    /// DEALLOCATE of one statement.
    Deallocates(String),
}

/// The name that a text of PostgreSQL, one statement, is about; `None` for all other statements.
#[must_use]
pub fn session_name(sql: &[u8]) -> Option<SessionName> {
    postgres::session_name(sql)
}

/// The name under which a statement that changes accounts, their passwords or rights says so among the settings it changes.
pub const ACCOUNTS: &str = "accounts";

/// The name under which a statement that ends, cancels or looks into sessions which may be another one's says so.
pub const OTHER_SESSIONS: &str = "other sessions";

/// The text with its literals replaced by `?`, and white space and comments folded. The scanner alone says so, up to where
/// it refuses the text.
#[must_use]
pub fn normalized(dialect: Dialect, sql: &[u8], settings: &Settings) -> String {
    lift::readable(&lift::lift(sql, lift::Lexis::new(dialect, settings), lift::Keep::Nothing).key)
}

/// Reads the query of a view's definition and looks at it, on a stack that is deep enough for both.
fn with_view_query<T: Send>(
    dialect: Dialect,
    definition: &str,
    look: impl FnOnce(&ir::Query) -> T + Send,
) -> Result<T, String> {
    let lexis = lift::Lexis::new(dialect, &Settings::default());
    let lifted = lift::lift(definition.as_bytes(), lexis, lift::Keep::Nothing);
    if let Some(why) = lifted.refused.map(str::to_owned).or_else(|| bounds::exceeded(dialect, &lifted)) {
        return Err(why);
    }
    bounds::deep(dialect, lifted.nesting, || {
        let query = match dialect {
            Dialect::Postgres => postgres::view_query(definition),
            Dialect::Mysql | Dialect::MariaDb => mysql::view_query(dialect, definition),
        };
        query.map(|query| look(&query))
    })
    .unwrap_or_else(|| Err("no thread could be had to read it: try again".to_owned()))
}
