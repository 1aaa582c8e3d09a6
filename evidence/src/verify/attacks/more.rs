//! Attacks on what lies between records and log: what records say in fields that look harmless, what manifests say of files,
//! the files of the log themselves, files in the place of others.

use super::Attack;
use super::forge::{entries, forge, publish, rehash, set};
use super::records::edit;
use crate::log::{HeartbeatLeaf, Leaf, Segment};
use crate::search::manifests;
use crate::sign::LogSigner;
use crate::store::Layout;
use crate::support::*;
use crate::table::{Record, Table, Value};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = fields();
    all.extend(mended());
    all.extend(manifest());
    all.extend(log());
    all.extend(in_place());
    all
}

const HASHES: &[&str] = &["record hashes"];
const ROWS: &[&str] = &["row commitments"];
const CHAIN: &[&str] = &["session sequence"];
const TABLES: &[&str] = &["table chains"];
const SHAPE: &[&str] = &["row counts, columns, times, partitions"];

/// A field of the first record, its hash left as it was.
fn field(name: &'static str, by: &'static [&'static str], table: Table, column: &'static str, value: Value) -> Attack {
    edit(name, by, table, move |records| set(&mut records[0], column, value.clone()))
}

fn fields() -> Vec<Attack> {
    let text = |text: &str| Value::from(text);
    vec![
        field("session: the client's address changed", HASHES, Table::Sessions, "client_addr", text("10.0.0.1:1")),
        field("session: the reason changed", HASHES, Table::Sessions, "reason", text("treatment")),
        field("session: the groups struck out", HASHES, Table::Sessions, "groups", Value::strs(vec![])),
        field("statement: the fingerprint changed", HASHES, Table::Statements, "fingerprint", text("0")),
        field("statement: the tables struck out", HASHES, Table::Statements, "tables", Value::strs(vec![])),
        edit("statement: the columns struck out", HASHES, Table::Statements, |records| {
            set(&mut records[1], "result_columns", Value::Columns(vec![]));
        }),
        field("statement: the status changed", HASHES, Table::Statements, "status", text("refused")),
        field("statement: the datasource changed", HASHES, Table::Statements, "datasource", text("lab")),
        field("approval: the ticket changed", HASHES, Table::Approvals, "ticket", text("T-1")),
        field("policy: the author changed", HASHES, Table::PolicyVersions, "author", text("ann")),
        field(
            "text: the parameters changed",
            &["statement bodies"],
            Table::StatementBodies,
            "params",
            Value::strs(vec!["1".into()]),
        ),
        field(
            "text: the salt exchanged",
            &["statement bodies"],
            Table::StatementBodies,
            "salt",
            text(&"00".repeat(32)),
        ),
        field("row: its place changed", ROWS, Table::Rows, "row_index", Value::Int(9)),
        field("row: a column renamed", ROWS, Table::Rows, "columns", Value::strs(vec!["name".into(), "note".into()])),
        field("row: a value called raw", ROWS, Table::Rows, "shown", Value::strs(vec!["raw".into(), "raw".into()])),
        field("row: another person's", ROWS, Table::Rows, "user_id", text("agent-9")),
        field("row: a note of what is missing", ROWS, Table::Rows, "overflow", text("cut")),
        edit("rows: the statement's last two exchanged", ROWS, Table::Rows, |records| {
            let (a, b) = (records[1].get("values").clone(), records[2].get("values").clone());
            set(&mut records[1], "values", b);
            set(&mut records[2], "values", a);
        }),
    ]
}

/// A field of a record, its own hash mended: what follows it betrays it.
fn mended() -> Vec<Attack> {
    let mend = |name, by, table, at: usize, column: &'static str, value: Value| {
        edit(name, by, table, move |records: &mut Vec<Record>| {
            set(&mut records[at], column, value.clone());
            rehash(&mut records[at]);
        })
    };
    vec![
        mend("statement: the identity mended in", CHAIN, Table::Statements, 0, "user_id", Value::from("agent-9")),
        mend("statement: the number mended in", CHAIN, Table::Statements, 1, "session_seq", Value::Int(7)),
        mend("statement: an approval struck out", CHAIN, Table::Statements, 0, "approval_id", Value::Null),
        mend(
            "statement: the policy mended in",
            &["policy versions"],
            Table::Statements,
            0,
            "policy_version",
            Value::from("00"),
        ),
        mend(
            "statement: outside of its segment",
            &["segments contiguous"],
            Table::Statements,
            2,
            "lsn",
            Value::Int(1_000_000),
        )
        .store_only(),
        mend(
            "approval: the requester mended in",
            &["approval state machine"],
            Table::Approvals,
            0,
            "requester",
            Value::from("bob"),
        ),
        mend(
            "approval: the scope mended in",
            &["approval state machine"],
            Table::Approvals,
            1,
            "scope",
            Value::from("all"),
        ),
        edit("approval: a step taken out", TABLES, Table::Approvals, |records| drop(records.remove(1))),
        edit("policy: an activation taken out", TABLES, Table::PolicyVersions, |records| drop(records.remove(1))),
        edit("review: taken out", TABLES, Table::Reviews, |records| drop(records.remove(0))),
        edit("session: its opening taken out", CHAIN, Table::Sessions, |records| drop(records.remove(0))).store_only(),
        edit("text: taken out", &["statement bodies"], Table::StatementBodies, |records| drop(records.remove(0))),
        edit("text: there twice", &["statement bodies"], Table::StatementBodies, |records| {
            let mut again = records[0].clone();
            set(&mut again, "statement_id", Value::Int(77));
            records.push(again);
        }),
    ]
}

/// Changes what the first manifest says, and signs it again.
fn stated(name: &'static str, by: &'static [&'static str], change: impl Fn(&mut Segment) + 'static) -> Attack {
    Attack::new(name, by, move |path| {
        forge(path, &|_, _, _| (), &|leaves| {
            for leaf in leaves.iter_mut() {
                if let Leaf::Segment(manifest) = leaf {
                    return change(&mut manifest.predicate);
                }
            }
        });
    })
}

fn manifest() -> Vec<Attack> {
    let statements = |segment: &mut Segment| segment.files.iter().position(|file| file.table == "statements").unwrap();
    vec![
        stated("manifest: another number of rows", SHAPE, move |segment| {
            let at = statements(segment);
            segment.files[at].rows += 1;
        }),
        stated("manifest: other times", SHAPE, move |segment| {
            let at = statements(segment);
            segment.files[at].last_ts += 1;
        }),
        stated("manifest: a file not described", &["files listed"], move |segment| {
            let at = statements(segment);
            segment.files[at].table = "rows".to_owned();
        })
        .store_only(),
        stated("manifest: begins later", &["segments contiguous"], |segment| segment.first_lsn += 1),
        stated("manifest: ends earlier", &["segments contiguous"], |segment| segment.last_lsn -= 3),
        stated("manifest: another log's", &["segments contiguous"], |segment| segment.origin = "other".to_owned()),
        stated("manifest: a session left open", &["open sessions carried"], |segment| segment.open_sessions += 1),
        stated("manifest: another root of what is open", &["open sessions carried"], |segment| {
            segment.open_root = "00".repeat(32)
        }),
        stated("manifest: a longer chain", TABLES, |segment| {
            segment.chains.values_mut().for_each(|chain| chain.count += 1);
        }),
        stated("manifest: another policy in force", &["policy versions"], |segment| {
            segment.policy = Some("00".repeat(32))
        }),
        Attack::new("manifest: another state carried", &["file hashes"], |path| {
            let carry = Layout::new(path).carry(2);
            let mut bytes = std::fs::read(&carry).unwrap();
            bytes.push(0);
            std::fs::write(carry, bytes).unwrap();
        })
        .store_only(),
    ]
}

fn write(
    name: &'static str,
    by: &'static [&'static str],
    file: &'static str,
    change: impl Fn(String) -> String + 'static,
) -> Attack {
    Attack::new(name, by, move |path| {
        let file = path.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, change(text)).unwrap();
    })
    .store_only()
}

fn bundle(path: &Path, kind: &str) -> PathBuf {
    let folder = path.join(format!("log/tile/{kind}/000.p"));
    std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

fn log() -> Vec<Attack> {
    let size = |note: &str| note.lines().nth(1).unwrap().to_owned();
    vec![
        write("log: the size with a zero in front", &["checkpoint syntax"], "log/checkpoint", move |note| {
            note.replacen(&size(&note), &format!("0{}", size(&note)), 1)
        }),
        write("log: another origin in its head", &["log signature"], "log/checkpoint", |note| {
            note.replacen(ORIGIN, "other.example", 1)
        }),
        write("log: the head's signature struck out", &["log signature"], "log/checkpoint", |note| {
            note.split("\n\n").next().unwrap().to_owned() + "\n\n"
        }),
        write("log: the head is gone", &["checkpoint syntax"], "log/checkpoint", |_| String::new()),
        Attack::new("log: entries cut off", &["every leaf present"], |path| {
            let file = bundle(path, "entries");
            let bytes = std::fs::read(&file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() - 10]).unwrap();
        })
        .store_only(),
        Attack::new("log: a byte of an entry flipped", &["root recomputed"], |path| {
            let file = bundle(path, "entries");
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[100] ^= 1;
            std::fs::write(file, bytes).unwrap();
        })
        .store_only(),
        Attack::new("log: a tile is gone", &["hash tiles"], |path| std::fs::remove_file(bundle(path, "0")).unwrap())
            .store_only(),
        Attack::new("log: goes on behind the writer's stop", &["heartbeats"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let head = leaves.last().unwrap().head().clone();
                leaves.push(Leaf::Heartbeat(HeartbeatLeaf { head, last_lsn: 1, journal: None, closing: false }));
            });
        }),
        Attack::new("log: a leaf behind its key's end", &["epoch keys"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                if let Some(Leaf::Key(key)) = leaves.first_mut() {
                    key.not_after = key.head.time - 1;
                }
            });
        }),
        Attack::new("log: an epoch left out", &["epoch keys"], |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                for leaf in leaves.iter_mut() {
                    match leaf {
                        Leaf::Key(key) => key.head.epoch += 1,
                        Leaf::Segment(manifest) => manifest.predicate.head.epoch += 1,
                        _ => {}
                    }
                }
            });
        }),
        Attack::new("log: a leaf is there twice", &["segments contiguous"], |path| {
            let mut all = entries(path);
            let at = super::forge::segments(path)[0];
            all.insert(at, all[at].clone());
            publish(path, &all, key());
        }),
        Attack::new("log: a head of its first leaf alone", &["consistency with the older checkpoint"], |path| {
            let all = entries(path);
            publish(path, &all[..1], key());
        })
        .remembered()
        .store_only(),
        Attack::new("log: signed by a key of the same name", &["log signature"], |path| {
            let all = entries(path);
            let folder = path.join("log");
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            let key = crate::LogKey::of_seed(ORIGIN, [77; 32]);
            crate::log::Log::open(&folder, ORIGIN, LogSigner::Key(key)).unwrap().append(&all).unwrap();
        })
        .store_only(),
    ]
}

fn listed(path: &Path, table: &str) -> PathBuf {
    let manifests = manifests(&Layout::new(path)).unwrap().0;
    path.join(&manifests[0].predicate.files.iter().find(|file| file.table == table).unwrap().name)
}

/// A megabyte that unpacks to hundreds.
fn bomb() -> Vec<u8> {
    crate::table::bomb(1 << 30).to_vec()
}

fn in_place() -> Vec<Attack> {
    vec![
        Attack::new("in place: a link to the file itself", &["files present"], |path| {
            let file = listed(path, "statements");
            let moved = path.with_extension("moved");
            std::fs::rename(&file, &moved).unwrap();
            symlink(&moved, &file).unwrap();
        })
        .store_only(),
        Attack::new("in place: a folder", &["files present"], |path| {
            let file = listed(path, "statements");
            std::fs::remove_file(&file).unwrap();
            std::fs::create_dir(&file).unwrap();
        })
        .store_only(),
        Attack::new("in place: an empty file", &["file hashes"], |path| {
            std::fs::write(listed(path, "rows"), "").unwrap()
        })
        .store_only(),
        Attack::new("in place: a file that would fill the memory", &["file hashes"], |path| {
            std::fs::write(listed(path, "rows"), bomb()).unwrap();
        })
        .store_only(),
        Attack::new("in place: the same with manifests re-made", SHAPE, |path| {
            let file = listed(path, "rows");
            std::fs::write(&file, bomb()).unwrap();
            forge(path, &|_, _, _| (), &|leaves| {
                for leaf in leaves.iter_mut() {
                    let Leaf::Segment(manifest) = leaf else { continue };
                    for listed in manifest.predicate.files.iter_mut().filter(|listed| file.ends_with(&listed.name)) {
                        listed.bytes = std::fs::metadata(&file).unwrap().len();
                    }
                }
            });
        })
        .store_only(),
        Attack::new("beside: a hidden Parquet file", &["files listed"], |path| {
            let file = listed(path, "rows");
            std::fs::copy(&file, file.with_file_name(".seg-00000009.parquet")).unwrap();
        })
        .store_only(),
        Attack::new("beside: a name with a line feed", &["files listed"], |path| {
            let file = listed(path, "rows");
            std::fs::copy(&file, file.with_file_name("seg-00000001.parquet\n.parquet")).unwrap();
        })
        .store_only(),
        Attack::new("beside: a folder of no table", &["files listed"], |path| {
            std::fs::create_dir(path.join("more")).unwrap()
        })
        .store_only(),
        Attack::new("beside: a request that was changed", &["journal"], |path| {
            std::fs::write(path.join("inbox/0123-0000000000000000.request"), "{\"request\":\"seal\"}").unwrap();
        })
        .store_only(),
        Attack::new("store.json: another format", &["store description"], |path| {
            let file = path.join("store.json");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, text.replace("\"format\": 1", "\"format\": 9")).unwrap();
        })
        .store_only(),
    ]
}
