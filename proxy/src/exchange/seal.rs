//! Keys that tie the store to this proxy, derived from the log's signing key, so that there is no further secret to keep: one
//! seals entries (who can write the file but has no key cannot add, extend or revive a credential), one makes salts.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Bytes of a seal.
const SEAL: usize = 32;

/// The derived keys.
pub(super) struct Keys {
    seal: Zeroizing<[u8; 32]>,
    salt: Zeroizing<[u8; 32]>,
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        // Each part's length goes before it, so that no two lists of parts read the same.
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    Some(mac)
}

fn derived(key: &[u8], purpose: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    Some(Zeroizing::new(mac(key, &[purpose])?.finalize().into_bytes().into()))
}

impl Keys {
    /// From a secret of the proxy's. `None` is not expected: HMAC takes keys of any length.
    pub(super) fn derive(secret: &[u8]) -> Option<Self> {
        Some(Self {
            seal: derived(secret, b"affidavit exchanged credentials: seal of an entry, v1")?,
            salt: derived(secret, b"affidavit exchanged credentials: salt of a user name, v1")?,
        })
    }

    /// The salt of a user name, whether it exists or not.
    pub(super) fn salt(&self, user: &str) -> [u8; 16] {
        let full: [u8; 32] = mac(self.salt.as_slice(), &[user.as_bytes()])
            .map(|mac| mac.finalize().into_bytes().into())
            .unwrap_or_default();
        full.first_chunk().copied().unwrap_or_default()
    }

    /// An entry with its seal before it.
    pub(super) fn seal(&self, user: &str, entry: &[u8]) -> Option<Vec<u8>> {
        let seal = mac(self.seal.as_slice(), &[user.as_bytes(), entry])?.finalize().into_bytes();
        Some([seal.as_slice(), entry].concat())
    }

    /// The entry, if we sealed it under this name.
    pub(super) fn open<'e>(&self, user: &str, sealed: &'e [u8]) -> Option<&'e [u8]> {
        let (seal, entry) = sealed.split_at_checked(SEAL)?;
        mac(self.seal.as_slice(), &[user.as_bytes(), entry])?.verify_slice(seal).ok()?;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_entries_open_and_only_under_their_name() {
        let (ours, other) = (Keys::derive(b"one").unwrap(), Keys::derive(b"two").unwrap());
        let sealed = ours.seal("x-a", b"entry").unwrap();
        assert_eq!(ours.open("x-a", &sealed), Some(&b"entry"[..]));
        assert_eq!(ours.open("x-b", &sealed), None);
        assert_eq!(other.open("x-a", &sealed), None);
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(ours.open("x-a", &flipped), None, "byte {at}");
        }
        assert_eq!(ours.open("x-a", &sealed[..20]), None);
        assert_eq!(ours.open("x-a", b""), None);
    }

    #[test]
    fn salts_are_stable_and_differ() {
        let keys = Keys::derive(b"one").unwrap();
        assert_eq!(keys.salt("x-a"), Keys::derive(b"one").unwrap().salt("x-a"));
        assert_ne!(keys.salt("x-a"), keys.salt("x-b"));
        assert_ne!(keys.salt("x-a"), Keys::derive(b"two").unwrap().salt("x-a"));
    }
}
