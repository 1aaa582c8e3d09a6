//! SCRAM-SHA-256 as a client (RFC 5802, RFC 7677), with channel binding `tls-server-end-point` (RFC 5929).
//!
//! The expensive part, hashing the password some thousand times, depends only on password, salt and iteration count: its
//! result is kept per credential ([`KeyCache`]), so a login after the first costs a few hashes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// More than this a server may not make us compute. PostgreSQL's default is 4096.
const MAX_ITERATIONS: u32 = 1_000_000;

/// A key or signature of this mechanism.
pub(super) type Key = [u8; 32];

/// The keys that a password gives for a salt and iteration count.
#[derive(Clone)]
struct Keys {
    salt: Vec<u8>,
    iterations: u32,
    client: Key,
    server: Key,
}

/// Keys computed before, for one credential.
#[derive(Clone, Default)]
pub(crate) struct KeyCache(Arc<Mutex<Option<Keys>>>);

/// How the login is bound to the TLS channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    /// There is no TLS, or the certificate has no defined hash.
    Unsupported,
    /// The server does not offer it although we could.
    NotOffered,
    /// To the hash of the server's certificate.
    EndPoint(Vec<u8>),
}

/// What went wrong, in words for the operator. None of them contains a secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) &'static str);

/// A login under way: the client's first message was sent.
pub(crate) struct Started {
    gs2: Vec<u8>,
    first_bare: String,
    nonce: String,
}

/// A login under way: the proof was sent, the server's is due.
pub(crate) struct Proven {
    signature: Key,
}

pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<Key, Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Failure("HMAC refuses its key"))?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(mac.finalize().into_bytes().into())
}

/// PBKDF2 with HMAC-SHA-256 and one block of output: the `Hi` of RFC 5802.
pub(super) fn salted(password: &[u8], salt: &[u8], iterations: u32) -> Result<Key, Failure> {
    let base = Hmac::<Sha256>::new_from_slice(password).map_err(|_| Failure("HMAC refuses its key"))?;
    let round = |input: &[&[u8]]| -> Key {
        let mut mac = base.clone();
        input.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    };
    let mut last = round(&[salt, &[0, 0, 0, 1]]);
    let mut sum = last;
    for _ in 1..iterations {
        last = round(&[&last]);
        sum.iter_mut().zip(last).for_each(|(sum, last)| *sum ^= last);
    }
    Ok(sum)
}

/// The password as SCRAM wants it: SASLprep'd, or as it is where that is not defined.
pub(super) fn prepared(password: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(password).ok();
    let prepared = text.and_then(|text| stringprep::saslprep(text).ok());
    prepared.map_or_else(|| password.to_vec(), |text| text.as_bytes().to_vec())
}

impl Started {
    /// Begins a login. The nonce must be fresh, printable and free of commas.
    pub(crate) fn new(binding: &ChannelBinding, nonce: String) -> Self {
        let header: &[u8] = match binding {
            ChannelBinding::Unsupported => b"n,,",
            ChannelBinding::NotOffered => b"y,,",
            ChannelBinding::EndPoint(_) => b"p=tls-server-end-point,,",
        };
        let data: &[u8] = if let ChannelBinding::EndPoint(hash) = binding { hash } else { &[] };
        Self { gs2: [header, data].concat(), first_bare: format!("n=,r={nonce}"), nonce }
    }

    /// The client's first message.
    pub(crate) fn first(&self) -> Vec<u8> {
        let header = self.gs2.split_inclusive(|byte| *byte == b',').take(2).collect::<Vec<_>>().concat();
        [header.as_slice(), self.first_bare.as_bytes()].concat()
    }

    /// Answers the server's challenge with the proof.
    pub(crate) fn prove(
        self,
        server_first: &[u8],
        password: &[u8],
        cache: &KeyCache,
    ) -> Result<(Vec<u8>, Proven), Failure> {
        let server_first = std::str::from_utf8(server_first).map_err(|_| Failure("the SCRAM challenge is not text"))?;
        let mut attributes = server_first.split(',');
        let mut attribute = |name: &str| attributes.next().and_then(|text| text.strip_prefix(name));
        let nonce = attribute("r=").ok_or(Failure("the SCRAM challenge has no nonce"))?;
        let salt =
            attribute("s=").and_then(|salt| STANDARD.decode(salt).ok()).ok_or(Failure("the SCRAM salt is bad"))?;
        let iterations = attribute("i=").and_then(|count| count.parse().ok()).filter(|count| *count >= 1);
        let iterations = iterations.ok_or(Failure("the SCRAM iteration count is bad"))?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(Failure("the SCRAM challenge is not for our nonce"));
        }
        if iterations > MAX_ITERATIONS {
            return Err(Failure("the SCRAM iteration count is above a million"));
        }
        let keys = cache.keys(password, &salt, iterations)?;
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(&self.gs2));
        let message =
            [self.first_bare.as_bytes(), b",", server_first.as_bytes(), b",", without_proof.as_bytes()].concat();
        let stored: Key = Sha256::digest(keys.client).into();
        let mut proof = hmac(&stored, &[&message])?;
        proof.iter_mut().zip(keys.client).for_each(|(proof, key)| *proof ^= key);
        let response = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((response.into_bytes(), Proven { signature: hmac(&keys.server, &[&message])? }))
    }
}

impl Proven {
    /// Checks that the server knows the password too.
    pub(crate) fn verify(&self, server_final: &[u8]) -> Result<(), Failure> {
        let signature = server_final.strip_prefix(b"v=").and_then(|value| STANDARD.decode(value).ok());
        let signature = signature.ok_or(Failure("the server did not prove that it knows the password"))?;
        if bool::from(signature.as_slice().ct_eq(&self.signature)) {
            Ok(())
        } else {
            Err(Failure("the server's SCRAM signature is wrong: it does not know the password"))
        }
    }
}

impl KeyCache {
    fn keys(&self, password: &[u8], salt: &[u8], iterations: u32) -> Result<Keys, Failure> {
        if let Some(keys) = self.0.lock().as_ref().filter(|keys| keys.salt == salt && keys.iterations == iterations) {
            return Ok(keys.clone());
        }
        let salted = salted(&prepared(password), salt, iterations)?;
        let keys = Keys {
            salt: salt.to_vec(),
            iterations,
            client: hmac(&salted, &[b"Client Key"])?,
            server: hmac(&salted, &[b"Server Key"])?,
        };
        *self.0.lock() = Some(keys.clone());
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3, but for the user name, which PostgreSQL leaves empty: computed with the same exchange.
    fn rfc() -> Started {
        let mut started = Started::new(&ChannelBinding::Unsupported, "rOprNGfwEbeRWgbNEkqO".to_owned());
        started.first_bare = "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned();
        started
    }
    const CHALLENGE: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_example_of_rfc_7677() {
        assert_eq!(rfc().first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let cache = KeyCache::default();
        for _ in 0..2 {
            let Ok((response, proven)) = rfc().prove(CHALLENGE, b"pencil", &cache) else { panic!("no proof") };
            assert_eq!(
                String::from_utf8(response).unwrap(),
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
            );
            assert_eq!(proven.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
            assert!(proven.verify(b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").is_err());
            assert!(proven.verify(b"e=invalid-proof").is_err());
        }
    }

    #[test]
    fn hostile_challenges_are_refused() {
        let cache = KeyCache::default();
        for challenge in [
            &b"r=other,s=W22Z,i=4096"[..],
            b"r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=4096",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=0",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=W22Z,i=4000000000",
            b"r=rOprNGfwEbeRWgbNEkqOx,s=?,i=1",
            b"",
            b"\xff",
        ] {
            assert!(rfc().prove(challenge, b"pencil", &cache).is_err(), "{challenge:?}");
        }
    }

    #[test]
    fn channel_binding_is_in_the_header_and_the_final_message() {
        let started = Started::new(&ChannelBinding::EndPoint(vec![1, 44, 3]), "abc".to_owned());
        assert_eq!(started.first(), b"p=tls-server-end-point,,n=,r=abc");
        let Ok((response, _)) = started.prove(b"r=abcd,s=AAAA,i=1", b"x", &KeyCache::default()) else { panic!() };
        let expected = STANDARD.encode(b"p=tls-server-end-point,,\x01,\x03");
        assert!(response.starts_with(format!("c={expected},r=abcd,p=").as_bytes()));
    }
}
