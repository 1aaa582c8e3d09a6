//! The MySQL and MariaDB protocol: login, the conversation afterwards, and what both need to know of an upstream.
//!
//! The folder mirrors that of PostgreSQL: `message` (bytes), `startup` and `auth` (login), `client` and `upstream` (the
//! two sides of a conversation), `values`, `errors`, `catalog`, `datasource`.
//!
//! What a client may notice:
//! - The upstream's greeting is mirrored (version, thread, character set); compression, LOCAL INFILE, metadata caching,
//!   extended metadata and several factors are not offered. The upstream closes a connection that does not log in within
//!   its own `connect_timeout`, so checking a token must be quicker.
//! - Refused by name: COM_CHANGE_USER, replication, COM_PROCESS_INFO, SHUTDOWN, DEBUG, COM_MULTI, KILL of a connection that
//!   is not the identity's own or that does not stand alone, a CALL with further statements behind it.
//! - caching_sha2_password at the upstream needs TLS unless the server has the password in its cache: there is no
//!   configuration for a pinned RSA key, and a key that nobody vouches for is not used.
//! - After a statement that may have changed `sql_mode`, the character set or the database, the next text is preceded by a
//!   SELECT of our own. `SHOW WARNINGS`, `SELECT ROW_COUNT()` and four more exact texts go before it; other ways to ask
//!   for the messages of the statement before find them gone on MySQL.
//! - A row that masking brings to another number of 16 MiB packets shifts the ids of what follows; if another result
//!   follows in the same answer, the session ends.

mod auth;
mod catalog;
mod client;
mod conversation;
mod datasource;
mod dial;
mod errors;
mod handshake;
mod link;
mod made;
mod message;
mod own_query;
#[cfg(test)]
mod scripted;
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
