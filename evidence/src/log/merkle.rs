//! Merkle trees as in RFC 6962, section 2.1: <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>.

use sha2::{Digest, Sha256};

/// A node.
pub(crate) type Hash = [u8; 32];

/// The hash of a leaf.
pub(crate) fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root over leaves given by their bytes: for the small trees inside manifests.
pub(crate) fn root_of<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Hash {
    let mut tree = Tree::default();
    entries.for_each(|entry| tree.push(leaf_hash(entry)));
    tree.root()
}

/// A tree that grows. Keeps the hash of every complete subtree: level 0 the leaves, level 1 pairs, and so on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    pub(crate) fn size(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// The hashes of complete subtrees of 2^level leaves.
    pub(crate) fn level(&self, level: usize) -> &[Hash] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(nodes) = self.levels.get_mut(level) else { return };
            nodes.push(hash);
            if nodes.len() % 2 == 1 {
                return;
            }
            let Some([left, right]) = nodes.last_chunk::<2>() else { return };
            hash = node_hash(left, right);
        }
    }

    /// The root. Of an empty tree it is the hash of nothing.
    pub(crate) fn root(&self) -> Hash {
        self.root_at(self.size()).unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The root when the tree had `size` leaves. `None` for 0 and for sizes it never had.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        if size == 0 || size > self.size() {
            return None;
        }
        // The largest complete subtrees from left to right, then folded from the right.
        let mut parts = Vec::new();
        let mut start = 0;
        for level in (0..64).rev() {
            if size & (1 << level) != 0 {
                let at = usize::try_from(start >> level).ok()?;
                parts.push(*self.level(level).get(at)?);
                start += 1 << level;
            }
        }
        parts.into_iter().rev().reduce(|right, left| node_hash(&left, &right))
    }
}

/// The audit path of a leaf, from the bottom up: RFC 6962, section 2.1.1.
pub(crate) fn audit_path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let of = |leaves: &[Hash]| {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree.root()
    };
    let (mut path, other) = match index.checked_sub(left.len()) {
        None => (audit_path(left, index), of(right)),
        Some(index) => (audit_path(right, index), of(left)),
    };
    path.push(other);
    path
}

/// The root that a leaf and its audit path lead to: RFC 9162, section 2.1.3.2. `None` for a path of another length.
#[cfg(test)]
pub(crate) fn root_by_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let (mut fnode, mut snode) = (index, size.checked_sub(1)?);
    let mut root = leaf;
    if index > snode {
        return None;
    }
    for step in path {
        if snode == 0 {
            return None;
        }
        if fnode & 1 == 1 || fnode == snode {
            root = node_hash(step, &root);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            root = node_hash(&root, step);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    (snode == 0).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's definition, word for word.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&defined(&leaves[..k]), &defined(&leaves[k..]))
            }
        }
    }

    #[test]
    fn audit_paths_lead_to_the_root_and_padded_ones_do_not() {
        for size in 1..40usize {
            let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            for index in 0..size {
                let mut path = audit_path(&leaves, index);
                let lead = |path: &[Hash]| root_by_path(leaves[index], index as u64, size as u64, path);
                assert_eq!(lead(&path), Some(defined(&leaves)), "{index} of {size}");
                path.push([0; 32]);
                assert_eq!(lead(&path), None);
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition_at_every_size() {
        let leaves: Vec<Hash> = (0..300u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut tree = Tree::default();
        assert_eq!(tree.root(), defined(&[]));
        for (n, leaf) in leaves.iter().enumerate() {
            tree.push(*leaf);
            assert_eq!(tree.root(), defined(&leaves[..=n]), "{n}");
        }
        for n in 1..=300 {
            assert_eq!(tree.root_at(n as u64), Some(defined(&leaves[..n])), "{n}");
        }
        assert_eq!((tree.root_at(0), tree.root_at(301)), (None, None));
    }
}
