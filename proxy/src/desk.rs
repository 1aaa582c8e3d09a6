//! The desk: what the proxy offers a protocol during login (identity, access, datasource, cancel keys).

use crate::clock;
use crate::proxy::Proxy;
use async_trait::async_trait;
use model::{AuthMethod, Refusal, RefusalKind, SessionId};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use wire::{Admission, CancelTarget, Claim, Credential, Datasource, Desk, Discovery};

/// One connection's desk.
pub(crate) struct ListenerDesk {
    pub(crate) proxy: Arc<Proxy>,
    /// The listener's protocol.
    pub(crate) protocol: &'static str,
    /// The listener's own datasource, if it has one.
    pub(crate) datasource: Option<String>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) client_addr: String,
}
