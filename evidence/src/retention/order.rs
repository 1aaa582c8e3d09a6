//! Orders: what two people sign to have segments removed, or a hold released.
//!
//! A C2SP signed note (<https://c2sp.org/signed-note>) with a signature line for each person:
//!
//! ```text
//! affidavit order v1
//! <origin of the log>
//! {"id":…,"made":…,"made_by":…,"reason":…,"action":{"do":"prune","segments":[[1,5]]}}
//!
//! — ann.example+… …
//! — bob.example+… …
//! ```

use crate::error::StoreError;
use crate::sign::{LogKey, VerifierKey, split};
use serde::{Deserialize, Serialize};

/// First line of an order.
const TITLE: &str = "affidavit order v1";

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Action {
    /// The files of these segments are removed.
    Prune {
        /// First and last of each range, ascending.
        segments: Vec<[u64; 2]>,
    },
    /// A hold ends.
    Release {
        /// Its id.
        hold: String,
    },
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) id: String,
    /// Microseconds since the epoch.
    pub(crate) made: i64,
    pub(crate) made_by: String,
    pub(crate) reason: String,
    pub(crate) action: Action,
}

impl Order {
    pub(crate) fn new(action: Action, reason: &str, made_by: &str, made: i64) -> Self {
        let id = uuid::Uuid::now_v7().to_string();
        Self { id, made, made_by: made_by.to_owned(), reason: reason.to_owned(), action }
    }

    /// The text that is signed.
    fn text(&self, origin: &str) -> Result<String, StoreError> {
        let json = serde_json::to_string(self).map_err(|error| StoreError::Config(error.to_string()))?;
        Ok(format!("{TITLE}\n{origin}\n{json}\n"))
    }

    /// The order with one person's signature.
    pub(crate) fn sign(&self, origin: &str, key: &LogKey) -> Result<String, StoreError> {
        Ok(key.sign_note(&self.text(origin)?))
    }

    /// Reads an order; signatures are checked apart. The text must be the one form that this order has.
    pub(crate) fn parse(note: &str, origin: &str) -> Result<Self, String> {
        let (text, _) = split(note).ok_or("it has no signatures")?;
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err("it is not an order".to_owned());
        }
        match lines.next() {
            Some(other) if other != origin => return Err(format!("it is an order for the log `{other}`")),
            _ => {}
        }
        let order: Self = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|error| format!("its third line does not read: {error}"))?;
        match order.text(origin) {
            Ok(same) if same == text => Ok(order),
            _ => Err("it is not written in the one allowed form".to_owned()),
        }
    }

    /// Adds a signature to an order.
    pub(crate) fn cosign(note: &str, key: &LogKey) -> Result<String, String> {
        let (text, signatures) = split(note).ok_or("it has no signatures")?;
        let line = key.verifier().signature_line(&key.sign_bytes(text.as_bytes()));
        Ok(format!("{text}\n{signatures}{line}"))
    }
}

/// The people who signed a note, each once: two names over one key are one person.
pub(crate) fn signers(note: &str, people: &[VerifierKey]) -> Vec<String> {
    let mut found: Vec<&VerifierKey> = Vec::new();
    for person in people {
        if person.verifies(note) && !found.iter().any(|known| known.public() == person.public()) {
            found.push(person);
        }
    }
    found.into_iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order::new(Action::Prune { segments: vec![[1, 5], [7, 7]] }, "past its time", "os:ann", 5)
    }

    #[test]
    fn an_order_is_read_back_and_every_change_is_noticed() {
        let key = LogKey::generate("ann.example").unwrap();
        let note = order().sign("log.example", &key).unwrap();
        let read = Order::parse(&note, "log.example").unwrap();
        assert_eq!(read.action, order().action);
        assert!(Order::parse(&note, "other.example").is_err());
        assert!(Order::parse(&note.replace("[1,5]", "[1, 5]"), "log.example").is_err());
        assert!(key.verifier().verifies(&note) && !key.verifier().verifies(&note.replace("[7,7]", "[7,8]")));
    }

    #[test]
    fn two_people_are_two_keys() {
        let (ann, bob) = (LogKey::generate("ann").unwrap(), LogKey::generate("bob").unwrap());
        let people = [ann.verifier(), bob.verifier()];
        let one = order().sign("log", &ann).unwrap();
        assert_eq!(signers(&one, &people).len(), 1);
        let twice = Order::cosign(&one, &ann).unwrap();
        assert_eq!(signers(&twice, &people).len(), 1);
        let both = Order::cosign(&one, &bob).unwrap();
        assert_eq!(signers(&both, &people).len(), 2);
        assert!(Order::parse(&both, "log").is_ok());
        // The same key under another name is the same person.
        let text = ann.to_text();
        // Base64 may hold a `+` itself.
        let bytes = crate::sign::unbase64(text.trim().splitn(5, '+').nth(4).unwrap()).unwrap();
        let alias = LogKey::of_seed("anna", bytes[1..].try_into().unwrap());
        let note = Order::cosign(&one, &alias).unwrap();
        assert_eq!(signers(&note, &[ann.verifier(), alias.verifier()]).len(), 1);
    }
}
