//! The one list of protocols that this build speaks. A further engine is one crate in `protocols/` and one line here.

use std::sync::Arc;
use wire::Protocol;

/// Every protocol.
#[must_use]
pub fn protocols() -> Vec<Arc<dyn Protocol>> {
    vec![Arc::new(postgres::Postgres), Arc::new(mysql::Mysql)]
}
