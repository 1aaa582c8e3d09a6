//! A MySQL server that misbehaves on demand, driven by opensrv-mysql: `hostile_upstream` prints its port and serves until
//! it is stopped. A query that names one of the misbehaviours below gets it; everything else gets a plain answer.
//!
//! The library writes sound packets only, so some misbehaviours are done to its bytes on their way out. What cannot be
//! done this way (a file asked for, OK where a definition is due, words nobody asked for) is scripted by hand in the
//! adapter's own tests (`protocols/mysql/src/scripted`).

use async_trait::async_trait;
use opensrv_mysql::{
    AsyncMysqlIntermediary, AsyncMysqlShim, Column, ColumnFlags, ColumnType, ErrorKind, InitWriter, OkResponse,
    ParamParser, QueryResultWriter, StatementMetaWriter,
};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;

/// What no client may see of an answer that is not sound.
const CANARY: &str = "canary-5f1c9a";

/// What is done to the packets of the next answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Harm {
    Nothing,
    /// The packet of this number (from 0) gets another sequence id.
    Sequence(usize),
    /// The packet of this number loses its last bytes.
    Cut(usize),
    /// The packet of this number claims to be longer than it is.
    Longer(usize),
    /// The column count is another one.
    Count,
}

/// Bytes on their way out, packet by packet.
struct Out {
    under: OwnedWriteHalf,
    harm: Arc<Mutex<Harm>>,
    packet: usize,
    pending: Vec<u8>,
    ready: Vec<u8>,
}

impl Out {
    /// Takes whole packets from what the library wrote, and harms them.
    fn harm(&mut self) {
        while let Some(&[a, b, c, sequence]) = self.pending.first_chunk::<4>() {
            let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
            if self.pending.len() < 4 + length {
                return;
            }
            let mut frame: Vec<u8> = self.pending.drain(..4 + length).collect();
            if sequence <= 1 {
                self.packet = 0;
            }
            match *self.harm.lock().unwrap() {
                Harm::Sequence(at) if at == self.packet => frame[3] = frame[3].wrapping_add(3),
                Harm::Cut(at) if at == self.packet => {
                    let kept = length.saturating_sub(5);
                    frame.truncate(4 + kept);
                    frame[..3].copy_from_slice(&u32::try_from(kept).unwrap().to_le_bytes()[..3]);
                }
                Harm::Longer(at) if at == self.packet => frame[2] = frame[2].wrapping_add(0x7F),
                Harm::Count if self.packet == 0 && length == 1 => frame[4] = frame[4].wrapping_add(1),
                _ => {}
            }
            self.packet += 1;
            self.ready.extend_from_slice(&frame);
        }
    }
}

impl AsyncWrite for Out {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.ready.len() > 1 << 20 {
            match Pin::new(&mut *this).poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        this.pending.extend_from_slice(buf);
        this.harm();
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.ready.is_empty() {
            match Pin::new(&mut this.under).poll_write(cx, &this.ready) {
                Poll::Ready(Ok(count)) => drop(this.ready.drain(..count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut this.under).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().under).poll_shutdown(cx)
    }
}

struct Server {
    harm: Arc<Mutex<Harm>>,
}

fn column(name: &str) -> Column {
    Column {
        table: "t".to_owned(),
        column: name.to_owned(),
        coltype: ColumnType::MYSQL_TYPE_VAR_STRING,
        colflags: ColumnFlags::empty(),
    }
}

#[async_trait]
impl<W: AsyncWrite + Send + Unpin> AsyncMysqlShim<W> for Server {
    type Error = io::Error;

    fn version(&self) -> String {
        "9.7.0-hostile".to_owned()
    }

    async fn on_prepare<'a>(&'a mut self, _: &'a str, info: StatementMetaWriter<'a, W>) -> io::Result<()> {
        info.reply(1, &[], &[column("a")]).await
    }

    async fn on_execute<'a>(
        &'a mut self,
        _: u32,
        _: ParamParser<'a>,
        results: QueryResultWriter<'a, W>,
    ) -> io::Result<()> {
        results.error(ErrorKind::ER_UNKNOWN_ERROR, b"not here").await
    }

    async fn on_close<'a>(&'a mut self, _: u32)
    where
        W: 'async_trait,
    {
    }

    async fn on_init<'a>(&'a mut self, _: &'a str, writer: InitWriter<'a, W>) -> io::Result<()> {
        writer.ok().await
    }

    async fn on_query<'a>(&'a mut self, query: &'a str, results: QueryResultWriter<'a, W>) -> io::Result<()> {
        let says = |word: &str| query.contains(word);
        *self.harm.lock().unwrap() = match () {
            () if says("wrong_sequence_of_the_count") => Harm::Sequence(0),
            () if says("wrong_sequence_of_a_definition") => Harm::Sequence(1),
            () if says("wrong_sequence_of_a_row") => Harm::Sequence(4),
            () if says("truncated_definition") => Harm::Cut(1),
            () if says("truncated_row") => Harm::Cut(4),
            () if says("longer_than_it_is") => Harm::Longer(4),
            () if says("another_count") => Harm::Count,
            () => Harm::Nothing,
        };
        if says("@@sql_mode") {
            let columns = [column("a"), column("b"), column("c"), column("d")];
            let mut rows = results.start(&columns).await?;
            rows.write_row(["", "utf8mb4", "ehr", "0"]).await?;
            return rows.finish().await;
        }
        if says("information_schema") || says("mysql.func") {
            let names = if says("FROM information_schema.tables") || says("FROM information_schema.views") {
                3
            } else if says("mysql.func") {
                1
            } else if says("FROM information_schema.columns") {
                9
            } else {
                6
            };
            let columns: Vec<Column> = (0..names).map(|at| column(&format!("c{at}"))).collect();
            return results.start(&columns).await?.finish().await;
        }
        if query.to_ascii_uppercase().starts_with("SET ") {
            return results.completed(OkResponse::default()).await;
        }
        let columns = [column("a"), column("b")];
        let mut rows = results.start(&columns).await?;
        if says("endless_rows") {
            let text = "x".repeat(1000);
            loop {
                rows.write_row([text.as_str(), "more"]).await?;
                // The library collects what it writes until a row's end is awaited; the connection sets the pace.
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..3 {
            rows.write_row(["value", CANARY]).await?;
        }
        if says("error_after_rows") {
            return rows.finish_error(ErrorKind::ER_QUERY_INTERRUPTED, b"in the middle").await;
        }
        rows.finish().await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (stream, _) = listener.accept().await?;
        let (read, write) = stream.into_split();
        let harm = Arc::new(Mutex::new(Harm::Nothing));
        let out = Out { under: write, harm: harm.clone(), packet: 0, pending: Vec::new(), ready: Vec::new() };
        tokio::spawn(async move {
            // That a peer hangs up is what is to be seen.
            let _ = AsyncMysqlIntermediary::run_on(Server { harm }, read, out).await;
        });
    }
}
