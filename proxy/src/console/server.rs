//! The console's listener and its routes.

use super::door::CookieNames;
use super::login::Login;
use super::recordings::Recordings;
use super::render::Renderer;
use super::seams::{HealthSource, LiveSessions, PolicySource, Tokens};
use super::tls::TlsListener;
use super::{api, headers, pages};
use crate::approvals::Approvals;
use crate::config::ConsoleRoles;
use crate::exchange::{Bounded, LIFE};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Largest form or JSON body (bytes): a justification fits many times.
const MOST_BODY: usize = 64 * 1024;

/// What the console is made of.
pub struct Parts {
    /// Whose requests it shows.
    pub approvals: Approvals,
    /// Verifies bearer tokens.
    pub tokens: Arc<dyn Tokens>,
    /// Login with a browser; `None` leaves only the API.
    pub login: Option<Login>,
    /// Which groups may do what.
    pub roles: ConsoleRoles,
    /// Its address, as people type it, without a slash at the end.
    pub public_url: String,
    /// The sessions that are running now.
    pub sessions: Arc<dyn LiveSessions>,
    /// The policies.
    pub policies: Arc<dyn PolicySource>,
    /// How the proxy is doing.
    pub health: Arc<dyn HealthSource>,
    /// What sessions did; `None` where there is no store to read.
    pub recordings: Option<Recordings>,
}

struct Inner {
    parts: Parts,
    cookies: CookieNames,
    renderer: Renderer,
}

/// The console. Cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Inner>);

impl Console {
    /// Puts it together.
    ///
    /// # Errors
    /// When one of our own templates does not parse.
    pub fn new(parts: Parts) -> Result<Self, minijinja::Error> {
        let cookies = CookieNames::of(&parts.public_url);
        Ok(Self(Arc::new(Inner { cookies, renderer: Renderer::new()?, parts })))
    }

    pub(crate) fn approvals(&self) -> &Approvals {
        &self.0.parts.approvals
    }

    pub(crate) fn tokens(&self) -> &dyn Tokens {
        self.0.parts.tokens.as_ref()
    }

    pub(crate) fn login(&self) -> Option<&Login> {
        self.0.parts.login.as_ref()
    }

    pub(crate) fn roles(&self) -> &ConsoleRoles {
        &self.0.parts.roles
    }

    pub(crate) fn public_url(&self) -> &str {
        &self.0.parts.public_url
    }

    pub(crate) fn sessions(&self) -> &dyn LiveSessions {
        self.0.parts.sessions.as_ref()
    }

    pub(crate) fn policies(&self) -> &dyn PolicySource {
        self.0.parts.policies.as_ref()
    }

    pub(crate) fn health(&self) -> &dyn HealthSource {
        self.0.parts.health.as_ref()
    }

    pub(crate) fn recordings(&self) -> Option<&Recordings> {
        self.0.parts.recordings.as_ref()
    }

    pub(crate) fn cookies(&self) -> &CookieNames {
        &self.0.cookies
    }

    pub(crate) fn renderer(&self) -> &Renderer {
        &self.0.renderer
    }

    /// All routes, for serving and for tests.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .route("/approvals", get(api::list))
            .route("/approvals/{id}", get(api::show))
            .route("/approvals/{id}/{action}", post(api::act))
            .fallback(api::unknown);
        let router = Router::new()
            .route("/", get(pages::requests::pending))
            .route("/approvals/{id}", get(pages::requests::show))
            .route("/approvals/{id}/{action}", post(pages::requests::act))
            .route("/history", get(pages::requests::history))
            .route("/sessions", get(pages::sessions::list))
            .route("/sessions/{id}/end", post(pages::sessions::end))
            .route("/recordings", get(pages::recordings::search))
            .route("/recordings/{session}", get(pages::recordings::session))
            .route("/recordings/{session}/{statement}", get(pages::recordings::statement))
            .route("/policies", get(pages::policies::list))
            .route("/health", get(pages::health::show))
            .route("/login", get(pages::entrance::welcome))
            .route("/login/start", get(pages::entrance::start))
            .route("/login/callback", get(pages::entrance::callback))
            .route("/logout", post(pages::entrance::leave))
            .route("/healthz", get(pages::health::probe))
            .route("/readyz", get(pages::health::ready))
            .route("/metrics", get(pages::health::metrics))
            .route("/assets/{name}", get(pages::assets::serve))
            .route("/.well-known/oauth-protected-resource", get(api::resource))
            .route("/pending.json", get(pages::requests::count))
            .route("/api/v1/openapi.json", get(api::openapi))
            .nest("/api/v1", api)
            .fallback(pages::unknown)
            .layer(DefaultBodyLimit::max(MOST_BODY))
            .with_state(self.clone());
        if self.public_url().starts_with("https:") {
            router.layer(from_fn(headers::insist_on_tls))
        } else {
            router.layer(from_fn(headers::protect))
        }
    }
}

/// Serves the console until `stop` resolves, over `most` connections at a time: they do not take the descriptors that the
/// databases' clients need.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    console: Console,
    socket: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    most: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = console.router();
    match tls {
        Some(config) => {
            let mut config = (*config).clone();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let listener = Bounded::new(TlsListener::new(socket, Arc::new(config))?, most, LIFE);
            axum::serve(listener, router).with_graceful_shutdown(stop).await
        }
        None => axum::serve(Bounded::new(socket, most, LIFE), router).with_graceful_shutdown(stop).await,
    }
}
