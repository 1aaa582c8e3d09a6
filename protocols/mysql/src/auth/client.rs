//! The client's side: its token arrives as the clear-text password, through TLS or over a loopback listener that the
//! operator has set up without TLS.

use crate::link::{Link, LinkError};
use crate::message::auth::put_switch;
use crate::message::capability::Capabilities;
use crate::message::response::HandshakeResponse;
use model::{Refusal, RefusalKind};
use std::io;

/// The plugin that carries a password as it is.
pub(crate) const CLEAR: &[u8] = b"mysql_clear_password";
/// The longest token, with room for the packet around it.
pub(crate) const LONGEST_TOKEN: usize = 64 * 1024 + 256;

/// What a user reads whose client does not send the token.
const FLAGS: &str = "log in with an OIDC token as the password and let the client send it in clear text through TLS: \
                     mysql --enable-cleartext-plugin, LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN=1, Go allowCleartextPasswords=true, \
                     Node mysql_clear_password in authPlugins, JDBC authenticationPlugins or MariaDB's, PyMySQL and mysql-connector over TLS";

/// Gets the token from a client whose handshake response was just read.
pub(crate) async fn token(link: &mut Link, response: &HandshakeResponse) -> Result<Vec<u8>, TokenError> {
    if !response.capabilities.has(Capabilities::PLUGIN_AUTH) {
        return Err(TokenError::Refused(refusal("the client cannot switch to mysql_clear_password")));
    }
    if response.plugin == CLEAR && !response.auth.is_empty() {
        return given(&response.auth);
    }
    let mut request = Vec::new();
    put_switch(&mut request, CLEAR, b"");
    // An empty challenge is sent without its NUL, as the server does for this plugin.
    request.pop();
    link.write(&request).await?;
    let why = || refusal("the client hung up when it was asked for its token in clear text");
    given(&link.read(LONGEST_TOKEN).await.map_err(|error| hung_up(error, why))?)
}

/// This is how clients built on libmysqlclient say no to a plugin: they report it to their user and hang up.
pub(crate) fn hung_up(error: LinkError, why: impl FnOnce() -> Refusal) -> TokenError {
    match error {
        LinkError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => TokenError::Gone(why()),
        error => error.into(),
    }
}

fn given(answer: &[u8]) -> Result<Vec<u8>, TokenError> {
    let token = answer.strip_suffix(&[0]).unwrap_or(answer);
    if token.is_empty() {
        return Err(TokenError::Refused(refusal("no token was sent")));
    }
    Ok(token.to_vec())
}

fn refusal(message: &str) -> Refusal {
    Refusal::new(RefusalKind::NotAuthenticated, message).hint(FLAGS)
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The client is still there to be told.
    Refused(Refusal),
    /// The client is gone; this is for the log.
    Gone(Refusal),
    /// The exchange failed.
    Link(LinkError),
}

impl From<LinkError> for TokenError {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trailing_nul_goes_and_an_empty_token_is_told_what_to_do() {
        assert_eq!(given(b"token\0").unwrap(), b"token");
        assert_eq!(given(b"token").unwrap(), b"token");
        for empty in [&b""[..], b"\0"] {
            let Err(TokenError::Refused(refusal)) = given(empty) else { panic!("accepted {empty:?}") };
            assert!(refusal.hint.unwrap().contains("--enable-cleartext-plugin"));
        }
    }
}
