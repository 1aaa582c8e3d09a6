//! Where a crash can fall between two steps that reach the disk. Nothing, but for the tests of this crate: there the process
//! that has `EVIDENCE_CRASH_AT` in its environment dies at the step of that number.

/// A step is done, or about to be.
#[cfg(not(test))]
pub(crate) fn point() {}

#[cfg(test)]
pub(crate) use tests::point;

#[cfg(test)]
mod tests {
    use crate::support::{config, copy_store, open, run, session, vkey};
    use crate::verify::{Options, verify};
    use crate::{Recorder, VerifierKey};
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::{AtomicU64, Ordering};

    static STEP: AtomicU64 = AtomicU64::new(0);

    pub(crate) fn point() {
        let Ok(at) = std::env::var("EVIDENCE_CRASH_AT") else { return };
        if STEP.fetch_add(1, Ordering::SeqCst).to_string() == at {
            std::process::abort();
        }
    }

    /// In a process of its own: opens what a crash left, works, seals, closes.
    #[test]
    fn child() {
        let Ok(path) = std::env::var("EVIDENCE_CRASH_STORE") else { return };
        let (recorder, _) = open(config(Path::new(&path)));
        for who in ["agent-3", "agent-4"] {
            let id = session(&recorder, who);
            run(&recorder, id, 1, "SELECT 3", 3);
            recorder.session_closed(id, "done").unwrap();
            recorder.seal_now().unwrap();
        }
        recorder.close().unwrap();
    }

    fn good(path: &Path, when: &str) {
        let report = verify(path, &Options::new(VerifierKey::parse(&vkey()).unwrap())).unwrap();
        assert!(report.is_good(), "{when}: {:?}", report.failed().collect::<Vec<_>>());
    }

    #[test]
    fn a_crash_at_any_step_is_no_alarm_and_loses_nothing() {
        // Where a sync costs nothing, if there is such a place: this is about the order of steps.
        let memory = Path::new("/dev/shm");
        let folder =
            tempfile::tempdir_in(if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() }).unwrap();
        let crashed = folder.path().join("crashed");
        let (recorder, _) = open(config(&folder.path().join("live")));
        let id = session(&recorder, "agent-1");
        run(&recorder, id, 1, "SELECT 1", 3);
        recorder.seal_now().unwrap();
        run(&recorder, id, 2, "SELECT 2", 3);
        copy_store(&folder.path().join("live"), &crashed);
        let mut steps = 0;
        loop {
            let store = folder.path().join(steps.to_string());
            copy_store(&crashed, &store);
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "faults::tests::child", "--nocapture"]);
            command.env("EVIDENCE_CRASH_STORE", &store).env("EVIDENCE_CRASH_AT", steps.to_string());
            let done = command.output().unwrap();
            good(&store, &format!("after a crash at step {steps}"));
            let (recorder, recovery) = Recorder::open(config(&store)).unwrap();
            assert!(recovery.lost.is_empty() && recovery.missing.is_none(), "step {steps}: {recovery:?}");
            recorder.close().unwrap();
            good(&store, &format!("reopened after a crash at step {steps}"));
            std::fs::remove_dir_all(&store).unwrap();
            if done.status.success() {
                break;
            }
            // Every step when it is asked for, else one of three.
            steps += if std::env::var_os("EVIDENCE_STEPS").is_some() { 1 } else { 3 };
        }
        assert!(steps > 40, "only {steps} steps were seen");
    }
}
