//! The log: head, tree, leaves, the keys that signed them, and what they say of time.

use super::Options;
use super::report::{Checks, name};
use super::times::{freshness, times};
use crate::log::{Leaf, LogKeys, Tree, bundle_paths, entries, expected, leaf_hash};
use crate::sign::{Checkpoint, key_id, parse_checkpoint, verify_envelope};
use crate::store::Layout;
use sha2::{Digest, Sha256};

/// A leaf that reads.
pub(super) struct VerifiedLeaf {
    pub(super) index: u64,
    pub(super) leaf: Leaf,
    /// SHA-256 of its payload: what the next segment calls `previous`.
    pub(super) payload_hash: String,
    pub(super) entry: Vec<u8>,
}

/// What the log gave.
pub(super) struct Verified {
    pub(super) head: Option<Checkpoint>,
    pub(super) leaves: Vec<VerifiedLeaf>,
    /// The log's keys, from the supplied one.
    pub(super) keys: LogKeys,
    /// Leaves that the older checkpoint covers, when the log extends it.
    pub(super) remembered: u64,
}

impl Verified {
    /// Size and root of the log, if its head reads.
    pub(super) fn size_and_root(&self) -> Option<(u64, String)> {
        self.head.as_ref().map(|head| (head.size, hex::encode(head.root)))
    }

    /// Number of the last segment.
    pub(super) fn segments(&self) -> u64 {
        let numbers = self.leaves.iter().filter_map(|leaf| match &leaf.leaf {
            Leaf::Segment(manifest) => Some(manifest.predicate.segment),
            _ => None,
        });
        numbers.max().unwrap_or(0)
    }
}

pub(super) fn check(layout: &Layout, options: &Options, checks: &mut Checks) -> Verified {
    let keys = LogKeys::new(options.key.clone());
    let mut found = Verified { head: None, leaves: Vec::new(), keys, remembered: 0 };
    let path = layout.log().join("checkpoint");
    let note = match crate::store::read_text(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !layout.log().join("tile").exists() => {
            checks.skip(name::CHECKPOINT, "nothing has been sealed yet");
            return found;
        }
        Err(error) => {
            checks.fail(name::CHECKPOINT, "log/checkpoint", error);
            return found;
        }
    };
    let head = match parse_checkpoint(&note) {
        Ok(head) => head,
        Err(what) => {
            checks.fail(name::CHECKPOINT, "log/checkpoint", what);
            return found;
        }
    };
    checks.pass(name::CHECKPOINT);
    let tree = tree(layout, &head, checks, &mut found);
    signatures(options, &mut found, checks);
    head_signature(options, &head, &note, &found, checks);
    found.remembered = consistency(options, &head, &tree, &found.keys, checks);
    tiles(layout, &tree, checks);
    times(&found, checks);
    freshness(options, &found, checks);
    found.head = Some(head);
    found
}

/// The head is signed by the key in force there; from the supplied key to that one every rotation is signed.
fn head_signature(options: &Options, head: &Checkpoint, note: &str, found: &Verified, checks: &mut Checks) {
    let place = "log/checkpoint";
    if head.origin != options.key.name() {
        let what = format!("it is the head of `{}`, the supplied key is for `{}`", head.origin, options.key.name());
        checks.fail(name::LOG_SIGNATURE, place, what);
    } else if !found.keys.has(&options.key) {
        checks.fail(name::LOG_SIGNATURE, place, "the supplied key is none of this log's");
    } else if found.keys.of_head(head.size).verifies(note) {
        checks.pass(name::LOG_SIGNATURE);
        let rotations = found.keys.rotations().count();
        if rotations > 0 {
            checks.note(
                name::LOG_SIGNATURE,
                format!("{rotations} rotations, the key in force is {}", found.keys.of_head(head.size)),
            );
        }
    } else if options.key.verifies(note) {
        checks.fail(name::LOG_SIGNATURE, place, "signed by the supplied key, which was rotated out before");
    } else {
        checks.fail(name::LOG_SIGNATURE, place, "no good signature by the supplied key");
    }
}

/// Reads every entry, by itself: the tree is made from entries, not from the tiles that are to be checked.
fn tree(layout: &Layout, head: &Checkpoint, checks: &mut Checks, found: &mut Verified) -> Tree {
    let mut tree = Tree::default();
    let mut all = Vec::new();
    let mut from = 0;
    for bundle in bundle_paths(&layout.log(), head.size) {
        let to = (from + 256).min(head.size);
        match entries(&layout.log(), from, to) {
            Ok(entries) => all.extend(entries),
            Err(error) => checks.fail(name::LEAVES, bundle.display(), error),
        }
        from = to;
    }
    checks.pass(name::LEAVES);
    checks.note(name::LEAVES, format!("{} leaves", all.len()));
    for (index, entry) in all {
        tree.push(leaf_hash(&entry));
        match Leaf::parse(&entry) {
            Ok((_, payload, leaf)) => {
                let payload_hash = hex::encode(Sha256::digest(&payload));
                found.leaves.push(VerifiedLeaf { index, leaf, payload_hash, entry });
            }
            Err(what) => checks.fail(name::ENVELOPES, format!("leaf {index}"), what),
        }
    }
    if tree.size() == head.size && tree.root() == head.root {
        checks.pass(name::ROOT);
    } else {
        let what = format!("its root is not that of the {} leaves", tree.size());
        checks.fail(name::ROOT, "log/checkpoint", what);
    }
    tree
}

/// Whether the log extends the older checkpoint; if it does, how many leaves that one covers.
fn consistency(options: &Options, head: &Checkpoint, tree: &Tree, keys: &LogKeys, checks: &mut Checks) -> u64 {
    let Some(note) = &options.checkpoint else {
        checks.skip(name::CONSISTENCY, "no older checkpoint was given (--checkpoint, --since)");
        return 0;
    };
    let place = "the older checkpoint";
    match parse_checkpoint(note) {
        Err(what) => checks.fail(name::CONSISTENCY, place, what),
        Ok(older) if !keys.signed(older.size, note) && !options.key.verifies(note) => {
            checks.fail(name::CONSISTENCY, place, "no good signature by the key of that time");
        }
        Ok(older) if older.origin != head.origin => {
            checks.fail(name::CONSISTENCY, place, format!("it is of another log, `{}`", older.origin));
        }
        Ok(older) if older.size > head.size => {
            let what = format!("it covers {} leaves, the log now has {}: the tail is gone", older.size, head.size);
            checks.fail(name::CONSISTENCY, "log/checkpoint", what);
        }
        Ok(older) if older.size == 0 || tree.root_at(older.size) == Some(older.root) => {
            checks.pass(name::CONSISTENCY);
            checks.note(name::CONSISTENCY, format!("the log extends the {} leaves of it", older.size));
            return older.size;
        }
        Ok(older) => {
            let what = format!("the log's first {} leaves are not those that it covers", older.size);
            checks.fail(name::CONSISTENCY, "log/checkpoint", what);
        }
    }
    0
}

fn tiles(layout: &Layout, tree: &Tree, checks: &mut Checks) {
    let live = super::is_live(layout);
    checks.pass(name::TILES);
    for (path, bytes) in expected(&layout.log(), tree) {
        // On a live store a tile may just have been replaced by a wider one.
        let wider =
            live && path.parent().is_some_and(|folder| folder.extension().is_some_and(|e| e == "p") && !path.exists());
        let have = if wider { Ok(bytes.clone()) } else { std::fs::read(&path) };
        match have {
            Ok(have) if have == bytes => {}
            Ok(_) => checks.fail(name::TILES, path.display(), "it does not hold the hashes of the entries"),
            Err(error) => checks.fail(name::TILES, path.display(), error),
        }
    }
}

/// Key leaves are signed by the log's key, all others by the epoch key that the newest key leaf before them introduced. A
/// rotation is signed by the log's key and the one that follows; it ends the epoch.
fn signatures(options: &Options, found: &mut Verified, checks: &mut Checks) {
    checks.pass(name::ENVELOPES);
    checks.pass(name::EPOCHS);
    // A later key than the first may have been supplied: then the way leads back through what it signed.
    let first = LogKeys::named(found.leaves.iter().map(|leaf| &leaf.leaf));
    let mut keys = LogKeys::new(first.unwrap_or_else(|| options.key.clone()));
    let mut epoch: Option<(u64, [u8; 32], i64)> = None;
    let mut last = 0;
    for leaf in &found.leaves {
        let place = format!("leaf {}", leaf.index);
        let Ok((envelope, payload, _)) = Leaf::parse(&leaf.entry) else { continue };
        let head = leaf.leaf.head();
        if let Leaf::Key(key) = &leaf.leaf {
            if !verify_envelope(&envelope, &payload, keys.in_force(leaf.index).public().as_bytes()) {
                checks.fail(name::ENVELOPES, &place, "a key is introduced without a good signature by the log's key");
            }
            if head.epoch != last + 1 {
                checks.fail(name::EPOCHS, &place, format!("epoch {} follows epoch {last}", head.epoch));
            }
            last = head.epoch;
            match hex::decode(&key.public).ok().and_then(|public| public.try_into().ok()) {
                Some(public) => epoch = Some((head.epoch, public, key.not_after)),
                None => checks.fail(name::EPOCHS, &place, "the key that it introduces is not 32 bytes"),
            }
            continue;
        }
        let Some((number, public, not_after)) = epoch else {
            checks.fail(name::EPOCHS, &place, "no key was introduced before it");
            continue;
        };
        if head.epoch != number {
            checks.fail(name::EPOCHS, &place, format!("it says epoch {}, epoch {number} is in force", head.epoch));
        }
        if head.time > not_after {
            checks.fail(name::EPOCHS, &place, "made after its key's end");
        }
        if let Leaf::Rotation(rotation) = &leaf.leaf {
            if let Err(what) = keys.rotated(leaf.index, rotation, &envelope, &payload) {
                checks.fail(name::ENVELOPES, &place, what);
            }
            epoch = None;
            continue;
        }
        if !verify_envelope(&envelope, &payload, &public) {
            let other = envelope.signatures.iter().any(|signature| signature.keyid != key_id(&public));
            let what = if other { "signed by a key that is not in force here" } else { "no good signature" };
            checks.fail(name::ENVELOPES, &place, format!("{what} ({})", envelope.payload_type));
        }
    }
    found.keys = keys;
}
