//! Sessions: opened, denied, closed.

use crate::event::LoginDenied;
use crate::journal::codec::{Put, Take, Undecodable};
use model::{PolicyVersion, SessionId, SessionInfo};

/// What the sessions table says about who and where; the same for an opening and a denial.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Who {
    pub(crate) user_id: Option<String>,
    pub(crate) user_email: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) auth_method: Option<String>,
    pub(crate) client_addr: String,
    pub(crate) client_app: String,
    pub(crate) protocol: String,
    pub(crate) server: Option<String>,
    pub(crate) database: Option<String>,
    pub(crate) db_user: Option<String>,
    pub(crate) tls_version: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) ticket: Option<String>,
    pub(crate) claimed_user: String,
    pub(crate) server_version: Option<String>,
    pub(crate) token_id: Option<String>,
}

impl Who {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            user_id: take.opt_string()?,
            user_email: take.opt_string()?,
            issuer: take.opt_string()?,
            groups: take.list(Take::string)?,
            auth_method: take.opt_string()?,
            client_addr: take.string()?,
            client_app: take.string()?,
            protocol: take.string()?,
            server: take.opt_string()?,
            database: take.opt_string()?,
            db_user: take.opt_string()?,
            tls_version: take.opt_string()?,
            reason: take.opt_string()?,
            ticket: take.opt_string()?,
            claimed_user: take.string()?,
            server_version: take.opt_string()?,
            token_id: take.opt_string()?,
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.opt_str(self.user_id.as_deref());
        out.opt_str(self.user_email.as_deref());
        out.opt_str(self.issuer.as_deref());
        out.strs(&self.groups);
        out.opt_str(self.auth_method.as_deref());
        out.str(&self.client_addr);
        out.str(&self.client_app);
        out.str(&self.protocol);
        out.opt_str(self.server.as_deref());
        out.opt_str(self.database.as_deref());
        out.opt_str(self.db_user.as_deref());
        out.opt_str(self.tls_version.as_deref());
        out.opt_str(self.reason.as_deref());
        out.opt_str(self.ticket.as_deref());
        out.str(&self.claimed_user);
        out.opt_str(self.server_version.as_deref());
        out.opt_str(self.token_id.as_deref());
    }
}

/// A session began.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opened {
    pub(crate) session: SessionId,
    pub(crate) who: Who,
    pub(crate) token_expires: i64,
    pub(crate) policy: PolicyVersion,
}

pub(crate) fn opened(info: &SessionInfo, policy: PolicyVersion, out: &mut Vec<u8>) {
    out.extend_from_slice(&info.id.0);
    out.i64(info.identity.expires.0);
    out.extend_from_slice(&policy.0);
    Who {
        user_id: Some(info.identity.subject.clone()),
        user_email: info.identity.name.clone(),
        issuer: Some(info.identity.issuer.clone()),
        groups: info.identity.groups.clone(),
        auth_method: Some(info.identity.method.as_str().to_owned()),
        client_addr: info.client_addr.clone(),
        client_app: info.client_app.clone(),
        protocol: info.protocol.clone(),
        server: Some(info.datasource.clone()),
        database: Some(info.database.clone()),
        db_user: Some(info.upstream_user.clone()),
        tls_version: info.tls_version.clone(),
        reason: info.reason.clone(),
        ticket: info.ticket.clone(),
        claimed_user: info.claimed_user.clone(),
        server_version: Some(info.server_version.clone()),
        token_id: info.identity.token_id.clone(),
    }
    .write(out);
}

impl Opened {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            session: SessionId(take.array()?),
            token_expires: take.i64()?,
            policy: PolicyVersion(take.array()?),
            who: Who::read(take)?,
        })
    }
}

/// A login was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Denied {
    pub(crate) session: SessionId,
    pub(crate) who: Who,
    pub(crate) refusal: String,
}

pub(crate) fn denied(denial: &LoginDenied, out: &mut Vec<u8>) {
    out.extend_from_slice(&denial.session.0);
    out.str(&denial.refusal);
    Who {
        user_id: denial.subject.clone(),
        user_email: denial.name.clone(),
        issuer: denial.issuer.clone(),
        groups: denial.groups.clone(),
        auth_method: Some(denial.method.map_or("unproven", |method| method.as_str()).to_owned()),
        client_addr: denial.client_addr.clone(),
        client_app: denial.client_app.clone(),
        protocol: denial.protocol.clone(),
        server: denial.datasource.clone(),
        database: denial.database.clone(),
        db_user: None,
        tls_version: denial.tls_version.clone(),
        reason: denial.reason.clone(),
        ticket: denial.ticket.clone(),
        claimed_user: denial.claimed_user.clone(),
        server_version: None,
        token_id: denial.token_id.clone(),
    }
    .write(out);
}

impl Denied {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self { session: SessionId(take.array()?), refusal: take.string()?, who: Who::read(take)? })
    }
}

/// A session ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Closed {
    pub(crate) session: SessionId,
    pub(crate) reason: String,
}

pub(crate) fn closed(session: SessionId, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&session.0);
    out.str(reason);
}

impl Closed {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self { session: SessionId(take.array()?), reason: take.string()? })
    }
}
