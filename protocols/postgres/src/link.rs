//! A connection to an upstream while it is ours alone: dialling, TLS, and reading frame by frame. The relay takes over the
//! transport once the login is complete.

use crate::message::startup::{SSL_REQUEST, cancel_request};
use crate::message::{Frame, frame};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::{DatasourceSpec, Step, Transport, UpstreamTls};

/// The largest frame read here: a row of the catalog with the text of a large view.
const MAX_FRAME: usize = 64 * 1024 * 1024;
/// Room made for a read.
const CHUNK: usize = 16 * 1024;

/// A connection to an upstream.
pub(crate) struct Link {
    pub(crate) transport: Transport,
    /// Bytes read and not yet looked at.
    unread: Vec<u8>,
    /// How many of them were looked at.
    start: usize,
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// Connects, with TLS where the datasource asks for it.
pub(crate) async fn dial(spec: &DatasourceSpec) -> io::Result<Transport> {
    let mut transport = Transport::dial(&spec.address).await?;
    let UpstreamTls::Required(config) = &spec.tls else { return Ok(transport) };
    transport.write_all(&SSL_REQUEST).await?;
    transport.flush().await?;
    // Exactly one byte: what a man in the middle put behind it must not be taken for the server's.
    let mut answer = [0];
    transport.read_exact(&mut answer).await?;
    if answer != *b"S" {
        return Err(invalid("the database server does not offer TLS, which this datasource requires"));
    }
    let host = spec.address.rsplit_once(':').map_or(spec.address.as_str(), |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = rustls_pki_types::ServerName::try_from(host).map_err(|error| invalid(error.to_string()))?;
    transport.connect_tls(config.clone(), name).await
}

/// Asks the upstream to cancel what the session of `key` (process id and secret) is running.
pub(crate) async fn cancel(spec: &DatasourceSpec, key: &[u8]) -> io::Result<()> {
    let ask = async {
        let mut transport = dial(spec).await?;
        let mut request = Vec::new();
        cancel_request(key, &mut request);
        transport.write_all(&request).await?;
        transport.flush().await?;
        // There is no answer; the end of the connection says that the request was worked on.
        let mut end = [0; 16];
        let _ = transport.read(&mut end).await;
        Ok(())
    };
    tokio::time::timeout(spec.connect_timeout, ask).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

impl Link {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, unread: Vec::new(), start: 0 }
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transport.write_all(bytes).await?;
        self.transport.flush().await
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> io::Result<Frame<'_>> {
        let total = loop {
            let rest = self.unread.get(self.start..).unwrap_or_default();
            match frame(rest, MAX_FRAME).map_err(|violation| invalid(violation.0))? {
                Step::Got { consumed, .. } => break consumed,
                Step::Need(_) => {}
            }
            self.unread.drain(..self.start);
            self.start = 0;
            self.unread.reserve(CHUNK);
            if self.transport.read_buf(&mut self.unread).await? == 0 {
                let text = "the database server closed the connection";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
        };
        let from = self.start;
        self.start = from.saturating_add(total);
        let whole = self.unread.get(from..self.start).unwrap_or_default();
        // Looked at twice because the borrow checker cannot see that the loop ends with it.
        match frame(whole, MAX_FRAME).map_err(|violation| invalid(violation.0))? {
            Step::Got { item, .. } => Ok(item),
            Step::Need(_) => Err(invalid("a frame vanished")),
        }
    }

    /// Gives up the link: the transport, and what was read beyond the last frame.
    pub(crate) fn into_parts(mut self) -> (Transport, Vec<u8>) {
        self.unread.drain(..self.start);
        (self.transport, self.unread)
    }
}

/// The rows of one query of ours, as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// All rows of one query of ours together.
const MAX_RESULT: usize = 512 * 1024 * 1024;

impl Link {
    /// Runs a query of ours to its end.
    pub(crate) async fn query(&mut self, sql: &str) -> io::Result<Rows> {
        let mut ask = Vec::new();
        crate::message::extended::put_query(sql.as_bytes(), &mut ask).map_err(|violation| invalid(violation.0))?;
        self.send(&ask).await?;
        let mut rows = Rows::new();
        let mut size = 0usize;
        let mut failure = None;
        loop {
            let frame = self.next().await?;
            match frame.tag {
                b'D' => {
                    size = size.saturating_add(frame.wire.len());
                    if size > MAX_RESULT {
                        return Err(invalid("the catalog is larger than 512 MiB"));
                    }
                    rows.push(cells(frame.body).ok_or_else(|| invalid("a malformed row"))?);
                }
                b'E' => {
                    let fields = crate::message::fields::Fields::decode(frame.body);
                    failure = Some(fields.map(|fields| fields.text(b'M').to_owned()).unwrap_or_default());
                }
                b'Z' => {
                    return failure.map_or(Ok(rows), |text| Err(io::Error::other(format!("the query failed: {text}"))));
                }
                _ => {}
            }
        }
    }
}

fn cells(body: &[u8]) -> Option<Vec<Option<String>>> {
    let mut cursor = wire::Cursor::new(body);
    let count = cursor.u16_be().ok()?;
    (0..count)
        .map(|_| match usize::try_from(cursor.i32_be().ok()?) {
            Ok(length) => Some(Some(String::from_utf8_lossy(cursor.take(length).ok()?).into_owned())),
            Err(_) => Some(None),
        })
        .collect()
}
