//! A configured upstream: its catalog, its analysers, and whose connections its threads are.

mod links;
mod lock;
pub(crate) mod options;
mod threads;

pub(crate) use threads::{Owner, Thread, told};

use crate::catalog::Snapshot;
use crate::dial::unavailable;
use crate::estimate;
use crate::message::capability::Capabilities;
use crate::message::error::ErrorPacket;
use crate::message::greeting::Greeting;
use crate::own_query::run;
use crate::procedure::{Analyse, Procedures};
use crate::roles::role_of;
use crate::survey::{self, Asker};
use async_trait::async_trait;
use model::{Facts, Refusal, Role, Statement, Substitution, TableRef, Verb};
use sql::{Analyser, Catalog, Dialect, Settings};
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use wire::{
    Datasource, DatasourceSpec, LockMode, LockNames, LockPlan, LockReport, LockState, NamedRelation, Sample,
    SampleOrder, SpecError, Survey, UpstreamTls, trace_view,
};

/// utf8mb4: what our own queries speak.
const UTF8MB4: u8 = 45;
/// What our own connections can do. No more is needed for text results.
const OWN: Capabilities = Capabilities(0x0120_A205);

/// How long a survey or a sample may take.
const LONGEST_SURVEY: Duration = Duration::from_secs(60);
/// Between two attempts to reach an upstream for clients who have not proven anything.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A datasource. Cheap to clone: all clones are the same.
#[derive(Clone)]
pub(crate) struct MysqlDatasource {
    shared: Arc<Shared>,
}

struct Shared {
    spec: DatasourceSpec,
    mysql: Analyser,
    mariadb: Analyser,
    catalog: RwLock<Arc<Catalog>>,
    procedures: RwLock<Arc<Procedures>>,
    digest: Mutex<Option<[u8; 32]>>,
    /// Held by whoever reads the catalog.
    refreshing: tokio::sync::Mutex<()>,
    /// Reads begun so far: who waited while one began needs none of its own.
    begun: AtomicU64,
    /// Definitions that have run, and how many of them had when the last reading that is in force began.
    defined: AtomicU64,
    read: AtomicU64,
    seen: Mutex<Seen>,
    /// The upstream's greeting, as it was last.
    greeting: Mutex<Option<Greeting>>,
    /// When the upstream could not be reached for one, and what came of it.
    unreached: Mutex<Option<(Instant, Refusal)>>,
    threads: Mutex<threads::Threads>,
    /// Whether the second lock is in force.
    lock: watch::Sender<LockState>,
    /// The relations on which its masked role has its rights.
    covered: RwLock<Arc<HashSet<TableRef>>>,
}

/// What the upstream said of itself last.
#[derive(Clone, Copy)]
struct Seen {
    mariadb: bool,
    version: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MysqlDatasource {
    /// Sets it up. Does not connect.
    pub(crate) fn new(spec: DatasourceSpec) -> Result<Self, SpecError> {
        sql::give_way_by(wire::give_way);
        if !spec.address.contains(':') {
            return Err(SpecError(format!("datasource {}: address {:?} lacks its port", spec.name, spec.address)));
        }
        options::check(&spec)?;
        Ok(Self {
            shared: Arc::new(Shared {
                spec,
                mysql: Analyser::new(Dialect::Mysql),
                mariadb: Analyser::new(Dialect::MariaDb),
                catalog: RwLock::default(),
                procedures: RwLock::default(),
                digest: Mutex::new(None),
                refreshing: tokio::sync::Mutex::new(()),
                begun: AtomicU64::new(0),
                defined: AtomicU64::new(0),
                read: AtomicU64::new(0),
                seen: Mutex::new(Seen { mariadb: false, version: 0 }),
                greeting: Mutex::new(None),
                unreached: Mutex::new(None),
                threads: Mutex::default(),
                lock: watch::Sender::new(LockState::Unknown),
                covered: RwLock::default(),
            }),
        })
    }

    /// The catalog in force.
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a text does, by the catalog in force.
    pub(crate) fn facts(&self, sql: &[u8], mariadb: bool, settings: &Settings) -> Arc<Facts> {
        self.facts_by(self.analyser(mariadb), &self.catalog(), sql, settings)
    }

    /// What reads texts by the catalog in force.
    pub(crate) fn analyser(&self, mariadb: bool) -> &Analyser {
        if mariadb { &self.shared.mariadb } else { &self.shared.mysql }
    }

    /// What a text does, by the catalog as a session sees it.
    pub(crate) fn facts_by(
        &self,
        analyser: &Analyser,
        catalog: &Catalog,
        sql: &[u8],
        settings: &Settings,
    ) -> Arc<Facts> {
        let facts = analyser.analyse(sql, catalog, settings);
        let facts =
            self.followed(facts, sql, settings, &|sql, settings| analyser.analyse(sql.as_bytes(), catalog, settings));
        let touches = facts.unparsed.is_some()
            // A procedure that touches nothing may have been another one since.
            || facts.parts.iter().any(|part| !part.tables.is_empty() || part.verb == Verb::Call);
        if touches && self.is_outdated() {
            // A reason to read the catalog again before this is judged.
            let mut facts = Facts::clone(&facts);
            facts.unknown_relations.push("(whatever has been defined since the catalog was read)".to_owned());
            return Arc::new(facts);
        }
        facts
    }

    /// A CALL does what its procedure does, where that is known.
    fn followed(&self, facts: Arc<Facts>, sql: &[u8], settings: &Settings, analyse: Analyse<'_>) -> Arc<Facts> {
        if !matches!(facts.parts.as_slice(), [part] if part.verb == Verb::Call && !part.opaque.is_empty()) {
            return facts;
        }
        let procedures = self.shared.procedures.read().unwrap_or_else(PoisonError::into_inner).clone();
        Arc::new(procedures.facts(sql, &facts, settings, analyse))
    }

    /// A definition has run: the catalog in force may be wrong about views and columns. It is read again at once, beside the
    /// session: until that is done it counts as outdated, and what depends on it waits.
    pub(crate) fn outdate(&self) {
        self.shared.defined.fetch_add(1, Ordering::SeqCst);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let datasource = self.clone();
            runtime.spawn(async move {
                if let Err(refusal) = datasource.refresh_catalog().await {
                    tracing::debug!(%refusal, "the catalog is read again when it is needed");
                }
            });
        }
    }

    /// Whether a definition has run since the reading began that is in force.
    pub(crate) fn is_outdated(&self) -> bool {
        self.shared.read.load(Ordering::SeqCst) < self.shared.defined.load(Ordering::SeqCst)
    }

    /// Settings as they are before the server was asked.
    pub(crate) fn initial_settings(&self, greeting: &Greeting) -> Settings {
        self.saw(greeting);
        Settings { server_version: greeting.version_number(), multi_statements: false, ..Settings::default() }
    }

    fn saw(&self, greeting: &Greeting) {
        *lock(&self.shared.greeting) = Some(greeting.clone());
        *lock(&self.shared.seen) = Seen { mariadb: greeting.is_mariadb(), version: greeting.version_number() };
    }

    /// What clients are greeted with: the upstream's greeting as it was last, which every look at the catalog renews.
    /// Nobody is dialled for a stranger: the upstream counts who connects and says nothing, and shuts its host out.
    pub(crate) async fn greeting(&self) -> Result<Greeting, Refusal> {
        if let Some(greeting) = lock(&self.shared.greeting).clone() {
            return Ok(greeting);
        }
        if let Some((at, refusal)) = lock(&self.shared.unreached).clone()
            && at.elapsed() < ASK_AGAIN
        {
            return Err(refusal);
        }
        // Whoever waits while another one asks needs not ask.
        let refreshed = self.refresh_catalog().await;
        // An upstream that greets us and lets us do nothing is no matter of who has not proven anything yet.
        if let Some(greeting) = lock(&self.shared.greeting).clone() {
            return Ok(greeting);
        }
        let refusal = refreshed.err().unwrap_or_else(|| unavailable(&self.shared.spec, "it has not greeted us yet"));
        *lock(&self.shared.unreached) = Some((Instant::now(), refusal.clone()));
        Err(refusal)
    }

    /// Notes the greeting of a connection that was made for an admitted client. False when the client was told of another
    /// server: what it may send and be sent was agreed on with that one.
    pub(crate) fn still_greets(&self, told: &Greeting, greeting: &Greeting) -> bool {
        self.saw(greeting);
        told.version == greeting.version && told.capabilities == greeting.capabilities
    }

    /// Whether the upstream is MariaDB, and a session's settings before it changes any.
    fn settings_at_rest(&self) -> (bool, Settings) {
        let seen = *lock(&self.shared.seen);
        let search_path = self.shared.spec.database.iter().cloned().collect();
        (seen.mariadb, Settings { server_version: seen.version, search_path, ..Settings::default() })
    }
}

/// The upstream did not let us in.
pub(crate) fn refused_us(spec: &DatasourceSpec, payload: &[u8]) -> Refusal {
    let why = match ErrorPacket::decode(payload) {
        Ok(error) => {
            format!("it refuses our login with error {}: {}", error.code, String::from_utf8_lossy(error.message))
        }
        Err(malformed) => format!("it refuses our login with a {malformed}"),
    };
    unavailable(spec, &why)
}

#[async_trait]
impl Datasource for MysqlDatasource {
    fn spec(&self) -> &DatasourceSpec {
        &self.shared.spec
    }

    async fn refresh_catalog(&self) -> Result<u64, Refusal> {
        let shared = &self.shared;
        let (before, outdated) = (shared.begun.load(Ordering::SeqCst), self.is_outdated());
        let _turn = shared.refreshing.lock().await;
        if shared.begun.load(Ordering::SeqCst) > before || (outdated && !self.is_outdated()) {
            // Somebody has read it after we were asked, or after what had made us ask.
            return Ok(self.catalog_epoch());
        }
        shared.begun.fetch_add(1, Ordering::SeqCst);
        let defined = shared.defined.load(Ordering::SeqCst);
        let (mut link, _, capabilities) = self.connect().await?;
        let mut snapshot = Snapshot::read(&mut link, capabilities)
            .await
            .map_err(|error| unavailable(&shared.spec, &format!("its catalog cannot be read: {error}")))?;
        let digest = snapshot.digest;
        if *lock(&shared.digest) != Some(digest) {
            let procedures = Arc::new(snapshot.procedures());
            *shared.procedures.write().unwrap_or_else(PoisonError::into_inner) = procedures;
            let catalog = Arc::new(snapshot.catalog(self.catalog_epoch() + 1));
            *shared.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
            *lock(&shared.digest) = Some(digest);
        }
        // Only now: until the new one is in force, what depends on the old one must know that it is old.
        shared.read.fetch_max(defined, Ordering::SeqCst);
        Ok(self.catalog_epoch())
    }

    fn catalog_epoch(&self) -> u64 {
        self.catalog().epoch()
    }

    fn is_outdated(&self) -> bool {
        Self::is_outdated(self)
    }

    fn analyse(&self, sql: &str) -> Arc<Facts> {
        let (mariadb, settings) = self.settings_at_rest();
        self.facts(sql.as_bytes(), mariadb, &settings)
    }

    fn substitute(&self, sql: &str, facts: &Facts, substitution: &Substitution) -> Result<String, String> {
        let (mariadb, mut settings) = self.settings_at_rest();
        if self.lock_state() == LockState::InForce {
            settings.mask_views = Some(LockNames::of(&self.shared.spec.user).views.into());
        }
        let dialect = if mariadb { Dialect::MariaDb } else { Dialect::Mysql };
        let catalog = self.catalog();
        let put = sql::substitute(dialect, sql.as_bytes(), facts, substitution, &catalog, &settings)?;
        Ok(String::from_utf8_lossy(&put.text).into_owned())
    }

    fn columns(&self, table: &TableRef) -> Option<Vec<String>> {
        let catalog = self.catalog();
        Some(catalog.relation(table)?.columns.iter().map(|column| column.name.clone()).collect())
    }

    fn folds_names(&self) -> bool {
        true
    }

    /// `key` is the thread's number, four bytes, little endian.
    async fn cancel(&self, key: &[u8]) -> io::Result<()> {
        let number = key.first_chunk().map(|key| u32::from_le_bytes(*key)).ok_or(io::ErrorKind::InvalidInput)?;
        let (mut link, _, capabilities) = self.connect().await.map_err(io::Error::other)?;
        run(&mut link, &format!("KILL QUERY {number}"), capabilities).await.map(drop).map_err(io::Error::other)
    }

    async fn probe(&self) -> Result<String, Refusal> {
        let (_, greeting, _) = self.connect().await?;
        Ok(String::from_utf8_lossy(&greeting.version).into_owned())
    }

    async fn survey(&self) -> Result<Survey, Refusal> {
        self.refresh_catalog().await?;
        let (mut link, greeting, capabilities) = self.connect().await?;
        let read = async {
            let mut asker = Asker::new(&mut link, capabilities).await?;
            let lock = LockNames::of(&self.shared.spec.user);
            if self.lock_mode() != LockMode::Off {
                asker.leave_out(&lock);
            }
            let findings = survey::findings(&mut asker).await?;
            let mut columns = survey::columns(&mut asker).await?;
            columns.retain(|own| self.lock_mode() == LockMode::Off || own.column.schema != lock.views);
            Ok((findings, columns))
        };
        let (findings, mut columns) = self.bounded(read).await?;
        for columns in columns.chunk_by_mut(|one, other| one.column.table() == other.column.table()) {
            if let Some(first) = columns.first().filter(|first| first.of_view) {
                let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
                let names: Vec<String> = columns.iter().map(|own| quote(&own.column.column)).collect();
                let (schema, view) = (quote(&first.column.schema), quote(&first.column.table));
                let facts = self.analyse(&format!("SELECT {} FROM {schema}.{view}", names.join(", ")));
                trace_view(columns, &facts);
            }
        }
        Ok(Survey { version: String::from_utf8_lossy(&greeting.version).into_owned(), findings, columns })
    }

    async fn hardening(&self, role: Option<&str>) -> Result<String, Refusal> {
        let (mut link, _, capabilities) = self.connect().await?;
        let encrypted = matches!(self.shared.spec.tls, UpstreamTls::Required(_));
        let read = async {
            let mut asker = Asker::new(&mut link, capabilities).await?;
            survey::hardening(&mut asker, role, encrypted).await
        };
        self.bounded(read).await
    }

    async fn relations(&self) -> Result<Vec<NamedRelation>, Refusal> {
        self.named_relations().await.map(|(_, relations)| relations)
    }

    async fn lock_sql(&self, role: Option<&str>, plan: &LockPlan) -> Result<String, Refusal> {
        self.write_lock_sql(role, plan).await
    }

    async fn examine_lock(&self, plan: &LockPlan) -> Result<LockReport, Refusal> {
        self.examine(plan).await
    }

    fn set_lock(&self, state: LockState) {
        self.shared.lock.send_replace(state);
    }

    fn lock(&self) -> LockState {
        self.lock_state()
    }

    fn role(&self, statement: &Statement, wanted: Role) -> Option<Role> {
        role_of(statement, wanted, &self.lock_state(), &self.covered())
    }

    async fn sample(&self, order: &SampleOrder<'_>) -> Result<Sample, Refusal> {
        let (mut link, _, capabilities) = self.connect().await?;
        let read = async {
            let mut asker = Asker::new(&mut link, capabilities).await?;
            survey::sample(&mut asker, order).await
        };
        self.bounded(read).await
    }

    async fn estimate(&self, statement: &Statement) -> Option<u64> {
        let elsewhere = self.analyse(std::str::from_utf8(&statement.sql).ok()?);
        let sql = wire::plannable(statement, &elsewhere)?;
        let (mut link, greeting, capabilities) = self.connect().await.ok()?;
        let (mariadb, database) = (greeting.is_mariadb(), self.shared.spec.database.as_deref());
        let estimated = estimate::estimate(&mut link, capabilities, mariadb, database, sql, statement);
        estimated.await.inspect_err(|error| tracing::debug!(%error, "a statement cannot be planned")).ok()?
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
