//! A credential: whose it is, what it opens, until when, and what is kept of its password.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use model::{AuthMethod, Identity, Timestamp};
use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wire::Secret;
use zeroize::Zeroizing;

/// What user names begin with.
const PREFIX: &str = "x-";
/// Characters after it: no vowels (no words), nothing that is mistaken for something else.
const ALPHABET: &[u8; 27] = b"23456789bcdfghjkmnpqrstvwxz";
/// How many, which makes 95 bits. Together 22 characters: MySQL has room for 32.
const LETTERS: usize = 20;

/// A fresh user name.
pub(super) fn user_name() -> String {
    let mut rng = rand::rng();
    let letter = |_| ALPHABET.get(rng.random_range(0..ALPHABET.len())).copied().map_or('2', char::from);
    PREFIX.chars().chain((0..LETTERS).map(letter)).collect()
}

/// Whether a user name has the form of ours. Nobody else's plausibly does.
pub(super) fn is_user_name(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == LETTERS && rest.bytes().all(|byte| ALPHABET.contains(&byte)))
}

/// A fresh password: 256 random bits in 43 characters that need no quoting anywhere.
pub(super) fn password() -> Zeroizing<String> {
    let bits = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bits.as_slice()))
}

/// Who took a credential back, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Revoked {
    /// What people call them.
    pub(crate) by: String,
    /// Why, if they said.
    pub(crate) why: Option<String>,
    /// When.
    #[serde(with = "micros")]
    pub(crate) at: Timestamp,
}

/// A credential.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credential {
    /// Its user name, which is its name too. Not a secret.
    pub(crate) user: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) name: Option<String>,
    pub(crate) groups: Vec<String>,
    /// The token's own identifier.
    pub(crate) token_id: Option<String>,
    pub(crate) datasource: String,
    /// The datasource's protocol, whose form the verifier has.
    pub(crate) protocol: String,
    #[serde(with = "kept")]
    pub(crate) verifier: Secret,
    /// The address that asked for it.
    pub(crate) from: String,
    #[serde(with = "micros")]
    pub(crate) issued: Timestamp,
    #[serde(with = "micros")]
    pub(crate) expires: Timestamp,
    pub(crate) revoked: Option<Revoked>,
}

impl Credential {
    /// The identity that it proves: the token's, for as long as the credential lasts.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            name: self.name.clone(),
            groups: self.groups.clone(),
            expires: self.expires,
            method: AuthMethod::Exchanged,
            token_id: self.token_id.clone(),
        }
    }

    /// Whether it opens anything at that time.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires
    }

    /// The word for what became of it.
    pub(crate) fn state(&self, now: Timestamp) -> &'static str {
        match (&self.revoked, now < self.expires) {
            (Some(_), _) => "revoked",
            (None, true) => "good",
            (None, false) => "expired",
        }
    }

    /// Whether it was given to this identity.
    pub(crate) fn is_of(&self, identity: &Identity) -> bool {
        self.issuer == identity.issuer && self.subject == identity.subject
    }
}

mod micros {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        at.0.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp)
    }
}

mod kept {
    use super::{Deserialize, Deserializer, Engine, STANDARD, Secret, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(verifier: &Secret, to: S) -> Result<S::Ok, S::Error> {
        STANDARD.encode(verifier.expose()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)?;
        Ok(Secret::new(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_recognised_and_nothing_else_is() {
        for _ in 0..200 {
            let name = user_name();
            assert!(is_user_name(&name) && name.len() <= 32, "{name}");
        }
        assert_ne!(user_name(), user_name());
        for other in
            ["", "x-", "ann", "x-7f3k", "x-aeiouaeiouaeiouaeiou", "X-23456789bcdfghjkmnpq", "x-23456789bcdfghjkmnpqr"]
        {
            assert!(!is_user_name(other), "{other}");
        }
        assert!(is_user_name("x-23456789bcdfghjkmnpq"));
    }

    #[test]
    fn passwords_are_256_bits_that_need_no_quoting() {
        let password = password();
        assert_eq!(URL_SAFE_NO_PAD.decode(password.as_bytes()).unwrap().len(), 32);
        assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert_ne!(*password, *super::password());
    }
}
