//! What a client shows as proof: a token as its clear-text password or through SASL OAUTHBEARER, or, for an exchanged
//! credential, that it knows the password, by SCRAM.
//!
//! OAUTHBEARER: RFC 7628, <https://www.postgresql.org/docs/18/sasl-authentication.html#SASL-OAUTHBEARER>. A server cannot
//! offer a password and OAUTHBEARER at once, so a client that wants the latter says so with the startup option
//! `affidavit.auth=oauth`.

use super::scram::Failure;
use super::scram_server::{Challenged, Kept, ScramProof, mechanisms};
use crate::message::auth::{password, put_ask, sasl_initial};
use crate::message::{HEAD, head};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{Discovery, LoginError, Transport, Violation};

/// The longest message with a token: 64 KiB of token and what frames it.
const MAX_PROOF: usize = 64 * 1024 + 1024;
/// What is read and dropped of a longer one, so that the client reads why it is refused before its connection ends.
const MAX_DROPPED: usize = 1024 * 1024;

/// The proof of a client.
pub(crate) enum Proof {
    /// A password message's token.
    Password(Vec<u8>),
    /// An OAUTHBEARER token.
    Bearer(Vec<u8>),
    /// That it knows the password of an exchanged credential, and what tells it that we hold its verifier.
    Scram {
        /// For the desk.
        proof: ScramProof,
        /// The server's final message, for once the desk has said yes.
        answer: Vec<u8>,
    },
    /// The client asked where to get a token, was told, and is now to be sent away.
    Discovered,
    /// A message of so many bytes, which was not looked at.
    TooLong(usize),
}

async fn send(client: &mut Transport, frame: &[u8]) -> io::Result<()> {
    client.write_all(frame).await?;
    client.flush().await
}

/// A message with a proof.
enum Message {
    Body(Vec<u8>),
    TooLong(usize),
}

/// Reads one `p` message, no byte beyond it; `None` when the client goes away, as psql does to ask its user first.
async fn read(client: &mut Transport) -> Result<Option<Message>, LoginError> {
    let mut start = [0; HEAD];
    match client.read_exact(&mut start).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let (tag, total) = head(&start).map_err(violation)?.unwrap_or((0, 0));
    if tag != b'p' {
        return Err(LoginError::Violation(format!("message {:?} where the proof was due", char::from(tag))));
    }
    if total > MAX_PROOF {
        let dropped = u64::try_from(total.min(MAX_DROPPED)).unwrap_or(u64::MAX);
        tokio::io::copy(&mut client.take(dropped.saturating_sub(5)), &mut tokio::io::sink()).await?;
        return Ok(Some(Message::TooLong(total)));
    }
    let mut body = vec![0; total.saturating_sub(HEAD)];
    client.read_exact(&mut body).await?;
    Ok(Some(Message::Body(body)))
}

fn violation(violation: Violation) -> LoginError {
    LoginError::Violation(violation.0)
}

/// Asks for the token as a password.
pub(crate) async fn ask_password(client: &mut Transport, before: &[u8]) -> Result<Option<Proof>, LoginError> {
    let mut ask = before.to_vec();
    put_ask(3, &[], &mut ask).map_err(violation)?;
    send(client, &ask).await?;
    let body = match read(client).await? {
        None => return Ok(None),
        Some(Message::TooLong(size)) => return Ok(Some(Proof::TooLong(size))),
        Some(Message::Body(body)) => body,
    };
    Ok(Some(Proof::Password(password(&body).map_err(violation)?.to_vec())))
}

/// Asks for the token through OAUTHBEARER.
pub(crate) async fn ask_bearer(
    client: &mut Transport,
    before: &[u8],
    discovery: Option<&Discovery>,
) -> Result<Option<Proof>, LoginError> {
    let mut ask = before.to_vec();
    put_ask(10, b"OAUTHBEARER\0\0", &mut ask).map_err(violation)?;
    send(client, &ask).await?;
    let body = match read(client).await? {
        None => return Ok(None),
        Some(Message::TooLong(size)) => return Ok(Some(Proof::TooLong(size))),
        Some(Message::Body(body)) => body,
    };
    let (mechanism, response) = sasl_initial(&body).map_err(violation)?;
    if mechanism != b"OAUTHBEARER" {
        return Err(LoginError::Violation("a SASL mechanism that was not offered".to_owned()));
    }
    let token =
        bearer_token(response).ok_or_else(|| LoginError::Violation("malformed OAUTHBEARER response".to_owned()))?;
    if !token.is_empty() {
        return Ok(Some(Proof::Bearer(token.to_vec())));
    }
    let mut challenge = Vec::new();
    put_ask(11, challenge_json(discovery).as_bytes(), &mut challenge).map_err(violation)?;
    send(client, &challenge).await?;
    match read(client).await? {
        Some(Message::Body(body)) if body == [1] => Ok(Some(Proof::Discovered)),
        Some(_) => {
            Err(LoginError::Violation("the answer to an OAUTHBEARER challenge must be one byte 0x01".to_owned()))
        }
        None => Ok(None),
    }
}

/// Has the client prove the password of an exchanged credential by SCRAM. `binding` is the hash of our certificate, where
/// the client came through TLS and the hash is defined.
pub(crate) async fn ask_scram(
    client: &mut Transport,
    before: &[u8],
    kept: &Kept,
    binding: Option<&[u8]>,
) -> Result<Option<Proof>, LoginError> {
    let failed = |Failure(why)| LoginError::Violation(why.to_owned());
    let mut ask = before.to_vec();
    put_ask(10, mechanisms(binding), &mut ask).map_err(violation)?;
    send(client, &ask).await?;
    let body = match read(client).await? {
        None => return Ok(None),
        Some(Message::TooLong(size)) => return Ok(Some(Proof::TooLong(size))),
        Some(Message::Body(body)) => body,
    };
    let (mechanism, first) = sasl_initial(&body).map_err(violation)?;
    let nonce: [u8; 18] = rand::random();
    let challenged = Challenged::new(mechanism, first, binding, kept, &STANDARD.encode(nonce)).map_err(failed)?;
    let mut challenge = Vec::new();
    put_ask(11, challenged.first(), &mut challenge).map_err(violation)?;
    send(client, &challenge).await?;
    let last = match read(client).await? {
        None => return Ok(None),
        Some(Message::TooLong(size)) => return Ok(Some(Proof::TooLong(size))),
        Some(Message::Body(body)) => body,
    };
    let proof = challenged.finish(&last).map_err(failed)?;
    let mut answer = Vec::new();
    put_ask(12, &proof.server_final(kept).map_err(failed)?, &mut answer).map_err(violation)?;
    Ok(Some(Proof::Scram { proof, answer }))
}

/// The token in `n,,^Aauth=Bearer TOKEN^A^A` (RFC 7628, section 3.1); empty when the client has none.
fn bearer_token(response: &[u8]) -> Option<&[u8]> {
    // The GS2 header: no channel binding, perhaps an authorisation id, which says nothing that the token does not.
    let rest = response.strip_prefix(b"n,").or_else(|| response.strip_prefix(b"y,"))?;
    let comma = rest.iter().position(|byte| *byte == b',')?;
    let pairs = rest.get(comma + 1..)?.strip_prefix(b"\x01")?.strip_suffix(b"\x01\x01")?;
    let auth = pairs.split(|byte| *byte == 1).find_map(|pair| pair.strip_prefix(b"auth="))?;
    if auth.is_empty() {
        return Some(auth);
    }
    let (scheme, token) = auth.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn challenge_json(discovery: Option<&Discovery>) -> String {
    let quoted = |text: &str| {
        let escape = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            c if u32::from(c) < 0x20 => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        };
        text.chars().map(escape).collect::<String>()
    };
    match discovery {
        None => "{\"status\":\"invalid_token\"}".to_owned(),
        Some(discovery) => format!(
            "{{\"status\":\"invalid_token\",\"openid-configuration\":\"{}\",\"scope\":\"{}\"}}",
            quoted(&discovery.openid_configuration),
            quoted(&discovery.scope)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens() {
        assert_eq!(bearer_token(b"n,,\x01auth=Bearer abc.def\x01\x01"), Some(&b"abc.def"[..]));
        assert_eq!(bearer_token(b"n,a=ann,\x01host=x\x01auth=bearer abc\x01\x01"), Some(&b"abc"[..]));
        assert_eq!(bearer_token(b"n,,\x01auth=\x01\x01"), Some(&b""[..]), "asks for discovery");
        assert_eq!(bearer_token(b"n,,\x01\x01"), None);
        assert_eq!(bearer_token(b"n,,\x01auth=Basic abc\x01\x01"), None);
        assert_eq!(bearer_token(b"p=tls-unique,,\x01auth=Bearer abc\x01\x01"), None);
        assert_eq!(bearer_token(b""), None);
    }

    #[test]
    fn the_challenge_is_json() {
        let discovery = Discovery { openid_configuration: "https://a/\"b".to_owned(), scope: "openid".to_owned() };
        assert_eq!(
            challenge_json(Some(&discovery)),
            r#"{"status":"invalid_token","openid-configuration":"https://a/\"b","scope":"openid"}"#
        );
    }
}
