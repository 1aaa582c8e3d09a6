//! SCRAM-SHA-256 as a server (RFC 5802, RFC 7677), with channel binding `tls-server-end-point` (RFC 5929), for exchanged
//! credentials. Nothing is decided here: what comes out is a [`Proof`] that the desk holds against its own verifier.
//!
//! What is kept of a password is what PostgreSQL keeps in `pg_authid`:
//! <https://www.postgresql.org/docs/current/catalog-pg-authid.html>, `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`.

use super::scram::{Failure, Key, hmac, prepared, salted};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use wire::{Proof, Secret};

/// PostgreSQL's own count. The passwords are 256 random bits, so one round would do; but some drivers refuse fewer.
const ITERATIONS: u32 = 4096;
/// No honest message of this exchange is longer (bytes).
const LONGEST: usize = 4096;

/// What is kept of a password.
#[derive(Clone)]
pub(crate) struct Kept {
    salt: Vec<u8>,
    iterations: u32,
    stored: Key,
    server: Key,
}

impl Kept {
    /// Of a password.
    pub(crate) fn of(password: &[u8], salt: &[u8]) -> Result<Self, Failure> {
        let salted = salted(&prepared(password), salt, ITERATIONS)?;
        let stored = Sha256::digest(hmac(&salted, &[b"Client Key"])?).into();
        Ok(Self { salt: salt.to_vec(), iterations: ITERATIONS, stored, server: hmac(&salted, &[b"Server Key"])? })
    }

    /// Of no password: to find one that fits takes a preimage of a random hash.
    pub(crate) fn decoy(salt: &[u8]) -> Self {
        Self { salt: salt.to_vec(), iterations: ITERATIONS, stored: rand::random(), server: rand::random() }
    }

    /// As it is kept.
    pub(crate) fn encode(&self) -> Secret {
        let [salt, stored, server] =
            [self.salt.as_slice(), &self.stored, &self.server].map(|part| STANDARD.encode(part));
        Secret::new(format!("SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations).as_bytes())
    }

    /// From what was kept.
    pub(crate) fn decode(kept: &Secret) -> Option<Self> {
        let text = std::str::from_utf8(kept.expose()).ok()?.strip_prefix("SCRAM-SHA-256$")?;
        let (parameters, keys) = text.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
        Some(Self {
            salt: STANDARD.decode(salt).ok()?,
            iterations: iterations.parse().ok()?,
            stored: key(stored)?,
            server: key(server)?,
        })
    }
}

/// The mechanisms to offer, as AuthenticationSASL lists them, most wanted first.
pub(crate) fn mechanisms(binding: Option<&[u8]>) -> &'static [u8] {
    match binding {
        Some(_) => b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
        None => b"SCRAM-SHA-256\0\0",
    }
}

/// The client's first message is read, ours is ready to go; the client's proof is due.
pub(crate) struct Challenged {
    /// What `c=` has to hold: the GS2 header and, where the channel is bound, its data.
    bound: Vec<u8>,
    client_first: String,
    server_first: String,
    nonce: String,
}

impl Challenged {
    /// Answers the client's first message. `binding` is the hash of our certificate where a bound mechanism was offered;
    /// `nonce` is ours: fresh, printable, without commas.
    pub(crate) fn new(
        mechanism: &[u8],
        first: &[u8],
        binding: Option<&[u8]>,
        kept: &Kept,
        nonce: &str,
    ) -> Result<Self, Failure> {
        let bound_mechanism = match (mechanism, binding) {
            (b"SCRAM-SHA-256", _) => false,
            (b"SCRAM-SHA-256-PLUS", Some(_)) => true,
            _ => return Err(Failure("a SASL mechanism that was not offered")),
        };
        let first = text(first)?;
        let mut parts = first.splitn(3, ',');
        let mut part = || parts.next().ok_or(Failure("the client's first SCRAM message is cut short"));
        let (flag, authorisation, bare) = (part()?, part()?, part()?);
        let data: &[u8] = match (flag, bound_mechanism) {
            ("n", false) => &[],
            ("y", false) if binding.is_none() => &[],
            ("y", false) => {
                return Err(Failure(
                    "the client thinks that no channel binding was offered, although it was: somebody stands between",
                ));
            }
            ("p=tls-server-end-point", true) => binding.unwrap_or_default(),
            _ => return Err(Failure("the client's channel binding does not go with its SASL mechanism")),
        };
        if !authorisation.is_empty() {
            return Err(Failure("an authorisation identity was given, which is not supported"));
        }
        // A mandatory extension (m=) would come first, and none is known.
        let mut attributes = bare.split(',');
        let user = attributes.next().is_some_and(|user| user.starts_with("n="));
        let theirs = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).unwrap_or_default();
        if !user || theirs.is_empty() || !theirs.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure("the client's first SCRAM message has no user name or no nonce"));
        }
        let nonce = format!("{theirs}{nonce}");
        let server_first = format!("r={nonce},s={},i={}", STANDARD.encode(&kept.salt), kept.iterations);
        let bound = [format!("{flag},,").as_bytes(), data].concat();
        Ok(Self { bound, client_first: bare.to_owned(), server_first, nonce })
    }

    /// The server's first message.
    pub(crate) fn first(&self) -> &[u8] {
        self.server_first.as_bytes()
    }

    /// Reads the client's final message.
    pub(crate) fn finish(self, last: &[u8]) -> Result<ScramProof, Failure> {
        const MALFORMED: Failure = Failure("the client's final SCRAM message is malformed");
        let last = text(last)?;
        let (without_proof, proof) = last.rsplit_once(",p=").ok_or(MALFORMED)?;
        let proof: Key = STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(MALFORMED)?;
        let mut attributes = without_proof.split(',');
        let bound = attributes.next().and_then(|bound| bound.strip_prefix("c=")).ok_or(MALFORMED)?;
        let nonce = attributes.next().and_then(|nonce| nonce.strip_prefix("r=")).ok_or(MALFORMED)?;
        if nonce != self.nonce {
            return Err(Failure("the SCRAM proof is not for the nonce of this login: it was made for another one"));
        }
        if STANDARD.decode(bound).ok().as_ref() != Some(&self.bound) {
            return Err(Failure("the SCRAM proof is bound to another channel: somebody stands between"));
        }
        let message = format!("{},{},{without_proof}", self.client_first, self.server_first);
        Ok(ScramProof { message: message.into_bytes(), proof })
    }
}

fn text(message: &[u8]) -> Result<&str, Failure> {
    if message.len() > LONGEST {
        return Err(Failure("a SCRAM message of more than 4096 bytes"));
    }
    std::str::from_utf8(message).map_err(|_| Failure("a SCRAM message is not text"))
}

/// A client's proof, with all that it is over.
pub(crate) struct ScramProof {
    message: Vec<u8>,
    proof: Key,
}

impl ScramProof {
    /// The server's final message, which proves to the client that we hold its verifier.
    pub(crate) fn server_final(&self, kept: &Kept) -> Result<Vec<u8>, Failure> {
        let signature = hmac(&kept.server, &[&self.message])?;
        Ok(format!("v={}", STANDARD.encode(signature)).into_bytes())
    }
}

impl Proof for ScramProof {
    fn fits(&self, verifier: &Secret) -> bool {
        let Some(kept) = Kept::decode(verifier) else { return false };
        let Ok(mut key) = hmac(&kept.stored, &[&self.message]) else { return false };
        key.iter_mut().zip(self.proof).for_each(|(key, proof)| *key ^= proof);
        Sha256::digest(key).as_slice().ct_eq(&kept.stored).into()
    }
}

#[cfg(test)]
#[path = "scram_server_tests.rs"]
mod tests;
