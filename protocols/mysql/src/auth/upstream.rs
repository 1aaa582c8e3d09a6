//! Our own login at the upstream: which answer each authentication plugin gets. The password leaves in clear text only
//! through TLS; without TLS it leaves under an RSA key that the operator has vouched for, or not at all. A key that the
//! server offers by itself is never used: whoever sits on the way could offer their own.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>,
//! <https://mariadb.com/kb/en/authentication-plugin-ed25519/>

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;

/// What we have to show.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    /// The password.
    pub(crate) password: &'a [u8],
    /// Whether the connection goes through TLS.
    pub(crate) encrypted: bool,
    /// The server's public key (PEM), if the operator has pinned it.
    pub(crate) rsa_key: Option<&'a [u8]>,
}

impl Means<'_> {
    /// The password under the pinned key: XORed with the challenge first, as both plugins want it, so that what was sent
    /// once is of no use later.
    fn under_key(&self, nonce: &[u8]) -> Option<Result<Vec<u8>, String>> {
        let key = self.rsa_key?;
        if nonce.is_empty() {
            return Some(Err("its challenge is empty".to_owned()));
        }
        let secret: Vec<u8> =
            with_nul(self.password).iter().zip(nonce.iter().cycle()).map(|(byte, nonce)| byte ^ nonce).collect();
        if secret.len() > LONGEST_UNDER_KEY {
            return Some(Err("the password is too long to be sent under an RSA key; set tls".to_owned()));
        }
        Some(mysql_common::crypto::encrypt(&secret, key).map_err(|error| format!("the pinned rsa_key: {error}")))
    }
}

/// What a key of 2048 bits takes: OAEP with SHA-1 needs 42 bytes of its 256.
const LONGEST_UNDER_KEY: usize = 214;

/// Checks a key that an operator pins: it must be a public key of 2048 bits or more.
pub(crate) fn check_rsa_key(pem: &[u8]) -> Result<(), String> {
    let is_pem =
        std::str::from_utf8(pem).is_ok_and(|text| text.contains("-----BEGIN") && text.contains("PUBLIC KEY-----"));
    if !is_pem {
        return Err("is not a public key in PEM form (-----BEGIN PUBLIC KEY-----)".to_owned());
    }
    let key = mysql_common::crypto::rsa::PublicKey::from_pem(pem).map_err(|error| error.to_string())?;
    if key.num_octets() < 256 { Err("has fewer than 2048 bits".to_owned()) } else { Ok(()) }
}

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

    /// The plugin that the server asks for, or what is to be done about it.
    pub(crate) fn wanted(name: &[u8]) -> Result<Self, String> {
        Self::named(name).ok_or_else(|| {
            format!(
                "it wants our user to log in by {}, which Affidavit does not speak; give the user \
                 caching_sha2_password, mysql_native_password or ed25519",
                String::from_utf8_lossy(name)
            )
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
    pub(crate) fn answer(self, nonce: &[u8], means: &Means<'_>) -> Result<Vec<u8>, String> {
        let Means { password, encrypted, .. } = *means;
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
            Self::Sha256 if means.rsa_key.is_some() => means.under_key(nonce).unwrap_or_else(|| Ok(Vec::new())),
            Self::Clear | Self::Sha256 => Err(format!(
                "it asks for the password by {}, which needs TLS; set tls for this datasource",
                String::from_utf8_lossy(self.name())
            )),
        }
    }

    /// The answer to more of the plugin's own data.
    pub(crate) fn more(self, data: &[u8], nonce: &[u8], means: &Means<'_>) -> Result<Next, String> {
        let Means { password, encrypted, .. } = *means;
        match (self, data) {
            (Self::CachingSha2, [3]) => Ok(Next::Wait),
            (Self::CachingSha2, [4]) if encrypted => Ok(Next::Send(with_nul(password))),
            (Self::CachingSha2, [4]) => means.under_key(nonce).map_or_else(
                || {
                    Err("it does not have the password of our user in its cache, and without TLS it could only be sent \
                         under a key that nobody vouches for; set tls for this datasource, or rsa_key to the server's \
                         public_key.pem"
                        .to_owned())
                },
                |sealed| sealed.map(Next::Send),
            ),
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

    const OPEN: Means<'static> = Means { password: b"secret", encrypted: false, rsa_key: None };
    const SECURE: Means<'static> = Means { encrypted: true, ..OPEN };
    const NOTHING: Means<'static> = Means { password: b"", ..OPEN };

    #[test]
    fn clear_text_only_through_tls() {
        for plugin in [Plugin::Clear, Plugin::Sha256] {
            assert!(plugin.answer(NONCE, &OPEN).is_err());
            assert_eq!(plugin.answer(NONCE, &SECURE).unwrap(), b"secret\0");
        }
        assert!(Plugin::CachingSha2.more(&[4], NONCE, &OPEN).is_err());
        assert_eq!(Plugin::CachingSha2.more(&[4], NONCE, &SECURE).unwrap(), Next::Send(b"secret\0".to_vec()));
        assert_eq!(Plugin::CachingSha2.more(&[3], NONCE, &OPEN).unwrap(), Next::Wait);
    }

    #[test]
    fn a_pinned_key_seals_the_password_and_no_other_key_is_taken() {
        let key = include_bytes!("not_secret_public_key.pem");
        check_rsa_key(key).unwrap();
        let pinned = Means { rsa_key: Some(key), ..OPEN };
        let Next::Send(sealed) = Plugin::CachingSha2.more(&[4], NONCE, &pinned).unwrap() else { panic!("waits") };
        assert_eq!(sealed.len(), 256);
        assert_ne!(Next::Send(sealed), Plugin::CachingSha2.more(&[4], NONCE, &pinned).unwrap(), "never twice the same");
        assert_eq!(Plugin::Sha256.answer(NONCE, &pinned).unwrap().len(), 256);
        assert!(Plugin::Clear.answer(NONCE, &pinned).is_err(), "this plugin has no use for a key");
        let offered = [&b"-----BEGIN PUBLIC KEY-----"[..], key].concat();
        assert!(Plugin::CachingSha2.more(&offered, NONCE, &OPEN).is_err(), "a key that the server offers");
        assert!(Plugin::CachingSha2.more(&[4], b"", &pinned).is_err());
        let long = Means { password: &[b'x'; 300], ..pinned };
        assert!(Plugin::CachingSha2.more(&[4], NONCE, &long).is_err());
        for bad in [&b""[..], b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(check_rsa_key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_challenge_of_the_wrong_length_is_refused() {
        assert!(Plugin::CachingSha2.answer(b"short", &OPEN).is_err());
        assert!(Plugin::Ed25519.answer(b"short", &OPEN).is_err());
        assert_eq!(Plugin::Ed25519.answer(&[7; 32], &OPEN).unwrap().len(), 64);
    }

    #[test]
    fn an_empty_password_is_an_empty_answer() {
        assert!(Plugin::Native.answer(NONCE, &NOTHING).unwrap().is_empty());
        assert!(Plugin::CachingSha2.answer(NONCE, &NOTHING).unwrap().is_empty());
    }

    #[test]
    fn names_go_both_ways() {
        for plugin in [Plugin::Native, Plugin::CachingSha2, Plugin::Sha256, Plugin::Ed25519, Plugin::Clear] {
            assert_eq!(Plugin::named(plugin.name()), Some(plugin));
        }
        assert_eq!(Plugin::named(b"parsec"), None);
    }
}
