//! A connection to a peer: plain TCP, or TLS in either role, or a coding of a protocol's own over one of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// A connection to a peer.
pub enum Transport {
    /// No TLS.
    Plain(TcpStream),
    /// TLS, we are the server.
    Server(Box<server::TlsStream<TcpStream>>),
    /// TLS, we are the client.
    Client(Box<client::TlsStream<TcpStream>>),
    /// A coding of the protocol's own (compression) over one of the above.
    Coded(Box<dyn Coded>),
}

/// A coding that a protocol puts over a connection: what is read and written is the decoded stream.
pub trait Coded: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// What it lies over.
    fn under(&self) -> &Transport;
}

/// A peer that is silent for this long is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(60);
/// Between two such questions.
const QUESTIONS: Duration = Duration::from_secs(15);
/// A peer that has acknowledged nothing for this long is gone. Long enough for one that is there and does not read (a person
/// in a pager, a server that waits for a lock): the kernel does not tell them apart.
const ABSENCE: Duration = Duration::from_secs(300);

/// Has the kernel notice that a peer vanished without a word (its machine, its network, a NAT in between), so that its session
/// and its locks do not outlive it by hours.
pub fn notice_absence(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let keepalive = socket2::TcpKeepalive::new().with_time(SILENCE).with_interval(QUESTIONS);
    // A socket that does not know these options works without them.
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(ABSENCE));
}

impl Transport {
    /// Connects to `host:port` without delay on small writes.
    ///
    /// # Errors
    /// Whatever resolving and connecting gives.
    pub async fn dial(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        notice_absence(&stream);
        Ok(Self::Plain(stream))
    }

    /// Answers the peer's TLS handshake.
    ///
    /// # Errors
    /// The handshake's, or `InvalidInput` when TLS is on already.
    pub async fn accept_tls(self, config: Arc<rustls::ServerConfig>) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => Ok(Self::Server(Box::new(TlsAcceptor::from(config).accept(stream).await?))),
            Self::Server(_) | Self::Client(_) | Self::Coded(_) => Err(too_late()),
        }
    }

    /// Starts a TLS handshake with the peer, which must prove to be `name` as far as `config` checks.
    ///
    /// # Errors
    /// The handshake's, or `InvalidInput` when TLS is on already.
    pub async fn connect_tls(
        self,
        config: Arc<rustls::ClientConfig>,
        name: rustls_pki_types::ServerName<'static>,
    ) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => Ok(Self::Client(Box::new(TlsConnector::from(config).connect(name, stream).await?))),
            Self::Server(_) | Self::Client(_) | Self::Coded(_) => Err(too_late()),
        }
    }

    /// The TLS version in use (`TLSv1_3`), if any.
    #[must_use]
    pub fn tls_version(&self) -> Option<String> {
        let version = match self {
            Self::Plain(_) => None,
            Self::Server(stream) => stream.get_ref().1.protocol_version(),
            Self::Client(stream) => stream.get_ref().1.protocol_version(),
            Self::Coded(coded) => return coded.under().tls_version(),
        };
        version.and_then(|version| version.as_str().map(str::to_owned))
    }

    /// The ALPN protocol that was agreed on, if any.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Plain(_) => None,
            Self::Server(stream) => stream.get_ref().1.alpn_protocol(),
            Self::Client(stream) => stream.get_ref().1.alpn_protocol(),
            Self::Coded(coded) => coded.under().alpn(),
        }
    }

    /// The peer's certificate (DER), where we are the client: SCRAM channel binding needs it.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        match self {
            Self::Client(stream) => stream.get_ref().1.peer_certificates()?.first().map(AsRef::as_ref),
            Self::Coded(coded) => coded.under().peer_certificate(),
            Self::Plain(_) | Self::Server(_) => None,
        }
    }

    /// Looks at bytes without consuming them; only before TLS.
    ///
    /// # Errors
    /// The socket's, or `InvalidInput` when TLS is on already.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.peek(buffer).await,
            Self::Server(_) | Self::Client(_) | Self::Coded(_) => Err(too_late()),
        }
    }
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "TLS, or a coding, is on already")
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Server(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Client(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Coded(coded) => Pin::new(coded).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Server(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Client(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Coded(coded) => Pin::new(coded).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Server(stream) => Pin::new(stream).poll_flush(cx),
            Self::Client(stream) => Pin::new(stream).poll_flush(cx),
            Self::Coded(coded) => Pin::new(coded).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Server(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Client(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Coded(coded) => Pin::new(coded).poll_shutdown(cx),
        }
    }
}
