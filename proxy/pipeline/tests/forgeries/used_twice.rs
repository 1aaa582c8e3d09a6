//! A permit is good for one run and for the bytes that it was made with, what people agreed to for one statement.

use affidavit_pipeline::*;
use wire::Conversation;

fn run_twice(
    permit: Permit,
    recording: &Recording,
    conversation: &mut dyn Conversation,
    running: &mut Running,
    upstream: &mut UpstreamSink,
) {
    let _ = execute(permit, recording, conversation, running, upstream);
    let _ = execute(permit, recording, conversation, running, upstream);
}

fn agreed_once(held: Held, another: Held, agreed: Agreed) -> [Ruling; 2] {
    [held.decided(Ok(agreed)), another.decided(Ok(agreed))]
}

fn exchanged(permit: &Permit) {
    permit.statement().wire = bytes::Bytes::from_static(b"DROP TABLE patients");
}

fn main() {}
