//! SQL text + dialect + catalog snapshot → what a statement reads, writes, calls, and where each column of its result
//! comes from ([`model::Facts`]).
//!
//! No I/O: protocols fill the [`Catalog`] from their upstream and keep the [`Settings`] of their session.
//!
//! One way through: the scanner (`lift`) gives the key under which facts are remembered and refuses what no parser should
//! see; a front end (`postgres`, `mysql`) lowers the parser's tree to one internal representation (`ir`); `lineage`
//! works out the facts on that. What is not understood on any of these steps is unknown or opaque, never harmless.

mod analyser;
mod catalog;
mod ir;
mod lift;
mod lineage;
mod memory;
mod mysql;
mod postgres;
mod sequence;
mod session;
mod settings;
mod substitute;
mod systems;

pub use analyser::{Analyser, LONGEST_TEXT};
pub use catalog::{Catalog, CatalogColumn, Relation, RelationKind, Routine, Volatility};
pub use session::Session;
pub use settings::{Dialect, Settings, SqlMode};
pub use substitute::{ComparedParameter, compared_parameters, substitute};

/// The name under which a statement that changes accounts, their passwords or rights says so among the settings it changes.
pub const ACCOUNTS: &str = "accounts";

/// The query of a view's definition.
fn view_query(dialect: Dialect, definition: &str) -> Result<ir::Query, String> {
    match dialect {
        Dialect::Postgres => postgres::view_query(definition),
        Dialect::Mysql | Dialect::MariaDb => mysql::view_query(dialect, definition),
    }
}
