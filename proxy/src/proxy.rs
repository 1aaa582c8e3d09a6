//! The running proxy: everything that its sessions share.

use crate::config::{Limits, PatienceSetup};
use crate::denials::Denials;
use crate::exchange::Exchange;
use crate::identity::{Access, Verifier};
use crate::policy_store;
use crate::seats::Seats;
use crate::sessions::Sessions;
use crate::workers::Workers;
use evidence::Recorder;
use model::{AuthMethod, Refusal, RefusalKind, SessionInfo};
use pipeline::{Allowance, Asking, Holds, OnHold, Question};
use policies::Keys;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use wire::Datasource;

/// The policies in force.
pub(crate) type PolicyStore = policy_store::Store<policies::Policy>;

/// What all sessions share. Built once by `serve`.
pub(crate) struct Proxy {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) access: Access,
    pub(crate) policies: Arc<PolicyStore>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) recorder: Recorder,
    pub(crate) sessions: Arc<Sessions>,
    /// By protocol and name.
    pub(crate) datasources: HashMap<(String, String), Arc<dyn Datasource>>,
    pub(crate) limits: Limits,
    /// What clients may begin to send and not end.
    pub(crate) allowance: Allowance,
    pub(crate) slots: Arc<Semaphore>,
    /// What connections have in common, counted.
    pub(crate) seats: Seats,
    /// Refused logins on their way into the record.
    pub(crate) denials: Denials,
    /// Limits of each datasource's sessions, by protocol and name.
    pub(crate) patience: HashMap<(String, String), PatienceSetup>,
    /// Becomes true when the proxy stops: sessions end when they are at rest.
    pub(crate) draining: watch::Sender<bool>,
    /// Where sessions run.
    pub(crate) workers: Workers,
    pub(crate) approvals: Arc<dyn Approvals>,
    /// The same, for the console; `None` where nobody can be asked.
    pub(crate) decisions: Option<crate::approvals::Approvals>,
    /// Credentials that tokens are exchanged for, if they are.
    pub(crate) exchange: Option<Exchange>,
}

/// Gives each session its way to hold statements.
pub(crate) trait Approvals: Send + Sync {
    /// For one session.
    fn holds(&self, session: &Arc<SessionInfo>) -> Arc<dyn Holds>;
}

impl Proxy {
    /// A datasource of a protocol.
    pub(crate) fn datasource(&self, protocol: &str, name: &str) -> Option<Arc<dyn Datasource>> {
        self.datasources.get(&(protocol.to_owned(), name.to_owned())).cloned()
    }

    /// Why a session cannot stay whose credential was revoked while it logged in. Asked once it is listed: from then on a
    /// revocation finds it.
    pub(crate) fn revoked_meanwhile(&self, info: &SessionInfo) -> Option<Refusal> {
        let exchanged = info.identity.method == AuthMethod::Exchanged;
        let good = self.exchange.as_ref().is_some_and(|exchange| exchange.still_good(&info.claimed_user));
        (exchanged && !good).then(|| {
            Refusal::new(RefusalKind::SessionExpired, "the credential that opened this session is no longer good")
                .hint("exchange a fresh token")
        })
    }
}

/// Where nobody can be asked: a statement that needs approval is refused.
pub(crate) struct NoApprovals;

impl Approvals for NoApprovals {
    fn holds(&self, _session: &Arc<SessionInfo>) -> Arc<dyn Holds> {
        Arc::new(Self)
    }
}

impl Holds for NoApprovals {
    fn hold(&self, _question: Question) -> Asking {
        let refusal = Refusal::new(RefusalKind::NeedsApproval, "this statement needs a person's approval")
            .hint("nobody can be asked here: no approvers are set up");
        Box::pin(std::future::ready(OnHold::at_once(Err(refusal))))
    }
}
