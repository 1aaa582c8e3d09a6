//! Signed notes and checkpoints: <https://c2sp.org/signed-note>, <https://c2sp.org/tlog-checkpoint>.
//!
//! A key's text forms are those of Go's `golang.org/x/mod/sumdb/note`: a public `<name>+<id>+<base64>` and a private
//! `PRIVATE+KEY+<name>+<id>+<base64>`, where the base64 holds the algorithm byte 1 (Ed25519) and 32 bytes.

use super::{base64, unbase64};
use crate::error::StoreError;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const ED25519: u8 = 1;

/// Whether a name may stand in a key: no spaces, no plus, not empty.
fn good_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c.is_control())
}

fn key_hash(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(public).finalize();
    let mut id = [0; 4];
    id.copy_from_slice(digest.split_at(4).0);
    id
}

/// The public half of a log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    /// Reads the one-line form.
    ///
    /// # Errors
    /// [`StoreError::Key`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let wrong = |what: &str| StoreError::Key(format!("the verification key {what}; it looks like NAME+ID+BASE64"));
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("does not have three parts"));
        };
        if name == "PRIVATE" {
            return Err(StoreError::Key("this is a private key; verification takes the public one".into()));
        }
        let bytes = unbase64(key).ok_or_else(|| wrong("is not base64"))?;
        let Some((&ED25519, public)) = bytes.split_first() else { return Err(wrong("is not of type Ed25519")) };
        let public: [u8; 32] = public.try_into().map_err(|_| wrong("is not 32 bytes long"))?;
        let id_given = hex::decode(id).map_err(|_| wrong("has an id that is not hexadecimal"))?;
        let id = key_hash(name, &public);
        if id_given != id || !good_name(name) {
            return Err(wrong("has an id that does not belong to its name and bytes"));
        }
        let key = VerifyingKey::from_bytes(&public).map_err(|_| wrong("is not a point of the curve"))?;
        Ok(Self { name: name.to_owned(), id, key })
    }

    /// The name: the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether one of a note's signatures is by this key and good.
    #[must_use]
    pub fn verifies(&self, note: &str) -> bool {
        let Some((text, signatures)) = split(note) else { return false };
        signatures.lines().any(|line| {
            let Some((name, signature)) = line.strip_prefix("— ").and_then(|rest| rest.split_once(' ')) else {
                return false;
            };
            let Some(bytes) = unbase64(signature) else { return false };
            let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
            name == self.name
                && *id == self.id
                && Signature::from_slice(signature)
                    .is_ok_and(|signature| self.key.verify_strict(text.as_bytes(), &signature).is_ok())
        })
    }

    pub(crate) fn public(&self) -> VerifyingKey {
        self.key
    }

    pub(crate) fn id(&self) -> [u8; 4] {
        self.id
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), base64(&bytes))
    }
}

/// Text and signature lines of a note.
pub(crate) fn split(note: &str) -> Option<(&str, &str)> {
    let at = note.rfind("\n\n")?;
    Some((note.get(..=at)?, note.get(at + 2..)?))
}

/// The private half of a log's key.
pub struct LogKey {
    name: String,
    key: SigningKey,
}

impl LogKey {
    /// A new key.
    ///
    /// # Errors
    /// The name cannot stand in a key, or the system gives no random bytes.
    pub fn generate(name: &str) -> Result<Self, StoreError> {
        if !good_name(name) {
            return Err(StoreError::Key(format!("`{name}` cannot be a log's name: no spaces, no plus signs")));
        }
        let seed = Zeroizing::new(rand::random::<[u8; 32]>());
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    #[cfg(test)]
    pub(crate) fn of_seed(name: &str, seed: [u8; 32]) -> Self {
        Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`StoreError::Key`] says what is wrong with it; the key itself is never shown.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let wrong = |what: &str| {
            StoreError::Key(format!("it {what}; make one with `evidence keys generate --origin NAME --out FILE`"))
        };
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or_else(|| wrong("does not begin with PRIVATE+KEY+"))?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong("is cut short"));
        };
        let bytes = Zeroizing::new(unbase64(key).ok_or_else(|| wrong("is not base64"))?);
        let Some((&ED25519, seed)) = bytes.split_first() else { return Err(wrong("is not of type Ed25519")) };
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.try_into().map_err(|_| wrong("is not 32 bytes long"))?);
        let key = Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) };
        if hex::encode(key.verifier().id) != id || !good_name(name) {
            return Err(wrong("has an id that does not belong to it"));
        }
        Ok(key)
    }

    /// The text form. Keep it secret.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        Zeroizing::new(format!("PRIVATE+KEY+{}+{}+{}", self.name, hex::encode(self.verifier().id), base64(&bytes)))
    }

    /// The public half.
    #[must_use]
    pub fn verifier(&self) -> VerifierKey {
        let key = self.key.verifying_key();
        VerifierKey { name: self.name.clone(), id: key_hash(&self.name, key.as_bytes()), key }
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }

    /// The note with this key's signature.
    pub(crate) fn sign_note(&self, text: &str) -> String {
        format!("{text}\n{}", self.verifier().signature_line(&self.sign_bytes(text.as_bytes())))
    }
}

/// The head of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Merkle root over them.
    pub root: [u8; 32],
}

pub(crate) fn checkpoint_text(checkpoint: &Checkpoint) -> String {
    format!("{}\n{}\n{}\n", checkpoint.origin, checkpoint.size, base64(&checkpoint.root))
}

/// Reads a checkpoint's text; signatures are checked apart.
pub(crate) fn parse_checkpoint(note: &str) -> Result<Checkpoint, String> {
    let (text, _) = split(note).ok_or("it has no signature lines")?;
    let mut lines = text.lines();
    let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err("it has fewer than three lines".to_owned());
    };
    let number: u64 = size.parse().map_err(|_| "its second line is not a number".to_owned())?;
    if number.to_string() != size {
        return Err("its size is not written in the one allowed form".to_owned());
    }
    let root = unbase64(root).and_then(|root| root.try_into().ok()).ok_or("its third line is not a SHA-256")?;
    Ok(Checkpoint { origin: origin.to_owned(), size: number, root })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and note of Go's `golang.org/x/mod/sumdb/note` documentation.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn the_published_example_verifies_and_an_altered_one_does_not() {
        let key = VerifierKey::parse(PETER).unwrap();
        assert!(key.verifies(NOTE));
        assert!(!key.verifies(&NOTE.replace("answer", "Answer")));
        assert_eq!(key.to_string(), PETER);
    }

    #[test]
    fn keys_survive_their_text_form_and_a_damaged_one_is_refused() {
        let key = LogKey::generate("log.example/x").unwrap();
        let again = LogKey::parse(&key.to_text()).unwrap();
        let note = again.sign_note("log.example/x\n3\nAAAA\n");
        assert!(key.verifier().verifies(&note));
        assert!(LogKey::parse(&key.to_text().replace("log.example", "log.Example")).is_err());
        assert!(LogKey::generate("a b").is_err());
    }

    #[test]
    fn checkpoints_are_read_strictly() {
        let good = format!("o\n12\n{}\n\n— o AAAA\n", base64(&[7; 32]));
        assert_eq!(parse_checkpoint(&good).unwrap(), Checkpoint { origin: "o".into(), size: 12, root: [7; 32] });
        for bad in [good.replace("12", "012"), good.replace("12", "-1"), good.replace("\n\n", "\n"), "o\n\n".into()] {
            assert!(parse_checkpoint(&bad).is_err(), "{bad:?}");
        }
    }
}
