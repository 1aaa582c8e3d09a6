//! Connections of our own to the upstream, and what is asked over them.

use super::{LONGEST_SURVEY, MysqlDatasource, OWN, UTF8MB4, refused_us};
use crate::dial::{LoggedIn, LoginFailure, dial, unavailable};
use crate::link::Link;
use crate::message::capability::Capabilities;
use crate::message::greeting::Greeting;
use crate::message::response::HandshakeResponse;
use crate::own_query::{QueryError, run};
use crate::roles::set_role;
use model::Refusal;
use wire::{LockMode, LockNames};

impl MysqlDatasource {
    /// A connection of our own, with its capabilities. Where there is a second lock it takes the role that reads everything
    /// that the account may: the account itself may read nothing.
    pub(super) async fn connect(&self) -> Result<(Link, Greeting, Capabilities), Refusal> {
        let (mut link, greeting, capabilities) = self.connect_as_account().await?;
        if self.lock_mode() != LockMode::Off {
            let wire = LockNames::of(&self.shared.spec.user).wire;
            match run(&mut link, &set_role(&wire), capabilities).await {
                Ok(_) | Err(QueryError::Server(..)) => {}
                Err(error) => return Err(unavailable(&self.shared.spec, &error.to_string())),
            }
        }
        Ok((link, greeting, capabilities))
    }

    /// The same without a role.
    pub(super) async fn connect_as_account(&self) -> Result<(Link, Greeting, Capabilities), Refusal> {
        let spec = &self.shared.spec;
        let dialled = dial(spec).await?;
        let greeting = dialled.greeting.clone();
        self.saw(&greeting);
        let wish = HandshakeResponse {
            capabilities: OWN,
            max_packet: 64 * 1024 * 1024,
            charset: UTF8MB4,
            ..HandshakeResponse::default()
        };
        match dialled.log_in(spec, wish).await {
            Ok(LoggedIn { mut link, .. }) => {
                link.read_ahead();
                let capabilities = OWN.and(greeting.capabilities);
                Ok((link, greeting, capabilities))
            }
            Err(LoginFailure::Refusal(refusal)) => Err(refusal),
            Err(LoginFailure::Server(payload)) => Err(refused_us(spec, &payload)),
        }
    }

    /// Gives up a survey that takes too long: it is no reason to stand in anybody's way.
    pub(super) async fn bounded<T>(&self, read: impl Future<Output = Result<T, QueryError>>) -> Result<T, Refusal> {
        let spec = &self.shared.spec;
        match tokio::time::timeout(LONGEST_SURVEY, read).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(unavailable(spec, &format!("it does not answer a question of the survey: {error}"))),
            Err(_) => Err(unavailable(spec, &format!("the survey took longer than {LONGEST_SURVEY:?}"))),
        }
    }
}
