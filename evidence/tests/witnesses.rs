//! The log by the eyes of others: checkpoints and keys by `signed_note`, proofs over our leaves by `tlog_tiles`, and openssl.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;
use std::process::Command;
use support::*;

fn store(path: &Path) -> String {
    let (recorder, _) = open(config(path));
    for number in 0..4 {
        let id = session(&recorder, &format!("agent-{number}"));
        run(&recorder, id, 1, "SELECT name, ssn FROM patients", 3);
        recorder.session_closed(id, "done").unwrap();
        recorder.seal_now().unwrap();
    }
    recorder.close().unwrap();
    std::fs::read_to_string(path.join("log/checkpoint")).unwrap()
}

#[test]
fn signed_note_reads_keys_and_checkpoints() {
    use signed_note::{Note, StandardVerifier, VerifierList};
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = store(folder.path());
    let known = |key: &str| VerifierList::new(vec![Box::new(StandardVerifier::new(key).unwrap())]);
    let note = Note::from_bytes(checkpoint.as_bytes()).unwrap();
    let (verified, others) = note.verify(&known(&vkey())).unwrap();
    assert_eq!((verified.len(), others.len()), (1, 0));
    let stranger = evidence::LogKey::generate(ORIGIN).unwrap().verifier().to_string();
    assert!(note.verify(&known(&stranger)).is_err());
    let altered = checkpoint.replacen("\n1", "\n2", 1);
    assert!(altered == checkpoint || Note::from_bytes(altered.as_bytes()).unwrap().verify(&known(&vkey())).is_err());
    // And the other way round: what it signs, we verify.
    let signer = signed_note::StandardSigner::new(&key().to_text()).unwrap();
    let mut theirs = Note::new(b"a text\n", &[]).unwrap();
    theirs.add_sigs(&[&signer]).unwrap();
    let theirs = String::from_utf8(theirs.to_bytes()).unwrap();
    assert!(evidence::VerifierKey::parse(&vkey()).unwrap().verifies(&theirs));
}

/// Our files, as its reader wants them.
struct Tiles<'a>(&'a Path);

impl tlog_tiles::TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            assert!(tile.level_index() < 1000, "this test's logs are small");
            let full = format!("tile/{}/{:03}", tile.level(), tile.level_index());
            let name = if tile.width() == 256 { full } else { format!("{full}.p/{}", tile.width()) };
            std::fs::read(self.0.join("log").join(name)).unwrap()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn tlog_tiles_proves_every_leaf_and_every_extension() {
    use tlog_tiles::{
        Checkpoint, Hash, TileHashReader, check_record, check_tree, prove_record, prove_tree, record_hash,
    };
    let folder = tempfile::tempdir().unwrap();
    let note = store(folder.path());
    let text = note.rsplit_once("\n\n").unwrap().0;
    let head = Checkpoint::from_bytes(format!("{text}\n").as_bytes()).unwrap();
    assert_eq!(head.origin(), ORIGIN);
    let (size, root) = (head.size(), *head.hash());
    let tiles = Tiles(folder.path());
    let reader = TileHashReader::new(size, root, &tiles);
    let bundle = std::fs::read(folder.path().join(format!("log/tile/entries/000.p/{size}"))).unwrap();
    let mut rest = bundle.as_slice();
    let mut older = Vec::new();
    for index in 0..size {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
        let leaf = record_hash(&rest[2..2 + length]);
        rest = &rest[2 + length..];
        let proof = prove_record(size, index, &reader).unwrap();
        check_record(&proof, size, root, index, leaf).unwrap();
        assert!(check_record(&proof, size, root, index, Hash([0; 32])).is_err());
        older.push(leaf);
    }
    assert!(rest.is_empty());
    for before in 1..size {
        let then = tlog_tiles::tree_hash(before, &reader).unwrap();
        check_tree(&prove_tree(size, before, &reader).unwrap(), size, root, before, then).unwrap();
    }
}

#[test]
fn openssl_verifies_the_head() {
    let folder = tempfile::tempdir().unwrap();
    let note = store(folder.path());
    let (text, signature) = note.split_once("\n\n").unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let signature = STANDARD.decode(signature.trim_end().rsplit(' ').next().unwrap()).unwrap();
    let key = vkey();
    let public = STANDARD.decode(key.splitn(3, '+').last().unwrap()).unwrap();
    let der = [hex::decode("302a300506032b6570032100").unwrap(), public[1..].to_vec()].concat();
    for (text, good) in [(format!("{text}\n"), true), (format!("{text} \n"), false)] {
        let done = Command::new("openssl")
            .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-inkey"])
            .arg(file("key.der", &der))
            .arg("-in")
            .arg(file("text", text.as_bytes()))
            .arg("-sigfile")
            .arg(file("sig", &signature[4..]))
            .output()
            .unwrap();
        assert_eq!(done.status.success(), good, "{}", String::from_utf8_lossy(&done.stderr));
    }
}
