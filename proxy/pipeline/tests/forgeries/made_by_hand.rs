//! Every proof, made by hand out of what anybody can have.

use affidavit_pipeline::{
    Approved, Heard, Held, Housekeeping, Judged, Masked, OwnWords, Permit, Recorded, Refused, Understood,
};
use model::{ApprovalNeed, Refusal, Statement, Verdict};
use std::borrow::Cow;
use std::sync::Arc;

struct Loot {
    statement: Box<Statement>,
    verdict: Arc<Verdict>,
    frames: Vec<u8>,
}

/// Of a type that cannot even be named.
fn anything<T>() -> T {
    panic!()
}

fn understood(loot: Loot) -> Understood {
    Understood { statement: loot.statement }
}

fn judged(loot: Loot) -> Judged {
    Judged { statement: loot.statement, verdict: loot.verdict, estimated_rows: None }
}

fn approved(loot: Loot) -> Approved {
    Approved { statement: loot.statement, verdict: loot.verdict, approval: None }
}

/// What policy denied, put before people all the same.
fn held(judged: Judged, need: ApprovalNeed) -> Held {
    Held { judged, need }
}

fn refused(loot: Loot, refusal: Refusal) -> Refused {
    Refused { statement: loot.statement, verdict: loot.verdict, refusal }
}

fn permit(loot: Loot) -> Permit {
    Permit { statement: loot.statement, verdict: loot.verdict, approval: None, original: loot.frames.into() }
}

fn housekeeping(loot: Loot) -> Housekeeping<'static> {
    Housekeeping { kind: anything(), frames: loot.frames.into() }
}

fn own_words(loot: Loot) -> OwnWords {
    OwnWords { frames: loot.frames }
}

fn heard(loot: Loot) -> Heard<'static> {
    Heard { answer: wire::Answer::Forward(loot.frames.into()) }
}

fn masked(loot: Loot) -> Masked<'static> {
    Masked { matter: anything(), wire: loot.frames.into() }
}

fn recorded(loot: Loot) -> Recorded<'static> {
    Recorded { wire: Cow::Owned(loot.frames), lsn: None }
}

fn main() {}
