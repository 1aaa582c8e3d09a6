//! Reaching the upstream: connect, read its greeting, and, once somebody has been admitted, log in as ourselves.

use crate::auth::upstream::{Means, Next, Plugin};
use crate::compress::Compressed;
use crate::datasource::options;
use crate::link::{Link, LinkError};
use crate::message::auth::AuthMessage;
use crate::message::capability::Capabilities;
use crate::message::error::ErrorPacket;
use crate::message::greeting::Greeting;
use crate::message::response::HandshakeResponse;
use model::{Refusal, RefusalKind};
use rustls_pki_types::ServerName;
use wire::{DatasourceSpec, Transport, UpstreamTls};

/// The longest packet of a login.
const LOGIN_PACKET: usize = 64 * 1024;
/// Messages after which a server that still does not say OK or ERR is given up.
const MOST_MESSAGES: usize = 16;

/// An upstream that has greeted us.
pub(crate) struct Dialled {
    /// The connection.
    pub(crate) link: Link,
    /// What it said.
    pub(crate) greeting: Greeting,
}

/// An upstream that let us in.
pub(crate) struct LoggedIn {
    /// The connection; the next packet begins a command.
    pub(crate) link: Link,
    /// Its OK packet's payload.
    pub(crate) ok: Vec<u8>,
}

/// Why an upstream did not let us in.
pub(crate) enum LoginFailure {
    /// Its own ERR packet's payload.
    Server(Vec<u8>),
    /// In our words.
    Refusal(Refusal),
}

/// Connects and reads the greeting.
pub(crate) async fn dial(spec: &DatasourceSpec) -> Result<Dialled, Refusal> {
    let connect = async {
        let transport = Transport::dial(&spec.address).await.map_err(|error| unavailable(spec, &error.to_string()))?;
        let mut link = Link::new(transport);
        let payload = link.read(LOGIN_PACKET).await.map_err(|error| unavailable(spec, &error.to_string()))?;
        if let Ok(error) = ErrorPacket::decode(&payload) {
            let text = String::from_utf8_lossy(error.message).into_owned();
            return Err(unavailable(spec, &format!("it says {} ({text})", error.code)));
        }
        let greeting = Greeting::decode(&payload).map_err(|error| unavailable(spec, &error.to_string()))?;
        if !greeting.capabilities.has(Capabilities::REQUIRED) {
            return Err(unavailable(spec, "it is too old: it lacks the 4.1 protocol or pluggable authentication"));
        }
        Ok(Dialled { link, greeting })
    };
    match tokio::time::timeout(spec.connect_timeout, connect).await {
        Ok(result) => result,
        Err(_) => Err(unavailable(spec, &format!("no greeting within {:?}", spec.connect_timeout))),
    }
}

/// The database cannot be used; `why` is for the operator as much as for the user.
pub(crate) fn unavailable(spec: &DatasourceSpec, why: &str) -> Refusal {
    let name = &spec.name;
    Refusal::new(
        RefusalKind::UpstreamUnavailable,
        format!("the database behind datasource {name} cannot be used: {why}"),
    )
    .hint(format!("whoever runs Affidavit can try `affidavit doctor --datasource {name}`"))
}

impl Dialled {
    /// Logs in as the datasource's user. From `wish` come the capabilities, character set, packet size, database and
    /// attributes.
    pub(crate) async fn log_in(self, spec: &DatasourceSpec, wish: HandshakeResponse) -> Result<LoggedIn, LoginFailure> {
        let refuse = |why: &str| LoginFailure::Refusal(unavailable(spec, why));
        match tokio::time::timeout(spec.connect_timeout, self.try_log_in(spec, wish)).await {
            Ok(Ok(logged_in)) => Ok(logged_in),
            Ok(Err(Failure::Server(payload))) => Err(LoginFailure::Server(payload)),
            Ok(Err(Failure::Why(why))) => Err(refuse(&why)),
            Err(_) => Err(refuse(&format!("the login took longer than {:?}", spec.connect_timeout))),
        }
    }

    async fn try_log_in(self, spec: &DatasourceSpec, wish: HandshakeResponse) -> Result<LoggedIn, Failure> {
        let Self { mut link, greeting } = self;
        let mut plugin = Plugin::named(&greeting.plugin).unwrap_or(Plugin::Native);
        let mut nonce = greeting.nonce.clone();
        let mut response = wish;
        let compression = options::compression(spec);
        response.capabilities = ours(response.capabilities, &greeting, options::local_infile(spec));
        if let Some(algorithm) = compression {
            let flag = algorithm.flag();
            if !greeting.capabilities.has(flag) {
                let name = algorithm.name();
                return Err(Failure::Why(format!(
                    "it does not offer {name} compression, which this datasource asks for"
                )));
            }
            response.capabilities = response.capabilities.with(flag);
            response.zstd_level = algorithm.level();
        }
        if let UpstreamTls::Required(config) = &spec.tls {
            if !greeting.capabilities.has(Capabilities::SSL) {
                return Err(Failure::Why("it does not offer TLS, which this datasource requires".to_owned()));
            }
            response.capabilities = response.capabilities.with(Capabilities::SSL);
            link = encrypt(link, &response, config.clone(), &spec.address).await?;
        }
        let means = means(spec, link.is_encrypted());
        response.user = spec.user.clone().into_bytes();
        response.plugin = plugin.name().to_vec();
        // A plugin that wants more than we may send here has its say after the switch.
        response.auth = match plugin {
            Plugin::Clear | Plugin::Sha256 if !means.encrypted => Vec::new(),
            _ => plugin.answer(&nonce, &means).map_err(Failure::Why)?,
        };
        let mut payload = Vec::new();
        response.encode(&mut payload);
        link.write(&payload).await?;
        for _ in 0..MOST_MESSAGES {
            let payload = link.read(LOGIN_PACKET).await?;
            match AuthMessage::decode(&payload).map_err(LinkError::from)? {
                AuthMessage::Ok(_) => {
                    let link = match compression {
                        Some(algorithm) => Link::new(Compressed::towards_upstream(link.into_transport(), algorithm)),
                        None => link,
                    };
                    return Ok(LoggedIn { link: link.restarted(), ok: payload });
                }
                AuthMessage::Err(_) => return Err(Failure::Server(payload)),
                AuthMessage::Switch { plugin: name, nonce: fresh } => {
                    plugin = Plugin::wanted(name).map_err(Failure::Why)?;
                    nonce = fresh.to_vec();
                    let answer = plugin.answer(&nonce, &means).map_err(Failure::Why)?;
                    link.write(&answer).await?;
                }
                AuthMessage::More(data) => match plugin.more(data, &nonce, &means).map_err(Failure::Why)? {
                    Next::Send(answer) => link.write(&answer).await?,
                    Next::Wait => {}
                },
            }
        }
        Err(Failure::Why("its login has no end".to_owned()))
    }
}

enum Failure {
    Server(Vec<u8>),
    Why(String),
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        Self::Why(error.to_string())
    }
}

/// What we have to show at this datasource.
pub(crate) fn means(spec: &DatasourceSpec, encrypted: bool) -> Means<'_> {
    let password = spec.password.as_ref().map(wire::Secret::expose).unwrap_or_default();
    Means { password, encrypted, rsa_key: options::rsa_key(spec) }
}

/// What we ask of the upstream: what was wished for, as far as both can relay it, and what our own login needs.
fn ours(wish: Capabilities, greeting: &Greeting, local_files: bool) -> Capabilities {
    wish.relayed(local_files)
        .and(greeting.capabilities)
        .with(Capabilities::REQUIRED)
        .with(Capabilities::PLUGIN_AUTH_LENENC.and(greeting.capabilities))
}

/// Sends SSLRequest and does the handshake.
async fn encrypt(
    mut link: Link,
    response: &HandshakeResponse,
    config: std::sync::Arc<rustls::ClientConfig>,
    address: &str,
) -> Result<Link, Failure> {
    let mut request = Vec::new();
    response.encode_fixed(&mut request);
    link.write(&request).await?;
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Failure::Why(format!("{host} is no host name")))?;
    let sequence = link.sequence();
    let transport = link
        .into_transport()
        .connect_tls(config, name)
        .await
        .map_err(|error| Failure::Why(format!("the TLS handshake failed: {error}")))?;
    Ok(Link::resumed(transport, sequence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_ask_for_no_more_than_both_sides_can_relay() {
        let mut greeting = Greeting {
            version: b"9.7.0".to_vec(),
            thread: 1,
            nonce: vec![1; 20],
            capabilities: Capabilities(0xFFFF_FFFF),
            charset: 255,
            status: 2,
            plugin: b"caching_sha2_password".to_vec(),
        };
        let asked = ours(Capabilities(u64::MAX), &greeting, false);
        assert!(
            !asked.has(Capabilities::SSL) && !asked.has(Capabilities::ZSTD) && asked.has(Capabilities::DEPRECATE_EOF)
        );
        greeting.capabilities = greeting.capabilities.without(Capabilities::DEPRECATE_EOF);
        assert!(!ours(Capabilities(u64::MAX), &greeting, false).has(Capabilities::DEPRECATE_EOF));
        assert!(!asked.has(Capabilities::LOCAL_FILES));
        assert!(ours(Capabilities(u64::MAX), &greeting, true).has(Capabilities::LOCAL_FILES));
    }
}
