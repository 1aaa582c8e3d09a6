//! The leaves of the log. Each is a DSSE envelope whose type says what it is.

use crate::sign::Envelope;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The types of envelopes.
pub(crate) mod leaf_type {
    /// A segment's manifest: an in-toto Statement v1.
    pub(crate) const SEGMENT: &str = "application/vnd.in-toto+json";
    pub(crate) const KEY: &str = "application/vnd.affidavit.key.v1+json";
    pub(crate) const HEARTBEAT: &str = "application/vnd.affidavit.heartbeat.v1+json";
    pub(crate) const POLICY: &str = "application/vnd.affidavit.policy.v1+json";
    pub(crate) const APPROVAL: &str = "application/vnd.affidavit.approval.v1+json";
    pub(crate) const RECOVERY: &str = "application/vnd.affidavit.recovery.v1+json";
    pub(crate) const ROTATION: &str = "application/vnd.affidavit.rotation.v1+json";
    pub(crate) const HOLD: &str = "application/vnd.affidavit.hold.v1+json";
    pub(crate) const TOMBSTONE: &str = "application/vnd.affidavit.tombstone.v1+json";
    pub(crate) const CLOCK: &str = "application/vnd.affidavit.clock.v1+json";
    /// No leaf: a line of `log/head`, signed as one.
    pub(crate) const HEAD: &str = "application/vnd.affidavit.head.v1+json";
    pub(crate) const REVIEW: &str = "application/vnd.affidavit.review.v1+json";
}

/// What a clock leaf says when the wall clock was set back while the writer did not run.
pub(crate) const SET_BACK: &str = "set back between two runs";

/// What every leaf says about when and by whom it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafHead {
    /// Wall clock, microseconds since the Unix epoch.
    pub(crate) time: i64,
    /// Microseconds since this writer started, by a clock that nobody sets.
    pub(crate) monotonic: u64,
    pub(crate) writer: String,
    /// This start of the writer.
    pub(crate) boot: String,
    /// The epoch key that signs it.
    pub(crate) epoch: u64,
}

/// Introduces an epoch key; signed by the log's key. The epoch before ends here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    /// Ed25519, hexadecimal.
    pub(crate) public: String,
    /// Wall clock after which it signs nothing.
    pub(crate) not_after: i64,
    /// Microseconds after which a leaf follows the one before at the latest, while the writer runs.
    pub(crate) heartbeat: u64,
    /// How long the record is kept from here on, and who may have it removed afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention: Option<Terms>,
}

/// How long the record is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// Microseconds.
    pub(crate) keep: u64,
    /// Verification keys of the people whose signatures count.
    pub(crate) signers: Vec<String>,
}

/// The log's key changes; signed by the key before and by the one that follows. The epoch ends here, and the writer stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotationLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    /// Verification key that was in force.
    pub(crate) previous: String,
    /// Verification key that is in force from the next leaf on.
    pub(crate) next: String,
}

/// A legal hold begins or ends: nothing of a time may be removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HoldLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    /// The hold's own id.
    pub(crate) hold: String,
    #[serde(flatten)]
    pub(crate) step: HoldStep,
}

/// What happens to a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum HoldStep {
    /// It begins.
    Added {
        /// First moment that it covers; from the beginning when absent. Microseconds since the epoch.
        from: Option<i64>,
        /// Last moment that it covers; without an end when absent.
        to: Option<i64>,
        reason: String,
        by: String,
    },
    /// It ends, by an order of two people.
    Released { order: String },
}

/// Segments were removed, by an order of two people. Their manifests stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TombstoneLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    /// The signed order, see [`crate::retention`].
    pub(crate) order: String,
}

/// How the journal was found, or that what lies in it is not what was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecoveryNote {
    /// In words.
    pub(crate) what: String,
    /// Somebody changed, cut or removed what had been taken: nothing else explains it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tampered: bool,
    /// Records that are not in the record, first and last, because they are not what was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<(u64, u64)>,
    /// Records that are in the record, first and last, and that no signed head covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unproven: Option<(u64, u64)>,
}

/// Nothing else happened, or the writer stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeartbeatLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    /// Last journal record at that time.
    pub(crate) last_lsn: u64,
    /// The journal's chain behind it, see [`crate::journal::chain`]: it was synced before this was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<String>,
    /// The writer stops in good order: no heartbeat follows until its next start.
    pub(crate) closing: bool,
}

/// A policy version's event. The text is in `policy_versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyLeaf {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    pub(crate) event: String,
    pub(crate) version: String,
    pub(crate) record_hash: String,
}

/// A file of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentFile {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) date: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) first_ts: i64,
    pub(crate) last_ts: i64,
}

/// Head and length of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) count: u64,
    pub(crate) head: String,
}

/// What a segment's manifest says beside the hashes of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    #[serde(flatten)]
    pub(crate) head: LeafHead,
    pub(crate) origin: String,
    pub(crate) schema_version: i64,
    /// From 1, without gaps.
    pub(crate) segment: u64,
    /// First and last journal record, both included; segments follow one another without gaps.
    pub(crate) first_lsn: u64,
    pub(crate) last_lsn: u64,
    pub(crate) files: Vec<SegmentFile>,
    /// Merkle root over the sessions with records in this segment, see [`crate::assemble`].
    pub(crate) sessions_root: String,
    /// Merkle root over the sessions open at its end.
    pub(crate) open_root: String,
    pub(crate) open_sessions: u64,
    /// Chains of the tables that do not belong to sessions, by table.
    pub(crate) chains: BTreeMap<String, Chain>,
    /// The policy in force at its end, if one was.
    pub(crate) policy: Option<String>,
    /// SHA-256 of the manifest of the segment before; empty for the first.
    pub(crate) previous: String,
    /// SHA-256 of the carried state, which recovery checks.
    pub(crate) carry: String,
    /// The journal's chain behind `last_lsn`: the next segment's goes on from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<String>,
}

/// An in-toto Statement v1 about a segment: <https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    #[serde(rename = "_type")]
    statement_type: String,
    pub(crate) subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    pub(crate) predicate: Segment,
}

/// A file and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) digest: BTreeMap<String, String>,
}

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "urn:affidavit:segment:v1";

impl Manifest {
    /// A manifest over files and their SHA-256.
    pub(crate) fn new(predicate: Segment, hashes: &[(String, String)]) -> Self {
        let subject = hashes
            .iter()
            .map(|(name, hash)| Subject {
                name: name.clone(),
                digest: BTreeMap::from([("sha256".to_owned(), hash.clone())]),
            })
            .collect();
        Self { statement_type: STATEMENT.into(), subject, predicate_type: PREDICATE.into(), predicate }
    }
}

/// A leaf, read.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    Key(KeyLeaf),
    Segment(Box<Manifest>),
    Policy(PolicyLeaf),
    Heartbeat(HeartbeatLeaf),
    Rotation(RotationLeaf),
    Hold(HoldLeaf),
    Tombstone(TombstoneLeaf),
    /// Approvals, reviews, recoveries, clocks that were set: what it says beside its head.
    Other(LeafHead, Json),
}

impl Leaf {
    /// Reads a leaf's envelope and payload.
    pub(crate) fn parse(entry: &[u8]) -> Result<(Envelope, Vec<u8>, Self), String> {
        let (envelope, payload) = Envelope::parse(entry)?;
        let wrong = |error: serde_json::Error| format!("a leaf of type {}: {error}", envelope.payload_type);
        let leaf = match envelope.payload_type.as_str() {
            leaf_type::KEY => Self::Key(serde_json::from_slice(&payload).map_err(wrong)?),
            leaf_type::SEGMENT => {
                let manifest: Manifest = serde_json::from_slice(&payload).map_err(wrong)?;
                if manifest.statement_type != STATEMENT || manifest.predicate_type != PREDICATE {
                    return Err(format!("a statement about something else: {}", manifest.predicate_type));
                }
                Self::Segment(Box::new(manifest))
            }
            leaf_type::POLICY => Self::Policy(serde_json::from_slice(&payload).map_err(wrong)?),
            leaf_type::HEARTBEAT => Self::Heartbeat(serde_json::from_slice(&payload).map_err(wrong)?),
            leaf_type::ROTATION => Self::Rotation(serde_json::from_slice(&payload).map_err(wrong)?),
            leaf_type::HOLD => Self::Hold(serde_json::from_slice(&payload).map_err(wrong)?),
            leaf_type::TOMBSTONE => Self::Tombstone(serde_json::from_slice(&payload).map_err(wrong)?),
            leaf_type::APPROVAL | leaf_type::RECOVERY | leaf_type::REVIEW | leaf_type::CLOCK => {
                let json: Json = serde_json::from_slice(&payload).map_err(wrong)?;
                Self::Other(serde_json::from_value(json.clone()).map_err(wrong)?, json)
            }
            other => return Err(format!("a leaf of unknown type {other}")),
        };
        Ok((envelope, payload, leaf))
    }

    pub(crate) fn head(&self) -> &LeafHead {
        match self {
            Self::Key(key) => &key.head,
            Self::Segment(manifest) => &manifest.predicate.head,
            Self::Policy(policy) => &policy.head,
            Self::Heartbeat(heartbeat) => &heartbeat.head,
            Self::Rotation(rotation) => &rotation.head,
            Self::Hold(hold) => &hold.head,
            Self::Tombstone(tombstone) => &tombstone.head,
            Self::Other(head, _) => head,
        }
    }
}
