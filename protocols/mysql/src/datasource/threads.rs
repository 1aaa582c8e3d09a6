//! Whose connections the threads of an upstream are: a person may end their own, and nobody else's.

use super::{MysqlDatasource, lock};
use model::Identity;

/// Whose connection a thread of the upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    issuer: String,
    subject: String,
}

impl Owner {
    /// The identity as an owner.
    pub(crate) fn of(identity: &Identity) -> Self {
        Self { issuer: identity.issuer.clone(), subject: identity.subject.clone() }
    }
}

/// A thread's entry in its datasource; it goes with the session.
pub(crate) struct Thread {
    datasource: MysqlDatasource,
    number: u32,
}

impl Drop for Thread {
    fn drop(&mut self) {
        lock(&self.datasource.shared.threads).remove(&self.number);
    }
}

impl MysqlDatasource {
    /// Enters a thread of the upstream as `owner`'s.
    pub(crate) fn enter(&self, number: u32, owner: Owner) -> Thread {
        lock(&self.shared.threads).insert(number, owner);
        Thread { datasource: self.clone(), number }
    }

    /// Whether a thread of the upstream is `owner`'s.
    pub(crate) fn owns(&self, owner: &Owner, number: u32) -> bool {
        lock(&self.shared.threads).get(&number) == Some(owner)
    }
}
