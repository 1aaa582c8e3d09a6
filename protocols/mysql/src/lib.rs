//! The MySQL and MariaDB protocol: login, the conversation afterwards, and what both need to know of an upstream.
//!
//! The folder mirrors that of PostgreSQL: `message` (bytes), `startup` and `auth` (login), `client` and `upstream` (the
//! two sides of a conversation), `values`, `errors`, `catalog`, `datasource`.
//!
//! What a client may notice:
//! - The upstream's greeting is mirrored (version, thread, character set); metadata caching and several factors are not
//!   offered, LOCAL INFILE only where the datasource says so. The upstream closes a connection that does not log in within
//!   its own `connect_timeout`, so checking a token must be quicker.
//! - COM_CHANGE_USER asks for the token again, which must be the one that opened the session; it then resets the
//!   upstream's session with our own COM_CHANGE_USER.
//! - Refused by name: replication, COM_PROCESS_INFO, SHUTDOWN, DEBUG, COM_MULTI, KILL of a connection that
//!   is not the identity's own or that does not stand alone, a CALL with further statements behind it.
//! - A user name of the form that exchanged credentials have is asked for its password by caching_sha2_password, by the fast
//!   path only: what the server would need the password itself for (a cold cache) does not happen here.
//! - caching_sha2_password at the upstream needs TLS, a pinned `rsa_key`, or a server that has the password in its cache:
//!   a key that nobody vouches for is not used.
//! - After a statement that may have changed `sql_mode`, the character set or the database, the next text is preceded by a
//!   SELECT of our own. `SHOW WARNINGS`, `SELECT ROW_COUNT()` and four more exact texts go before it; other ways to ask
//!   for the messages of the statement before find them gone on MySQL.
//! - A row that masking brings to another number of 16 MiB packets shifts the ids of everything that follows it.

mod auth;
mod catalog;
mod client;
mod compress;
mod conversation;
mod credential;
mod datasource;
mod dial;
mod errors;
mod estimate;
mod handshake;
mod link;
mod made;
mod message;
mod own_query;
mod procedure;
mod roles;
#[cfg(test)]
mod scripted;
mod settings;
mod startup;
mod survey;
mod type_names;
mod upstream;
mod values;

use async_trait::async_trait;
use std::sync::Arc;
use wire::{Datasource, DatasourceSpec, Desk, Login, LoginError, OptionSpec, Protocol, Secret, SpecError, Transport};

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

    /// The scheme has no salt.
    fn verifier(&self, password: &[u8], _salt: &[u8; 16]) -> Option<Secret> {
        Some(auth::caching_sha2::verifier(password))
    }

    fn decoy(&self, _salt: &[u8; 16]) -> Option<Secret> {
        Some(auth::caching_sha2::decoy())
    }

    fn options(&self) -> &'static [OptionSpec] {
        datasource::options::KEYS
    }

    fn datasource(&self, spec: DatasourceSpec) -> Result<Arc<dyn Datasource>, SpecError> {
        Ok(Arc::new(datasource::MysqlDatasource::new(spec)?))
    }

    async fn login(&self, client: Transport, desk: Arc<dyn Desk>) -> Result<Login, LoginError> {
        startup::login(client, desk).await
    }
}
