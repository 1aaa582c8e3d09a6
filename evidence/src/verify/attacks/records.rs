//! Attacks on what the records say, by someone who holds the log's key.

use super::forge::{forge, rehash, segments, set};
use super::{Attack, Options, spoilt, verify};
use crate::ApprovalEvent;
use crate::ApprovalStep;
use crate::log::{Leaf, root_of};
use crate::seal::session_leaf;
use crate::search::manifests;
use crate::store::Layout;
use crate::support::*;
use crate::table::{Record, Table, Value};
use model::{SessionId, StatementId, Timestamp};
use std::path::Path;

/// Forges with an edit of one table of the first segment.
pub(super) fn edit(
    name: &'static str,
    caught_by: &'static [&'static str],
    table: Table,
    edit: impl Fn(&mut Vec<Record>) + 'static,
) -> Attack {
    Attack::new(name, caught_by, move |path| {
        let change = |number: u64, t: Table, records: &mut Vec<Record>| {
            // The review is in the second segment.
            if t == table && (number == 1 || table == Table::Reviews) {
                edit(records);
            }
        };
        forge(path, &change, &|_| ());
    })
}

/// Records a spoilt approval.
fn approval(
    name: &'static str,
    caught_by: &'static [&'static str],
    alter: impl Fn(&mut ApprovalEvent) + 'static,
) -> Attack {
    Attack::new(name, caught_by, move |path| spoilt(path, &alter))
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = sessions();
    all.extend(approvals_and_policies());
    all.extend(files());
    all
}

fn sessions() -> Vec<Attack> {
    vec![
        edit("statement removed", &["session sequence", "session index"], Table::Statements, |records| {
            records.remove(1);
        }),
        edit("row removed", &["row commitments"], Table::Rows, |records| drop(records.remove(2))),
        edit("row added", &["row commitments"], Table::Rows, |records| records.push(records.last().unwrap().clone())),
        edit("row edited", &["row commitments"], Table::Rows, |records| {
            set(&mut records[0], "values", Value::strs(vec!["someone else".into(), "***".into()]));
        }),
        edit("row moved to another statement", &["row commitments"], Table::Rows, |records| {
            set(&mut records[0], "statement_id", Value::Int(3));
        }),
        edit("statement edited", &["record hashes"], Table::Statements, |records| {
            set(&mut records[1], "row_count", Value::Int(1));
        }),
        edit("statement edited with its hash mended", &["session sequence"], Table::Statements, |records| {
            set(&mut records[1], "decision", Value::from("allow"));
            set(&mut records[1], "rule", Value::from("another"));
            rehash(&mut records[1]);
        }),
        edit("text edited", &["statement bodies"], Table::StatementBodies, |records| {
            set(&mut records[1], "sql_text", Value::from("SELECT 1"));
        }),
        edit("session given to someone else", &["session sequence"], Table::Sessions, |records| {
            set(&mut records[0], "user_id", Value::from("nobody"));
            rehash(&mut records[0]);
        }),
        edit("session duplicated", &["session ids unique"], Table::Sessions, |records| {
            let mut again = records[0].clone();
            set(&mut again, "lsn", records.last().unwrap().get("lsn").clone());
            rehash(&mut again);
            records.push(again);
        }),
        edit("session without its end", &["open sessions carried"], Table::Sessions, |records| {
            records.retain(|record| record.str("event") != "close");
        }),
        edit("session totals edited", &["session totals"], Table::Sessions, |records| {
            let close = records.iter_mut().find(|record| record.str("event") == "close").unwrap();
            set(close, "rows_returned", Value::Int(3));
            rehash(close);
        }),
        edit("identifier under a mask", &["no identifier in masked cells"], Table::Rows, |records| {
            set(&mut records[0], "values", Value::strs(vec!["x".into(), "078-05-1120".into()]));
        }),
        Attack::new("records moved to another session", &["session sequence"], |path| {
            let other = manifests(&Layout::new(path)).unwrap().0[1]
                .predicate
                .files
                .iter()
                .find(|f| f.table == "sessions")
                .unwrap()
                .name
                .clone();
            let other = first_session(&path.join(other));
            let change = move |number: u64, table: Table, records: &mut Vec<Record>| {
                if number == 1 && table == Table::Statements {
                    set(&mut records[1], "session_id", Value::Str(other.clone()));
                    rehash(&mut records[1]);
                }
            };
            forge(path, &change, &|_| ());
        }),
        Attack::new("sessions left out of the index", &["session index"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let Leaf::Segment(manifest) = leaves.iter_mut().find(|leaf| matches!(leaf, Leaf::Segment(_))).unwrap()
                else {
                    return;
                };
                let leaf = session_leaf(&[1; 16], 1, &[2; 32]);
                manifest.predicate.sessions_root = hex::encode(root_of(std::iter::once(leaf.as_slice())));
            });
        }),
    ]
}

fn first_session(file: &Path) -> String {
    let source = bytes::Bytes::from(std::fs::read(file).unwrap());
    let mut found = String::new();
    crate::table::Batches::open(Table::Sessions, source, "test", None, |_| None)
        .unwrap()
        .records(Table::Sessions, &mut |record| {
            record.str("session_id").clone_into(&mut found);
            Ok(())
        })
        .unwrap();
    found
}

fn approvals_and_policies() -> Vec<Attack> {
    const MACHINE: &[&str] = &["approval state machine"];
    let elsewhere = |event: &mut ApprovalEvent| {
        if event.step == ApprovalStep::Used {
            event.session = Some(SessionId([9; 16]));
        }
    };
    vec![
        edit("justification edited", &["record hashes"], Table::Approvals, |records| {
            set(&mut records[1], "justification", Value::from("none"));
        }),
        edit(
            "approver edited with its hash mended",
            &["table chains", "approval state machine"],
            Table::Approvals,
            |records| {
                set(&mut records[1], "approver", Value::from("bob"));
                rehash(&mut records[1]);
            },
        ),
        edit("review edited", &["record hashes"], Table::Reviews, |records| {
            set(&mut records[0], "finding", Value::from("all well"));
        }),
        edit("policy text swapped", &["policy versions"], Table::PolicyVersions, |records| {
            set(&mut records[0], "content", Value::from("[[mask]]"));
            rehash(&mut records[0]);
        }),
        edit("policy back-dated", &["policy versions"], Table::PolicyVersions, |records| {
            let earlier = records[1].int("effective_from") - 3_600_000_000;
            set(&mut records[1], "effective_from", Value::Time(earlier));
            rehash(&mut records[1]);
        }),
        approval("self-approval", MACHINE, |event| event.approver = event.approver.is_some().then(|| "agent".into())),
        approval("approval without a reason", MACHINE, |event| event.justification = None),
        approval("approval that had expired", MACHINE, |event| event.valid_until = Some(Timestamp(1))),
        approval("approval of another session", &["approvals"], elsewhere),
        approval("approval of another scope", MACHINE, |event| {
            if event.step == ApprovalStep::Used {
                event.scope = "everything".into();
            }
        }),
        approval("approval that was denied", MACHINE, |event| {
            if event.step == ApprovalStep::Approved {
                event.step = ApprovalStep::Denied;
            }
        }),
        Attack::new("approval used by another identity", MACHINE, |path| used_elsewhere(path, "agent-2")),
        Attack::new("approval used twice", &["approvals"], |path| {
            std::fs::remove_dir_all(path).unwrap();
            let (recorder, _) = open(config(path));
            let id = session(&recorder, "agent-1");
            super::approved(&recorder, id, "grant", &|_| ());
            recorder.intent(id, &statement(2, "SELECT history"), &verdict(), Some("grant")).unwrap();
            recorder.done(id, StatementId(2), &completed(0), true).unwrap();
            recorder.session_closed(id, "done").unwrap();
            recorder.close().unwrap();
        }),
    ]
}

/// A grant of one identity, used by a session of `subject`.
fn used_elsewhere(path: &Path, subject: &str) {
    let _ = std::fs::remove_dir_all(path);
    let (recorder, _) = open(config(path));
    let (asking, using) = (session(&recorder, "agent-1"), session(&recorder, subject));
    super::approved(&recorder, using, "grant", &|event| {
        event.requester = "https://login.example.org|agent-1".into();
        if event.step != ApprovalStep::Used {
            event.session = Some(asking);
        }
    });
    recorder.session_closed(asking, "done").unwrap();
    recorder.session_closed(using, "done").unwrap();
    recorder.close().unwrap();
}

#[test]
fn a_grant_is_its_identitys_whatever_the_session() {
    let folder = tempfile::tempdir().unwrap();
    used_elsewhere(folder.path(), "agent-1");
    let report = verify(folder.path(), &Options::new(key().verifier())).unwrap();
    assert_eq!(super::failed(&report), Vec::<&str>::new());
}

fn names(path: &Path, table: &str) -> [std::path::PathBuf; 2] {
    let manifests = manifests(&Layout::new(path)).unwrap().0;
    [0, 1].map(|n| {
        let files = &manifests[n].predicate.files;
        path.join(&files.iter().find(|file| file.table == table).unwrap().name)
    })
}

fn files() -> Vec<Attack> {
    let swap = |path: &Path| {
        let [first, second] = names(path, "rows");
        let (a, b) = (std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
        std::fs::write(first, b).unwrap();
        std::fs::write(second, a).unwrap();
    };
    vec![
        Attack::new("byte flipped in a file", &["file hashes"], |path| {
            let [file, _] = names(path, "statement_bodies");
            let mut bytes = std::fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(file, bytes).unwrap();
        })
        .store_only(),
        Attack::new("files swapped", &["file hashes"], swap).store_only(),
        Attack::new("files swapped with manifests re-made", &["row commitments"], move |path| {
            swap(path);
            forge(path, &|_, _, _| (), &|_| ());
        }),
        Attack::new("extra Parquet file", &["files listed"], |path| {
            let [file, _] = names(path, "rows");
            std::fs::copy(&file, file.with_file_name("seg-00000099.parquet")).unwrap();
        })
        .store_only(),
        Attack::new("file deleted", &["files present"], |path| {
            let [file, _] = names(path, "statements");
            std::fs::remove_file(file).unwrap();
        })
        .store_only(),
        Attack::new("manifest copy replaced", &["files listed"], |path| {
            let copies = segments(path).len();
            assert!(copies > 1);
            let layout = Layout::new(path);
            std::fs::copy(layout.envelope(2), layout.envelope(1)).unwrap();
        })
        .store_only(),
        Attack::new("segment dropped with its manifest", &["segments contiguous", "files listed"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let at = leaves.iter().position(|leaf| matches!(leaf, Leaf::Segment(_))).unwrap();
                leaves.remove(at);
            });
        })
        .store_only(),
    ]
}
