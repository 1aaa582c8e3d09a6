//! SQL text + dialect + catalog snapshot → what a statement reads, writes, calls, and where each column of its result
//! comes from ([`model::Facts`]).
//!
//! No I/O: protocols fill the [`Catalog`] from their upstream and keep the [`Settings`] of their session.

mod analyser;
mod catalog;
mod settings;

pub use analyser::Analyser;
pub use catalog::{Catalog, CatalogColumn, Relation, RelationKind, Routine, Volatility};
pub use settings::{Dialect, Settings, SqlMode};
