//! The log: head, tree, leaves, the keys that signed them, and what they say of time.

use super::Options;
use super::report::{Checks, name};
use crate::journal::now;
use crate::log::{Leaf, Tree, bundle_paths, entries, expected, leaf_hash, leaf_type};
use crate::sign::{Checkpoint, key_id, parse_checkpoint, verify_envelope};
use crate::store::Layout;
use crate::table::rfc3339;
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
#[derive(Default)]
pub(super) struct Verified {
    pub(super) head: Option<Checkpoint>,
    pub(super) leaves: Vec<VerifiedLeaf>,
}

pub(super) fn check(layout: &Layout, options: &Options, checks: &mut Checks) -> Verified {
    let mut found = Verified::default();
    let path = layout.log().join("checkpoint");
    let note = match std::fs::read_to_string(&path) {
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
    if head.origin != options.key.name() {
        let what = format!("it is the head of `{}`, the supplied key is for `{}`", head.origin, options.key.name());
        checks.fail(name::LOG_SIGNATURE, "log/checkpoint", what);
    } else if options.key.verifies(&note) {
        checks.pass(name::LOG_SIGNATURE);
    } else {
        checks.fail(name::LOG_SIGNATURE, "log/checkpoint", "no good signature by the supplied key");
    }
    let tree = tree(layout, &head, checks, &mut found);
    consistency(options, &head, &tree, checks);
    tiles(layout, &tree, checks);
    signatures(options, &found, checks);
    times(&found, checks);
    freshness(options, &found, checks);
    found.head = Some(head);
    found
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

fn consistency(options: &Options, head: &Checkpoint, tree: &Tree, checks: &mut Checks) {
    let Some(older) = &options.checkpoint else {
        checks.skip(name::CONSISTENCY, "no older checkpoint was given (--checkpoint)");
        return;
    };
    let place = "the older checkpoint";
    if !options.key.verifies(older) {
        checks.fail(name::CONSISTENCY, place, "no good signature by the supplied key");
        return;
    }
    match parse_checkpoint(older) {
        Err(what) => checks.fail(name::CONSISTENCY, place, what),
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
        }
        Ok(older) => {
            let what = format!("the log's first {} leaves are not those that it covers", older.size);
            checks.fail(name::CONSISTENCY, "log/checkpoint", what);
        }
    }
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

/// Key leaves are signed by the log's key, all others by the epoch key that the newest key leaf before them introduced.
fn signatures(options: &Options, found: &Verified, checks: &mut Checks) {
    checks.pass(name::ENVELOPES);
    checks.pass(name::EPOCHS);
    let log_public = options.key.public();
    let mut epoch: Option<(u64, [u8; 32], i64)> = None;
    for leaf in &found.leaves {
        let place = format!("leaf {}", leaf.index);
        let Ok((envelope, payload, _)) = Leaf::parse(&leaf.entry) else { continue };
        let head = leaf.leaf.head();
        if let Leaf::Key(key) = &leaf.leaf {
            if !verify_envelope(&envelope, &payload, log_public.as_bytes()) {
                checks.fail(name::ENVELOPES, &place, "a key is introduced without a good signature by the log's key");
            }
            let before = epoch.map_or(0, |(number, _, _)| number);
            if head.epoch != before + 1 {
                checks.fail(name::EPOCHS, &place, format!("epoch {} follows epoch {before}", head.epoch));
            }
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
        if !verify_envelope(&envelope, &payload, &public) {
            let other = envelope.signatures.iter().any(|signature| signature.keyid != key_id(&public));
            let what = if other { "signed by a key that is not in force here" } else { "no good signature" };
            checks.fail(name::ENVELOPES, &place, format!("{what} ({})", envelope.payload_type));
        }
        if head.epoch != number {
            checks.fail(name::EPOCHS, &place, format!("it says epoch {}, epoch {number} is in force", head.epoch));
        }
        if head.time > not_after {
            checks.fail(name::EPOCHS, &place, "made after its key's end");
        }
        debug_assert_ne!(envelope.payload_type, leaf_type::KEY, "handled above");
    }
}

/// Clocks may be set by this much without a word (µs).
const CLOCK_SLACK: i64 = 5_000_000;

/// Heartbeats and the clock. Within a start of the writer, wall clock and monotonic clock advance together, and a leaf
/// follows the one before in time.
fn times(found: &Verified, checks: &mut Checks) {
    checks.pass(name::HEARTBEATS);
    checks.pass(name::CLOCK);
    let mut interval = None;
    let mut gaps = 0;
    for pair in found.leaves.windows(2) {
        let [before, after] = pair else { continue };
        if let Leaf::Key(key) = &before.leaf {
            interval = i64::try_from(key.heartbeat).ok();
        }
        let (a, b) = (before.leaf.head(), after.leaf.head());
        let place = format!("leaf {}", after.index);
        let wall = b.time - a.time;
        let closed = matches!(&before.leaf, Leaf::Heartbeat(heartbeat) if heartbeat.closing);
        if a.boot != b.boot {
            // A new start: the time between is downtime, which only the last heartbeat can explain.
            gaps += u64::from(!closed);
            if wall < -CLOCK_SLACK {
                let what = format!("made at {}, before leaf {}", rfc3339(b.time), before.index);
                checks.fail(name::CLOCK, place, what);
            }
            continue;
        }
        if closed {
            checks.fail(name::HEARTBEATS, &place, "it follows a leaf that says the writer stopped");
        }
        let monotonic = i64::try_from(b.monotonic).unwrap_or(i64::MAX) - i64::try_from(a.monotonic).unwrap_or(0);
        if monotonic < 0 || (wall - monotonic).abs() > CLOCK_SLACK {
            let what = format!(
                "since leaf {} the wall clock advanced by {} s, the monotonic clock by {} s",
                before.index,
                wall / 1_000_000,
                monotonic / 1_000_000
            );
            checks.fail(name::CLOCK, &place, what);
        }
        // Twice the interval, and a minute for a sealing that takes long.
        if let Some(interval) = interval
            && monotonic > interval.saturating_mul(2).saturating_add(60_000_000)
        {
            let what = format!(
                "{} s without a leaf since leaf {}: a running writer leaves one every {} s",
                monotonic / 1_000_000,
                before.index,
                interval / 1_000_000
            );
            checks.fail(name::HEARTBEATS, &place, what);
        }
    }
    if gaps > 0 {
        checks.note(name::HEARTBEATS, format!("the writer stopped {gaps} times without saying so (crash or kill)"));
    }
    if found.leaves.is_empty() {
        checks.skip(name::HEARTBEATS, "no leaves");
        checks.skip(name::CLOCK, "no leaves");
    }
}

fn freshness(options: &Options, found: &Verified, checks: &mut Checks) {
    let Some(last) = found.leaves.last().map(|leaf| leaf.leaf.head().time) else {
        checks.skip(name::FRESHNESS, "no leaves");
        return;
    };
    let age = (now() - last) / 1_000_000;
    match options.max_age.and_then(|age| i64::try_from(age).ok()) {
        None => {
            checks.skip(name::FRESHNESS, format!("no limit was given (--max-age); the newest leaf is {age} s old"));
        }
        Some(limit) if age > limit => {
            checks.fail(name::FRESHNESS, "log/checkpoint", format!("the newest leaf is {age} s old"));
        }
        Some(_) => {
            checks.pass(name::FRESHNESS);
            checks.note(name::FRESHNESS, format!("the newest leaf is {age} s old"));
        }
    }
}
