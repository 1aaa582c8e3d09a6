//! What several modules' tests share: an identity, a catalog, facts.

use model::{AuthMethod, Identity, Timestamp};

pub(crate) fn identity(subject: &str, groups: &[&str]) -> Identity {
    Identity {
        issuer: "https://login.example.org".to_owned(),
        subject: subject.to_owned(),
        name: None,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        expires: Timestamp(i64::MAX),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    }
}
