//! Whose connections the threads of an upstream are: a person may end their own, and nobody else's.
//!
//! A client is greeted before anybody has dialled its upstream, so the number that the greeting tells it is one of ours.
//! `CONNECTION_ID()` tells it the upstream's. Both name the same session: [`MysqlDatasource::thread_of`] leads from either to
//! the upstream's. Ours lie above a billion, where no server's counter comes, and are no negative numbers to
//! clients that count in 32 bits with a sign (Connector/J shows them in its errors).

use super::{MysqlDatasource, lock};
use model::Identity;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// Our own numbers begin here, and there are as many of them.
const OURS: u32 = 1 << 30;

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

/// The threads of a datasource's sessions.
#[derive(Default)]
pub(crate) struct Threads {
    owners: HashMap<u32, Owner>,
    /// The number in a client's greeting, and the upstream's thread.
    told: HashMap<u32, u32>,
}

/// A thread's entry in its datasource; it goes with the session.
pub(crate) struct Thread {
    datasource: MysqlDatasource,
    number: u32,
    told: u32,
}

impl Drop for Thread {
    fn drop(&mut self) {
        let mut threads = lock(&self.datasource.shared.threads);
        threads.owners.remove(&self.number);
        // Another session may have been told the number since, after a billion of them.
        if threads.told.get(&self.told) == Some(&self.number) {
            threads.told.remove(&self.told);
        }
    }
}

/// A number for a greeting.
pub(crate) fn told() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    OURS | (LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1) % OURS)
}

impl MysqlDatasource {
    /// Enters a thread of the upstream as `owner`'s, who was greeted with the number `told`.
    pub(crate) fn enter(&self, number: u32, told: u32, owner: Owner) -> Thread {
        let mut threads = lock(&self.shared.threads);
        threads.owners.insert(number, owner);
        threads.told.insert(told, number);
        Thread { datasource: self.clone(), number, told }
    }

    /// The upstream's thread that a number means, if it is `owner`'s.
    pub(crate) fn thread_of(&self, owner: &Owner, number: u32) -> Option<u32> {
        let threads = lock(&self.shared.threads);
        let thread = threads.told.get(&number).copied().unwrap_or(number);
        (threads.owners.get(&thread) == Some(owner)).then_some(thread)
    }
}
