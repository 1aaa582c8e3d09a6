//! The PostgreSQL adapter: login on both sides, then a state machine over the bytes of both.
//!
//! The folders: `message` (one small family of messages a file), `startup` and `auth` (until a session exists), `client`
//! (what requests mean), `upstream` (whose each answer is), `copy` (rows inside COPY), `values` and `catalog` (types and
//! relations), `errors` (refusals, and what of an error may be told). The protocol's version is 3:
//! <https://www.postgresql.org/docs/current/protocol.html>.

mod auth;
mod catalog;
mod client;
mod conversation;
mod copy;
mod datasource;
mod errors;
mod estimate;
mod lexer;
mod link;
mod login;
mod made;
mod message;
mod names;
mod objects;
mod roles;
#[cfg(test)]
mod scripted;
mod session;
mod startup;
mod state;
mod survey;
mod upstream;
mod values;

use async_trait::async_trait;
use std::sync::Arc;
use wire::{Datasource, DatasourceSpec, Desk, Login, LoginError, OptionSpec, Protocol, Secret, SpecError, Transport};

/// The PostgreSQL protocol.
#[derive(Debug, Default)]
pub struct Postgres;

#[async_trait]
impl Protocol for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn default_port(&self) -> u16 {
        5432
    }

    fn datasource_by_database(&self) -> bool {
        true
    }

    fn alpn(&self) -> Vec<Vec<u8>> {
        vec![startup::ALPN.to_vec()]
    }

    fn verifier(&self, password: &[u8], salt: &[u8; 16]) -> Option<Secret> {
        auth::scram_server::Kept::of(password, salt).ok().map(|kept| kept.encode())
    }

    fn decoy(&self, salt: &[u8; 16]) -> Option<Secret> {
        Some(auth::scram_server::Kept::decoy(salt).encode())
    }

    fn options(&self) -> &'static [OptionSpec] {
        datasource::KEYS
    }

    fn datasource(&self, spec: DatasourceSpec) -> Result<Arc<dyn Datasource>, SpecError> {
        for (what, value) in [("user", Some(&spec.user)), ("database", spec.database.as_ref())] {
            if value.is_some_and(|value| value.contains('\0') || value.is_empty()) {
                return Err(SpecError(format!(
                    "datasource \"{}\": {what} must not be empty or contain NUL",
                    spec.name
                )));
            }
        }
        if !spec.address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
            return Err(SpecError(format!("datasource \"{}\": address must be host:port", spec.name)));
        }
        Ok(Arc::new(datasource::PostgresDatasource(Arc::new(datasource::Source::new(spec)))))
    }

    async fn login(&self, client: Transport, desk: Arc<dyn Desk>) -> Result<Login, LoginError> {
        login::login(client, desk).await
    }
}
