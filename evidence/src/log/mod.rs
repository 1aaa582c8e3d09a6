//! The transparency log: an RFC 6962 Merkle tree, published as C2SP tlog-tiles, headed by a C2SP checkpoint.

mod keys;
mod leaf;
mod merkle;
mod tiles;
mod tree;

pub(crate) use keys::LogKeys;
pub(crate) use leaf::{
    Chain, HeartbeatLeaf, HoldLeaf, HoldStep, KeyLeaf, Leaf, LeafHead, Manifest, PolicyLeaf, RecoveryNote,
    RotationLeaf, SET_BACK, Segment, SegmentFile, Terms, TombstoneLeaf, leaf_type,
};
pub(crate) use merkle::{Hash, Tree, audit_path, leaf_hash, root_by_path, root_of};
pub(crate) use tiles::{bundle_paths, entries, expected, files};
pub(crate) use tree::{Log, staged};
