//! A listener that anybody may reach keeps to so many connections, each for so long: who opens them and says nothing, or
//! says it a byte at a time, cannot take the file descriptors that the databases' clients need.

use axum::serve::Listener;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// A connection's life. An exchange takes milliseconds; a client that keeps its connection opens another one.
pub(crate) const LIFE: Duration = Duration::from_secs(60);

/// A listener with a bound.
pub(crate) struct Bounded<L> {
    inner: L,
    slots: Arc<Semaphore>,
    life: Duration,
}

impl<L> Bounded<L> {
    /// Bounds a listener.
    pub(crate) fn new(inner: L, most: usize, life: Duration) -> Self {
        Self { inner, slots: Arc::new(Semaphore::new(most)), life }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Mortal<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The semaphore is never closed; without a slot the connection is at least mortal.
        let slot = self.slots.clone().acquire_owned().await.ok();
        let (io, from) = self.inner.accept().await;
        (Mortal { io, end: Box::pin(tokio::time::sleep(self.life)), _slot: slot }, from)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// A connection that ends.
pub(crate) struct Mortal<I> {
    io: I,
    end: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl<I> Mortal<I> {
    fn alive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.end.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Mortal<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Mortal<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive(cx)?;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn silent_connections_end_and_make_room() {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let life = Duration::from_millis(300);
        let app = axum::Router::new().route("/", axum::routing::get(|| async { "here" }));
        let serving = tokio::spawn(async move { axum::serve(Bounded::new(socket, 2, life), app).await });
        let begun = std::time::Instant::now();
        let mut silent = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        silent[1].write_all(b"GET / HT").await.unwrap();
        let mut third = TcpStream::connect(address).await.unwrap();
        third.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        third.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        assert!(begun.elapsed() >= life, "it waited for a place");
        for one in &mut silent {
            let mut rest = Vec::new();
            let _ = one.read_to_end(&mut rest).await;
            assert!(!rest.windows(4).any(|window| window == b"here"));
        }
        serving.abort();
    }
}
