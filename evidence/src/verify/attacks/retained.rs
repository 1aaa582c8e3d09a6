//! Attacks on retention: things removed that should be there, orders that nobody should have followed.

use super::forge::{forge, leaves, person, segments};
use super::{Attack, Base};
use crate::config::Retention;
use crate::log::{HoldLeaf, HoldStep, Leaf, Terms, TombstoneLeaf};
use crate::retention::{Action, Order};
use crate::search::manifests;
use crate::store::Layout;
use crate::support::*;
use crate::table::Table;
use std::path::Path;
use std::time::Duration;

const RETENTION: &[&str] = &["tombstones and holds", "files present"];
const ORDERS: &[&str] = &["tombstones and holds"];

/// At once, by the first two people.
pub(super) fn terms() -> Retention {
    Retention::new(Duration::from_millis(1), vec![person(1).verifier(), person(2).verifier()]).unwrap()
}

/// Removes what pruning a segment removes.
fn remove(path: &Path, segment: u64) {
    let (manifests, ..) = manifests(&Layout::new(path)).unwrap();
    for manifest in manifests.iter().filter(|manifest| manifest.predicate.segment == segment) {
        for file in &manifest.predicate.files {
            if Table::by_name(&file.table).is_some_and(crate::retention::is_pruned) {
                std::fs::remove_file(path.join(&file.name)).unwrap();
            }
        }
    }
}

fn order(action: Action, people: &[u8]) -> String {
    let order = Order::new(action, "test", "os:test", 1);
    let mut note = order.sign(ORIGIN, &person(people[0])).unwrap();
    for number in &people[1..] {
        note = Order::cosign(&note, &person(*number)).unwrap();
    }
    note
}

fn prune(people: &[u8]) -> String {
    order(Action::Prune { segments: vec![[1, 1]] }, people)
}

/// Adds leaves before the log's end, signed by its epoch key, and removes segment 1.
fn with_leaves(path: &Path, add: &dyn Fn(crate::log::LeafHead) -> Vec<Leaf>) {
    remove(path, 1);
    only_leaves(path, add);
}

fn only_leaves(path: &Path, add: &dyn Fn(crate::log::LeafHead) -> Vec<Leaf>) {
    forge(path, &|_, _, _| (), &|leaves| {
        let at = leaves.iter().rposition(|leaf| matches!(leaf, Leaf::Segment(_))).unwrap();
        let head = leaves[at].head().clone();
        for leaf in add(head).into_iter().rev() {
            leaves.insert(at + 1, leaf);
        }
    });
}

fn tombstone(name: &'static str, caught_by: &'static [&'static str], people: &'static [u8]) -> Attack {
    Attack::new(name, caught_by, move |path| {
        with_leaves(path, &|head| vec![Leaf::Tombstone(TombstoneLeaf { head, order: prune(people) })]);
    })
    .on(Base::Retained)
    .packaged_before(ORDERS)
}

pub(super) fn attacks() -> Vec<Attack> {
    let hold = |head| {
        let step = HoldStep::Added { from: None, to: None, reason: "a case".into(), by: "os:ann".into() };
        Leaf::Hold(HoldLeaf { head, hold: "hold-1".into(), step })
    };
    vec![
        Attack::new("segment deleted without a tombstone", &["files present"], |path| remove(path, 1))
            .on(Base::Retained)
            .store_only(),
        tombstone("tombstone forged by one person", RETENTION, &[1]),
        tombstone("tombstone signed twice by one person", RETENTION, &[2, 2]),
        tombstone("tombstone by one person and a stranger", RETENTION, &[1, 3]),
        Attack::new("held segment pruned", RETENTION, move |path| {
            with_leaves(path, &|head: crate::log::LeafHead| {
                vec![hold(head.clone()), Leaf::Tombstone(TombstoneLeaf { head, order: prune(&[1, 2]) })]
            });
        })
        .on(Base::Retained)
        .packaged_before(ORDERS),
        Attack::new("hold released by one person", RETENTION, move |path| {
            with_leaves(path, &|head: crate::log::LeafHead| {
                let order = order(Action::Release { hold: "hold-1".into() }, &[1]);
                let step = HoldStep::Released { order };
                let release = Leaf::Hold(HoldLeaf { head: head.clone(), hold: "hold-1".into(), step });
                vec![hold(head.clone()), release, Leaf::Tombstone(TombstoneLeaf { head, order: prune(&[1, 2]) })]
            });
        })
        .on(Base::Retained)
        .packaged_before(ORDERS),
        Attack::new("segment pruned before its time", RETENTION, |path| {
            with_terms(path, &|terms| terms.keep = 10 * 365 * 86_400_000_000);
            with_leaves(path, &|head| vec![Leaf::Tombstone(TombstoneLeaf { head, order: prune(&[1, 2]) })]);
        })
        .on(Base::Retained)
        .packaged_before(ORDERS),
        Attack::new("terms shortened to prune at once", RETENTION, |path| {
            shortened(path);
            with_leaves(path, &|head| vec![Leaf::Tombstone(TombstoneLeaf { head, order: prune(&[1, 2]) })]);
        })
        .on(Base::Retained)
        .packaged_before(ORDERS),
        // The log's key alone can name other people; those who know the real ones are not misled.
        Attack::new("people exchanged in the terms", ORDERS, |path| {
            with_terms(path, &|terms| terms.signers = [3, 4].map(|n| person(n).verifier().to_string()).to_vec());
            with_leaves(path, &|head| vec![Leaf::Tombstone(TombstoneLeaf { head, order: prune(&[3, 4]) })]);
        })
        .on(Base::Retained)
        .packaged_before(ORDERS)
        .with_people(),
        Attack::new("tombstone for another log", RETENTION, |path| {
            let order = Order::new(Action::Prune { segments: vec![[1, 1]] }, "test", "os:test", 1);
            let note = order.sign("other.example", &person(1)).unwrap();
            let note = Order::cosign(&note, &person(2)).unwrap();
            with_leaves(path, &|head| vec![Leaf::Tombstone(TombstoneLeaf { head, order: note.clone() })]);
        })
        .on(Base::Retained)
        .packaged_before(ORDERS),
        Attack::new("tombstone before its segment", ORDERS, |path| {
            forge(path, &|_, _, _| (), &|leaves| {
                let head = leaves[0].head().clone();
                leaves.insert(1, Leaf::Tombstone(TombstoneLeaf { head, order: prune(&[1, 2]) }));
            });
        })
        .on(Base::Retained),
    ]
}

fn with_terms(path: &Path, change: &dyn Fn(&mut Terms)) {
    forge(path, &|_, _, _| (), &|leaves| {
        for leaf in leaves.iter_mut() {
            if let Leaf::Key(key) = leaf
                && let Some(terms) = &mut key.retention
            {
                change(terms);
            }
        }
    });
}

/// A long time when the segments were sealed, a short one in a key leaf behind them.
fn shortened(path: &Path) {
    with_terms(path, &|terms| terms.keep = 10 * 365 * 86_400_000_000);
    let last = *segments(path).last().unwrap();
    let key = leaves(path).into_iter().find(|leaf| matches!(leaf, Leaf::Key(_))).unwrap();
    forge(path, &|_, _, _| (), &|leaves| {
        let now = leaves[last].head().clone();
        let later = leaves.split_off(last);
        if let Leaf::Key(key) = &mut key.clone() {
            key.head = crate::log::LeafHead { epoch: now.epoch + 1, ..now.clone() };
            if let Some(terms) = &mut key.retention {
                terms.keep = 1000;
            }
            leaves.push(Leaf::Key(key.clone()));
        }
        for mut leaf in later {
            match &mut leaf {
                Leaf::Segment(manifest) => manifest.predicate.head.epoch += 1,
                Leaf::Heartbeat(heartbeat) => heartbeat.head.epoch += 1,
                _ => {}
            }
            leaves.push(leaf);
        }
    });
}
