//! An issuer's public keys (RFC 7517), and the check of a signature with them.

use super::token::{Token, algorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// Keys in one set at most.
const MAX_KEYS: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// One public key that can check signatures.
pub(crate) struct Key {
    id: Option<String>,
    kind: Kind,
    /// The one algorithm that the issuer says it is for, if it says so.
    only: Option<Algorithm>,
    decoding: DecodingKey,
}

impl Key {
    /// Whether the key's own type allows the algorithm: what a token claims can never turn a key into another kind.
    fn suits(&self, algorithm: Algorithm) -> bool {
        let by_kind = match self.kind {
            Kind::Rsa => matches!(algorithm, Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256),
            Kind::P256 => algorithm == Algorithm::ES256,
            Kind::P384 => algorithm == Algorithm::ES384,
            Kind::Ed25519 => algorithm == Algorithm::EdDSA,
        };
        by_kind && self.only.is_none_or(|only| only == algorithm)
    }
}

/// What trying the keys gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// A key of the issuer made the signature.
    Genuine,
    /// The key it names made no such signature.
    Forged,
    /// The key it names exists, but not for this algorithm.
    WrongAlgorithm,
    /// No key that could have made it is known: the issuer may have new ones.
    UnknownKey,
}

/// Tries every key that the token may have been signed with.
pub(crate) fn check(keys: &[Key], token: &Token<'_>) -> Tried {
    let named: Vec<&Key> = match &token.key_id {
        Some(id) => keys.iter().filter(|key| key.id.as_deref() == Some(id)).collect(),
        None => keys.iter().collect(),
    };
    let suitable: Vec<&Key> = named.iter().copied().filter(|key| key.suits(token.algorithm)).collect();
    let signed = token.signed.as_bytes();
    let made_by = |key: &&Key| {
        jsonwebtoken::crypto::verify(token.signature, signed, &key.decoding, token.algorithm).unwrap_or(false)
    };
    match () {
        () if suitable.iter().any(made_by) => Tried::Genuine,
        // Without a key id the right key may be one that is not known yet.
        () if token.key_id.is_none() || named.is_empty() => Tried::UnknownKey,
        () if suitable.is_empty() => Tried::WrongAlgorithm,
        () => Tried::Forged,
    }
}

/// Reads a JWK Set. Keys that are not for signatures or of no accepted kind are left out, as RFC 7517, section 5 asks.
pub(crate) fn read_set(set: &Map<String, Value>) -> Result<Vec<Key>, String> {
    let entries = set.get("keys").and_then(Value::as_array).ok_or("the key set has no list of keys")?;
    if entries.len() > MAX_KEYS {
        return Err(format!("the key set has {} keys; at most {MAX_KEYS} are accepted", entries.len()));
    }
    let keys: Vec<Key> = entries.iter().filter_map(|entry| key(entry.as_object()?)).collect();
    if keys.is_empty() {
        return Err(
            "the key set has no key that can check a signature (RSA of 2048 bits or more, P-256, P-384, Ed25519)"
                .to_owned(),
        );
    }
    Ok(keys)
}

fn key(jwk: &Map<String, Value>) -> Option<Key> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
    if jwk.get("use").is_some_and(|purpose| purpose.as_str() != Some("sig")) {
        return None;
    }
    if let Some(operations) = jwk.get("key_ops") {
        operations.as_array()?.iter().find(|operation| operation.as_str() == Some("verify"))?;
    }
    let only = match jwk.get("alg") {
        None => None,
        Some(name) => Some(algorithm(name.as_str()?).ok()?),
    };
    let (kind, decoding) = match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let (modulus, exponent) = (unpadded(bytes("n")?), unpadded(bytes("e")?));
            // 2048 to 8192 bits, which is also what ring accepts.
            if !(256..=1024).contains(&modulus.len()) {
                return None;
            }
            (Kind::Rsa, DecodingKey::from_rsa_raw_components(&modulus, &exponent))
        }
        ("EC", Some("P-256")) => (Kind::P256, point(&bytes("x")?, &bytes("y")?, 32)?),
        ("EC", Some("P-384")) => (Kind::P384, point(&bytes("x")?, &bytes("y")?, 48)?),
        ("OKP", Some("Ed25519")) => {
            let x = bytes("x")?;
            if x.len() != 32 {
                return None;
            }
            (Kind::Ed25519, DecodingKey::from_ed_der(&x))
        }
        _ => return None,
    };
    Some(Key { id: text("kid").map(str::to_owned), kind, only, decoding })
}

/// Some issuers pad a number with zero bytes in front, which ring refuses.
fn unpadded(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.drain(..zeros);
    number
}

/// An uncompressed point (SEC 1, section 2.3.3), which is the form ring takes.
fn point(x: &[u8], y: &[u8], width: usize) -> Option<DecodingKey> {
    (x.len() == width && y.len() == width).then(|| DecodingKey::from_ec_der(&[&[4], x, y].concat()))
}
