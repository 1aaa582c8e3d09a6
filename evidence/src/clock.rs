//! The clock of the record. Within one run of the process it is the wall clock as it was at the start, counted on by a clock
//! that nobody sets: a jump of the wall clock neither moves records nor lengthens or ends what was granted for a time.
//!
//! That the two have come apart is observed, and noted in the log ([`crate::keeper`]). Small corrections are no jumps: the
//! kernel slews both clocks alike.

use rustix::time::{ClockId, clock_gettime};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Both clocks at the first use, in microseconds.
static START: OnceLock<(u64, i64)> = OnceLock::new();

/// Microseconds since the machine was started, suspension included.
fn ticking() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(now.tv_nsec / 1000).unwrap_or(0))
}

fn start() -> (u64, i64) {
    *START.get_or_init(|| (ticking(), wall()))
}

/// The wall clock, as somebody may have set it: microseconds since the Unix epoch.
pub(crate) fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    #[cfg(test)]
    let wall = wall + tests::SET.load(std::sync::atomic::Ordering::SeqCst);
    wall
}

/// Microseconds since this process first looked.
pub(crate) fn monotonic() -> u64 {
    let (ticks, _) = start();
    ticking().saturating_sub(ticks)
}

/// The record's time: microseconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    let (_, wall) = start();
    #[cfg(test)]
    let wall = wall + tests::STARTED.load(std::sync::atomic::Ordering::SeqCst);
    wall.saturating_add(i64::try_from(monotonic()).unwrap_or(i64::MAX))
}

/// By how much the wall clock is ahead of the record's time now.
pub(crate) fn ahead() -> i64 {
    wall().saturating_sub(now())
}

/// What is known of where the wall clock gets its time from.
pub(crate) fn source() -> String {
    let name = std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let name = name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned());
    let synchronised = std::path::Path::new("/run/systemd/timesync/synchronized").exists();
    format!("clock source {name}, {}", if synchronised { "synchronised" } else { "not known to be synchronised" })
}

#[cfg(test)]
mod tests {
    use crate::support::{config, open, run, session, vkey};
    use crate::verify::{Options, Outcome, verify};
    use crate::{Recorder, VerifierKey};
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// By how much the wall clock is set.
    pub(super) static SET: AtomicI64 = AtomicI64::new(0);
    /// By how much it was set when the process, as the store sees it, was started.
    pub(super) static STARTED: AtomicI64 = AtomicI64::new(0);

    const HOUR: i64 = 3_600_000_000;

    fn work(recorder: &Recorder) {
        let id = session(recorder, "agent-1");
        run(recorder, id, 1, "SELECT 1", 3);
        recorder.session_closed(id, "done").unwrap();
        recorder.seal_now().unwrap();
    }

    /// In a process of its own: the clock is everybody's.
    #[test]
    fn child() {
        let Ok(path) = std::env::var("EVIDENCE_CLOCK_STORE") else { return };
        let path = Path::new(&path);
        let judged = || {
            let report = verify(path, &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
            let clock = report.checks.iter().find(|check| check.name == "clock").unwrap().clone();
            assert!(report.is_good(), "{:?}", report.failed().collect::<Vec<_>>());
            assert_eq!(clock.outcome, Outcome::Pass);
            clock.note
        };
        let (recorder, _) = open(config(path));
        work(&recorder);
        for set in [HOUR, -HOUR] {
            let leaves = recorder.health().tree_size;
            SET.fetch_add(set, Ordering::SeqCst);
            while recorder.health().tree_size == leaves {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            work(&recorder);
        }
        recorder.close().unwrap();
        assert!(judged().starts_with("the wall clock was set 2 times ("), "{}", judged());
        // Started an hour later by a clock that is wrong, killed, and started again by one that is right.
        for clock in [HOUR, 0] {
            SET.store(clock, Ordering::SeqCst);
            STARTED.store(clock, Ordering::SeqCst);
            let (recorder, _) = open(config(path));
            work(&recorder);
            let id = session(&recorder, "agent-2");
            run(&recorder, id, 1, "SELECT 2", 3);
            let copy = tempfile::tempdir().unwrap();
            crate::support::copy_store(path, copy.path());
            drop(recorder);
            // Its threads may still be at it.
            while std::fs::remove_dir_all(path).is_err() {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            crate::support::copy_store(copy.path(), path);
        }
        let (recorder, _) = open(config(path));
        work(&recorder);
        recorder.close().unwrap();
        assert!(judged().starts_with("the wall clock was set 3 times ("), "{}", judged());
    }

    #[test]
    fn a_clock_that_is_set_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "clock::tests::child", "--nocapture"]).env("EVIDENCE_CLOCK_STORE", folder.path());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
