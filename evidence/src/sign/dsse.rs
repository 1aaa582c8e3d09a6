//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse/blob/master/envelope.md>) and the keys that sign them.

use super::{LogSigner, base64, unbase64};
use crate::error::StoreError;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A signed payload. The form in which every leaf of the log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    #[serde(rename = "payloadType")]
    pub(crate) payload_type: String,
    pub(crate) payload: String,
    pub(crate) signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvelopeSignature {
    pub(crate) keyid: String,
    pub(crate) sig: String,
}

/// What is signed: type and payload, each with its length, so that one cannot pass for the other.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

impl Envelope {
    /// Signs a payload. `sign` gets the bytes to be signed.
    pub(crate) fn new(payload_type: &str, payload: &[u8], keyid: &str, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Self {
        let sig = base64(&sign(&pae(payload_type, payload)));
        Self {
            payload_type: payload_type.to_owned(),
            payload: base64(payload),
            signatures: vec![EnvelopeSignature { keyid: keyid.to_owned(), sig }],
        }
    }

    /// Signs a payload with a signer that may fail.
    pub(crate) fn signed_by(payload_type: &str, payload: &[u8], signer: &LogSigner) -> Result<Self, StoreError> {
        let none = Self { payload_type: payload_type.to_owned(), payload: base64(payload), signatures: Vec::new() };
        none.also_signed_by(payload, signer)
    }

    /// The same envelope with one signature more.
    pub(crate) fn also_signed_by(mut self, payload: &[u8], signer: &LogSigner) -> Result<Self, StoreError> {
        let sig = base64(&signer.sign_bytes(&pae(&self.payload_type, payload))?);
        let keyid = key_id(signer.verifier().public().as_bytes());
        self.signatures.push(EnvelopeSignature { keyid, sig });
        Ok(self)
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::Config(error.to_string()))
    }

    /// Reads an envelope and its payload.
    pub(crate) fn parse(bytes: &[u8]) -> Result<(Self, Vec<u8>), String> {
        let envelope: Self = serde_json::from_slice(bytes).map_err(|error| format!("not a DSSE envelope: {error}"))?;
        let payload = unbase64(&envelope.payload).ok_or("its payload is not base64")?;
        Ok((envelope, payload))
    }
}

/// Whether an envelope has a good signature by this key.
pub(crate) fn verify_envelope(envelope: &Envelope, payload: &[u8], public: &[u8; 32]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
    let id = key_id(public);
    let message = pae(&envelope.payload_type, payload);
    envelope.signatures.iter().filter(|signature| signature.keyid == id).any(|signature| {
        unbase64(&signature.sig)
            .and_then(|bytes| Signature::from_slice(&bytes).ok())
            .is_some_and(|signature| key.verify_strict(&message, &signature).is_ok())
    })
}

/// The id by which envelopes name a key: the first 16 hexadecimal digits of its SHA-256.
pub(crate) fn key_id(public: &[u8; 32]) -> String {
    hex::encode(Sha256::digest(public).split_at(8).0)
}

/// A key that signs for an hour at most. Its private half is never written anywhere and wiped when it is dropped.
pub(crate) struct EpochKey {
    key: SigningKey,
}

impl EpochKey {
    pub(crate) fn generate() -> Self {
        let seed = Zeroizing::new(rand::random::<[u8; 32]>());
        Self { key: SigningKey::from_bytes(&seed) }
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    pub(crate) fn seal(&self, payload_type: &str, payload: &[u8]) -> Envelope {
        Envelope::new(payload_type, payload, &key_id(&self.public()), |message| self.key.sign(message).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pre_authentication_encoding_is_the_published_one() {
        // https://github.com/secure-systems-lab/dsse/blob/master/protocol.md#test-vectors
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn type_payload_and_key_are_all_bound() {
        let key = EpochKey::generate();
        let good = key.seal("a/b", b"payload");
        assert!(verify_envelope(&good, b"payload", &key.public()));
        assert!(!verify_envelope(&good, b"Payload", &key.public()));
        assert!(!verify_envelope(&good, b"payload", &EpochKey::generate().public()));
        let confused = Envelope { payload_type: "a/c".into(), ..good.clone() };
        assert!(!verify_envelope(&confused, b"payload", &key.public()));
        let stripped = Envelope { signatures: Vec::new(), ..good };
        assert!(!verify_envelope(&stripped, b"payload", &key.public()));
    }
}
