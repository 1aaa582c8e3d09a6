//! What is asked for: who wants to run what, where, why, and under which rule.

use super::picture::Picture;
use model::{Identity, Timestamp};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Characters of an id: no vowels (no words), nothing that is mistaken for something else when read out.
const ALPHABET: &[u8; 27] = b"23456789bcdfghjkmnpqrstvwxz";

/// Name of an approval, short enough to say on the phone: `apr-7f3k-9qxm`. Not a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApprovalId(String);

impl ApprovalId {
    /// A fresh one, among 27⁸ (about 2.8 · 10¹¹).
    #[must_use]
    pub fn random() -> Self {
        let mut rng = rand::rng();
        let mut letters = |text: &mut String| {
            for _ in 0..4 {
                let at = rng.random_range(0..ALPHABET.len());
                text.push(ALPHABET.get(at).copied().map_or('2', char::from));
            }
        };
        let mut text = String::from("apr-");
        letters(&mut text);
        text.push('-');
        letters(&mut text);
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ApprovalId {
    type Err = String;

    /// Takes what a person typed: upper case and surrounding space are forgiven.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_ascii_lowercase();
        let parts: Vec<&str> = text.split('-').collect();
        let letters = |part: &str| part.len() == 4 && part.bytes().all(|byte| ALPHABET.contains(&byte));
        match parts.as_slice() {
            ["apr", a, b] if letters(a) && letters(b) => Ok(Self(text)),
            _ => Err("is not an approval's id; they look like apr-7f3k-9qxm".to_owned()),
        }
    }
}

/// A person or machine, by what a token proves. Equal when issuer and subject are: names decide nothing.
#[derive(Clone, Debug, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The issuer's identifier.
    pub issuer: String,
    /// Unique within the issuer.
    pub subject: String,
    /// A name for people to read.
    pub name: Option<String>,
}

impl PartialEq for Person {
    fn eq(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.subject == other.subject
    }
}

impl Person {
    /// Of a proven identity.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self { issuer: identity.issuer.clone(), subject: identity.subject.clone(), name: identity.name.clone() }
    }

    /// What people call them: the name if there is one, else the subject.
    #[must_use]
    pub fn display(&self) -> &str {
        self.name.as_deref().filter(|name| !name.is_empty()).unwrap_or(&self.subject)
    }

    /// The form in the record: `issuer|subject`.
    #[must_use]
    pub fn recorded(&self) -> String {
        format!("{}|{}", self.issuer, self.subject)
    }
}

/// Someone who decides. Built only from a verified token.
#[derive(Clone, Debug)]
pub struct Approver {
    pub(super) person: Person,
    pub(super) groups: Vec<String>,
    pub(super) auth: String,
    pub(super) expires: Timestamp,
}

impl Approver {
    /// The owner of a verified token; `auth` says how they came (`console login`, `bearer token`).
    #[must_use]
    pub fn proven(identity: &Identity, auth: &str) -> Self {
        Self {
            person: Person::of(identity),
            groups: identity.groups.clone(),
            auth: auth.to_owned(),
            expires: identity.expires,
        }
    }

    /// Who.
    #[must_use]
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// The groups that the token proves.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }
}

/// What a grant is good for, and nothing beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Binding {
    /// The requester's issuer.
    pub issuer: String,
    /// The requester's subject.
    pub subject: String,
    /// Where it runs.
    pub datasource: String,
    /// Shape of the statement ([`model::Facts::fingerprint`]).
    pub fingerprint: String,
    /// Hex SHA-256 of the exact SQL.
    pub sql_sha256: String,
    /// Hex SHA-256 of the parameters, their types and their number.
    pub params_sha256: String,
    /// Hex SHA-256 of what the analysis says it does: the same words may mean other tables under another search path.
    pub effect_sha256: String,
    /// The rule that asks.
    pub rule: String,
    /// The policy that asks (hex).
    pub policy: String,
}

impl Binding {
    /// Whether a window for this fingerprint covers the other statement: all but its literals must agree.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        let Self {
            issuer,
            subject,
            datasource,
            fingerprint,
            sql_sha256: _,
            params_sha256: _,
            effect_sha256,
            rule,
            policy,
        } = self;
        *issuer == other.issuer
            && *subject == other.subject
            && *datasource == other.datasource
            && *fingerprint == other.fingerprint
            && *effect_sha256 == other.effect_sha256
            && *rule == other.rule
            && *policy == other.policy
    }
}

/// What the rule demands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Groups whose members may decide.
    pub groups: Vec<String>,
    /// How many different people must agree. Zero counts as one.
    pub count: u32,
    /// Seconds for which a grant is good.
    pub valid_for_seconds: u64,
    /// Whether approvers may open a window.
    pub window: bool,
    /// Emergency access.
    pub break_glass: bool,
    /// When the request is escalated, if it is.
    #[serde(with = "super::micros::maybe")]
    pub escalate_at: Option<Timestamp>,
    /// Who may decide from then on, beside `groups`.
    pub escalate_to: Vec<String>,
}

/// A request for approval. It never changes; what becomes of it is [`super::Approval`]'s.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Its name.
    pub id: ApprovalId,
    /// Who asks.
    pub requester: Person,
    /// The requester's groups.
    pub requester_groups: Vec<String>,
    /// What a grant will be good for.
    pub binding: Binding,
    /// The exact SQL, for people to read. Restricted: it may carry literals.
    pub sql: String,
    /// The parameters, for people to read; `None` is NULL. Restricted like `sql`.
    pub params: Vec<Option<String>>,
    /// What else there is to see.
    pub picture: Picture,
    /// What the rule demands.
    pub terms: Terms,
    /// What the client calls itself.
    pub client_app: String,
    /// `address:port` of the client.
    pub client_addr: String,
    /// The session (UUID).
    pub session: String,
    /// The statement's number within the session.
    pub statement: u64,
    /// Reason given by the requester.
    pub reason: Option<String>,
    /// Ticket given by the requester.
    pub ticket: Option<String>,
    /// When it was asked.
    #[serde(with = "super::micros")]
    pub created: Timestamp,
    /// When it lapses if nobody has decided.
    #[serde(with = "super::micros")]
    pub expires: Timestamp,
    /// Whether a connection waits for it: then it cannot outlive the connection.
    pub held: bool,
}

impl Request {
    /// How many people must agree.
    #[must_use]
    pub fn needed(&self) -> usize {
        usize::try_from(self.terms.count.max(1)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_read_back() {
        for _ in 0..200 {
            let id = ApprovalId::random();
            assert_eq!(id.as_str().len(), 13, "{id}");
            assert_eq!(id.as_str().to_uppercase().parse::<ApprovalId>().unwrap(), id);
        }
        for wrong in ["", "apr-", "apr-7f3k", "apr-7f3k-9qx", "apr-7f3k-9qxl", "apr-7f3k-9qxm-2222", "../../etc"] {
            assert!(wrong.parse::<ApprovalId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn people_are_their_issuer_and_subject() {
        let a = Person { issuer: "i".into(), subject: "s".into(), name: Some("A".into()) };
        assert_eq!(a, Person { name: None, ..a.clone() });
        assert_ne!(a, Person { issuer: "j".into(), ..a.clone() });
        assert_ne!(a, Person { subject: "t".into(), ..a.clone() });
    }
}
