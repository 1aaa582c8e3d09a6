//! A client's way to a startup message: TLS and GSS requests, direct TLS, cancel requests, and what its startup
//! parameters mean to us. Nothing is read beyond the packet at hand, so nothing that was sent in the clear can be taken
//! for something that came through TLS (the CVE-2021-23214 class).

use crate::errors::Reply;
use crate::message::startup::{First, MAX_STARTUP, Startup, decode};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{Claim, Desk, LoginError, Transport};

/// What the client wanted in the end.
pub(crate) enum Opening {
    /// A session.
    Session(Transport, Startup),
    /// Another session's statement cancelled.
    Cancel(Vec<u8>),
    /// Nothing: it connected and went away.
    Probe,
}

/// Encryption requests before a startup message: one for GSS, one for TLS.
const MAX_REQUESTS: usize = 3;

/// Reads up to the startup message.
pub(crate) async fn open(mut client: Transport, desk: &dyn Desk) -> Result<Opening, LoginError> {
    let mut first = [0];
    match client.peek(&mut first).await {
        Ok(0) => return Ok(Opening::Probe),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(Opening::Probe),
        Err(error) => return Err(error.into()),
    }
    if first == [0x16] {
        client = direct_tls(client, desk).await?;
    }
    for _ in 0..=MAX_REQUESTS {
        let Some(packet) = read_packet(&mut client).await? else { return Ok(Opening::Probe) };
        match decode(&packet).map_err(|violation| LoginError::Violation(violation.0))? {
            First::Startup(startup) => return Ok(Opening::Session(client, startup)),
            First::Cancel(key) => return Ok(Opening::Cancel(key)),
            First::Foreign(major, minor) => {
                let text = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
                let mut frame = Vec::new();
                let put = Reply::new("0A000", text.as_str()).put("FATAL", &mut frame);
                put.map_err(|violation| LoginError::Violation(violation.0))?;
                answer(&mut client, &frame).await?;
                client.shutdown().await?;
                return Err(LoginError::Violation(text));
            }
            First::Gss => answer(&mut client, b"N").await?,
            First::Tls => match desk.tls() {
                Some(_) if client.tls_version().is_some() => {
                    return Err(LoginError::Violation("a TLS request inside TLS".to_owned()));
                }
                None => answer(&mut client, b"N").await?,
                Some(config) => {
                    refuse_early_bytes(&client).await?;
                    answer(&mut client, b"S").await?;
                    client = client.accept_tls(config).await?;
                }
            },
        }
    }
    Err(LoginError::Violation("encryption requests without end".to_owned()))
}

async fn answer(client: &mut Transport, bytes: &[u8]) -> io::Result<()> {
    client.write_all(bytes).await?;
    client.flush().await
}

/// What a client that means PostgreSQL says during the TLS handshake.
pub(crate) const ALPN: &[u8] = b"postgresql";

/// TLS without being asked (PostgreSQL 17): only for clients that say by ALPN that they mean PostgreSQL.
async fn direct_tls(client: Transport, desk: &dyn Desk) -> Result<Transport, LoginError> {
    let config =
        desk.tls().ok_or_else(|| LoginError::Violation("TLS is not configured on this listener".to_owned()))?;
    let client = client.accept_tls(config).await?;
    if client.alpn() == Some(ALPN) {
        Ok(client)
    } else {
        Err(LoginError::Violation("direct TLS needs the ALPN protocol \"postgresql\"".to_owned()))
    }
}

/// A client waits for our answer to its TLS request before it sends anything.
async fn refuse_early_bytes(client: &Transport) -> Result<(), LoginError> {
    let mut byte = [0];
    tokio::select! {
        biased;
        peeked = client.peek(&mut byte) => match peeked? {
            0 => Err(LoginError::Io(io::ErrorKind::UnexpectedEof.into())),
            _ => Err(LoginError::Violation("unencrypted bytes after a TLS request".to_owned())),
        },
        () = std::future::ready(()) => Ok(()),
    }
}

/// One packet without its length; `None` when the client went away before it sent any of it.
async fn read_packet(client: &mut Transport) -> Result<Option<Vec<u8>>, LoginError> {
    let mut length = [0; 4];
    if client.read(length.split_at_mut(1).0).await? == 0 {
        return Ok(None);
    }
    client.read_exact(length.split_at_mut(1).1).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(8..=MAX_STARTUP).contains(&length) {
        return Err(LoginError::Violation(format!("the first message says that it has {length} bytes")));
    }
    let mut packet = vec![0; length.saturating_sub(4)];
    client.read_exact(&mut packet).await?;
    Ok(Some(packet))
}

/// What a startup message means.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// What the client says of itself.
    pub(crate) claim: Claim,
    /// Parameters for the upstream, in the client's order; user and database are not among them.
    pub(crate) params: Vec<(Vec<u8>, Vec<u8>)>,
    /// Protocol options (`_pq_.…`) that are not known here.
    pub(crate) unknown: Vec<Vec<u8>>,
    /// The client asked for SASL OAUTHBEARER rather than a password.
    pub(crate) oauth: bool,
    /// The client asked for a replication connection.
    pub(crate) replication: bool,
    /// The client asks for a role of its own choice.
    pub(crate) role: bool,
}

/// A setting that says with whose rights a session runs, in any of the server's spellings.
fn is_role(setting: &[u8]) -> bool {
    let name: Vec<u8> =
        setting.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() }).collect();
    matches!(name.as_slice(), b"role" | b"session_authorization")
}

impl Wishes {
    /// Takes a startup message apart. Our own settings (`affidavit.reason`, `affidavit.ticket`, `affidavit.auth`) are taken
    /// out, as parameters and inside `options`; everything else survives in order.
    pub(crate) fn new(startup: &Startup) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut wishes = Self::default();
        wishes.claim.user = startup.get("user").map(text).unwrap_or_default();
        wishes.claim.database = startup.get("database").map(text).filter(|name| !name.is_empty());
        wishes.claim.application = startup.get("application_name").map(text).unwrap_or_default();
        for (name, value) in &startup.params {
            wishes.role |= is_role(name);
            match name.as_slice() {
                b"user" | b"database" => {}
                b"replication" => wishes.replication |= !matches!(value.as_slice(), b"false" | b"off" | b"no" | b"0"),
                b"options" => {
                    let kept = wishes.options(value);
                    if !kept.is_empty() {
                        wishes.params.push((name.clone(), kept));
                    }
                }
                _ if name.starts_with(b"_pq_.") => wishes.unknown.push(name.clone()),
                _ if wishes.own(name, value) => {}
                _ => wishes.params.push((name.clone(), value.clone())),
            }
        }
        wishes
    }

    /// Keeps a setting of our own. False when it is not one.
    fn own(&mut self, name: &[u8], value: &[u8]) -> bool {
        let text = || Some(String::from_utf8_lossy(value).into_owned()).filter(|text| !text.is_empty());
        match name.to_ascii_lowercase().as_slice() {
            b"affidavit.reason" => self.claim.reason = text(),
            b"affidavit.ticket" => self.claim.ticket = text(),
            b"affidavit.auth" => self.oauth = value.eq_ignore_ascii_case(b"oauth"),
            _ => return false,
        }
        true
    }

    /// Takes our own settings out of `options`, which is a command line: words apart by white space, a backslash before
    /// a character that is meant as it is.
    fn options(&mut self, options: &[u8]) -> Vec<u8> {
        let words = words(options);
        let mut kept: Vec<&[u8]> = Vec::new();
        let mut rest = words.iter();
        while let Some((raw, word)) = rest.next() {
            let (setting, second) = match word.strip_prefix(b"--").or_else(|| word.strip_prefix(b"-c")) {
                Some(b"") => rest.next().map_or((&[][..], None), |(raw, word)| (word.as_slice(), Some(*raw))),
                Some(setting) => (setting, None),
                None => (&[][..], None),
            };
            let (name, value) = setting.iter().position(|byte| *byte == b'=').map_or((setting, &[][..]), |at| {
                (setting.get(..at).unwrap_or_default(), setting.get(at + 1..).unwrap_or_default())
            });
            self.role |= is_role(name);
            if !self.own(name, value) {
                kept.push(raw);
                kept.extend(second);
            }
        }
        kept.join(&b' ')
    }
}

/// The words of a command line: as they stand, and with their backslashes resolved.
fn words(options: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut words = Vec::new();
    let mut rest = options;
    loop {
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        rest = rest.get(blank..).unwrap_or_default();
        if rest.is_empty() {
            return words;
        }
        let (mut word, mut length, mut escaped) = (Vec::new(), 0, false);
        for byte in rest {
            if !escaped && byte.is_ascii_whitespace() {
                break;
            }
            length += 1;
            escaped = !escaped && *byte == b'\\';
            if !escaped {
                word.push(*byte);
            }
        }
        let (raw, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        words.push((raw, word));
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(params: &[(&str, &str)]) -> Wishes {
        let params = params.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        Wishes::new(&Startup { minor: 0, params })
    }

    #[test]
    fn everything_but_user_and_database_survives_in_order() {
        let wishes = wishes(&[
            ("user", "ann"),
            ("TimeZone", "UTC"),
            ("database", "ehr"),
            ("application_name", "report"),
            ("TimeZone", "CET"),
            ("_pq_.grease", "1"),
            ("my.setting", "x"),
        ]);
        let kept: Vec<_> = wishes.params.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        assert_eq!(kept, ["TimeZone", "application_name", "TimeZone", "my.setting"]);
        assert_eq!(wishes.claim.user, "ann");
        assert_eq!(wishes.claim.database.as_deref(), Some("ehr"));
        assert_eq!(wishes.claim.application, "report");
        assert_eq!(wishes.unknown, [b"_pq_.grease"]);
    }

    #[test]
    fn our_own_settings_are_taken_out_of_options() {
        let wishes = wishes(&[(
            "options",
            r"-c affidavit.reason=nightly\ report -cgeqo=off --affidavit.ticket=T-1 -c search_path=a\ b -e",
        )]);
        assert_eq!(wishes.claim.reason.as_deref(), Some("nightly report"));
        assert_eq!(wishes.claim.ticket.as_deref(), Some("T-1"));
        assert_eq!(wishes.params, [(b"options".to_vec(), br"-cgeqo=off -c search_path=a\ b -e".to_vec())]);
        let only_ours = self::wishes(&[("options", "-c affidavit.reason=x"), ("affidavit.ticket", "T-2")]);
        assert!(only_ours.params.is_empty());
        assert_eq!(only_ours.claim.ticket.as_deref(), Some("T-2"));
    }

    #[test]
    fn replication_is_noticed() {
        assert!(wishes(&[("replication", "database")]).replication);
        assert!(wishes(&[("replication", "true")]).replication);
        assert!(!wishes(&[("replication", "off")]).replication);
    }

    #[test]
    fn a_trailing_backslash_is_no_word_of_its_own() {
        assert_eq!(words(br"a\ b  c\").len(), 2);
        assert!(words(b"   ").is_empty());
    }
}
