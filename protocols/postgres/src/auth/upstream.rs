//! Logging in at the upstream: trust, clear text (over TLS only), MD5, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use super::binding;
use super::scram::{ChannelBinding, KeyCache, Proven, Started};
use crate::errors::server_message;
use crate::link::Link;
use crate::message::auth::{self, Ask};
use crate::message::fields::Fields;
use crate::message::session::{Transaction, backend_key, parameter_status, ready_for_query};
use crate::message::startup;
use base64::Engine;
use md5::{Digest, Md5};
use model::{Refusal, RefusalKind};
use std::io;
use wire::{DatasourceSpec, UpstreamTls};

/// What an upstream said while it let us in.
#[derive(Debug, Default)]
pub(crate) struct Welcome {
    /// ParameterStatus and NoticeResponse frames, for the client.
    pub(crate) frames: Vec<u8>,
    /// The parameters in them.
    pub(crate) params: Vec<(String, String)>,
    /// Process id and secret.
    pub(crate) key: Option<([u8; 4], Vec<u8>)>,
}

impl Welcome {
    /// The value of a reported parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Why an upstream did not let us in.
#[derive(Debug)]
pub(crate) enum LoginFailure {
    /// It said so: its ErrorResponse, for a client that may see it.
    Told {
        /// The frame.
        frame: Vec<u8>,
        /// In words, for the record.
        refusal: Refusal,
    },
    /// It could not be reached, or spoke in a way that is not accepted.
    Unreachable(Refusal),
}

impl LoginFailure {
    pub(crate) fn refusal(&self) -> &Refusal {
        match self {
            Self::Told { refusal, .. } | Self::Unreachable(refusal) => refusal,
        }
    }
}

fn unavailable(spec: &DatasourceSpec, why: impl std::fmt::Display) -> LoginFailure {
    LoginFailure::Unreachable(
        Refusal::new(
            RefusalKind::UpstreamUnavailable,
            format!("datasource \"{}\" cannot be logged in to: {why}", spec.name),
        )
        .hint(format!(
            "check that {} is up and that the datasource's user, password and tls settings fit",
            spec.address
        )),
    )
}

/// Connects and logs in with these startup parameters.
pub(crate) async fn login(
    spec: &DatasourceSpec,
    params: &[(Vec<u8>, Vec<u8>)],
    cache: &KeyCache,
) -> Result<(Link, Welcome), LoginFailure> {
    let attempt = async {
        let transport = crate::link::dial(spec).await.map_err(|error| unavailable(spec, error))?;
        let mut link = Link::new(transport);
        let mut hello = Vec::new();
        startup::encode(params, &mut hello).map_err(|violation| unavailable(spec, violation))?;
        link.send(&hello).await.map_err(|error| unavailable(spec, error))?;
        authenticate(spec, &mut link, cache).await?;
        let welcome = welcome(spec, &mut link).await?;
        Ok((link, welcome))
    };
    tokio::time::timeout(spec.connect_timeout, attempt)
        .await
        .map_err(|_| unavailable(spec, format!("no login within {:?}", spec.connect_timeout)))?
}

/// Where a SASL exchange stands.
enum Sasl {
    None,
    Started(Started),
    Proven(Proven),
    Verified,
}

async fn authenticate(spec: &DatasourceSpec, link: &mut Link, cache: &KeyCache) -> Result<(), LoginFailure> {
    let io = |error: io::Error| unavailable(spec, error);
    let missing = || unavailable(spec, "the server asks for a password and the datasource has none configured");
    let password = || spec.password.as_ref().map(wire::Secret::expose).ok_or_else(missing);
    let certificate = link.transport.peer_certificate().map(<[u8]>::to_vec);
    let mut sasl = Sasl::None;
    loop {
        let frame = link.next().await.map_err(io)?;
        let mut out = Vec::new();
        match frame.tag {
            b'R' => {}
            b'E' => return Err(told(spec, frame.wire, frame.body)),
            b'N' => continue,
            b'v' => return Err(unavailable(spec, "the server does not speak protocol 3.0")),
            other => return Err(unavailable(spec, format!("unexpected message {:?} during login", char::from(other)))),
        }
        let ask = auth::decode(frame.body).map_err(|violation| unavailable(spec, violation))?;
        let written = match (ask, sasl) {
            (Ask::Ok, Sasl::None | Sasl::Verified) => return Ok(()),
            (Ask::Ok, Sasl::Started(_) | Sasl::Proven(_)) => {
                return Err(unavailable(spec, "the server let us in without proving that it knows the password"));
            }
            (Ask::Cleartext, Sasl::None) if matches!(spec.tls, UpstreamTls::Required(_)) => {
                sasl = Sasl::None;
                auth::put_password(password()?, &mut out)
            }
            (Ask::Cleartext, _) => {
                return Err(unavailable(spec, "the server wants the password in clear text, which needs TLS"));
            }
            (Ask::Md5(salt), Sasl::None) => {
                sasl = Sasl::None;
                auth::put_password(md5_response(spec.user.as_bytes(), password()?, salt).as_bytes(), &mut out)
            }
            (Ask::Sasl(mechanisms), Sasl::None) => {
                let (mechanism, binding) = choose(&mechanisms, certificate.as_deref())
                    .ok_or_else(|| unavailable(spec, "the server offers no SASL mechanism that is spoken here"))?;
                let nonce: [u8; 18] = rand::random();
                let started = Started::new(&binding, base64::engine::general_purpose::STANDARD.encode(nonce));
                let first = started.first();
                sasl = Sasl::Started(started);
                auth::put_sasl_initial(mechanism, &first, &mut out)
            }
            (Ask::Continue(challenge), Sasl::Started(started)) => {
                let proof = started.prove(challenge, password()?, cache);
                let (response, proven) = proof.map_err(|failure| unavailable(spec, failure.0))?;
                sasl = Sasl::Proven(proven);
                auth::put_sasl(&response, &mut out)
            }
            (Ask::Final(signature), Sasl::Proven(proven)) => {
                proven.verify(signature).map_err(|failure| unavailable(spec, failure.0))?;
                sasl = Sasl::Verified;
                Ok(())
            }
            (Ask::Other(number), _) => {
                return Err(unavailable(
                    spec,
                    format!("the server wants authentication method {number}, not spoken here"),
                ));
            }
            _ => return Err(unavailable(spec, "the server's authentication messages are out of order")),
        };
        written.map_err(|violation| unavailable(spec, violation))?;
        link.send(&out).await.map_err(io)?;
    }
}

fn choose(mechanisms: &[&[u8]], certificate: Option<&[u8]>) -> Option<(&'static str, ChannelBinding)> {
    let offered = |name: &str| mechanisms.contains(&name.as_bytes());
    match certificate.map_or(ChannelBinding::Unsupported, binding::end_point) {
        bound @ ChannelBinding::EndPoint(_) if offered("SCRAM-SHA-256-PLUS") => Some(("SCRAM-SHA-256-PLUS", bound)),
        ChannelBinding::EndPoint(_) if offered("SCRAM-SHA-256") => Some(("SCRAM-SHA-256", ChannelBinding::NotOffered)),
        _ if offered("SCRAM-SHA-256") => Some(("SCRAM-SHA-256", ChannelBinding::Unsupported)),
        _ => None,
    }
}

fn md5_response(user: &[u8], password: &[u8], salt: [u8; 4]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let inner = hex(&Md5::digest([password, user].concat()));
    format!("md5{}", hex(&Md5::digest([inner.as_bytes(), &salt].concat())))
}

/// Reads on to the first ReadyForQuery.
async fn welcome(spec: &DatasourceSpec, link: &mut Link) -> Result<Welcome, LoginFailure> {
    let bad = |violation: wire::Violation| unavailable(spec, violation);
    let mut welcome = Welcome::default();
    loop {
        let frame = link.next().await.map_err(|error| unavailable(spec, error))?;
        match frame.tag {
            b'S' => {
                let (name, value) = parameter_status(frame.body).map_err(bad)?;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                welcome.params.push((text(name), text(value)));
                welcome.frames.extend_from_slice(frame.wire);
            }
            b'N' => welcome.frames.extend_from_slice(frame.wire),
            b'K' => {
                let (pid, secret) = backend_key(frame.body).map_err(bad)?;
                welcome.key = Some((pid, secret.to_vec()));
            }
            b'Z' if ready_for_query(frame.body).map_err(bad)? == Transaction::Idle => return Ok(welcome),
            b'E' => return Err(told(spec, frame.wire, frame.body)),
            other => return Err(unavailable(spec, format!("unexpected message {:?} after login", char::from(other)))),
        }
    }
}

fn told(spec: &DatasourceSpec, wire: &[u8], body: &[u8]) -> LoginFailure {
    let Ok(fields) = Fields::decode(body) else { return unavailable(spec, "its error message is malformed") };
    let code = server_message(b'E', &fields).code;
    let text = format!("datasource \"{}\" refuses the login: {} ({code})", spec.name, fields.text(b'M'));
    LoginFailure::Told { frame: wire.to_vec(), refusal: Refusal::new(RefusalKind::UpstreamUnavailable, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_is_of_the_md5_of_password_and_user() {
        // Computed with md5sum.
        assert_eq!(md5_response(b"ann", b"secret", *b"abcd"), "md5b74835331d7e1d325026d95f00dd69c5");
    }

    #[test]
    fn channel_binding_is_used_where_it_can_be_and_a_downgrade_is_said() {
        let plain: [&[u8]; 1] = [b"SCRAM-SHA-256"];
        assert_eq!(choose(&plain, None), Some(("SCRAM-SHA-256", ChannelBinding::Unsupported)));
        assert_eq!(choose(&[b"OAUTHBEARER"], None), None);
    }
}
