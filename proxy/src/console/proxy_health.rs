//! How the proxy is doing: what its parts say of themselves, and whether its databases answer.

use super::{HealthLine, HealthSource};
use crate::approvals::{Review, State};
use crate::proxy::Proxy;
use crate::second_lock::mode;
use async_trait::async_trait;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use wire::{Datasource, LockMode, LockState};

/// An answer of the databases is good for this long: whoever reloads the page does not log in to them again.
const FRESH: Duration = Duration::from_secs(10);
/// A database that says nothing for this long is not well.
const PATIENCE: Duration = Duration::from_secs(4);

/// Less disk than this is worth a warning (MiB). The journal itself refuses sessions only later.
const LITTLE_DISK: u64 = 2048;

/// What the proxy's parts say of themselves.
pub(crate) struct ProxyHealth {
    proxy: Arc<Proxy>,
    /// What the databases said last, and when.
    upstreams: Mutex<Option<(Instant, Vec<HealthLine>)>>,
}

impl ProxyHealth {
    pub(crate) fn new(proxy: Arc<Proxy>) -> Self {
        Self { proxy, upstreams: Mutex::default() }
    }

    /// Logs in to each database and out again.
    async fn ask(&self) -> Vec<HealthLine> {
        let mut asked = Vec::new();
        for datasource in self.proxy.datasources.values() {
            let datasource = datasource.clone();
            asked.push(tokio::spawn(async move {
                let name = datasource.spec().name.clone();
                let begun = Instant::now();
                let answer = tokio::time::timeout(PATIENCE, datasource.probe()).await;
                let catalog = match datasource.catalog_epoch() {
                    0 => "its catalog has not been read yet".to_owned(),
                    epoch => format!("catalog {epoch}"),
                };
                let (well, words) = match answer {
                    Ok(Ok(version)) => {
                        (true, format!("version {version} answers in {} ms; {catalog}", begun.elapsed().as_millis()))
                    }
                    Ok(Err(refusal)) => (false, refusal.to_string()),
                    Err(_) => (false, format!("no answer within {} s", PATIENCE.as_secs())),
                };
                HealthLine { part: format!("datasource {name}"), well, words, vital: false }
            }));
        }
        let mut lines = Vec::new();
        for task in asked {
            lines.extend(task.await.ok());
        }
        lines.sort_by(|a, b| a.part.cmp(&b.part));
        lines
    }
}

#[async_trait]
impl HealthSource for ProxyHealth {
    async fn upstreams(&self) -> Vec<HealthLine> {
        // Held while asking: many visitors at once are one question.
        let mut known = self.upstreams.lock().await;
        match known.as_ref() {
            Some((at, lines)) if at.elapsed() < FRESH => lines.clone(),
            _ => {
                let lines = self.ask().await;
                *known = Some((Instant::now(), lines.clone()));
                lines
            }
        }
    }

    async fn unready(&self) -> Vec<&'static str> {
        let proxy = &self.proxy;
        let stopping = *proxy.draining.borrow();
        let record = proxy.recorder.health();
        let all_unwell = |lines: &[HealthLine]| !lines.is_empty() && lines.iter().all(|line| !line.well);
        let issuers = proxy.verifier.health();
        let lags = record.unsealed_bytes > record.room_bytes / 4 * 3;
        let kinds = [
            ("stopping", stopping),
            ("audit store lost or failed", record.stopped.is_some()),
            ("journal short of room", record.is_short || record.refuses_sessions),
            ("sealing fails or lags", record.sealing_error.is_some() || lags),
            ("no identity provider can be asked", {
                let lost = |issuer: &crate::identity::IssuerHealth| issuer.failure.is_some() && !issuer.usable;
                !issuers.is_empty() && issuers.iter().all(lost)
            }),
            ("policy refused", proxy.policies.health().rejected.is_some()),
            ("no database answers", all_unwell(&self.upstreams().await)),
            ("second lock out of order", {
                let mut all = proxy.datasources.values().peekable();
                all.peek().is_some() && all.all(|one| mode(one.as_ref()) == LockMode::Required && !is_in_force(one))
            }),
        ];
        kinds.into_iter().filter(|(_, holds)| *holds).map(|(kind, _)| kind).collect()
    }

    fn warnings(&self) -> Vec<&'static str> {
        let mut locked = self.proxy.datasources.values().filter(|one| mode(one.as_ref()) != LockMode::Off);
        let kinds = [
            ("second lock not in force", locked.any(|one| !is_in_force(one))),
            ("second lock alarm", pipeline::alarms() > 0),
        ];
        kinds.into_iter().filter(|(_, holds)| *holds).map(|(kind, _)| kind).collect()
    }

    fn health(&self) -> Vec<HealthLine> {
        let proxy = &self.proxy;
        let record = proxy.recorder.health();
        let trouble = record.stopped.as_ref().map(ToString::to_string).or(record.sealing_error.clone());
        let mut lines = vec![HealthLine {
            part: "record".to_owned(),
            well: trouble.is_none(),
            vital: record.stopped.is_some(),
            words: trouble.unwrap_or_else(|| {
                format!(
                    "sealed up to record {} of {}, {} wait ({} KiB); {} segments, {} leaves in the log",
                    record.sealed,
                    record.journaled,
                    record.journaled.saturating_sub(record.sealed),
                    record.unsealed_bytes / 1024,
                    record.segment,
                    record.tree_size
                )
            }),
        }];
        let free = record.free_bytes / (1 << 20);
        lines.push(HealthLine {
            part: "disk".to_owned(),
            well: free >= LITTLE_DISK,
            vital: false,
            words: match free {
                free if free >= LITTLE_DISK => format!("{free} MiB free where the record lies"),
                free => format!("only {free} MiB free where the record lies: make room before statements are refused"),
            },
        });
        if let Some(approvals) = &proxy.decisions {
            let owed = approvals.list(usize::MAX, |approval| approval.review() == Some(&Review::Due)).len();
            let waiting = approvals.list(usize::MAX, |approval| approval.state() == State::Pending).len();
            lines.push(HealthLine {
                part: "approvals".to_owned(),
                well: owed == 0,
                vital: false,
                words: match owed {
                    0 => format!("{waiting} wait for people"),
                    owed => format!("{waiting} wait for people; {owed} emergency accesses wait for their review"),
                },
            });
        }
        lines.extend(proxy.datasources.values().filter(|one| mode(one.as_ref()) != LockMode::Off).map(lock_line));
        let policy = proxy.policies.health();
        lines.push(HealthLine {
            part: "policy".to_owned(),
            well: policy.rejected.is_none(),
            vital: false,
            words: match &policy.rejected {
                None => format!("version {} is in force", policy.version),
                Some(rejected) => format!(
                    "version {} stays in force; the folder holds a policy that is refused: {rejected}",
                    policy.version
                ),
            },
        });
        lines.extend(proxy.verifier.health().into_iter().map(|issuer| HealthLine {
            part: format!("issuer {}", issuer.issuer),
            well: issuer.failure.is_none(),
            vital: false,
            words: match (issuer.failure, issuer.keys) {
                (Some(failure), _) => failure,
                (None, Some((keys, age))) => format!("{keys} keys, {} s old", age.as_secs()),
                (None, None) => "not asked yet".to_owned(),
            },
        }));
        let (sessions, most) = (proxy.sessions.count(), proxy.limits.sessions);
        lines.push(HealthLine {
            part: "sessions".to_owned(),
            well: sessions < most,
            vital: false,
            words: format!("{sessions} of at most {most}"),
        });
        lines
    }

    fn metrics(&self) -> Option<String> {
        let proxy = &self.proxy;
        let record = proxy.recorder.health();
        let mut text = String::new();
        let mut gauge = |name: &str, help: &str, value: u64| {
            let _ = writeln!(
                text,
                "# HELP affidavit_{name} {help}\n# TYPE affidavit_{name} gauge\naffidavit_{name} {value}"
            );
        };
        gauge("sessions", "Sessions that are running.", u64::try_from(proxy.sessions.count()).unwrap_or(u64::MAX));
        gauge("record_journaled", "Number of the newest record.", record.journaled);
        gauge("record_sealed", "Records up to this number are sealed.", record.sealed);
        gauge("record_unsealed_bytes", "Bytes in the journal that are not sealed.", record.unsealed_bytes);
        gauge("record_free_bytes", "Bytes free on the store's file system.", record.free_bytes);
        gauge("record_segments", "Newest segment.", record.segment);
        gauge("log_leaves", "Leaves in the transparency log.", record.tree_size);
        gauge(
            "record_failing",
            "1 when the record takes no more or cannot be sealed.",
            u64::from(record.stopped.is_some() || record.sealing_error.is_some()),
        );
        gauge(
            "policy_rejected",
            "1 when the policy folder holds what cannot be put in force.",
            u64::from(proxy.policies.health().rejected.is_some()),
        );
        gauge(
            "second_lock_alarms",
            "Statements that the database refused although the analysis had let them pass, since the start.",
            pipeline::alarms(),
        );
        let broken = proxy.datasources.values().filter(|one| mode(one.as_ref()) != LockMode::Off && !is_in_force(one));
        gauge(
            "second_lock_broken",
            "Datasources whose second lock is not in force.",
            u64::try_from(broken.count()).unwrap_or(u64::MAX),
        );
        if let Some(approvals) = &proxy.decisions {
            let count = |wanted: &dyn Fn(&crate::approvals::Approval) -> bool| {
                u64::try_from(approvals.list(usize::MAX, wanted).len()).unwrap_or(u64::MAX)
            };
            gauge(
                "approvals_pending",
                "Requests that wait for people.",
                count(&|approval| approval.state() == State::Pending),
            );
            gauge(
                "approvals_review_due",
                "Emergency accesses that wait for a review.",
                count(&|approval| approval.review() == Some(&Review::Due)),
            );
        }
        Some(text)
    }
}

fn is_in_force(datasource: &Arc<dyn Datasource>) -> bool {
    datasource.lock() == LockState::InForce
}

fn lock_line(datasource: &Arc<dyn Datasource>) -> HealthLine {
    let words = match datasource.lock() {
        LockState::InForce => match pipeline::alarms() {
            0 => "in force".to_owned(),
            alarms => format!("in force; {alarms} alarms since the start: the record says which statements"),
        },
        LockState::Unknown => "its roles have not been looked at yet".to_owned(),
        LockState::Broken(why) => format!("out of order ({}): {why}", mode(datasource.as_ref()).as_str()),
    };
    HealthLine {
        part: format!("second lock of {}", datasource.spec().name),
        well: is_in_force(datasource) && pipeline::alarms() == 0,
        words,
        vital: false,
    }
}
