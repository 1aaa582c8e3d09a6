//! One configured PostgreSQL upstream: its credential with the keys computed from it, its catalog snapshot, its analyser.

use crate::auth::scram::KeyCache;
use crate::auth::upstream::{LoginFailure, Welcome, login};
use crate::catalog::{LastRead, Snapshot, read};
use crate::estimate;
use crate::link::{Link, cancel};
use crate::roles::role_of;
use crate::session::{default_settings, server_version};
use crate::survey;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use model::{Facts, Refusal, RefusalKind, Role, Statement, Substitution, TableRef};
use sql::{Analyser, Dialect};
use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{Mutex, watch};
use wire::{
    Datasource, DatasourceSpec, LockMode, LockNames, LockPlan, LockReport, LockState, NamedRelation, OptionKind,
    OptionSpec, Sample, SampleOrder, Survey, trace_view,
};

const MASKED_NOTICE: &str = "masked_notice";

/// What this protocol adds to `[[datasources]]`.
pub(crate) const KEYS: &[OptionSpec] = &[LockMode::OPTION, OptionSpec { key: MASKED_NOTICE, kind: OptionKind::Flag }];

/// The message that ends a session of our own.
const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// One configured upstream, as the proxy holds it.
pub(crate) struct PostgresDatasource(pub(crate) Arc<Source>);

/// One configured upstream, as its sessions share it.
pub(crate) struct Source {
    spec: DatasourceSpec,
    keys: KeyCache,
    analyser: Analyser,
    snapshot: ArcSwap<Snapshot>,
    /// The server's version as a number, once it was seen.
    version: AtomicU32,
    /// Definitions that have run, and how many of them had when the last reading that is in force began.
    defined: AtomicU64,
    read: AtomicU64,
    /// Whether the second lock is in force.
    lock: watch::Sender<LockState>,
    /// Held while the catalog is read, so that many sessions that miss a relation cause one reading.
    refreshing: Mutex<Refreshing>,
}

/// The last reading of the catalog.
#[derive(Default)]
struct Refreshing {
    /// When it began.
    began: Option<Instant>,
    read: LastRead,
}

impl Source {
    pub(crate) fn new(spec: DatasourceSpec) -> Self {
        sql::give_way_by(wire::give_way);
        Self {
            spec,
            keys: KeyCache::default(),
            analyser: Analyser::new(Dialect::Postgres),
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            version: AtomicU32::new(0),
            defined: AtomicU64::new(0),
            read: AtomicU64::new(0),
            lock: watch::Sender::new(LockState::Unknown),
            refreshing: Mutex::default(),
        }
    }

    /// With a catalog that needs no upstream.
    #[cfg(test)]
    pub(crate) fn with_snapshot(spec: DatasourceSpec, snapshot: Snapshot) -> Self {
        let source = Self::new(spec);
        source.snapshot.store(Arc::new(snapshot));
        source
    }

    /// The snapshot in force.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// A definition has run: the catalog in force may be wrong. It is read again at once, beside the session: until that is
    /// done it counts as outdated, and what depends on it waits.
    pub(crate) fn outdate(self: &Arc<Self>) {
        self.defined.fetch_add(1, Ordering::SeqCst);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let datasource = PostgresDatasource(self.clone());
            runtime.spawn(async move {
                if let Err(refusal) = datasource.refresh_catalog().await {
                    tracing::debug!(%refusal, "the catalog is read again when it is needed");
                }
            });
        }
    }

    /// Whether a definition has run since the reading began that is in force.
    pub(crate) fn is_outdated(&self) -> bool {
        self.read.load(Ordering::SeqCst) < self.defined.load(Ordering::SeqCst)
    }

    /// The facts, with a reason to read the catalog again before they are judged, where that is due and matters.
    pub(crate) fn mark_outdated(&self, facts: Arc<Facts>) -> Arc<Facts> {
        let matters = |part: &model::Part| part.tables.iter().any(|used| used.access != model::Access::Define);
        if !self.is_outdated() || !facts.parts.iter().any(matters) {
            return facts;
        }
        let mut facts = Facts::clone(&facts);
        facts.unknown_relations.push("(whatever has been defined since the catalog was read)".to_owned());
        Arc::new(facts)
    }

    /// Whether this datasource has a second lock.
    pub(crate) fn lock_mode(&self) -> LockMode {
        LockMode::of(&self.spec.options)
    }

    /// Says whether it is in force.
    pub(crate) fn set_lock(&self, state: LockState) {
        self.lock.send_replace(state);
    }

    /// Whether it is in force.
    pub(crate) fn lock(&self) -> LockState {
        self.lock.borrow().clone()
    }

    /// The same, once somebody has looked; a login waits for that.
    pub(crate) async fn settled_lock(&self) -> LockState {
        let mut lock = self.lock.subscribe();
        let looked = lock.wait_for(|state| *state != LockState::Unknown);
        if self.lock_mode() != LockMode::Off {
            let _ = tokio::time::timeout(self.spec.connect_timeout, looked).await;
        }
        self.lock()
    }

    /// The schema of the views that computed masks are read through, where the lock is in force.
    pub(crate) fn views_in_force(&self) -> Option<Arc<str>> {
        (*self.lock.borrow() == LockState::InForce).then(|| LockNames::of(&self.spec.user).views.into())
    }

    /// What it was built from.
    pub(crate) fn spec(&self) -> &DatasourceSpec {
        &self.spec
    }

    /// Whether clients are told when what they get was computed over masks.
    pub(crate) fn tells_of_masks(&self) -> bool {
        self.spec.options.flag(MASKED_NOTICE)
    }

    /// The analyser that all sessions share.
    pub(crate) fn analyser(&self) -> &Analyser {
        &self.analyser
    }

    /// Logs in with these startup parameters.
    pub(crate) async fn connect(&self, params: &[(Vec<u8>, Vec<u8>)]) -> Result<(Link, Welcome), LoginFailure> {
        let (link, welcome) = login(&self.spec, params, &self.keys).await?;
        self.version.store(server_version(welcome.param("server_version").unwrap_or_default()), Ordering::Relaxed);
        Ok((link, welcome))
    }

    /// The startup parameters of a session of our own.
    fn own_params(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut params = vec![
            (b"user".to_vec(), self.spec.user.as_bytes().to_vec()),
            (b"application_name".to_vec(), b"affidavit".to_vec()),
        ];
        if let Some(database) = &self.spec.database {
            params.push((b"database".to_vec(), database.as_bytes().to_vec()));
        }
        params
    }

    /// A connection of our own.
    async fn own_link(&self) -> Result<Link, Refusal> {
        let connected = self.connect(&self.own_params()).await;
        connected.map(|(link, _)| link).map_err(|failure| failure.refusal().clone())
    }

    fn unreadable(&self, error: &io::Error) -> Refusal {
        Refusal::new(
            RefusalKind::UpstreamUnavailable,
            format!("the catalog of datasource \"{}\" cannot be read: {error}", self.spec.name),
        )
        .hint("check that the datasource's user may read pg_catalog")
    }
}

#[async_trait]
impl Datasource for PostgresDatasource {
    fn spec(&self) -> &DatasourceSpec {
        &self.0.spec
    }

    async fn refresh_catalog(&self) -> Result<u64, Refusal> {
        let (asked, outdated) = (Instant::now(), self.0.is_outdated());
        let source = &self.0;
        let mut last = source.refreshing.lock().await;
        let in_time = last.began.is_some_and(|began| began > asked);
        if in_time || (outdated && !source.is_outdated()) {
            // Somebody has read it after we were asked, or after what had made us ask.
            return Ok(self.catalog_epoch());
        }
        let began = Instant::now();
        let defined = source.defined.load(Ordering::SeqCst);
        let (mut link, _) = source.connect(&source.own_params()).await.map_err(|failure| failure.refusal().clone())?;
        let (epoch, version) = (self.catalog_epoch().saturating_add(1), source.version.load(Ordering::Relaxed));
        let read = read(&mut link, epoch, version, &mut last.read).await;
        let snapshot = read.map_err(|error| source.unreadable(&error))?;
        let _ = link.send(&TERMINATE).await;
        if let Some(snapshot) = snapshot {
            source.snapshot.store(Arc::new(snapshot));
        }
        // Only now: until the new one is in force, what depends on the old one must know that it is old.
        source.read.fetch_max(defined, Ordering::SeqCst);
        last.began = Some(began);
        Ok(self.catalog_epoch())
    }

    fn catalog_epoch(&self) -> u64 {
        self.0.snapshot.load().catalog.epoch()
    }

    fn is_outdated(&self) -> bool {
        self.0.is_outdated()
    }

    fn analyse(&self, sql: &str) -> Arc<Facts> {
        let settings = default_settings(&self.0.spec.user, self.0.version.load(Ordering::Relaxed));
        self.0.analyser.analyse(sql.as_bytes(), &self.0.snapshot.load().catalog, &settings)
    }

    fn substitute(&self, sql: &str, facts: &Facts, substitution: &Substitution) -> Result<String, String> {
        let mut settings = default_settings(&self.0.spec.user, self.0.version.load(Ordering::Relaxed));
        settings.mask_views = self.0.views_in_force();
        let snapshot = self.0.snapshot.load();
        let dialect = Dialect::Postgres;
        let put = sql::substitute(dialect, sql.as_bytes(), facts, substitution, &snapshot.catalog, &settings)?;
        Ok(String::from_utf8_lossy(&put.text).into_owned())
    }

    fn columns(&self, table: &TableRef) -> Option<Vec<String>> {
        let snapshot = self.0.snapshot.load();
        let relation = snapshot.catalog.relation(table)?;
        Some(relation.columns.iter().map(|column| column.name.clone()).collect())
    }

    async fn cancel(&self, key: &[u8]) -> io::Result<()> {
        cancel(&self.0.spec, key).await
    }

    async fn probe(&self) -> Result<String, Refusal> {
        let (mut link, welcome) =
            self.0.connect(&self.0.own_params()).await.map_err(|failure| failure.refusal().clone())?;
        let _ = link.send(&TERMINATE).await;
        Ok(welcome.param("server_version").unwrap_or("unknown").to_owned())
    }

    async fn survey(&self) -> Result<Survey, Refusal> {
        self.refresh_catalog().await?;
        let mut link = self.0.own_link().await?;
        let read = async {
            let mut me = survey::begin(&mut link).await?;
            me.lock = (self.0.lock_mode() != LockMode::Off).then(|| LockNames::of(&self.0.spec.user));
            let findings = survey::findings(&mut link, &me).await?;
            let mut columns = survey::columns(&mut link).await?;
            columns.retain(|own| me.lock.as_ref().is_none_or(|lock| lock.views != own.column.schema));
            link.query("ROLLBACK").await?;
            Ok(Survey { version: me.version, findings, columns })
        };
        let mut survey = read.await.map_err(|error: io::Error| self.0.unreadable(&error))?;
        let _ = link.send(&TERMINATE).await;
        for columns in survey.columns.chunk_by_mut(|one, other| one.column.table() == other.column.table()) {
            if let Some(first) = columns.first().filter(|first| first.of_view) {
                let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
                let names: Vec<String> = columns.iter().map(|own| quote(&own.column.column)).collect();
                let (schema, view) = (quote(&first.column.schema), quote(&first.column.table));
                let facts = self.analyse(&format!("SELECT {} FROM {schema}.{view}", names.join(", ")));
                trace_view(columns, &facts);
            }
        }
        Ok(survey)
    }

    async fn hardening(&self, role: Option<&str>) -> Result<String, Refusal> {
        let mut link = self.0.own_link().await?;
        let read = async {
            let me = survey::begin(&mut link).await?;
            survey::hardening(&mut link, &me, role).await
        };
        let sql = read.await.map_err(|error| self.0.unreadable(&error))?;
        let _ = link.send(&TERMINATE).await;
        Ok(sql)
    }

    async fn relations(&self) -> Result<Vec<NamedRelation>, Refusal> {
        self.refresh_catalog().await?;
        let snapshot = self.0.snapshot();
        let views = LockNames::of(&self.0.spec.user).views;
        let work = move || {
            let mut relations = sql::relations(Dialect::Postgres, &snapshot.catalog);
            relations.retain(|(table, _)| table.schema != views);
            relations
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| Refusal::new(RefusalKind::Internal, error.to_string()))
    }

    async fn lock_sql(&self, role: Option<&str>, plan: &LockPlan) -> Result<String, Refusal> {
        let mut link = self.0.own_link().await?;
        let read = async {
            let me = survey::begin(&mut link).await?;
            survey::lock_sql(&mut link, &me, role.unwrap_or(&self.0.spec.user), plan).await
        };
        let sql = read.await.map_err(|error| self.0.unreadable(&error))?;
        let _ = link.send(&TERMINATE).await;
        Ok(sql)
    }

    async fn examine_lock(&self, plan: &LockPlan) -> Result<LockReport, Refusal> {
        let mut link = self.0.own_link().await?;
        let read = async {
            survey::begin(&mut link).await?;
            survey::examine_lock(&mut link, &self.0.spec.user, plan).await
        };
        let report = read.await.map_err(|error| self.0.unreadable(&error))?;
        let _ = link.send(&TERMINATE).await;
        Ok(report)
    }

    fn set_lock(&self, state: LockState) {
        self.0.set_lock(state);
    }

    fn lock(&self) -> LockState {
        self.0.lock()
    }

    fn role(&self, statement: &Statement, wanted: Role) -> Option<Role> {
        role_of(&statement.facts, wanted, &self.0.lock())
    }

    async fn sample(&self, order: &SampleOrder<'_>) -> Result<Sample, Refusal> {
        let mut link = self.0.own_link().await?;
        let sample = survey::sample(&mut link, order).await.map_err(|error| self.0.unreadable(&error))?;
        let _ = link.send(&TERMINATE).await;
        Ok(sample)
    }

    async fn estimate(&self, statement: &Statement) -> Option<u64> {
        let elsewhere = self.analyse(std::str::from_utf8(&statement.sql).ok()?);
        let sql = wire::plannable(statement, &elsewhere)?;
        let mut link = self.0.own_link().await.ok()?;
        let estimated = estimate::estimate(&mut link, sql, statement).await;
        let _ = link.send(&TERMINATE).await;
        estimated.inspect_err(|error| tracing::debug!(%error, "a statement cannot be planned")).ok()?
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
