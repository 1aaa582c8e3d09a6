//! A journal as a kill leaves it, and what somebody who may write to it does to its frames.

use super::{copy_store, open, run, session};
use base64::Engine;
use evidence::{Recorder, StoreConfig, remembered_head};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Many heads.
pub fn config(path: &Path) -> StoreConfig {
    let mut config = super::config(path);
    config.heads = Duration::from_millis(20);
    config
}

/// The newest record that a signed head in `log/head` covers.
pub fn covered(store: &Path) -> u64 {
    let text = std::fs::read_to_string(store.join("log/head")).unwrap_or_default();
    let last = text.lines().rev().find_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let Some(last) = last else { return 0 };
    let payload = base64::engine::general_purpose::STANDARD.decode(last["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&payload).unwrap()["last_lsn"].as_u64().unwrap()
}

pub fn wait_for_head(recorder: &Recorder, store: &Path) {
    let start = Instant::now();
    while covered(store) < recorder.health().journaled {
        assert!(start.elapsed() < Duration::from_secs(30), "no head was signed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A store as a kill leaves it: a sealed session, one that a signed head covers, one that none does.
pub fn killed(folder: &Path) -> PathBuf {
    let live = folder.join("live/audit");
    let mut config = config(&live);
    config.head = Some(remembered_head(&live));
    let (recorder, _) = open(config);
    let mut heads = String::new();
    for who in ["sealed-1", "mallory1", "unproven"] {
        let id = session(&recorder, who);
        run(&recorder, id, 1, &format!("SELECT '{who}'"), 2);
        recorder.session_closed(id, "done").unwrap();
        match who {
            "sealed-1" => drop(recorder.seal_now().unwrap()),
            "mallory1" => {
                wait_for_head(&recorder, &live);
                heads = std::fs::read_to_string(live.join("log/head")).unwrap();
            }
            _ => {}
        }
    }
    let journaled = format!("\"journaled\": {}", recorder.health().journaled);
    while !std::fs::read_to_string(remembered_head(&live)).is_ok_and(|text| text.contains(&journaled)) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let copy = folder.join("audit");
    copy_store(&live, &copy);
    // As if the kill had come before the next head.
    std::fs::write(copy.join("log/head"), heads).unwrap();
    std::fs::copy(remembered_head(&live), remembered_head(&copy)).unwrap();
    copy
}

/// The journal files with frames, oldest first.
pub fn journal(store: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(store.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<(Vec<u8>, PathBuf)> = files
        .filter(|path| path.extension().is_some_and(|end| end == "wal"))
        .map(|path| (std::fs::read(&path).unwrap()[..24].to_vec(), path))
        .filter(|(head, _)| head.starts_with(b"AFFDVJ01"))
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

/// Where the frames of a file lie: offset and length, padding included.
pub fn frames(bytes: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut all) = (64, Vec::new());
    while bytes.get(at + 24..at + 28) == Some(&bytes[48..52]) {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        all.push((at, 32 + length.next_multiple_of(8)));
        at += 32 + length.next_multiple_of(8);
    }
    all
}

/// Replaces a text in place, in every frame that holds it, and gives each its right checksum.
pub fn forge(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let mut forged = 0;
    for (at, size) in frames(&bytes) {
        let mut frame = bytes[at..at + size].to_vec();
        let places: Vec<usize> =
            frame.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(at, _)| at).collect();
        for place in &places {
            frame[*place..place + to.len()].copy_from_slice(to.as_bytes());
        }
        if !places.is_empty() {
            mend(&mut frame);
            file.write_all_at(&frame, at as u64).unwrap();
            forged += 1;
        }
    }
    assert!(forged > 0, "{from} is not there");
}

/// Gives a frame its right checksum.
pub fn mend(frame: &mut [u8]) {
    let length = u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame[32..32 + length]), &frame[..28]);
    frame[28..32].copy_from_slice(&crc.to_be_bytes());
}
