//! What the tests against a real server share: the server, a tiny desk, and a relay that permits, refuses and masks by
//! closures instead of policies.

// Shared by several test binaries, each of which uses a part; and a panic is how a test reports.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod relay;
pub mod server;

use model::{AuthMethod, Identity, Refusal, RefusalKind, SessionId, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::{
    Admission, CancelTarget, Claim, Credential, Datasource, DatasourceSpec, Desk, Discovery, Protocol, Secret,
    UpstreamTls,
};

/// The token that the desk lets in.
pub const TOKEN: &str = "good-token";

/// A client's cancel key, and the upstream's.
pub type Keys = (Vec<u8>, Vec<u8>);

/// A desk that knows one token and one datasource.
pub struct TestDesk {
    pub datasource: Arc<dyn Datasource>,
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub cancels: Arc<Mutex<Vec<Keys>>>,
    pub claims: Arc<Mutex<Vec<Claim>>>,
    pub abandoned: Arc<Mutex<Vec<String>>>,
    pub turned_away: Arc<Mutex<Vec<String>>>,
    /// An exchanged credential: its user name and verifier.
    pub held: Option<(String, Secret)>,
    pub certificate: Option<Vec<u8>>,
}

impl TestDesk {
    pub fn new(datasource: Arc<dyn Datasource>) -> Self {
        Self {
            datasource,
            tls: None,
            cancels: Arc::default(),
            claims: Arc::default(),
            abandoned: Arc::default(),
            turned_away: Arc::default(),
            held: None,
            certificate: None,
        }
    }
}

#[async_trait::async_trait]
impl Desk for TestDesk {
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.clone()
    }

    fn datasource_before_login(&self, _database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal> {
        Ok(self.datasource.clone())
    }

    fn challenge(&self, claim: &Claim) -> Result<Option<Secret>, Refusal> {
        if !claim.user.starts_with("x-") {
            return Ok(None);
        }
        let held = self.held.as_ref().filter(|(user, _)| *user == claim.user).map(|(_, verifier)| verifier.clone());
        Ok(held.or_else(|| affidavit_postgres::Postgres.decoy(&[9; 16])))
    }

    fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    async fn admit(&self, credential: Credential<'_>, claim: &Claim) -> Result<Admission, Refusal> {
        let (token, method) = match credential {
            Credential::Password(token) => (token, AuthMethod::TokenAsPassword),
            Credential::Bearer(token) => (token, AuthMethod::OauthBearer),
            Credential::Proof(proof) => {
                let held = self.held.as_ref().filter(|(user, verifier)| *user == claim.user && proof.fits(verifier));
                let no = || Refusal::new(RefusalKind::NotAuthenticated, "wrong user name or password");
                (held.map(|_| TOKEN.as_bytes()).ok_or_else(no)?, AuthMethod::Exchanged)
            }
        };
        if token != TOKEN.as_bytes() {
            return Err(Refusal::new(RefusalKind::NotAuthenticated, "the token is not ours").hint("get a new one"));
        }
        self.claims.lock().unwrap().push(claim.clone());
        let identity = Identity {
            issuer: "https://issuer.test".to_owned(),
            subject: "agent".to_owned(),
            name: None,
            groups: Vec::new(),
            expires: Timestamp(i64::MAX),
            method,
            token_id: None,
        };
        Ok(Admission { identity, datasource: self.datasource.clone(), session: SessionId([7; 16]) })
    }

    fn discovery(&self) -> Option<Discovery> {
        Some(Discovery { openid_configuration: "https://issuer.test/x".to_owned(), scope: "openid".to_owned() })
    }

    fn abandoned(&self, _admission: &Admission, _claim: &Claim, refusal: &Refusal) {
        self.abandoned.lock().unwrap().push(refusal.message.clone());
    }

    fn turned_away(&self, _claim: &Claim, refusal: &Refusal) {
        self.turned_away.lock().unwrap().push(refusal.message.clone());
    }

    fn offer_cancel(&self, _session: SessionId, key: Vec<u8>, target: CancelTarget) {
        self.cancels.lock().unwrap().push((key, target.key));
    }

    fn find_cancel(&self, key: &[u8]) -> Option<CancelTarget> {
        let cancels = self.cancels.lock().unwrap();
        let (_, upstream) = cancels.iter().find(|(ours, _)| ours == key)?;
        Some(CancelTarget { datasource: self.datasource.clone(), key: upstream.clone() })
    }

    fn client_addr(&self) -> String {
        "127.0.0.1:1".to_owned()
    }
}

pub fn spec(port: u16, user: &str, password: Option<&str>, tls: UpstreamTls) -> DatasourceSpec {
    DatasourceSpec {
        name: "ehr".to_owned(),
        address: format!("localhost:{port}"),
        database: Some("postgres".to_owned()),
        user: user.to_owned(),
        password: password.map(|password| Secret::new(password.as_bytes())),
        tls,
        options: wire::Options::default(),
        connect_timeout: Duration::from_secs(10),
    }
}

pub fn datasource(spec: DatasourceSpec) -> Arc<dyn Datasource> {
    affidavit_postgres::Postgres.datasource(spec).expect("a datasource")
}
