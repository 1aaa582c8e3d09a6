//! caching_sha2_password as a server, for exchanged credentials. Nothing is decided here: what comes out is a [`Proof`] that
//! the desk holds against its own verifier.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>
//!
//! What is kept of a password is what a server keeps in its cache, SHA-256 of SHA-256 of it. A server whose cache is cold
//! asks for the password itself, through TLS or under a public key ("full authentication"); this one always has the digest,
//! so it never asks, and a client that proves the wrong password is refused at once.

use super::client::TokenError;
use crate::link::Link;
use crate::message::auth::put_switch;
use crate::message::capability::Capabilities;
use crate::message::response::HandshakeResponse;
use model::{Refusal, RefusalKind};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use wire::{Proof, Secret};

/// The plugin's name.
pub(crate) const NAME: &[u8] = b"caching_sha2_password";
/// What ends the fast path: more data, the fast authentication succeeded.
pub(crate) const FAST_AUTH_OK: [u8; 2] = [1, 3];
/// Bytes of a digest, and of the answer to a challenge.
const DIGEST: usize = 32;

/// What is kept of a password.
pub(crate) fn verifier(password: &[u8]) -> Secret {
    Secret::new(&Sha256::digest(Sha256::digest(password)))
}

/// What is kept of no password.
pub(crate) fn decoy() -> Secret {
    Secret::new(&rand::random::<[u8; DIGEST]>())
}

/// A client's answer to a challenge: SHA256(password) XOR SHA256(SHA256(SHA256(password)) + nonce).
pub(crate) struct Scramble {
    nonce: Vec<u8>,
    answer: [u8; DIGEST],
    /// It was given in a switch, whose trailing NUL some drivers (PyMySQL up to 1.1.0, go-sql-driver up to 1.5) take for a part of it.
    switched: bool,
}

impl Scramble {
    fn answers(&self, verifier: &Secret, nul: &[u8]) -> subtle::Choice {
        let mask = Sha256::new().chain_update(verifier.expose()).chain_update(&self.nonce).chain_update(nul).finalize();
        let mut once = self.answer;
        once.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        Sha256::digest(once).as_slice().ct_eq(verifier.expose())
    }
}

impl Proof for Scramble {
    fn fits(&self, verifier: &Secret) -> bool {
        let with_nul = self.answers(verifier, &[0]) & subtle::Choice::from(u8::from(self.switched));
        (self.answers(verifier, &[]) | with_nul).into()
    }
}

/// Gets the proof from a client whose handshake response was just read. `nonce` is the greeting's.
pub(crate) async fn prove(
    link: &mut Link,
    response: &HandshakeResponse,
    nonce: Vec<u8>,
    fresh: Vec<u8>,
) -> Result<Scramble, TokenError> {
    if response.plugin == NAME && response.auth.len() == DIGEST {
        return scramble(nonce, &response.auth, false);
    }
    if !response.capabilities.has(Capabilities::PLUGIN_AUTH) {
        return Err(TokenError::Refused(refusal("the client cannot switch to caching_sha2_password")));
    }
    let mut request = Vec::new();
    put_switch(&mut request, NAME, &fresh);
    link.write(&request).await?;
    let answer = link.read(crate::auth::client::LONGEST_TOKEN).await.map_err(|error| {
        super::client::hung_up(error, || refusal("the client hung up when it was asked for caching_sha2_password"))
    })?;
    scramble(fresh, &answer, true)
}

fn scramble(nonce: Vec<u8>, answer: &[u8], switched: bool) -> Result<Scramble, TokenError> {
    match answer.try_into() {
        Ok(answer) => Ok(Scramble { nonce, answer, switched }),
        Err(_) if matches!(answer, [] | [0]) => Err(TokenError::Refused(refusal("no password was sent"))),
        Err(_) => Err(TokenError::Refused(refusal("the client's answer is not one of caching_sha2_password"))),
    }
}

fn refusal(message: &str) -> Refusal {
    Refusal::new(RefusalKind::NotAuthenticated, message).hint(
        "a user name of this form is that of an exchanged credential: give its password to a client that knows \
         caching_sha2_password, or log in under another user name with a token as the password",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

    fn answered(password: &[u8], nonce: &[u8]) -> Vec<u8> {
        let nonce = nonce.first_chunk().unwrap();
        mysql_common::auth::plugins::caching_sha2_password::scramble_sha256(nonce, password).unwrap().to_vec()
    }

    #[test]
    fn the_clients_library_and_this_server_agree() {
        let proof = scramble(NONCE.to_vec(), &answered(b"secret", NONCE), false).unwrap();
        assert!(proof.fits(&verifier(b"secret")));
        assert!(!proof.fits(&verifier(b"Secret")));
        assert!(!proof.fits(&decoy()));
        for odd in [&b""[..], b"short", &[0; 64]] {
            assert!(!proof.fits(&Secret::new(odd)), "what is not a digest fits nothing");
        }
    }

    #[test]
    fn an_answer_is_good_for_its_challenge_only() {
        let heard = answered(b"secret", NONCE);
        let replayed = scramble(b"ABCDEFGHIJKLMNOPQRST".to_vec(), &heard, true).unwrap();
        assert!(!replayed.fits(&verifier(b"secret")));
        // Who has read the store and not heard a login cannot answer with the digest itself.
        let from_store = scramble(NONCE.to_vec(), verifier(b"secret").expose(), true).unwrap();
        assert!(!from_store.fits(&verifier(b"secret")));
    }

    #[test]
    fn answers_of_other_lengths_are_refused_in_words() {
        for (answer, words) in
            [(&b""[..], "no password"), (b"\0", "no password"), (&[1; 20], "not one of"), (&[1; 33], "not one of")]
        {
            let Err(TokenError::Refused(refusal)) = scramble(NONCE.to_vec(), answer, true) else {
                panic!("{answer:?}")
            };
            assert!(refusal.message.contains(words), "{refusal}");
            assert!(refusal.hint.is_some());
        }
    }

    #[test]
    fn the_nul_behind_a_switched_challenge_may_count() {
        // As PyMySQL 1.1.0 and go-sql-driver 1.5 have it.
        let once = Sha256::digest(b"secret");
        let mask = Sha256::new().chain_update(Sha256::digest(once)).chain_update(NONCE).chain_update([0]).finalize();
        let heard: Vec<u8> = once.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
        assert!(scramble(NONCE.to_vec(), &heard, true).unwrap().fits(&verifier(b"secret")));
        assert!(!scramble(NONCE.to_vec(), &heard, true).unwrap().fits(&verifier(b"other")));
        assert!(
            !scramble(NONCE.to_vec(), &heard, false).unwrap().fits(&verifier(b"secret")),
            "a greeting has no such NUL"
        );
    }
}
