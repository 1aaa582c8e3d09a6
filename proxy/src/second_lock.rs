//! The second lock of each datasource: works out what its roles must not read, looks whether they cannot, and says so to the
//! datasource, the log, the record and health. What the lock refuses although the analysis had let it pass is an alarm: the
//! pipeline raises it.

use crate::proxy::PolicyStore;
use evidence::{AccessEvent, Recorder};
use model::Refusal;
use pipeline::names;
use policies::{Keys, Policy};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wire::{Datasource, LockMode, LockPlan, LockReport, LockState, NamedRelation};

/// Between two looks when nothing asks for one sooner.
const EVERY: Duration = Duration::from_secs(60);
/// The same while the lock is not in force: an administrator may be at work.
const SOON: Duration = Duration::from_secs(5);
/// How often it is asked whether policy or catalog are others than at the last look.
const PULSE: Duration = Duration::from_millis(500);

/// Whether the datasource has a second lock.
pub(crate) fn mode(datasource: &dyn Datasource) -> LockMode {
    LockMode::of(&datasource.spec().options)
}

/// What the roles of a datasource are to keep.
pub(crate) fn plan(policy: &Policy, keys: &Keys, datasource: &dyn Datasource, relations: &[NamedRelation]) -> LockPlan {
    let (name, names) = (&datasource.spec().name, names(datasource));
    let areas = keys.small_areas();
    let guarded = relations.iter().filter_map(|(table, columns)| policy.guarded(name, names, areas, table, columns));
    LockPlan { guarded: guarded.collect(), least: false }
}

/// Holds the roles of a datasource against the policy.
///
/// # Errors
/// The database cannot be asked.
pub(crate) async fn look(policy: &Policy, keys: &Keys, datasource: &dyn Datasource) -> Result<LockReport, Refusal> {
    let relations = datasource.relations().await?;
    datasource.examine_lock(&plan(policy, keys, datasource, &relations)).await
}

/// Looks at the start, after every change of policy or catalog, and now and then.
pub(crate) async fn keep(
    datasource: Arc<dyn Datasource>,
    policies: Arc<PolicyStore>,
    keys: Arc<Keys>,
    recorder: Recorder,
    mut stopping: watch::Receiver<bool>,
) {
    let name = datasource.spec().name.clone();
    let (mode, mut failing, mut lacking) = (mode(datasource.as_ref()), false, Vec::new());
    loop {
        let policy = policies.current();
        match look(&policy, &keys, datasource.as_ref()).await {
            Ok(report) => {
                failing = false;
                tell(datasource.as_ref(), mode, &report, &recorder);
                if lacking != report.narrow {
                    for lacks in &report.narrow {
                        tracing::warn!(datasource = %name, %lacks, "the second lock holds more than policy asks for");
                    }
                    lacking = report.narrow;
                }
            }
            Err(refusal) if !failing => {
                failing = true;
                tracing::warn!(datasource = %name, %refusal, "the roles of the second lock cannot be looked at");
            }
            Err(_) => {}
        }
        let (looked, epoch) = (Instant::now(), datasource.catalog_epoch());
        let rest = if datasource.lock() == LockState::InForce { EVERY } else { SOON };
        loop {
            tokio::select! {
                () = tokio::time::sleep(PULSE) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            let changed = policies.current().version() != policy.version() || datasource.catalog_epoch() != epoch;
            if changed || looked.elapsed() >= rest {
                break;
            }
        }
    }
}

fn tell(datasource: &dyn Datasource, mode: LockMode, report: &LockReport, recorder: &Recorder) {
    let name = &datasource.spec().name;
    let state = match report.wrong.as_slice() {
        [] => LockState::InForce,
        wrong => LockState::Broken(wrong.join("; ").into()),
    };
    if datasource.lock() == state {
        return;
    }
    let finding = match &state {
        LockState::Broken(why) => {
            let what = match mode {
                LockMode::Required => "its statements are refused",
                LockMode::Preferred | LockMode::Off => "its statements run without",
            };
            tracing::error!(datasource = %name, %why, "the second lock is out of order: {what}; affidavit doctor --datasource {name} --sql says what to run");
            format!("out of order, {what}: {why}")
        }
        LockState::InForce | LockState::Unknown => {
            tracing::info!(datasource = %name, "the second lock is in force");
            "in force".to_owned()
        }
    };
    note(recorder, "second lock", format!("datasource {name}"), finding);
    datasource.set_lock(state);
}

fn note(recorder: &Recorder, action: &str, scope: String, finding: String) {
    let event = AccessEvent {
        actor: "affidavit".to_owned(),
        action: action.to_owned(),
        scope,
        finding: Some(finding),
        package_hash: None,
    };
    if let Err(error) = recorder.accessed(&event) {
        tracing::error!(%error, action, "what became of the second lock could not be recorded");
    }
}
