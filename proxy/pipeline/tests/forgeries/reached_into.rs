//! Sinks and proofs, reached into: bytes put where they are to go, and bytes put in the place of those that were judged.

use affidavit_pipeline::*;
use wire::{Conversation, Upkeep};

fn sinks(upstream: &mut UpstreamSink, client: &mut ClientSink) {
    upstream.out.append(b"DROP TABLE patients");
    upstream.before.extend_from_slice(b"DROP TABLE patients");
    client.out.append(b"900-12-3456");
}

fn named_otherwise(conversation: &mut dyn Conversation) {
    let _ = Housekeeping::asked_for(Upkeep::Step, b"DROP TABLE patients".as_slice().into());
    let _ = Housekeeping::data(b"DROP TABLE patients");
    let _ = OwnWords::reply(b"900-12-3456".to_vec());
    let _ = OwnWords::greeting(b"900-12-3456".to_vec());
}

fn exchanged(mut permit: Permit, mut understood: Understood, judged: Judged) {
    permit.statement.wire = bytes::Bytes::from_static(b"DROP TABLE patients");
    understood.statement.facts = judged.statement().facts.clone();
    let _ = judged.into_statement();
}

fn kept(recording: &Recording, permit: &Permit) {
    let _: Permit = permit.clone();
    let _ = recording.intent(permit.statement(), permit.verdict(), None);
}

fn main() {}
