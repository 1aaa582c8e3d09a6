//! The login: startup, proof, admission, the upstream's login, and the greeting that tells the client it is in.
//!
//! <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP>

use crate::auth::binding::end_point;
use crate::auth::client::{Proof, ask_bearer, ask_password, ask_scram};
use crate::auth::scram::ChannelBinding;
use crate::auth::scram_server::Kept;
use crate::auth::upstream::{LoginFailure, Welcome};
use crate::conversation::PostgresConversation;
use crate::datasource::{PostgresDatasource, Source};
use crate::errors::Reply;
use crate::link::Link;
use crate::message::auth::put_ask;
use crate::message::session::put_backend_key;
use crate::message::startup::{Startup, negotiate};
use crate::roles::{Roles, out_of_order};
use crate::session::{QUESTIONS, Session};
use crate::startup::{Opening, Wishes, open};
use model::{Refusal, RefusalKind, SessionInfo, Timestamp};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt;
use wire::{Admission, CancelTarget, Credential, Desk, Established, Login, LoginError, Transport, Violation};
use wire::{LockMode, LockNames, LockState};

/// The newest minor version of protocol 3 that is spoken here.
const NEWEST_MINOR: u16 = 2;

/// Conducts a login over a fresh connection.
pub(crate) async fn login(client: Transport, desk: Arc<dyn Desk>) -> Result<Login, LoginError> {
    match open(client, desk.as_ref()).await? {
        Opening::Probe => Ok(Login::Finished),
        Opening::Cancel(key) => {
            if let Some(target) = desk.find_cancel(&key)
                && let Err(error) = target.datasource.cancel(&target.key).await
            {
                tracing::warn!(%error, "a cancel request could not be forwarded");
            }
            Ok(Login::Finished)
        }
        Opening::Session(client, startup) => session(client, &startup, desk.as_ref()).await,
    }
}

fn violation(violation: Violation) -> LoginError {
    LoginError::Violation(violation.0)
}

/// Tells the client why it does not get in.
async fn refuse(mut client: Transport, refusal: Refusal) -> Result<Login, LoginError> {
    let mut frame = Vec::new();
    Reply::from(&refusal).put("FATAL", &mut frame).map_err(violation)?;
    send_away(&mut client, &frame).await?;
    Err(LoginError::Refused(refusal))
}

/// Sends the last words and closes, so that they arrive before the connection's end does.
async fn send_away(client: &mut Transport, frame: &[u8]) -> Result<(), LoginError> {
    client.write_all(frame).await?;
    client.flush().await?;
    client.shutdown().await?;
    Ok(())
}

/// As [`refuse`], where no admission will record it.
async fn turn_away(client: Transport, refusal: Refusal, wishes: &Wishes, desk: &dyn Desk) -> Result<Login, LoginError> {
    desk.turned_away(&wishes.claim, &refusal);
    refuse(client, refusal).await
}

async fn session(mut client: Transport, startup: &Startup, desk: &dyn Desk) -> Result<Login, LoginError> {
    let wishes = Wishes::new(startup);
    if let Some(refusal) = desk.closed() {
        return refuse(client, refusal).await;
    }
    if desk.tls().is_some() && client.tls_version().is_none() {
        let refusal = Refusal::new(RefusalKind::NotAuthenticated, "this listener accepts TLS connections only")
            .hint("set sslmode=require or stronger, so that your token is not sent in the clear");
        return turn_away(client, refusal, &wishes, desk).await;
    }
    if wishes.replication {
        let refusal = Refusal::new(RefusalKind::NotSupported, "replication connections are not supported")
            .hint("a replication stream carries rows that no policy could be applied to; connect without it");
        return turn_away(client, refusal, &wishes, desk).await;
    }
    if wishes.claim.user.is_empty() {
        let refusal = Refusal::new(RefusalKind::NotAuthenticated, "no user name was given at startup");
        return turn_away(client, refusal, &wishes, desk).await;
    }
    let mut before = Vec::new();
    if startup.minor > NEWEST_MINOR || !wishes.unknown.is_empty() {
        let unknown: Vec<_> = wishes.unknown.iter().map(Vec::as_slice).collect();
        negotiate(startup.minor.min(NEWEST_MINOR), &unknown, &mut before).map_err(violation)?;
    }
    let challenge = if wishes.oauth { Ok(None) } else { desk.challenge(&wishes.claim) };
    let verifier = match challenge {
        Ok(verifier) => verifier,
        Err(refusal) => return refuse(client, refusal).await,
    };
    let proof = match verifier.as_ref().and_then(Kept::decode) {
        Some(kept) => {
            let certificate = desk.certificate().filter(|_| client.tls_version().is_some());
            let binding = match certificate.map(end_point) {
                Some(ChannelBinding::EndPoint(hash)) => Some(hash),
                _ => None,
            };
            ask_scram(&mut client, &before, &kept, binding.as_deref()).await
        }
        None if wishes.oauth => ask_bearer(&mut client, &before, desk.discovery().as_ref()).await,
        None => ask_password(&mut client, &before).await,
    };
    let proof = match proof {
        Err(LoginError::Violation(text)) => {
            let refusal = Refusal::new(RefusalKind::ProtocolViolation, text);
            return turn_away(client, refusal, &wishes, desk).await;
        }
        proof => proof?,
    };
    let admission = match &proof {
        None => return Ok(Login::Finished),
        Some(Proof::Password(token)) => desk.admit(Credential::Password(token), &wishes.claim).await,
        Some(Proof::Bearer(token)) => desk.admit(Credential::Bearer(token), &wishes.claim).await,
        Some(Proof::Scram { proof, answer }) => {
            let admission = desk.admit(Credential::Proof(proof), &wishes.claim).await;
            if admission.is_ok() {
                client.write_all(answer).await?;
            }
            admission
        }
        Some(Proof::TooLong(size)) => {
            let text = format!("the token is too long: its message has {size} bytes and 64 KiB are accepted");
            let refusal = Refusal::new(RefusalKind::NotAuthenticated, text)
                .hint("ask the issuer for a token with fewer claims, such as groups");
            return turn_away(client, refusal, &wishes, desk).await;
        }
        Some(Proof::Discovered) => {
            let refusal = Refusal::new(RefusalKind::NotAuthenticated, "no token was sent")
                .hint("get a token from the issuer that was named and connect again with it");
            return refuse(client, refusal).await;
        }
    };
    drop(proof);
    let admission = match admission {
        Ok(admission) => admission,
        Err(refusal) => return refuse(client, refusal).await,
    };
    enter(client, startup, wishes, admission, desk).await
}

/// The client is admitted: logs in at the upstream and puts the session together.
async fn enter(
    mut client: Transport,
    startup: &Startup,
    wishes: Wishes,
    admission: Admission,
    desk: &dyn Desk,
) -> Result<Login, LoginError> {
    let Some(source) = admission.datasource.as_any().downcast_ref::<PostgresDatasource>().map(|d| d.0.clone()) else {
        let name = &admission.datasource.spec().name;
        let text = format!("datasource \"{name}\" is not a PostgreSQL datasource");
        let refusal = Refusal::new(RefusalKind::NotAllowed, text).hint("use a listener of the datasource's protocol");
        desk.abandoned(&admission, &wishes.claim, &refusal);
        return refuse(client, refusal).await;
    };
    if let Some(name) = foreign_database(&source, &wishes) {
        // In the words of a server that has no such database.
        let text = format!("database \"{name}\" does not exist");
        let hint = format!("connect to \"{}\", the datasource that is served here", source.spec().name);
        let refusal = Refusal::new(RefusalKind::NotAllowed, text).hint(hint);
        desk.abandoned(&admission, &wishes.claim, &refusal);
        let mut frame = Vec::new();
        let reply = Reply { code: "3D000", ..Reply::from(&refusal) };
        reply.put("FATAL", &mut frame).map_err(violation)?;
        send_away(&mut client, &frame).await?;
        return Err(LoginError::Refused(refusal));
    }
    let database = source.spec().database.clone().or_else(|| wishes.claim.database.clone());
    let database = database.unwrap_or_else(|| source.spec().user.clone());
    let locked = match source.settled_lock().await {
        LockState::InForce => true,
        LockState::Broken(why) if source.lock_mode() == LockMode::Required => {
            let refusal = out_of_order(&source.spec().name, &why);
            desk.abandoned(&admission, &wishes.claim, &refusal);
            return refuse(client, refusal).await;
        }
        LockState::Unknown if source.lock_mode() == LockMode::Required => {
            let refusal = out_of_order(&source.spec().name, "its roles have not been looked at yet");
            desk.abandoned(&admission, &wishes.claim, &refusal);
            return refuse(client, refusal).await;
        }
        LockState::Broken(_) | LockState::Unknown => false,
    };
    if locked && wishes.role {
        let refusal = Refusal::new(RefusalKind::NotAllowed, "a role cannot be asked for at startup")
            .hint("leave role and session_authorization out of the connection's options: Affidavit chooses the role of each statement");
        desk.abandoned(&admission, &wishes.claim, &refusal);
        return refuse(client, refusal).await;
    }
    let mut params = upstream_params(startup, &wishes, &source.spec().user, &database);
    if locked {
        // What RESET goes back to, and what a session begins with: never the account itself.
        params.push((b"role".to_vec(), LockNames::of(&source.spec().user).masked.into_bytes()));
    }
    let upstream = async {
        let (mut link, welcome) = source.connect(&params).await?;
        let mut session = settings(&source, &mut link, &welcome).await?;
        if locked {
            session.takes_roles();
        }
        Ok::<_, LoginFailure>((link, welcome, session))
    };
    let (link, welcome, session) = match upstream.await {
        Ok(ready) => ready,
        Err(failure) => {
            desk.abandoned(&admission, &wishes.claim, failure.refusal());
            return match failure {
                LoginFailure::Told { frame, refusal } => {
                    send_away(&mut client, &frame).await?;
                    Err(LoginError::Refused(refusal))
                }
                LoginFailure::Unreachable(refusal) => refuse(client, refusal).await,
            };
        }
    };
    if source.snapshot().catalog.epoch() == 0
        && let Err(refusal) = admission.datasource.refresh_catalog().await
    {
        // Without a catalog nothing is proven, so nothing protected passes; what needs no catalog still works.
        tracing::warn!(%refusal, "a session begins without a catalog");
    }
    let greeting = greeting(startup.minor, &welcome, &admission, desk).map_err(violation)?;
    let (upstream, upstream_residue) = link.into_parts();
    let info = SessionInfo {
        id: admission.session,
        opened: now(),
        identity: admission.identity,
        claimed_user: wishes.claim.user,
        client_addr: desk.client_addr(),
        client_app: wishes.claim.application,
        protocol: "postgres".to_owned(),
        datasource: source.spec().name.clone(),
        database,
        upstream_user: source.spec().user.clone(),
        server_version: welcome.param("server_version").unwrap_or_default().to_owned(),
        tls_version: client.tls_version(),
        reason: wishes.claim.reason,
        ticket: wishes.claim.ticket,
    };
    let mut conversation = PostgresConversation::new(source, session);
    conversation.roles = locked.then(|| Roles::new(&info.upstream_user));
    Ok(Login::Session(Box::new(Established {
        client,
        upstream,
        conversation: Box::new(conversation),
        info,
        greeting,
        client_residue: Vec::new(),
        upstream_residue,
        datasource: admission.datasource,
    })))
}

/// The database that the client asks for, where that is neither the datasource nor its database.
fn foreign_database<'w>(source: &Source, wishes: &'w Wishes) -> Option<&'w str> {
    let (own, asked) = (source.spec().database.as_deref()?, wishes.claim.database.as_deref()?);
    (asked != own && asked != source.spec().name).then_some(asked)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The client's parameters in its order, with user and database replaced where it had them.
fn upstream_params(startup: &Startup, wishes: &Wishes, user: &str, database: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let mut params = vec![pair("user", user), pair("database", database)];
    if startup.params.first().is_some_and(|(name, _)| name == b"database") {
        params.reverse();
    }
    params.extend(wishes.params.iter().cloned());
    params
}

/// What the session's texts mean: what was reported, and our question for the rest.
async fn settings(source: &Source, link: &mut Link, welcome: &Welcome) -> Result<Session, LoginFailure> {
    let mut session = Session::new(&source.spec().user);
    for (name, value) in &welcome.params {
        session.report(name, value);
    }
    session.asked(false);
    let question = QUESTIONS.join("; ");
    let asked = tokio::time::timeout(source.spec().connect_timeout, link.query(&question)).await;
    match asked.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())) {
        Ok(rows) => match rows.as_slice() {
            [path, role] => {
                let text = |row: &[Option<String>]| row.first().cloned().flatten().unwrap_or_default();
                session.refreshed(&text(path), &text(role));
                Ok(session)
            }
            _ => Err(unready(source, "it does not answer SHOW search_path")),
        },
        Err(error) => Err(unready(source, &error.to_string())),
    }
}

fn unready(source: &Source, why: &str) -> LoginFailure {
    let text = format!("datasource \"{}\" cannot be used: {why}", source.spec().name);
    LoginFailure::Unreachable(Refusal::new(RefusalKind::UpstreamUnavailable, text))
}

/// AuthenticationOk, what the upstream reported, a cancel key of ours, ReadyForQuery.
fn greeting(minor: u16, welcome: &Welcome, admission: &Admission, desk: &dyn Desk) -> Result<Vec<u8>, Violation> {
    let mut greeting = Vec::new();
    put_ask(0, &[], &mut greeting)?;
    greeting.extend_from_slice(&welcome.frames);
    if let Some((pid, secret)) = &welcome.key {
        // The process id stays the upstream's: clients compare it with that of notifications.
        let ours: [u8; 32] = rand::random();
        let (ours, _) = ours.split_at(if minor >= 2 { 32 } else { 4 });
        put_backend_key(*pid, ours, &mut greeting)?;
        let target = CancelTarget {
            datasource: admission.datasource.clone(),
            key: [pid.as_slice(), secret.as_slice()].concat(),
        };
        desk.offer_cancel(admission.session, [pid.as_slice(), ours].concat(), target);
    }
    crate::message::put(&mut greeting, b'Z', |out| out.push(b'I'))?;
    Ok(greeting)
}
