//! MySQL and MariaDB.

use crate::analyser::Parsed;
use crate::ir::{Name, Query};
use crate::lineage::Nature;
use crate::{Catalog, Dialect, Settings};

/// What a text does.
pub(crate) fn analyse(_: Dialect, _: &str, _: &Catalog, _: &Settings) -> Result<Parsed, String> {
    Err("MySQL's SQL is not analysed yet".to_owned())
}

/// The query of a view's definition.
pub(crate) fn view_query(_: Dialect, _: &str) -> Result<Query, String> {
    Err("MySQL's SQL is not analysed yet".to_owned())
}

/// What a routine may do.
pub(crate) fn nature(_: &Catalog, _: &Name, _: &[String]) -> Option<Nature> {
    None
}
