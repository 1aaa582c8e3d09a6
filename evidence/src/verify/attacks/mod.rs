//! The table of attacks: each is injected into a store, and into the package that is exported of it; each must be caught by
//! the check that should, whatever else is noticed. Many are by someone who holds even the log's key: every file re-hashed,
//! every manifest re-made and re-signed. What is left to betray them is what the records say of each other.
//!
//! With `EVIDENCE_ATTACKS=DIR` the stores and packages are left there, with `attacks.json`, for `verify.py` to judge
//! (`evidence/tests/test_attacks.py`).

mod forge;
mod inventory;
mod journal;
mod logs;
mod more;
mod records;
mod retained;

use super::{Options, Report, verify};
use crate::export::{Export, Question, export};
use crate::recorder::Recorder;
use crate::sign::{LogKey, LogSigner, VerifierKey};
use crate::support::*;
use crate::{AccessEvent, ApprovalEvent, ApprovalStep, PolicyOrigin};
use forge::{person, second_key};
use model::{SessionId, StatementId, Timestamp};
use std::path::{Path, PathBuf};

/// One attack.
pub(super) struct Attack {
    name: &'static str,
    /// Checks that must fail.
    caught_by: &'static [&'static str],
    /// The store it is made in.
    base: Base,
    inject: Box<dyn Fn(&Path)>,
    /// A verification that remembers the checkpoint from before.
    remembers: bool,
    /// The verifier knows the people who may sign orders.
    knows_people: bool,
    /// What is outside of a package (the journal, a file of the store alone) cannot be attacked in one.
    in_package: bool,
    /// What a package catches, when that is less: it was made before the files went.
    package_catches: Option<&'static [&'static str]>,
}

/// Stores that nobody has touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Base {
    /// Two segments: two sessions of three statements each, approvals that were used, two policies, a review.
    Plain,
    /// The same, handed over to a second key, and one session more.
    Rotated,
    /// Three segments and terms under which they may be removed at once; a hold over nothing.
    Retained,
    /// A session sealed, one that a signed head of the journal covers, one that none does: as a kill leaves them.
    Killed,
}

impl Attack {
    fn new(name: &'static str, caught_by: &'static [&'static str], inject: impl Fn(&Path) + 'static) -> Self {
        let (base, inject) = (Base::Plain, Box::new(inject));
        Self {
            name,
            caught_by,
            base,
            inject,
            remembers: false,
            knows_people: false,
            in_package: true,
            package_catches: None,
        }
    }

    fn on(self, base: Base) -> Self {
        Self { base, ..self }
    }

    fn remembered(self) -> Self {
        Self { remembers: true, ..self }
    }

    fn with_people(self) -> Self {
        Self { knows_people: true, ..self }
    }

    fn store_only(self) -> Self {
        Self { in_package: false, ..self }
    }

    fn packaged_before(self, catches: &'static [&'static str]) -> Self {
        Self { package_catches: Some(catches), ..self }
    }

    fn options(&self, checkpoint: &str) -> Options {
        let people = if self.knows_people { vec![person(1).verifier(), person(2).verifier()] } else { Vec::new() };
        Options {
            checkpoint: self.remembers.then(|| checkpoint.to_owned()),
            signers: people,
            ..Options::new(key().verifier())
        }
    }
}

pub(super) fn failed(report: &Report) -> Vec<&'static str> {
    report.failed().map(|check| check.name).collect()
}

/// Statement 1 of a session, run under an approval. `alter` may spoil each step.
pub(super) fn approved(recorder: &Recorder, id: SessionId, grant: &str, alter: &dyn Fn(&mut ApprovalEvent)) {
    for step in [ApprovalStep::Requested, ApprovalStep::Approved, ApprovalStep::Used] {
        let mut event = ApprovalEvent {
            approval_id: grant.to_owned(),
            step,
            requester: "agent".to_owned(),
            approver: (step == ApprovalStep::Approved).then(|| "ann".to_owned()),
            approver_auth: None,
            justification: (step == ApprovalStep::Approved).then(|| "case 7".to_owned()),
            ticket: None,
            scope: "rule history".to_owned(),
            session: Some(id),
            statement: Some(StatementId(1)),
            valid_from: None,
            valid_until: Some(Timestamp(crate::journal::now() + 60_000_000)),
            policy: version(POLICY),
        };
        alter(&mut event);
        recorder.approval(&event).unwrap();
    }
    recorder.intent(id, &statement(1, "SELECT history"), &verdict(), Some(grant)).unwrap();
    recorder.done(id, StatementId(1), &completed(0), true).unwrap();
}

fn one_session(recorder: &Recorder, number: u64) {
    let id = session(recorder, &format!("agent-{number}"));
    approved(recorder, id, &format!("grant-{number}"), &|_| ());
    run(recorder, id, 2, "SELECT name, ssn FROM patients", 4);
    run(recorder, id, 3, "SELECT name, ssn FROM patients WHERE id = 3", 1);
    recorder.session_closed(id, "done").unwrap();
    recorder.seal_now().unwrap();
}

pub(super) fn make(base: Base, path: &Path) {
    if base == Base::Killed {
        let folder = tempfile::tempdir().unwrap();
        return copy_store(&crate::support::journal::killed(folder.path()), path);
    }
    let mut config = config(path);
    if base == Base::Retained {
        config.retention = Some(retained::terms());
    }
    let (recorder, _) = open(config.clone());
    one_session(&recorder, 0);
    let other = "[[mask]]\nname = \"mrn\"\ncolumns = [\"*.*.*.mrn\"]\nwith = \"redact\"\n";
    recorder.policy_loaded(version(other), other, &PolicyOrigin::default()).unwrap();
    let (actor, action, scope) = ("os:ann".to_owned(), "reviewed".to_owned(), "all".to_owned());
    let review = AccessEvent { actor, action, scope, finding: Some("nothing odd".to_owned()), package_hash: None };
    recorder.accessed(&review).unwrap();
    one_session(&recorder, 1);
    if base == Base::Retained {
        one_session(&recorder, 2);
    }
    recorder.close().unwrap();
    if base == Base::Rotated {
        crate::keeper::rotate(config.clone(), &LogSigner::Key(second_key())).unwrap();
        config.signing_key =
            crate::SigningKeySource::Text { text: second_key().to_text(), origin: "second key".to_owned() };
        let (recorder, _) = open(config);
        one_session(&recorder, 2);
        recorder.close().unwrap();
    }
}

fn package(store: &Path, out: &Path) {
    let _ = std::fs::remove_file(out);
    // Signed by whoever holds the store: the forger.
    let keys = [key(), second_key()];
    let note = std::fs::read_to_string(store.join("log/checkpoint")).unwrap_or_default();
    let key: Option<LogSigner> =
        keys.into_iter().find(|key: &LogKey| key.verifier().verifies(&note)).map(LogSigner::Key);
    let order = Export {
        store,
        question: Question::default(),
        with_bodies: true,
        allow_empty: true,
        made_by: "test".to_owned(),
        key: key.as_ref(),
        out,
    };
    export(&order, &mut |_| ()).unwrap();
}

/// Puts back the Parquet files that an attack removed; which they are.
fn with_files(untouched: &Path, store: &Path) -> Vec<PathBuf> {
    let mut back = Vec::new();
    for manifest in &crate::search::manifests(&crate::store::Layout::new(untouched)).unwrap().0 {
        for file in manifest.predicate.files.iter().filter(|file| !store.join(&file.name).exists()) {
            std::fs::copy(untouched.join(&file.name), store.join(&file.name)).unwrap();
            back.push(store.join(&file.name));
        }
    }
    back
}

fn all() -> Vec<Attack> {
    let mut all = records::attacks();
    all.extend(logs::attacks());
    all.extend(inventory::attacks());
    all.extend(journal::attacks());
    all.extend(more::attacks());
    all.extend(retained::attacks());
    all
}

/// Where stores and packages go, if they are asked for.
fn room() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("EVIDENCE_ATTACKS")?);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

/// A folder where a sync costs nothing, if there is such a place: hundreds of stores are made.
fn memory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    tempfile::tempdir_in(folder).unwrap()
}

/// Moves what is done to where it is asked for, links as they are.
fn keep(folder: &Path, room: Option<&Path>) {
    if let Some(room) = room {
        assert!(std::process::Command::new("cp").arg("-a").args([folder, room]).status().unwrap().success());
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn every_attack_is_caught_by_the_check_that_should_on_store_and_package() {
    let (room, work) = (room(), memory());
    let mut table = Vec::new();
    let mut missed = Vec::new();
    for base in [Base::Plain, Base::Rotated, Base::Retained, Base::Killed] {
        let untouched = work.path().join(format!("untouched-{base:?}"));
        make(base, &untouched.join("store"));
        let checkpoint = std::fs::read_to_string(untouched.join("store/log/checkpoint")).unwrap();
        std::fs::write(untouched.join("checkpoint"), &checkpoint).unwrap();
        package(&untouched.join("store"), &untouched.join("package.zip"));
        for place in ["store", "package.zip"] {
            for key in [Some(key().verifier()), (base == Base::Rotated).then(|| second_key().verifier())] {
                let Some(key) = key else { continue };
                let report = verify(&untouched.join(place), &Options::new(key)).unwrap();
                let findings: Vec<_> = report.failed().collect();
                assert!(report.is_good(), "{base:?} {place}: {findings:?}");
            }
        }
        table.push(serde_json::json!({ "name": format!("untouched-{base:?}"), "caught_by": [], "package_catches": [], "places": ["store", "package.zip"],
            "remembers": false, "knows_people": false, "base": format!("untouched-{base:?}") }));
        for attack in all().into_iter().filter(|attack| attack.base == base) {
            let folder = work.path().join(attack.name.replace([' ', ',', '\'', ':'], "-"));
            copy_store(&untouched.join("store"), &folder.join("store"));
            (attack.inject)(&folder.join("store"));
            let mut places = vec!["store"];
            if attack.in_package {
                let gone = attack.package_catches.map(|_| with_files(&untouched.join("store"), &folder.join("store")));
                package(&folder.join("store"), &folder.join("package.zip"));
                gone.into_iter().flatten().for_each(|file| std::fs::remove_file(file).unwrap());
                places.push("package.zip");
            }
            for place in &places {
                let report = verify(&folder.join(place), &attack.options(&checkpoint)).unwrap();
                let failed = failed(&report);
                let catches = attack.package_catches.filter(|_| *place != "store").unwrap_or(attack.caught_by);
                for check in catches.iter().filter(|check| !failed.contains(check)) {
                    missed.push(format!("{} ({place}): `{check}` says nothing, but {failed:?}", attack.name));
                }
            }
            table.push(serde_json::json!({
                "name": folder.file_name().unwrap().to_string_lossy(), "caught_by": attack.caught_by,
                "package_catches": attack.package_catches.unwrap_or(attack.caught_by), "places": places,
                "remembers": attack.remembers, "knows_people": attack.knows_people, "base": format!("untouched-{base:?}"),
            }));
            keep(&folder, room.as_deref());
        }
        keep(&untouched, room.as_deref());
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let people: Vec<String> = [1, 2].map(|number| person(number).verifier().to_string()).to_vec();
    let all = serde_json::json!({ "key": vkey(), "people": people, "attacks": table });
    if let Some(room) = room {
        std::fs::write(room.join("attacks.json"), serde_json::to_vec_pretty(&all).unwrap()).unwrap();
    }
}

/// Records an approval spoilt by `alter` through the front door.
fn spoilt(path: &Path, alter: &dyn Fn(&mut ApprovalEvent)) {
    std::fs::remove_dir_all(path).unwrap();
    let (recorder, _) = open(config(path));
    let id = session(&recorder, "agent-1");
    approved(&recorder, id, "grant", alter);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
}

#[test]
fn the_forger_alone_changes_nothing_that_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for base in [Base::Plain, Base::Rotated] {
        let path = folder.path().join(format!("{base:?}"));
        make(base, &path);
        forge::forge(&path, &|_, _, _| (), &|_| ());
        let report = verify(&path, &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
        assert_eq!(failed(&report), Vec::<&str>::new(), "{:?}", report.failed().collect::<Vec<_>>());
    }
}
