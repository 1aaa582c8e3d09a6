//! Attacks by someone who holds even the log's key: every file re-hashed, every manifest re-made and re-signed, the whole
//! log consistent. What is left to betray them is what the records say of each other. And attacks by someone without it.

use super::{Options, Report, verify};
use crate::log::{KeyLeaf, Leaf, Log, Manifest, Segment, leaf_type, root_of};
use crate::recorder::Recorder;
use crate::seal::{hash_file, session_leaf};
use crate::sign::{Envelope, EpochKey, key_id};
use crate::store::Layout;
use crate::support::*;
use crate::table::{Batches, PartWriter, Record, Table, Value, record_hash};
use crate::{ApprovalEvent, ApprovalStep};
use model::{SessionId, StatementId, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

fn check(path: &Path) -> Report {
    let key = key().verifier();
    verify(path, &Options { key, checkpoint: None, max_age: None, body_key: None }).unwrap()
}

fn failed(report: &Report) -> Vec<&'static str> {
    report.failed().map(|check| check.name).collect()
}

/// Two segments: two sessions of three statements each, an approval that was used.
fn store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    for number in 0..2 {
        let id = session(&recorder, &format!("agent-{number}"));
        approved(&recorder, id, &format!("grant-{number}"), &|_| ());
        run(&recorder, id, 2, "SELECT name, ssn FROM patients", 4);
        run(&recorder, id, 3, "SELECT name, ssn FROM patients WHERE id = 3", 1);
        recorder.session_closed(id, "done").unwrap();
        recorder.seal_now().unwrap();
    }
    recorder.close().unwrap();
    folder
}

/// Statement 1 of a session, run under an approval. `alter` may spoil each step.
fn approved(recorder: &Recorder, id: SessionId, grant: &str, alter: &dyn Fn(&mut ApprovalEvent)) {
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

/// How a forger changes the records of one table of one segment.
type Edit<'a> = &'a dyn Fn(u64, Table, &mut Vec<Record>);

/// Rewrites the whole store with the log's key: new epoch keys, new manifests, new tree. Chains inside the records are
/// left as they are unless the edit mends them.
fn forge(path: &Path, edit: Edit<'_>, amend: &dyn Fn(&mut Vec<Manifest>)) {
    let layout = Layout::new(path);
    let size = std::fs::read_to_string(layout.log().join("checkpoint")).unwrap();
    let size: u64 = size.lines().nth(1).unwrap().parse().unwrap();
    let mut leaves: Vec<Leaf> = Vec::new();
    for (_, entry) in crate::log::entries(&layout.log(), 0, size).unwrap() {
        leaves.push(Leaf::parse(&entry).unwrap().2);
    }
    let mut manifests: Vec<Manifest> = leaves
        .iter()
        .filter_map(|leaf| if let Leaf::Segment(manifest) = leaf { Some((**manifest).clone()) } else { None })
        .collect();
    for manifest in &mut manifests {
        let number = manifest.predicate.segment;
        for file in manifest.predicate.files.clone() {
            rewrite(path, &mut manifest.predicate, number, &file.name, edit);
        }
    }
    amend(&mut manifests);
    std::fs::remove_dir_all(layout.log()).unwrap();
    std::fs::create_dir_all(layout.log()).unwrap();
    let mut log = Log::open(&layout.log(), ORIGIN, key()).unwrap();
    let mut entries = Vec::new();
    let mut epoch = EpochKey::generate();
    let mut previous = String::new();
    let mut manifests = manifests.into_iter();
    for leaf in leaves {
        let (kind, payload) = match leaf {
            Leaf::Key(old) => {
                epoch = EpochKey::generate();
                let new = KeyLeaf { public: hex::encode(epoch.public()), ..old };
                let payload = serde_json::to_vec(&new).unwrap();
                let log_key = key();
                let id = key_id(log_key.verifier().public().as_bytes());
                let signed = Envelope::new(leaf_type::KEY, &payload, &id, |message| log_key.sign_bytes(message));
                entries.push(signed.to_bytes().unwrap());
                continue;
            }
            Leaf::Segment(_) => {
                let Some(mut manifest) = manifests.next() else { continue };
                manifest.predicate.previous = previous;
                let hashes: Vec<(String, String)> = manifest
                    .predicate
                    .files
                    .iter()
                    .map(|file| (file.name.clone(), hash_file(&path.join(&file.name)).unwrap().1))
                    .collect();
                let payload = serde_json::to_vec(&Manifest::new(manifest.predicate, &hashes)).unwrap();
                previous = hex::encode(Sha256::digest(&payload));
                (leaf_type::SEGMENT, payload)
            }
            Leaf::Policy(policy) => (leaf_type::POLICY, serde_json::to_vec(&policy).unwrap()),
            Leaf::Heartbeat(heartbeat) => (leaf_type::HEARTBEAT, serde_json::to_vec(&heartbeat).unwrap()),
            Leaf::Other(_, json) => (leaf_type::APPROVAL, serde_json::to_vec(&json).unwrap()),
        };
        let entry = epoch.seal(kind, &payload).to_bytes().unwrap();
        if kind == leaf_type::SEGMENT {
            let segment = if let Leaf::Segment(m) = Leaf::parse(&entry).unwrap().2 { m.predicate.segment } else { 0 };
            std::fs::write(layout.envelope(segment), &entry).unwrap();
        }
        entries.push(entry);
    }
    log.append(&entries).unwrap();
}

fn rewrite(path: &Path, segment: &mut Segment, number: u64, name: &str, edit: Edit<'_>) {
    let file = path.join(name);
    let table = Table::by_name(name.split('/').next().unwrap()).unwrap();
    let mut records = Vec::new();
    let source = bytes::Bytes::from(std::fs::read(&file).unwrap());
    let batches = Batches::open(table, source, name, None, |_| None).unwrap();
    batches
        .records(table, &mut |record| {
            records.push(record);
            Ok(())
        })
        .unwrap();
    let before = records.clone();
    edit(number, table, &mut records);
    if records == before {
        return;
    }
    let mut writer = PartWriter::create(table, &file, None).unwrap();
    for record in &records {
        writer.push(record, record.int("ts")).unwrap();
    }
    let written = writer.finish().unwrap();
    for listed in segment.files.iter_mut().filter(|listed| listed.name == name) {
        listed.rows = written.rows;
        (listed.first_ts, listed.last_ts) = (written.first_ts, written.last_ts);
        listed.bytes = hash_file(&file).unwrap().0;
    }
}

fn set(record: &mut Record, column: &str, value: Value) {
    let at = record.table.index(column).unwrap();
    record.values[at] = value;
}

/// Gives a record the hash of what it now says.
fn rehash(record: &mut Record) {
    let hash = hex::encode(record_hash(record));
    set(record, "record_hash", Value::Str(hash));
}

/// Forges with an edit of one table of the first segment; names of the checks that then fail.
fn after(table: Table, edit: &dyn Fn(&mut Vec<Record>)) -> Vec<&'static str> {
    let folder = store();
    forge(
        folder.path(),
        &|number, t, records| {
            if number == 1 && t == table {
                edit(records)
            }
        },
        &|_| (),
    );
    failed(&check(folder.path()))
}

#[track_caller]
fn caught(failed: &[&str], by: &str) {
    assert!(failed.contains(&by), "not caught by `{by}` but by {failed:?}");
}

#[test]
fn the_forger_alone_changes_nothing_that_is_noticed() {
    let folder = store();
    assert_eq!(failed(&check(folder.path())), Vec::<&str>::new());
    forge(folder.path(), &|_, _, _| (), &|_| ());
    assert_eq!(failed(&check(folder.path())), Vec::<&str>::new());
}

#[test]
fn a_statement_removed_from_a_session() {
    caught(&after(Table::Statements, &|records| drop(records.remove(1))), "session sequence");
}

#[test]
fn rows_removed_added_edited_or_moved() {
    caught(&after(Table::Rows, &|records| drop(records.remove(2))), "row commitments");
    caught(&after(Table::Rows, &|records| records.push(records.last().unwrap().clone())), "row commitments");
    let edited = after(Table::Rows, &|records| {
        set(&mut records[0], "values", Value::strs(vec!["someone else".into(), "***".into()]));
    });
    caught(&edited, "row commitments");
    let moved = after(Table::Rows, &|records| set(&mut records[0], "statement_id", Value::Int(3)));
    caught(&moved, "row commitments");
}

#[test]
fn an_edited_statement_with_and_without_its_hash_mended() {
    let edit = |records: &mut Vec<Record>| set(&mut records[1], "row_count", Value::Int(1));
    caught(&after(Table::Statements, &edit), "record hashes");
    let mended = after(Table::Statements, &|records| {
        set(&mut records[1], "decision", Value::from("allow"));
        set(&mut records[1], "rule", Value::from("another"));
        rehash(&mut records[1]);
    });
    caught(&mended, "session sequence");
}

#[test]
fn an_edited_text() {
    let edited = after(Table::StatementBodies, &|records| set(&mut records[1], "sql_text", Value::from("SELECT 1")));
    caught(&edited, "statement bodies");
}

#[test]
fn an_edited_justification_and_approver() {
    let edited = after(Table::Approvals, &|records| set(&mut records[1], "justification", Value::from("none")));
    caught(&edited, "record hashes");
    let mended = after(Table::Approvals, &|records| {
        set(&mut records[1], "approver", Value::from("bob"));
        rehash(&mut records[1]);
    });
    caught(&mended, "table chains");
    caught(&mended, "approval state machine");
}

#[test]
fn a_session_given_to_someone_else_and_a_session_duplicated() {
    let given = after(Table::Sessions, &|records| {
        set(&mut records[0], "user_id", Value::from("nobody"));
        rehash(&mut records[0]);
    });
    caught(&given, "session sequence");
    let twice = after(Table::Sessions, &|records| {
        let mut again = records[0].clone();
        set(&mut again, "lsn", records.last().unwrap().get("lsn").clone());
        rehash(&mut again);
        records.push(again);
    });
    caught(&twice, "session ids unique");
}

#[test]
fn a_policy_text_swapped_and_a_policy_back_dated() {
    let swapped = after(Table::PolicyVersions, &|records| {
        set(&mut records[0], "content", Value::from("[[mask]]"));
        rehash(&mut records[0]);
    });
    caught(&swapped, "policy versions");
    let dated = after(Table::PolicyVersions, &|records| {
        let earlier = records[1].int("effective_from") - 3_600_000_000;
        set(&mut records[1], "effective_from", Value::Time(earlier));
        rehash(&mut records[1]);
    });
    caught(&dated, "policy versions");
}

#[test]
fn a_segment_dropped_with_its_manifest() {
    let folder = store();
    forge(folder.path(), &|_, _, _| (), &|manifests| drop(manifests.remove(0)));
    let failed = failed(&check(folder.path()));
    caught(&failed, "segments contiguous");
    caught(&failed, "files listed");
}

#[test]
fn sessions_left_out_of_the_manifests_index() {
    let folder = store();
    forge(folder.path(), &|_, _, _| (), &|manifests| {
        let leaf = session_leaf(&[1; 16], 1, &[2; 32]);
        manifests[0].predicate.sessions_root = hex::encode(root_of(std::iter::once(leaf.as_slice())));
    });
    caught(&failed(&check(folder.path())), "session index");
}

#[test]
fn a_clock_rolled_back() {
    let folder = store();
    forge(folder.path(), &|_, _, _| (), &|manifests| manifests[1].predicate.head.time -= 3_600_000_000);
    caught(&failed(&check(folder.path())), "clock");
}

#[test]
fn files_swapped_between_dates() {
    let folder = store();
    let (name, other) = {
        let manifests = crate::search::manifests(&Layout::new(folder.path())).unwrap();
        let name = |n: usize| {
            let files = &manifests[n].predicate.files;
            files.iter().find(|file| file.table == "rows").unwrap().name.clone()
        };
        (folder.path().join(name(0)), folder.path().join(name(1)))
    };
    let (a, b) = (std::fs::read(&name).unwrap(), std::fs::read(&other).unwrap());
    std::fs::write(&name, b).unwrap();
    std::fs::write(&other, a).unwrap();
    caught(&failed(&check(folder.path())), "file hashes");
    forge(folder.path(), &|_, _, _| (), &|_| ());
    caught(&failed(&check(folder.path())), "row commitments");
}

/// Records an approval spoilt by `alter` through the front door; names of the checks that fail.
fn spoilt(alter: &dyn Fn(&mut ApprovalEvent)) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let id = session(&recorder, "agent-1");
    approved(&recorder, id, "grant", alter);
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    failed(&check(folder.path()))
}

#[test]
fn approvals_that_should_not_have_been() {
    assert_eq!(spoilt(&|_| ()), Vec::<&str>::new());
    let machine = "approval state machine";
    caught(&spoilt(&|event| event.approver = event.approver.is_some().then(|| "agent".into())), machine);
    caught(&spoilt(&|event| event.justification = None), machine);
    caught(&spoilt(&|event| event.valid_until = Some(Timestamp(1))), machine);
    let elsewhere = |event: &mut ApprovalEvent| {
        if event.step == ApprovalStep::Used {
            event.session = Some(SessionId([9; 16]));
        }
    };
    caught(&spoilt(&elsewhere), machine);
    caught(&spoilt(&elsewhere), "approvals");
    let rescoped = |event: &mut ApprovalEvent| {
        if event.step == ApprovalStep::Used {
            event.scope = "everything".into();
        }
    };
    caught(&spoilt(&rescoped), machine);
    let skipped = |event: &mut ApprovalEvent| {
        if event.step == ApprovalStep::Approved {
            event.step = ApprovalStep::Denied;
        }
    };
    caught(&spoilt(&skipped), machine);
}

/// A grant of one identity, used by a session of `subject`.
fn used_elsewhere(subject: &str) -> Vec<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let (asking, using) = (session(&recorder, "agent-1"), session(&recorder, subject));
    approved(&recorder, using, "grant", &|event| {
        event.requester = "https://login.example.org|agent-1".into();
        if event.step != ApprovalStep::Used {
            event.session = Some(asking);
        }
    });
    recorder.session_closed(asking, "done").unwrap();
    recorder.session_closed(using, "done").unwrap();
    recorder.close().unwrap();
    failed(&check(folder.path()))
}

#[test]
fn a_grant_is_its_identitys_whatever_the_session() {
    assert_eq!(used_elsewhere("agent-1"), Vec::<&str>::new());
    caught(&used_elsewhere("agent-2"), "approval state machine");
}

#[test]
fn an_approval_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, _) = open(config(folder.path()));
    let id = session(&recorder, "agent-1");
    approved(&recorder, id, "grant", &|_| ());
    let verdict = verdict();
    recorder.intent(id, &statement(2, "SELECT history"), &verdict, Some("grant")).unwrap();
    recorder.done(id, StatementId(2), &completed(0), true).unwrap();
    recorder.session_closed(id, "done").unwrap();
    recorder.close().unwrap();
    caught(&failed(&check(folder.path())), "approvals");
}

#[test]
fn leaves_signed_by_the_wrong_key_of_the_wrong_type_or_not_at_all() {
    let spoil = |change: &dyn Fn(&mut Envelope)| {
        let folder = store();
        let layout = Layout::new(folder.path());
        let size = std::fs::read_to_string(layout.log().join("checkpoint")).unwrap();
        let size: u64 = size.lines().nth(1).unwrap().parse().unwrap();
        let mut entries: Vec<Vec<u8>> =
            crate::log::entries(&layout.log(), 0, size).unwrap().into_iter().map(|(_, entry)| entry).collect();
        let at = entries.iter().position(|entry| matches!(Leaf::parse(entry).unwrap().2, Leaf::Segment(_))).unwrap();
        let (mut envelope, _) = Envelope::parse(&entries[at]).unwrap();
        change(&mut envelope);
        entries[at] = envelope.to_bytes().unwrap();
        std::fs::remove_dir_all(layout.log()).unwrap();
        std::fs::create_dir_all(layout.log()).unwrap();
        Log::open(&layout.log(), ORIGIN, key()).unwrap().append(&entries).unwrap();
        failed(&check(folder.path()))
    };
    let envelopes = "envelope signatures and types";
    caught(&spoil(&|envelope| envelope.signatures.clear()), envelopes);
    caught(&spoil(&|envelope| envelope.payload_type = leaf_type::HEARTBEAT.to_owned()), envelopes);
    caught(&spoil(&|envelope| envelope.payload_type = "text/plain".to_owned()), envelopes);
    let resigned = spoil(&|envelope| {
        let (_, payload) = Envelope::parse(&envelope.to_bytes().unwrap()).unwrap();
        *envelope = EpochKey::generate().seal(leaf_type::SEGMENT, &payload);
    });
    caught(&resigned, envelopes);
}

#[test]
fn reordered_leaves_and_a_retired_key() {
    let folder = store();
    let layout = Layout::new(folder.path());
    let size = std::fs::read_to_string(layout.log().join("checkpoint")).unwrap();
    let size: u64 = size.lines().nth(1).unwrap().parse().unwrap();
    let mut entries: Vec<Vec<u8>> =
        crate::log::entries(&layout.log(), 0, size).unwrap().into_iter().map(|(_, entry)| entry).collect();
    let segments: BTreeMap<usize, u64> = entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| match Leaf::parse(entry).unwrap().2 {
            Leaf::Segment(manifest) => Some((at, manifest.predicate.segment)),
            _ => None,
        })
        .collect();
    let at: Vec<usize> = segments.keys().copied().collect();
    entries.swap(at[0], at[1]);
    let rebuild = |entries: &[Vec<u8>]| {
        std::fs::remove_dir_all(layout.log()).unwrap();
        std::fs::create_dir_all(layout.log()).unwrap();
        Log::open(&layout.log(), ORIGIN, key()).unwrap().append(entries).unwrap();
        failed(&check(folder.path()))
    };
    caught(&rebuild(&entries), "segments contiguous");
    entries.swap(at[0], at[1]);
    // A second key is introduced at the front; what follows is signed by the one before it.
    let again = entries[0].clone();
    entries.insert(1, again);
    caught(&rebuild(&entries), "epoch keys");
}
