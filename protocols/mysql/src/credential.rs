//! What is kept of the credential that opened a session: enough to recognise it, not enough to use it.

use rand::Rng as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Recognises the credential that opened a session. Salted for this session, so that two of them cannot be compared.
pub(crate) struct OpenedBy {
    salt: [u8; 32],
    digest: [u8; 32],
}

impl OpenedBy {
    /// Of this credential.
    pub(crate) fn credential(credential: &[u8]) -> Self {
        let salt: [u8; 32] = rand::rng().random();
        Self { salt, digest: digest(&salt, credential) }
    }

    /// Whether `credential` is that one. Takes the same time for all of one length.
    pub(crate) fn is(&self, credential: &[u8]) -> bool {
        digest(&self.salt, credential).ct_eq(&self.digest).into()
    }
}

fn digest(salt: &[u8; 32], credential: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(credential).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_credential_is_recognised() {
        let opened_by = OpenedBy::credential(b"ey.one.sig");
        assert!(opened_by.is(b"ey.one.sig"));
        for other in [&b""[..], b"ey.one.si", b"ey.one.sig\0", b"ey.two.sig"] {
            assert!(!opened_by.is(other));
        }
        assert_ne!(opened_by.digest, OpenedBy::credential(b"ey.one.sig").digest, "salted");
    }
}
