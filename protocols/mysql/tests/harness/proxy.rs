//! A listener with a desk that admits one token and the small relay behind it.

use super::relay::{self, Plan, Record};
use affidavit_mysql::Mysql;
use async_trait::async_trait;
use model::{AuthMethod, Identity, Refusal, RefusalKind, SessionId, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use wire::{
    Admission, CancelTarget, Claim, Credential, Datasource, DatasourceSpec, Desk, Discovery, Login, Protocol as _,
    Secret, Transport, UpstreamTls,
};

/// The token that is admitted; longer than any password field of old.
pub fn token() -> String {
    format!("ey.{}.sig", "x".repeat(1500))
}

/// How the upstream is reached.
pub struct Upstream {
    pub port: u16,
    pub user: &'static str,
    pub password: &'static str,
    pub database: Option<&'static str>,
    pub tls: UpstreamTls,
    pub options: wire::Options,
}

/// A listener.
pub struct Proxy {
    pub port: u16,
    pub record: Arc<Mutex<Record>>,
    pub logins: Arc<Mutex<Vec<String>>>,
    pub claims: Arc<Mutex<Vec<Claim>>>,
    pub turned_away: Arc<Mutex<Vec<String>>>,
    pub plan: Arc<Mutex<Plan>>,
    pub datasource: Arc<dyn Datasource>,
}

struct TestDesk {
    tls: Option<Arc<rustls::ServerConfig>>,
    datasource: Arc<dyn Datasource>,
    claims: Arc<Mutex<Vec<Claim>>>,
    turned_away: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Desk for TestDesk {
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.clone()
    }

    fn datasource_before_login(&self, _database: Option<&str>) -> Result<Arc<dyn Datasource>, Refusal> {
        Ok(self.datasource.clone())
    }

    async fn admit(&self, credential: Credential<'_>, claim: &Claim) -> Result<Admission, Refusal> {
        self.claims.lock().unwrap().push(claim.clone());
        let Credential::Password(proof) = credential else { panic!("MySQL has no bearer") };
        if proof != token().as_bytes() {
            return Err(Refusal::new(RefusalKind::NotAuthenticated, "the token has expired").hint("get a new one"));
        }
        let identity = Identity {
            issuer: "https://login.example.org".to_owned(),
            subject: claim.user.clone(),
            name: None,
            groups: Vec::new(),
            expires: Timestamp(i64::MAX),
            method: AuthMethod::TokenAsPassword,
            token_id: None,
        };
        Ok(Admission { identity, datasource: self.datasource.clone(), session: SessionId([7; 16]) })
    }

    fn discovery(&self) -> Option<Discovery> {
        None
    }

    fn turned_away(&self, _claim: &Claim, refusal: &Refusal) {
        self.turned_away.lock().unwrap().push(refusal.message.clone());
    }

    fn abandoned(&self, _admission: &Admission, _claim: &Claim, _refusal: &Refusal) {}

    fn offer_cancel(&self, _session: SessionId, _key: Vec<u8>, _target: CancelTarget) {}

    fn find_cancel(&self, _key: &[u8]) -> Option<CancelTarget> {
        None
    }

    fn client_addr(&self) -> String {
        "test".to_owned()
    }
}

impl Proxy {
    /// Listens. Must be called within a runtime.
    pub async fn listen(upstream: Upstream, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let spec = DatasourceSpec {
            name: "ehr".to_owned(),
            address: format!("127.0.0.1:{}", upstream.port),
            database: upstream.database.map(str::to_owned),
            user: upstream.user.to_owned(),
            password: Some(Secret::new(upstream.password.as_bytes())),
            tls: upstream.tls,
            connect_timeout: Duration::from_secs(60),
            options: upstream.options,
        };
        let datasource = Mysql.datasource(spec).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            record: Arc::default(),
            logins: Arc::default(),
            claims: Arc::default(),
            turned_away: Arc::default(),
            plan: Arc::default(),
            datasource: datasource.clone(),
        };
        let (record, logins, plan) = (proxy.record.clone(), proxy.logins.clone(), proxy.plan.clone());
        let (claims, turned_away) = (proxy.claims.clone(), proxy.turned_away.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let desk = Arc::new(TestDesk {
                    tls: tls.clone(),
                    datasource: datasource.clone(),
                    claims: claims.clone(),
                    turned_away: turned_away.clone(),
                });
                let (record, logins, plan) = (record.clone(), logins.clone(), plan.clone());
                tokio::spawn(async move {
                    match Mysql.login(Transport::Plain(stream), desk).await {
                        Ok(Login::Session(established)) => {
                            logins.lock().unwrap().push("in".to_owned());
                            let plan = plan.lock().unwrap().clone();
                            relay::run(*established, plan, record).await;
                        }
                        Ok(Login::Finished) => logins.lock().unwrap().push("finished".to_owned()),
                        Err(error) => logins.lock().unwrap().push(error.to_string()),
                    }
                });
            }
        });
        proxy
    }
}
