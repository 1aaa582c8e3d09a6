//! Puts the proxy together from its configuration. `serve` runs what comes out; `check` and `explain` use parts of it.

use crate::clock;
use crate::config::{self, DatasourceSetup, Durability, KnownProtocol, Setup, SigningKey, StorePlace};
use crate::console::wiring;
use crate::identity::{Access, SystemClock, Verifier};
use crate::policy_store;
use crate::proxy::{NoApprovals, PolicyStore, Proxy};
use crate::sessions::Sessions;
use crate::workers::Workers;
use evidence::{PolicyOrigin, Recorder, SigningKeySource, StoreConfig};
use model::PolicyVersion;
use pipeline::Allowance;
use policies::Keys;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wire::{Datasource, Protocol};

/// What went wrong and what to do. Exit code 3.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What failed.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) fix: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if !self.fix.is_empty() {
            write!(f, "\n  {}", self.fix)?;
        }
        Ok(())
    }
}

/// The protocols of this build, as a configuration may name them.
pub(crate) fn known_protocols() -> Vec<KnownProtocol> {
    registry::protocols()
        .iter()
        .map(|protocol| KnownProtocol {
            name: protocol.name().to_owned(),
            datasource_by_database: protocol.datasource_by_database(),
            options: protocol.options(),
        })
        .collect()
}

/// The protocol of that name.
pub(crate) fn protocol(name: &str) -> Result<Arc<dyn Protocol>, Failure> {
    registry::protocols().into_iter().find(|protocol| protocol.name() == name).ok_or_else(|| Failure {
        what: format!("this build does not speak {name:?}"),
        fix: format!(
            "it speaks: {}",
            registry::protocols().iter().map(|protocol| protocol.name()).collect::<Vec<_>>().join(", ")
        ),
    })
}

/// Reads the configuration.
pub(crate) fn load(path: &Path) -> Result<Setup, Failure> {
    config::load(path, &known_protocols()).map_err(|problems| Failure {
        what: problems.to_string(),
        fix: "run `affidavit check` once it is corrected".to_owned(),
    })
}

/// A datasource, set up and not connected.
pub(crate) fn datasource(setup: &DatasourceSetup) -> Result<Arc<dyn Datasource>, Failure> {
    protocol(&setup.protocol)?.datasource(setup.spec()).map_err(|error| Failure {
        what: format!("datasource {:?}: {error}", setup.name),
        fix: "correct its section in the configuration".to_owned(),
    })
}

/// The masking keys. Without a configured master secret they are drawn at random, which only masks that need no
/// stable key will notice; [`check_keys`] has made sure that there are no others.
pub(crate) fn keys(setup: &Setup) -> Result<Arc<Keys>, Failure> {
    match &setup.masking {
        Some(masking) => {
            let keys = Keys::new(masking.key.secret.expose(), &masking.tenant).at(clock::now());
            Ok(Arc::new(match &masking.small_zip_areas {
                Some(areas) => keys.small_zip_areas(areas.clone()),
                None => keys,
            }))
        }
        None => {
            let mut secret = zeroize::Zeroizing::new([0_u8; 32]);
            ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), secret.as_mut_slice())
                .map_err(|_| Failure { what: "the system has no random numbers".to_owned(), fix: String::new() })?;
            Ok(Arc::new(Keys::new(secret.as_slice(), "").at(clock::now())))
        }
    }
}

impl pipeline::Policies for policy_store::Store<policies::Policy> {
    fn current(&self) -> Arc<policies::Policy> {
        Self::current(self)
    }
}

impl policy_store::Policy for policies::Policy {
    fn parse(files: &[(String, String)]) -> Result<Self, Vec<String>> {
        Self::parse(files).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    fn version(&self) -> PolicyVersion {
        self.version()
    }

    fn canonical(&self) -> &str {
        self.canonical()
    }

    fn lacks(&self, old: &Self) -> Vec<String> {
        let changes = self.changes_since(old).into_iter();
        let removed = changes.filter(|change| change.happened == policies::Happened::Removed);
        removed.map(|change| format!("{} rule \"{}\"", change.kind.as_str(), change.name)).collect()
    }
}

/// The policy of the configured folder, read and validated, not in force.
pub(crate) fn policy(setup: &Setup) -> Result<policies::Policy, Failure> {
    policy_store::read(&setup.policies.path).map_err(|rejected| Failure {
        what: rejected.to_string(),
        fix: format!("correct the policy files in {}", setup.policies.path.display()),
    })
}

/// Rules that mask by a stable key, when none is configured.
pub(crate) fn rules_without_key(setup: &Setup, policy: &policies::Policy) -> Vec<String> {
    if setup.masking.is_some() { Vec::new() } else { policy.needs_key() }
}

/// Opens the record, puts the policy in force, and sets up everything else.
pub(crate) async fn assemble(setup: &Setup) -> Result<Arc<Proxy>, Failure> {
    let unset = rules_without_key(setup, &policy(setup)?);
    if !unset.is_empty() {
        return Err(Failure {
            what: format!("rules that need a masking key, which is not configured: {}", unset.join(", ")),
            fix: "add [masking] key = { file = \"…\" } with at least 32 secret bytes (openssl rand -hex 32)".to_owned(),
        });
    }
    let recorder = open_record(setup).await?;
    let policies = open_policies(setup, &recorder).await?;
    let decisions = wiring::approvals(setup, &recorder)?;
    let sessions = Arc::new(Sessions::default());
    let exchange = crate::exchange::wiring::open(setup, &recorder, &sessions)?;
    let mut datasources = HashMap::new();
    for configured in &setup.datasources {
        let key = (configured.protocol.clone(), configured.name.clone());
        datasources.insert(key, datasource(configured)?);
    }
    if let Some(decisions) = &decisions {
        decisions.know_classes(classes(&policies, datasources.values()));
    }
    let verifier = Verifier::new(&setup.issuers, Arc::new(SystemClock::default())).map_err(|error| Failure {
        what: format!("identity providers cannot be set up: {error}"),
        fix: String::new(),
    })?;
    Ok(Arc::new(Proxy {
        verifier: Arc::new(verifier),
        access: Access::new(&setup.datasources),
        policies,
        keys: keys(setup)?,
        recorder,
        sessions,
        datasources,
        limits: setup.limits.clone(),
        allowance: Allowance {
            message: usize::try_from(setup.limits.message_bytes).unwrap_or(usize::MAX),
            together: usize::try_from(setup.limits.unfinished_bytes).unwrap_or(usize::MAX),
            taken: Arc::default(),
        },
        slots: Arc::new(Semaphore::new(setup.limits.sessions)),
        seats: crate::seats::Seats::default(),
        denials: crate::denials::Denials::default(),
        patience: setup
            .datasources
            .iter()
            .map(|one| ((one.protocol.clone(), one.name.clone()), one.patience))
            .collect(),
        draining: tokio::sync::watch::Sender::new(false),
        workers: Workers::start(setup.limits.threads).map_err(|error| Failure {
            what: format!("cannot start {} threads for sessions: {error}", setup.limits.threads),
            fix: "set [limits] threads lower, or allow the process more threads and open files".to_owned(),
        })?,
        approvals: match &decisions {
            Some(decisions) => Arc::new(decisions.clone()),
            None => Arc::new(NoApprovals),
        },
        decisions,
        exchange,
    }))
}

/// What the policy in force calls a column, for those who are asked to approve.
fn classes<'d>(
    policies: &Arc<PolicyStore>,
    datasources: impl Iterator<Item = &'d Arc<dyn Datasource>>,
) -> crate::approvals::Classes {
    let policies = policies.clone();
    let known: HashMap<String, policies::Names> =
        datasources.map(|datasource| (datasource.spec().name.clone(), pipeline::names(datasource.as_ref()))).collect();
    Arc::new(move |datasource, column| {
        let names = *known.get(datasource)?;
        policies.current().classification(datasource, column, names).map(str::to_owned)
    })
}

/// The key that encrypts the exact texts of statements, if one is configured.
pub(crate) fn body_key(setup: &Setup) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Failure> {
    let Some(key) = &setup.store.body_key else { return Ok(None) };
    let text = String::from_utf8_lossy(key.secret.expose());
    let parsed = evidence::parse_body_key(&text, &key.source.to_string())
        .map_err(|error| Failure { what: error.to_string(), fix: "make one with: openssl rand -hex 32".to_owned() })?;
    Ok(Some(parsed))
}

/// Opens the store; what a crash left in the journal is sealed first.
async fn open_record(setup: &Setup) -> Result<Recorder, Failure> {
    let StorePlace::Local(path) = &setup.store.place else {
        return Err(Failure {
            what: format!("store {} is not a local directory", setup.store.place),
            fix: "this version keeps the record in a local directory: write path = \"./audit\"".to_owned(),
        });
    };
    let source = match &setup.store.signing_key {
        SigningKey::Command(argv) => SigningKeySource::Command { argv: argv.clone() },
        SigningKey::Key(key) => {
            let text = String::from_utf8(key.secret.expose().to_vec()).map_err(|_| Failure {
                what: format!("the signing key {} is not text", key.source),
                fix: "make one with: evidence keys generate --origin NAME --out FILE".to_owned(),
            })?;
            SigningKeySource::Text { text: text.into(), origin: key.source.to_string() }
        }
    };
    let mut config = StoreConfig::new(path, &setup.store.origin, source);
    config.create = setup.store.create;
    config.head.clone_from(&setup.store.head);
    config.durability = match setup.store.durability {
        Durability::Process => evidence::Durability::Process,
        Durability::Strict => evidence::Durability::Strict,
    };
    config.segment.rows = setup.store.segment.rows;
    config.segment.bytes = setup.store.segment.bytes;
    config.segment.age = setup.store.segment.age;
    config.clock_slack = setup.store.clock_slack;
    config.retention.clone_from(&setup.store.retention);
    config.body_key = body_key(setup)?;
    let opened = tokio::task::spawn_blocking(move || Recorder::open(config)).await;
    let cannot = |what: String| Failure { what: format!("the record cannot be opened: {what}"), fix: String::new() };
    let (recorder, recovery) =
        opened.map_err(|error| cannot(error.to_string()))?.map_err(|error| cannot(error.to_string()))?;
    if recovery.records > 0 {
        tracing::warn!(
            records = recovery.records,
            sessions = recovery.sessions,
            statements = recovery.statements,
            "the last run did not end in order; what it had recorded is sealed now"
        );
    }
    if let Some(what) = &recovery.missing {
        tracing::error!(%what, "records are lost; the log says so from now on");
    }
    if let Some(place) = recovery.cut {
        tracing::warn!(%place, "the journal ended in a torn record, which was cut off and noted in the log");
    }
    let health = recorder.health();
    if health.refuses_sessions {
        return Err(Failure {
            what: format!(
                "less than 1 GiB is free where the audit store lies ({}): {} MiB. No session could be recorded, so none is let in",
                path.display(),
                health.free_bytes / (1 << 20)
            ),
            fix: "make room on that disk, then start again; what is there is sealed and safe".to_owned(),
        });
    }
    Ok(recorder)
}

/// Puts the policy in force, its text recorded first, and follows its folder.
async fn open_policies(setup: &Setup, recorder: &Recorder) -> Result<Arc<PolicyStore>, Failure> {
    let folder = setup.policies.path.clone();
    let recorder = recorder.clone();
    let keyless = setup.masking.is_none();
    let allow_weaker = setup.policies.allow_weaker;
    let memory = setup.store.head.as_deref().map(policy_store::Memory::beside);
    let last = memory.as_ref().map_or(Ok(None), policy_store::Memory::recall).map_err(|error| Failure {
        what: format!("the policy that was in force last cannot be read: {error}"),
        fix: format!(
            "it lies in {}",
            memory.as_ref().map_or_else(String::new, |memory| memory.path().display().to_string())
        ),
    })?;
    let activate = move |change: &policy_store::Change<'_>| {
        if keyless {
            let files = [("policy".to_owned(), change.content.to_owned())];
            let unset = policies::Policy::parse(&files).map(|policy| policy.needs_key()).unwrap_or_default();
            if !unset.is_empty() {
                return Err(format!("rules need a masking key, which is not configured: {}", unset.join(", ")));
            }
        }
        let origin = PolicyOrigin { parent: change.parent, ..PolicyOrigin::default() };
        recorder.policy_loaded(change.version, change.content, &origin).map_err(|error| error.to_string())?;
        recorder.policy_activated(change.version, &origin).map_err(|error| error.to_string())?;
        memory.as_ref().map_or(Ok(()), |memory| {
            memory.remember(change.content).map_err(|error| format!("{}: {error}", memory.path().display()))
        })
    };
    let opening = move || PolicyStore::open(&folder, allow_weaker, last.as_deref(), Box::new(activate));
    let opened = tokio::task::spawn_blocking(opening).await;
    let cannot = |what: String| Failure {
        what: format!("the policy cannot be put in force:\n{what}"),
        fix: format!("correct the policy files in {}", setup.policies.path.display()),
    };
    let store = opened.map_err(|error| cannot(error.to_string()))?.map_err(|rejected| cannot(rejected.to_string()))?;
    store.watch(policy_store::LOOK_EVERY);
    Ok(store)
}
