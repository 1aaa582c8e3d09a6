//! Login: the client is greeted as the upstream greeted us last, since it must be told its version; then it proves who it
//! is; only then is the upstream dialled and logged in to, with the capabilities that both sides share.

use crate::auth::caching_sha2::{self, FAST_AUTH_OK};
use crate::auth::client::{TokenError, token};
use crate::compress::{Algorithm, Compressed};
use crate::conversation::{MysqlConversation, Parts};
use crate::credential::OpenedBy;
use crate::datasource::{MysqlDatasource, Owner, options, refused_us, told};
use crate::dial::{LoggedIn, LoginFailure, dial, unavailable};
use crate::errors::{self, Code};
use crate::handshake::{claim, nonce, offered, our_greeting, passed_on, with_database_flag};
use crate::link::{Link, LinkError};
use crate::message::capability::Capabilities;
use crate::message::error::ErrorPacket;
use crate::message::greeting::Greeting;
use crate::message::packet;
use crate::message::response::{HandshakeResponse, is_ssl_request};
use crate::roles::{Roles, out_of_order};
use crate::{own_query, settings};
use model::{Refusal, RefusalKind, SessionInfo, Timestamp};
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use wire::{
    Admission, CancelTarget, Claim, Credential, Datasource, Desk, Established, LockMode, LockState, Login, LoginError,
    Transport,
};

/// The longest handshake response: a token may be in it.
const RESPONSE_PACKET: usize = crate::auth::client::LONGEST_TOKEN + 64 * 1024;

/// Conducts a login.
pub(crate) async fn login(client: Transport, desk: Arc<dyn Desk>) -> Result<Login, LoginError> {
    let mut link = Link::new(client);
    if let Some(refusal) = desk.closed() {
        let mut payload = Vec::new();
        errors::put_early_refusal(&mut payload, &refusal, errors::code(refusal.kind));
        link.write(&payload).await.map_err(failed)?;
        return Err(LoginError::Refused(refusal));
    }
    let (datasource, greeting) = match reach(desk.as_ref()).await {
        Ok(reached) => reached,
        Err(refusal) => {
            let mut payload = Vec::new();
            errors::put_early_refusal(&mut payload, &refusal, errors::code(refusal.kind));
            desk.turned_away(&Claim::default(), &refusal);
            link.write(&payload).await.map_err(failed)?;
            return Err(LoginError::Refused(refusal));
        }
    };
    let challenge = nonce();
    let local_files = options::local_infile(datasource.spec());
    link.write(&our_greeting(&greeting, &challenge, desk.tls().is_some(), local_files)).await.map_err(failed)?;
    let mut payload = match link.read(RESPONSE_PACKET).await {
        // A probe: somebody looked whether the port is open.
        Err(LinkError::Io(error))
            if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) =>
        {
            return Ok(Login::Finished);
        }
        other => other.map_err(failed)?,
    };
    if is_ssl_request(&payload) {
        let Some(config) = desk.tls() else {
            let refusal = Refusal::new(RefusalKind::ProtocolViolation, "TLS was asked for but is not offered here");
            return turn_away(link, desk.as_ref(), &Claim::default(), refusal, errors::BAD_HANDSHAKE).await;
        };
        let sequence = link.sequence();
        link = Link::resumed(link.into_transport().accept_tls(config).await?, sequence);
        payload = link.read(RESPONSE_PACKET).await.map_err(failed)?;
    } else if desk.tls().is_some() {
        let refusal = Refusal::new(RefusalKind::NotAuthenticated, "this port is only served through TLS")
            .hint("turn TLS on in the client: --ssl-mode=REQUIRED (MariaDB: --ssl), sslMode=REQUIRED, tls=true");
        let claim = HandshakeResponse::decode(&payload).map(|response| claim(&response)).unwrap_or_default();
        return turn_away(link, desk.as_ref(), &claim, refusal, errors::TLS_REQUIRED).await;
    }
    let response = match HandshakeResponse::decode(&payload) {
        Ok(response) => response,
        Err(malformed) => {
            let refusal = Refusal::new(RefusalKind::ProtocolViolation, malformed.to_string());
            return turn_away(link, desk.as_ref(), &Claim::default(), refusal, errors::BAD_HANDSHAKE).await;
        }
    };
    let claim = claim(&response);
    let (admission, opened_by) = match prove(&mut link, desk.as_ref(), &response, &claim, challenge).await {
        Ok(proven) => proven,
        Err(Unproven::Unheard(TokenError::Refused(refusal))) => {
            let code = errors::code(refusal.kind);
            return turn_away(link, desk.as_ref(), &claim, refusal, code).await;
        }
        Err(Unproven::Unheard(TokenError::Gone(refusal))) => {
            desk.turned_away(&claim, &refusal);
            return Err(LoginError::Refused(refusal));
        }
        Err(Unproven::Unheard(TokenError::Link(error))) => return Err(failed(error)),
        Err(Unproven::Refused(refusal)) => return refuse_kind(&mut link, refusal).await,
    };
    let parties = Parties { datasource, greeting, response, claim, admission, opened_by };
    establish(link, desk.as_ref(), parties).await
}

/// Why a client is not admitted.
enum Unproven {
    /// There is no proof to look at.
    Unheard(TokenError),
    /// The desk says no, and has recorded it.
    Refused(Refusal),
}

/// Has the client prove who it is: by the password of an exchanged credential, if its user name is of that form, else by
/// its token.
async fn prove(
    link: &mut Link,
    desk: &dyn Desk,
    response: &HandshakeResponse,
    claim: &Claim,
    challenge: Vec<u8>,
) -> Result<(Admission, Option<OpenedBy>), Unproven> {
    if desk.challenge(claim).map_err(Unproven::Refused)?.is_none() {
        let token = token(link, response).await.map_err(Unproven::Unheard)?;
        let admission = desk.admit(Credential::Password(&token), claim).await.map_err(Unproven::Refused)?;
        return Ok((admission, Some(OpenedBy::credential(&token))));
    }
    let proof = caching_sha2::prove(link, response, challenge, nonce()).await.map_err(Unproven::Unheard)?;
    let admission = desk.admit(Credential::Proof(&proof), claim).await.map_err(Unproven::Refused)?;
    link.write(&FAST_AUTH_OK).await.map_err(|error| Unproven::Unheard(error.into()))?;
    Ok((admission, None))
}

/// Everybody involved once the client is admitted.
struct Parties {
    datasource: MysqlDatasource,
    /// What the client was told of the upstream.
    greeting: Greeting,
    response: HandshakeResponse,
    claim: Claim,
    admission: Admission,
    /// What recognises the token that opened the session, if a token did.
    opened_by: Option<OpenedBy>,
}

/// Finds the listener's datasource and what its clients are greeted with, under a number of our own.
async fn reach(desk: &dyn Desk) -> Result<(MysqlDatasource, Greeting), Refusal> {
    let datasource = desk.datasource_before_login(None)?;
    let datasource = own(&datasource)?;
    let greeting = datasource.greeting().await?;
    Ok((datasource, Greeting { thread: told(), ..greeting }))
}

fn own(datasource: &Arc<dyn Datasource>) -> Result<MysqlDatasource, Refusal> {
    datasource.as_any().downcast_ref::<MysqlDatasource>().cloned().ok_or_else(|| {
        let name = &datasource.spec().name;
        Refusal::new(RefusalKind::Internal, format!("datasource {name} is not one of MySQL or MariaDB"))
            .hint("set protocol = \"mysql\" for it, or another protocol for the listener")
    })
}

/// Logs in upstream and puts the session together.
async fn establish(mut link: Link, desk: &dyn Desk, parties: Parties) -> Result<Login, LoginError> {
    let Parties { datasource, greeting, response, claim, admission, opened_by } = parties;
    let spec = datasource.spec().clone();
    if let Some(name) = foreign_database(desk, &spec, &response) {
        let refusal = Refusal::new(RefusalKind::NotAllowed, format!("Unknown database '{name}'")).hint(format!(
            "connect to {}: this listener has strict_names",
            spec.database.as_deref().unwrap_or_default()
        ));
        desk.abandoned(&admission, &claim, &refusal);
        return refuse(&mut link, refusal, errors::NO_SUCH_DATABASE).await;
    }
    let local_files = options::local_infile(&spec);
    let offered = offered(&greeting, false, local_files);
    let wish = HandshakeResponse {
        capabilities: response.capabilities.and(offered),
        max_packet: response.max_packet,
        charset: response.charset,
        database: response.database.clone().or_else(|| spec.database.clone().map(String::into_bytes)),
        attributes: passed_on(&response.attributes),
        ..HandshakeResponse::default()
    };
    let wish = with_database_flag(wish, &greeting);
    let agreed = wish.capabilities.relayed(local_files).and(greeting.capabilities);
    let database = wish.database.as_deref().map(|name| String::from_utf8_lossy(name).into_owned());
    let opened = async {
        if admission.datasource.spec().name != spec.name {
            let why = "the listener's datasource and the identity's differ";
            return Err(Failure::Refusal(Refusal::new(RefusalKind::Internal, why)));
        }
        let locked = match (datasource.settled_lock().await, datasource.lock_mode()) {
            (LockState::InForce, _) => true,
            (LockState::Broken(why), LockMode::Required) => {
                return Err(Failure::Refusal(out_of_order(&spec.name, &why)));
            }
            (LockState::Unknown, LockMode::Required) => {
                return Err(Failure::Refusal(out_of_order(&spec.name, "its roles have not been looked at yet")));
            }
            _ => false,
        };
        let dialled = dial(&spec).await.map_err(Failure::Refusal)?;
        if !datasource.still_greets(&greeting, &dialled.greeting) {
            return Err(Failure::Refusal(
                unavailable(&spec, "the server behind it was exchanged since").hint("connect again: nothing is wrong"),
            ));
        }
        let thread = dialled.greeting.thread;
        if datasource.catalog_epoch() == 0 {
            datasource.refresh_catalog().await.map_err(Failure::Refusal)?;
        }
        let LoggedIn { mut link, ok } = dialled.log_in(&spec, wish).await.map_err(|failure| match failure {
            LoginFailure::Refusal(refusal) => Failure::Refusal(refusal),
            LoginFailure::Server(payload) => server_failure(&spec, payload),
        })?;
        let mut known = datasource.initial_settings(&greeting);
        known.multi_statements = agreed.has(Capabilities::MULTI_STATEMENTS);
        learn(&mut link, &mut known, agreed).await.map_err(|why| Failure::Refusal(unavailable(&spec, &why)))?;
        Ok((link, ok, known, thread, locked))
    };
    let (upstream, ok, known, thread, locked) = match opened.await {
        Ok(opened) => opened,
        Err(Failure::Refusal(refusal)) => {
            desk.abandoned(&admission, &claim, &refusal);
            return refuse_kind(&mut link, refusal).await;
        }
        Err(Failure::Server(payload, refusal)) => {
            desk.abandoned(&admission, &claim, &refusal);
            link.write(&payload).await.map_err(failed)?;
            return Err(LoginError::Refused(refusal));
        }
    };
    let mut greeting_frames = Vec::new();
    packet::put(&mut greeting_frames, link.sequence(), &ok);
    let info = SessionInfo {
        id: admission.session,
        opened: now(),
        identity: admission.identity.clone(),
        claimed_user: claim.user,
        client_addr: desk.client_addr(),
        client_app: claim.application,
        protocol: "mysql".to_owned(),
        datasource: spec.name.clone(),
        database: database.unwrap_or_default(),
        upstream_user: spec.user.clone(),
        server_version: String::from_utf8_lossy(&greeting.version).into_owned(),
        tls_version: link.transport().tls_version(),
        reason: claim.reason,
        ticket: claim.ticket,
    };
    // Only the proxy itself cancels by it, when the client has gone away: nobody is told the key.
    let cancel = CancelTarget { datasource: admission.datasource.clone(), key: thread.to_le_bytes().to_vec() };
    desk.offer_cancel(admission.session, rand::random::<[u8; 32]>().to_vec(), cancel);
    let owner = Owner::of(&admission.identity);
    let mut conversation = MysqlConversation::new(Parts {
        thread: datasource.enter(thread, greeting.thread, owner.clone()),
        login_sequence: link.sequence(),
        owner,
        opened_by,
        upstream_encrypted: upstream.is_encrypted(),
        mariadb: greeting.is_mariadb(),
        capabilities: agreed,
        settings: known,
        datasource,
    });
    conversation.roles = locked.then(|| Roles::new(&spec.user));
    let client = link.into_transport();
    let client = match Algorithm::agreed(response.capabilities.and(offered), response.zstd_level) {
        Some(algorithm) => Compressed::towards_client(client, algorithm),
        None => client,
    };
    Ok(Login::Session(Box::new(Established {
        client,
        upstream: upstream.into_transport(),
        conversation: Box::new(conversation),
        info,
        greeting: greeting_frames,
        client_residue: Vec::new(),
        upstream_residue: Vec::new(),
        datasource: admission.datasource,
    })))
}

/// The database that the client asks for, where names have to fit and that is another than the datasource's. Elsewhere any
/// database of the server may be asked for: rules name databases, and the server says which ones there are.
fn foreign_database(desk: &dyn Desk, spec: &wire::DatasourceSpec, response: &HandshakeResponse) -> Option<String> {
    let (own, asked) = (spec.database.as_deref()?, response.database.as_deref().filter(|_| desk.strict_names())?);
    (asked != own.as_bytes() && !asked.is_empty()).then(|| String::from_utf8_lossy(asked).into_owned())
}

enum Failure {
    Refusal(Refusal),
    /// The upstream's own words, and what the record says of them.
    Server(Vec<u8>, Refusal),
}

/// What the upstream says of the database, the number of connections and so on reaches the client as it is. What it
/// says of our own user does not concern the client's password, and would be taken for that.
fn server_failure(spec: &wire::DatasourceSpec, payload: Vec<u8>) -> Failure {
    let refusal = refused_us(spec, &payload);
    match ErrorPacket::decode(&payload) {
        Ok(error) if !matches!(error.code, 1045 | 1698 | 1251 | 1524 | 1862) => Failure::Server(payload, refusal),
        _ => Failure::Refusal(refusal),
    }
}

/// Asks the upstream for the settings that a text's meaning depends on.
async fn learn(link: &mut Link, known: &mut sql::Settings, agreed: Capabilities) -> Result<(), String> {
    let rows = own_query::run(link, settings::QUERY, agreed).await.map_err(|error| error.to_string())?;
    let cells: Vec<Option<&[u8]>> =
        rows.first().map(|row| row.iter().map(|cell| cell.as_deref().map(str::as_bytes)).collect()).unwrap_or_default();
    settings::apply(known, &cells).ok_or_else(|| "it does not tell the session's settings".to_owned())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

async fn refuse_kind(link: &mut Link, refusal: Refusal) -> Result<Login, LoginError> {
    let code = errors::code(refusal.kind);
    refuse(link, refusal, code).await
}

/// Refuses a client whose proof has not been looked at. The desk refuses by itself whom it does not admit.
async fn turn_away(
    mut link: Link,
    desk: &dyn Desk,
    claim: &Claim,
    refusal: Refusal,
    code: Code,
) -> Result<Login, LoginError> {
    desk.turned_away(claim, &refusal);
    refuse(&mut link, refusal, code).await
}

async fn refuse(link: &mut Link, refusal: Refusal, code: Code) -> Result<Login, LoginError> {
    let mut payload = Vec::new();
    errors::put_refusal(&mut payload, &refusal, code);
    link.write(&payload).await.map_err(failed)?;
    Err(LoginError::Refused(refusal))
}

fn failed(error: LinkError) -> LoginError {
    match error {
        LinkError::Io(error) => LoginError::Io(error),
        LinkError::Violation(what) => LoginError::Violation(what),
    }
}
