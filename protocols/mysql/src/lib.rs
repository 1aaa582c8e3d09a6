//! The MySQL and MariaDB protocol: login, the conversation afterwards, and what both need to know of an upstream.
//!
//! The folder mirrors that of PostgreSQL: `message` (bytes), `startup` and `auth` (login), `client` and `upstream` (the
//! two sides of a conversation), `values`, `errors`, `catalog`, `datasource`.

mod auth;
mod catalog;
mod client;
mod conversation;
#[cfg(test)]
mod conversation_tests;
mod datasource;
mod dial;
mod errors;
mod handshake;
mod link;
mod message;
mod own_query;
mod settings;
mod startup;
mod type_names;
mod upstream;
mod values;

use async_trait::async_trait;
use std::sync::Arc;
use wire::{Datasource, DatasourceSpec, Desk, Login, LoginError, Protocol, SpecError, Transport};

/// The protocol, for the registry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mysql;

#[async_trait]
impl Protocol for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn default_port(&self) -> u16 {
        3306
    }

    /// The upstream's greeting comes before the client names a database, so the listener must name the datasource.
    fn datasource_by_database(&self) -> bool {
        false
    }

    fn datasource(&self, spec: DatasourceSpec) -> Result<Arc<dyn Datasource>, SpecError> {
        Ok(Arc::new(datasource::MysqlDatasource::new(spec)?))
    }

    async fn login(&self, client: Transport, desk: Arc<dyn Desk>) -> Result<Login, LoginError> {
        startup::login(client, desk).await
    }
}
