//! What the leaves say of time: heartbeats, the two clocks, and how old the newest leaf is.

use super::Options;
use super::leaves::Verified;
use super::report::{Checks, name};
use crate::journal::now;
use crate::log::Leaf;
use crate::table::rfc3339;

/// Clocks may be set by this much without a word (µs).
const CLOCK_SLACK: i64 = 5_000_000;

/// Heartbeats and the clock. Within a start of the writer, wall clock and monotonic clock advance together, and a leaf
/// follows the one before in time.
pub(super) fn times(found: &Verified, checks: &mut Checks) {
    checks.pass(name::HEARTBEATS);
    checks.pass(name::CLOCK);
    let mut interval = None;
    let mut gaps = 0;
    let steps = clock_leaves(found, checks);
    for pair in found.leaves.windows(2) {
        let [before, after] = pair else { continue };
        if let Leaf::Key(key) = &before.leaf {
            interval = i64::try_from(key.heartbeat).ok();
        }
        let (a, b) = (before.leaf.head(), after.leaf.head());
        let place = format!("leaf {}", after.index);
        let wall = b.time - a.time;
        let closed = match &before.leaf {
            Leaf::Heartbeat(heartbeat) => heartbeat.closing,
            Leaf::Rotation(_) => true,
            _ => false,
        };
        if a.boot != b.boot {
            // A new start: the time between is downtime, which only the last heartbeat can explain.
            gaps += u64::from(!closed);
            // The first leaf of a start introduces its key; that the clock was set stands right behind it.
            let told = steps.iter().any(|(index, step)| {
                (after.index..after.index + 3).contains(index) && (step - wall).abs() <= CLOCK_SLACK
            });
            if wall < -CLOCK_SLACK && !told {
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

/// The leaves that say that the wall clock was set, with the step; noted for people.
fn clock_leaves(found: &Verified, checks: &mut Checks) -> Vec<(u64, i64)> {
    let step = |leaf: &super::leaves::VerifiedLeaf| match &leaf.leaf {
        Leaf::Other(_, json) => Some((leaf.index, json.get("step")?.as_i64()?)),
        _ => None,
    };
    let steps: Vec<(u64, i64)> = found.leaves.iter().filter_map(step).collect();
    if !steps.is_empty() {
        let told: Vec<String> = steps
            .iter()
            .map(|(index, step)| format!("leaf {index}: by {}.{:03} s", step / 1_000_000, step.abs() / 1000 % 1000))
            .collect();
        checks.note(name::CLOCK, format!("the wall clock was set {} times ({})", steps.len(), told.join(", ")));
    }
    steps
}

pub(super) fn freshness(options: &Options, found: &Verified, checks: &mut Checks) {
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
