//! Parting: what both sides are still told, and the end of their connections.

use crate::{ClientSink, Housekeeping, OwnWords, Recording, UpstreamSink};
use model::Refusal;
use std::task::Poll;
use std::time::Duration;
use wire::{Established, Transport};

/// How long a peer that does not read may hold up the end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long closing a connection may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Tells a client whose login is complete that it cannot stay.
pub async fn turn_away(mut established: Established, refusal: &Refusal, recording: &Recording) {
    let (mut to_client, mut to_upstream) = (ClientSink::default(), UpstreamSink::default());
    to_client.say(&OwnWords::turned_away(established.conversation.as_mut(), refusal));
    to_upstream.keep_house(&Housekeeping::goodbye(established.conversation.as_ref()));
    let client = (&mut to_client, &mut established.client);
    part(client, (&mut to_upstream, &mut established.upstream), recording).await;
}

/// Sends what both sides are still to hear, as far as they listen, and closes the connections.
pub(super) async fn part(
    client: (&mut ClientSink, &mut Transport),
    upstream: (&mut UpstreamSink, &mut Transport),
    recording: &Recording,
) {
    let ((to_client, client), (to_upstream, upstream)) = (client, upstream);
    let both = std::future::poll_fn(|cx| {
        let told = to_client.poll_send(cx, client, recording.recorder());
        let left = to_upstream.poll_send(cx, upstream, recording.recorder());
        if told.is_ready() && left.is_ready() { Poll::Ready(()) } else { Poll::Pending }
    });
    let _ = tokio::time::timeout(LAST_WORDS, both).await;
    let close = async {
        let _ = tokio::io::AsyncWriteExt::shutdown(client).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(upstream).await;
    };
    let _ = tokio::time::timeout(CLOSING, close).await;
}
