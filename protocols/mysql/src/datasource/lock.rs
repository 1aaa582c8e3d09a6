//! The second lock of a datasource: whether it is in force, and what the database is asked for it.

use super::{MysqlDatasource, lock};
use crate::survey::{self, Asker};
use model::{Refusal, RefusalKind, TableRef};
use sql::{Catalog, Dialect};
use std::collections::HashSet;
use std::sync::{Arc, PoisonError};
use wire::{Datasource as _, LockMode, LockNames, LockPlan, LockReport, LockState, NamedRelation};

impl MysqlDatasource {
    /// Its name.
    pub(crate) fn name(&self) -> String {
        self.shared.spec.name.clone()
    }

    /// Whether it has a second lock.
    pub(crate) fn lock_mode(&self) -> LockMode {
        LockMode::of(&self.shared.spec.options)
    }

    /// Whether it is in force.
    pub(crate) fn lock_state(&self) -> LockState {
        self.shared.lock.borrow().clone()
    }

    /// The same, once somebody has looked; a login waits for that.
    pub(crate) async fn settled_lock(&self) -> LockState {
        let mut lock = self.shared.lock.subscribe();
        let looked = lock.wait_for(|state| *state != LockState::Unknown);
        if self.lock_mode() != LockMode::Off {
            let _ = tokio::time::timeout(self.shared.spec.connect_timeout, looked).await;
        }
        self.lock_state()
    }

    /// The relations on which the masked role has its rights.
    pub(crate) fn covered(&self) -> Arc<HashSet<TableRef>> {
        self.shared.covered.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Every relation of users, but for the views of the lock.
    pub(super) async fn named_relations(&self) -> Result<(Arc<Catalog>, Vec<NamedRelation>), Refusal> {
        self.refresh_catalog().await?;
        let catalog = self.catalog();
        let dialect = if lock(&self.shared.seen).mariadb { Dialect::MariaDb } else { Dialect::Mysql };
        let views = LockNames::of(&self.shared.spec.user).views;
        let work = {
            let catalog = catalog.clone();
            move || {
                let mut relations = sql::relations(dialect, &catalog);
                relations.retain(|(table, _)| table.schema != views);
                relations
            }
        };
        let relations = tokio::task::spawn_blocking(work).await;
        let relations = relations.map_err(|error| Refusal::new(RefusalKind::Internal, error.to_string()))?;
        Ok((catalog, relations))
    }

    /// See [`wire::Datasource::lock_sql`].
    pub(super) async fn write_lock_sql(&self, role: Option<&str>, plan: &LockPlan) -> Result<String, Refusal> {
        let (catalog, relations) = self.named_relations().await?;
        let (mut link, greeting, capabilities) = self.connect().await?;
        let role = role.unwrap_or(&self.shared.spec.user);
        let read = async {
            let mut asker = Asker::new(&mut link, capabilities).await?;
            survey::lock_sql(&mut asker, role, plan, &relations, &catalog, greeting.is_mariadb()).await
        };
        self.bounded(read).await
    }

    /// See [`wire::Datasource::examine_lock`].
    pub(super) async fn examine(&self, plan: &LockPlan) -> Result<LockReport, Refusal> {
        let (catalog, relations) = self.named_relations().await?;
        let (mut link, _, capabilities) = self.connect_as_account().await?;
        let read = async {
            let mut asker = Asker::new(&mut link, capabilities).await?;
            survey::examine_lock(&mut asker, &self.shared.spec.user, plan, &relations, &catalog).await
        };
        let examined = self.bounded(read).await?;
        *self.shared.covered.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(examined.covered);
        Ok(examined.report)
    }
}
