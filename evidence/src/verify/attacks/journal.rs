//! What somebody does to a journal that a kill left: every frame that a signed head covers is told from another.

use super::{Attack, Base};
use crate::recorder::Recorder;
use crate::support::journal::{config, forge, frames, journal, mend};
use crate::support::*;
use std::path::Path;

const JOURNAL: &[&str] = &["journal"];

fn attack(name: &'static str, inject: impl Fn(&Path) + 'static) -> Attack {
    Attack::new(name, JOURNAL, inject).on(Base::Killed).store_only()
}

/// Changes the newest journal file: its bytes, and where the frames lie that no segment holds.
fn change(name: &'static str, change: impl Fn(&mut Vec<u8>, &[(usize, usize)]) + 'static) -> Attack {
    attack(name, move |path| {
        let file = journal(path).pop().unwrap();
        let mut bytes = std::fs::read(&file).unwrap();
        let all = frames(&bytes);
        let mallory = bytes.windows(8).position(|window| window == b"mallory1").unwrap();
        let first = all.iter().rposition(|(at, _)| *at < mallory).unwrap();
        change(&mut bytes, &all[first..]);
        std::fs::write(file, bytes).unwrap();
    })
}

/// Changes a frame and mends its checksum.
fn mended(name: &'static str, edit: impl Fn(&mut [u8]) + 'static) -> Attack {
    change(name, move |bytes, frames| {
        let (at, size) = frames[1];
        edit(&mut bytes[at..at + size]);
        mend(&mut bytes[at..at + size]);
    })
}

fn heads(path: &Path, change: impl Fn(String) -> String) {
    let file = path.join("log/head");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, text.lines().map(|line| change(line.to_owned()) + "\n").collect::<String>()).unwrap();
}

pub(super) fn attacks() -> Vec<Attack> {
    let mut all = frame_attacks();
    all.extend([
        attack("journal: removed", |path| {
            journal(path).iter().for_each(|file| std::fs::remove_file(file).unwrap());
        }),
        attack("journal: hidden under another name", |path| {
            journal(path).iter().for_each(|file| std::fs::rename(file, file.with_extension("kept")).unwrap());
        }),
        attack("journal: removed with its heads", |path| {
            std::fs::remove_dir_all(path.join("journal")).unwrap();
            std::fs::remove_file(path.join("log/head")).unwrap();
        }),
        attack("journal: heads removed", |path| std::fs::remove_file(path.join("log/head")).unwrap()),
        attack("journal: heads emptied", |path| std::fs::write(path.join("log/head"), "").unwrap()),
        attack("journal: heads say another record", |path| {
            heads(path, |line| line.replacen("payload\":\"ey", "payload\":\"eY", 1));
        }),
        attack("journal: heads without signatures", |path| {
            heads(path, |line| format!("{}\"signatures\":[]}}", line.split("\"signatures\"").next().unwrap()));
        }),
        attack("journal: heads by a stranger's key", |path| {
            heads(path, |line| {
                let (envelope, payload) = crate::sign::Envelope::parse(line.as_bytes()).unwrap();
                let again = crate::sign::EpochKey::generate().seal(&envelope.payload_type, &payload);
                String::from_utf8(again.to_bytes().unwrap()).unwrap()
            });
        }),
        attack("journal: that of another store", |path| {
            let other = path.with_extension("other");
            let (recorder, _) = open(config(&other));
            let id = session(&recorder, "innocent");
            (1..=9).for_each(|number| run(&recorder, id, number, "SELECT 1", 3));
            std::fs::copy(journal(&other).pop().unwrap(), journal(path).pop().unwrap()).unwrap();
        }),
        Attack::new("journal: changed, and sealed by the next start", JOURNAL, |path| {
            forge(&journal(path).pop().unwrap(), "mallory1", "innocent");
            Recorder::open(config(path)).unwrap().0.close().unwrap();
        })
        .on(Base::Killed),
        Attack::new("journal: cut, and sealed by the next start", JOURNAL, |path| {
            journal(path).iter().for_each(|file| std::fs::remove_file(file).unwrap());
            Recorder::open(config(path)).unwrap().0.close().unwrap();
        })
        .on(Base::Killed),
        Attack::new("journal: staged leaves put there, and gone on with", JOURNAL, |path| {
            std::fs::write(path.join("log/pending"), "junk").unwrap();
            Recorder::open(config(path)).unwrap().0.close().unwrap();
        })
        .on(Base::Killed),
    ]);
    all
}

fn frame_attacks() -> Vec<Attack> {
    vec![
        attack("journal: a name changed", |path| forge(&journal(path).pop().unwrap(), "mallory1", "innocent")),
        change("journal: a name changed and no checksum mended", |bytes, frames| {
            let at = frames[0].0;
            let place = bytes[at..].windows(8).position(|window| window == b"mallory1").unwrap();
            bytes[at + place..at + place + 8].copy_from_slice(b"innocent");
        }),
        attack("journal: a text changed", |path| {
            forge(&journal(path).pop().unwrap(), "SELECT 'mallory1'", "SELECT 'innocent'");
        }),
        attack("journal: a row changed", |path| forge(&journal(path).pop().unwrap(), "row 1 of 1", "row 9 of 1")),
        mended("journal: a record's number changed", |frame| frame[15] ^= 1),
        mended("journal: a record's time changed", |frame| frame[20] ^= 1),
        mended("journal: a record's kind changed", |frame| frame[4] ^= 3),
        mended("journal: a record joined to the next", |frame| frame[5] = 1),
        mended("journal: a byte flipped", |frame| frame[40] ^= 1),
        change("journal: zeros in place of the last frames", |bytes, frames| bytes[frames[2].0..].fill(0)),
        change("journal: zeros in place of one frame", |bytes, frames| {
            let (at, size) = frames[1];
            bytes[at..at + size].fill(0);
        }),
        change("journal: a frame taken out", |bytes, frames| {
            let (at, size) = frames[1];
            bytes.drain(at..at + size);
        }),
        change("journal: two frames exchanged", |bytes, frames| {
            let ((at, first), (_, second)) = (frames[1], frames[2]);
            bytes[at..at + first + second].rotate_left(first);
        }),
        change("journal: the file ends within what is covered", |bytes, frames| bytes.truncate(frames[1].0 + 8)),
        change("journal: another salt in the file's header", |bytes, _| {
            bytes[48] ^= 1;
            let crc = crc32c::crc32c(&bytes[..52]);
            bytes[52..56].copy_from_slice(&crc.to_be_bytes());
        }),
        change("journal: a hole behind what is covered", |bytes, frames| {
            // The last but one: a true frame follows, and the machine has not been down.
            let (at, size) = frames[frames.len() - 2];
            bytes[at..at + size].fill(0xff);
        }),
    ]
}
