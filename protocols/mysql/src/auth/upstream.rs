//! Our own login at the upstream: which answer each authentication plugin gets. The password leaves in clear text only
//! through TLS.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>,
//! <https://mariadb.com/kb/en/authentication-plugin-ed25519/>

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;

/// A plugin that we can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plugin {
    /// `mysql_native_password`.
    Native,
    /// `caching_sha2_password`.
    CachingSha2,
    /// `sha256_password`.
    Sha256,
    /// MariaDB's `client_ed25519`.
    Ed25519,
    /// `mysql_clear_password`.
    Clear,
}

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These bytes.
    Send(Vec<u8>),
    /// Nothing: wait for what the server says.
    Wait,
}

impl Plugin {
    /// The plugin of that name.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"mysql_native_password" => Self::Native,
            b"caching_sha2_password" => Self::CachingSha2,
            b"sha256_password" => Self::Sha256,
            b"client_ed25519" => Self::Ed25519,
            b"mysql_clear_password" => Self::Clear,
            _ => return None,
        })
    }

    /// Its name.
    pub(crate) fn name(self) -> &'static [u8] {
        match self {
            Self::Native => b"mysql_native_password",
            Self::CachingSha2 => b"caching_sha2_password",
            Self::Sha256 => b"sha256_password",
            Self::Ed25519 => b"client_ed25519",
            Self::Clear => b"mysql_clear_password",
        }
    }

    /// The first answer, to the challenge.
    pub(crate) fn answer(self, nonce: &[u8], password: &[u8], encrypted: bool) -> Result<Vec<u8>, String> {
        match self {
            Self::Native if password.is_empty() => Ok(Vec::new()),
            Self::Native => Ok(scramble_native(nonce, password).map(Vec::from).unwrap_or_default()),
            Self::CachingSha2 if password.is_empty() => Ok(Vec::new()),
            Self::CachingSha2 => {
                let nonce = nonce.first_chunk().ok_or("its challenge is too short")?;
                Ok(scramble_sha256(nonce, password).map(Vec::from).unwrap_or_default())
            }
            Self::Ed25519 => ed25519(nonce, password),
            Self::Clear | Self::Sha256 if encrypted => Ok(with_nul(password)),
            Self::Clear | Self::Sha256 => Err(format!(
                "it asks for the password by {}, which needs TLS; set tls for this datasource",
                String::from_utf8_lossy(self.name())
            )),
        }
    }

    /// The answer to more of the plugin's own data.
    pub(crate) fn more(self, data: &[u8], password: &[u8], encrypted: bool) -> Result<Next, String> {
        match (self, data) {
            (Self::CachingSha2, [3]) => Ok(Next::Wait),
            (Self::CachingSha2, [4]) if encrypted => Ok(Next::Send(with_nul(password))),
            (Self::CachingSha2, [4]) => Err("it does not have the password of our user in its cache, and without TLS \
                 it could only be sent under a key that nobody vouches for; set tls for this datasource"
                .to_owned()),
            _ => Err(format!("{} said something unexpected", String::from_utf8_lossy(self.name()))),
        }
    }
}

fn with_nul(password: &[u8]) -> Vec<u8> {
    let mut answer = password.to_vec();
    answer.push(0);
    answer
}

fn ed25519(nonce: &[u8], password: &[u8]) -> Result<Vec<u8>, String> {
    use mysql_common::auth::plugins::{ChallengeResponsePlugin as _, client_ed25519::ClientEd25519};
    let response = ClientEd25519::default()
        .run(PasswordOnly(password), nonce)
        .map_err(|_| "its ed25519 challenge is not 32 bytes".to_owned())?;
    response.data().map(<[u8]>::to_vec).ok_or_else(|| "ed25519 gave no answer".to_owned())
}

/// The ed25519 plugin needs nothing but the password.
struct PasswordOnly<'a>(&'a [u8]);

impl mysql_common::auth::plugins::Context for PasswordOnly<'_> {
    fn pass(&self) -> &[u8] {
        self.0
    }
    fn is_ipc_transport(&self) -> bool {
        false
    }
    fn is_tls_transport(&self) -> bool {
        false
    }
    fn scramble(&self) -> &[u8] {
        &[]
    }
    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

    #[test]
    fn clear_text_only_through_tls() {
        for plugin in [Plugin::Clear, Plugin::Sha256] {
            assert!(plugin.answer(NONCE, b"secret", false).is_err());
            assert_eq!(plugin.answer(NONCE, b"secret", true).unwrap(), b"secret\0");
        }
        assert!(Plugin::CachingSha2.more(&[4], b"secret", false).is_err());
        assert_eq!(Plugin::CachingSha2.more(&[4], b"secret", true).unwrap(), Next::Send(b"secret\0".to_vec()));
        assert_eq!(Plugin::CachingSha2.more(&[3], b"secret", false).unwrap(), Next::Wait);
    }

    #[test]
    fn a_challenge_of_the_wrong_length_is_refused() {
        assert!(Plugin::CachingSha2.answer(b"short", b"secret", false).is_err());
        assert!(Plugin::Ed25519.answer(b"short", b"secret", false).is_err());
        assert_eq!(Plugin::Ed25519.answer(&[7; 32], b"secret", false).unwrap().len(), 64);
    }

    #[test]
    fn an_empty_password_is_an_empty_answer() {
        assert!(Plugin::Native.answer(NONCE, b"", false).unwrap().is_empty());
        assert!(Plugin::CachingSha2.answer(NONCE, b"", false).unwrap().is_empty());
    }

    #[test]
    fn names_go_both_ways() {
        for plugin in [Plugin::Native, Plugin::CachingSha2, Plugin::Sha256, Plugin::Ed25519, Plugin::Clear] {
            assert_eq!(Plugin::named(plugin.name()), Some(plugin));
        }
        assert_eq!(Plugin::named(b"parsec"), None);
    }
}
