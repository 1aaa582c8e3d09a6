//! Every stage, given what comes before the proof that it takes.

use affidavit_pipeline::*;
use model::Statement;
use wire::{Answer, Conversation};

fn to_the_upstream(
    statement: Box<Statement>,
    (understood, judged, approved): (Understood, Judged, Approved),
    (judge, conversation, running): (&mut Judge, &mut dyn Conversation, &mut Running),
    (recording, upstream): (&Recording, &mut UpstreamSink),
) {
    let _ = judge.judge(statement, running, Estimate::NotAsked);
    let _ = approve(understood);
    let _ = settle(judged, conversation);
    let _ = execute(approved, recording, conversation, running, upstream);
    upstream.keep_house(&b"DROP TABLE patients".as_slice());
}

fn to_the_client(
    answer: Answer<'_>,
    (heard, masked): (Heard<'_>, Masked<'_>),
    (judge, keys, conversation): (&Judge, &policies::Keys, &mut dyn Conversation),
    (running, recording, splices): (&mut Running, &Recording, &mut Splices),
    client: &mut ClientSink,
) {
    let _ = mask(answer, running, conversation, judge, keys, splices);
    let _ = record(heard, recording, running);
    release(&masked, client);
    client.say(&b"900-12-3456".as_slice());
}

/// Nobody can be asked about what was not held.
fn past_people(judged: Judged, question: Question, agreed: Agreed) -> Ruling {
    let _ = judged.decided(Ok(agreed));
    Ruling::Held(question)
}

fn main() {}
