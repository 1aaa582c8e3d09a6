//! The console: where people decide, look and intervene. One listener with server-rendered pages for browsers and a JSON
//! API for everything else.
//!
//! What it holds itself to:
//! 1. Every request but the login, the assets and `/healthz` is made by a proven identity: a session cookie that an OIDC
//!    login gave, or a bearer token that verifies.
//! 2. What changes something is a POST, from our own page (CSRF token, same origin) or with a bearer token.
//! 3. Nothing of a statement reaches a page unescaped, and no page runs a script that is not ours.
//! 4. Every look at a recording is in the record before anything of it is shown; who cannot be recorded sees nothing.

mod access;
mod api;
mod browser;
pub(crate) mod command;
pub(crate) mod device;
mod diff;
mod door;
pub(crate) mod fail;
pub(crate) mod headers;
mod highlight;
pub(crate) mod http_client;
mod login;
mod oidc;
mod pages;
mod policy_changes;
mod proxy_health;
mod recordings;
mod render;
mod replay;
mod seams;
mod server;
pub(crate) mod table;
pub(crate) mod tls;
mod view;
pub(crate) mod wiring;

pub use access::Roles;
pub use login::Login;
pub use oidc::OidcError;
pub use recordings::Recordings;
pub use seams::{HealthLine, HealthSource, KilledBy, LiveSession, LiveSessions, PolicySource, PolicyText, Tokens};
pub use server::{Console, Parts, serve};
