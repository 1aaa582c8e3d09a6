//! Webhooks: telling other systems of requests and decisions, without ever holding one up.
//!
//! A change is handed over without waiting; one task per receiver writes it to a small queue on disk and delivers it,
//! with growing pauses, until it is taken or too old. Messages never carry SQL or parameters: those may hold protected
//! values. A receiver checks `Affidavit-Signature: t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`.

mod message;
mod queue;

use super::hold::{Listener, off_the_worker};
use crate::config::{WebhookFormat, WebhookSetup};
use crate::console::http_client;
use hmac::{Hmac, KeyInit, Mac};
use message::Notice;
use queue::Queue;
use reqwest::{Client, Url};
use sha2::Sha256;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Changes on their way to a receiver's queue. What does not fit is dropped and said so in the log.
const HANDED_OVER: usize = 256;
/// Pauses between attempts grow from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(300);
/// A message that nobody took for this long is given up.
const PATIENCE_SECONDS: i64 = 86_400;

/// One receiver.
struct Receiver {
    host: String,
    url: Url,
    key: Option<Vec<u8>>,
    format: WebhookFormat,
    client: Client,
    queue: Queue,
}

/// Starts a task for each receiver; the listener hands changes over to them.
///
/// # Errors
/// When a queue cannot be opened or a client cannot be set up.
pub fn start(setups: &[WebhookSetup], folder: &Path, console_url: Option<String>) -> Result<Option<Listener>, String> {
    if setups.is_empty() {
        return Ok(None);
    }
    let database = Arc::new(queue::open(folder)?);
    let mut senders = Vec::new();
    for setup in setups {
        let url = Url::parse(&setup.url).map_err(|error| error.to_string())?;
        let receiver = Receiver {
            host: url.host_str().unwrap_or_default().to_owned(),
            client: http_client::client(setup.tls.as_ref(), &url)?,
            key: setup.secret.as_ref().map(|secret| secret.secret.expose().to_vec()),
            format: setup.format,
            queue: Queue::new(database.clone(), &setup.url)?,
            url,
        };
        let (sender, notices) = mpsc::channel(HANDED_OVER);
        senders.push((receiver.host.clone(), sender));
        tokio::spawn(receiver.run(notices));
    }
    Ok(Some(Arc::new(move |change| {
        for entry in &change.1 {
            let notice = Arc::new(Notice::of(&change.0, entry, console_url.as_deref()));
            for (host, sender) in &senders {
                if sender.try_send(notice.clone()).is_err() {
                    tracing::warn!(%host, approval = %change.0.request().id, "a webhook's queue is full; this message is dropped");
                }
            }
        }
    })))
}

impl Receiver {
    async fn run(self, mut notices: mpsc::Receiver<Arc<Notice>>) {
        let this = Arc::new(self);
        let mut pause = FIRST_PAUSE;
        loop {
            let waiting = this.queue.first();
            let Some((sequence, message)) = waiting else {
                pause = FIRST_PAUSE;
                match notices.recv().await {
                    Some(notice) => off_the_worker(|| this.keep(&notice)),
                    None => return,
                }
                continue;
            };
            // More may have come meanwhile: into the queue with it, so that it is on disk.
            while let Ok(notice) = notices.try_recv() {
                off_the_worker(|| this.keep(&notice));
            }
            let now = crate::clock::now().0 / 1_000_000;
            match this.deliver(&message.body, &message.id, now).await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    off_the_worker(|| this.queue.remove(sequence));
                }
                Err(cause) if now - message.at > PATIENCE_SECONDS => {
                    tracing::error!(host = %this.host, %cause, "a webhook was given up after a day");
                    off_the_worker(|| this.queue.remove(sequence));
                }
                Err(cause) => {
                    tracing::warn!(host = %this.host, %cause, again_in = ?pause, "a webhook was not taken");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }

    fn keep(&self, notice: &Notice) {
        let body = match self.format {
            WebhookFormat::Json => Some(notice.json()),
            WebhookFormat::Slack => notice.slack(),
        };
        if let Some(body) = body {
            self.queue.add(&queue::Message { id: uuid::Uuid::now_v7().to_string(), at: notice.seconds(), body });
        }
    }

    async fn deliver(&self, body: &str, id: &str, now: i64) -> Result<(), String> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("affidavit-delivery", id)
            .body(body.to_owned());
        if let Some(key) = &self.key {
            request = request.header("affidavit-signature", format!("t={now},v1={}", signature(key, now, body)));
        }
        let answer = request.send().await.map_err(|error| http_client::explain(&error))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status())) }
    }
}

/// HMAC-SHA256 (RFC 2104) of `seconds.body`, hex.
fn signature(key: &[u8], seconds: i64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{seconds}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_standard_hmac() {
        // Made with Python's hmac module: hmac.new(b"Jefe", b"7.what do ya want for nothing?", "sha256").
        let expected = "239f4b39fd23f4376db46b239fae471e7c6824b3931bc60f4c0b745bef8de34f";
        assert_eq!(signature(b"Jefe", 7, "what do ya want for nothing?"), expected);
    }
}
