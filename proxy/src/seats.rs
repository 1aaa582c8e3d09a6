//! How many connections there are, by what they have in common: the same address, identity, datasource or listener. One of
//! them that asks for everything gets its share, and the others theirs.

use crate::config::Limits;
use model::{Identity, Refusal, RefusalKind};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What connections have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Share {
    /// Logins that one address (for IPv6 one /64) has under way.
    Login(IpAddr),
    /// Sessions of one address.
    Address(IpAddr),
    /// Sessions of one identity: issuer and subject.
    Identity(String, String),
    /// Sessions of one datasource: protocol and name.
    Datasource(String, String),
    /// Sessions of one listener.
    Listener(SocketAddr),
}

/// The counts. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<Share, usize>>>);

/// A seat taken; dropping it gives it back.
pub(crate) struct Seat {
    seats: Seats,
    share: Share,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.seats.0.lock();
        if let Some(count) = counts.get_mut(&self.share) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.share);
            }
        }
    }
}

/// Who has one IPv6 address has the whole /64.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What a session has in common with others.
pub(crate) struct Newcomer<'a> {
    /// Where it comes from.
    pub(crate) client: IpAddr,
    /// Whose it is.
    pub(crate) identity: &'a Identity,
    /// Protocol and name of where it goes to.
    pub(crate) datasource: (&'a str, &'a str),
    /// Where it came in.
    pub(crate) listener: SocketAddr,
}

impl Seats {
    fn take(&self, share: Share, most: usize) -> Option<Seat> {
        let mut counts = self.0.lock();
        let count = counts.entry(share.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: self.clone(), share })
    }

    /// A seat for a login. `None` when the address has too many under way.
    pub(crate) fn login(&self, client: IpAddr, limits: &Limits) -> Option<Seat> {
        self.take(Share::Login(neighbourhood(client)), limits.logins_per_address)
    }

    /// Seats for a session.
    ///
    /// # Errors
    /// Which of its shares is full.
    pub(crate) fn session(&self, who: &Newcomer<'_>, limits: &Limits) -> Result<Vec<Seat>, Refusal> {
        let (issuer, subject) = (who.identity.issuer.clone(), who.identity.subject.clone());
        let (protocol, name) = who.datasource;
        let shares = [
            (
                Share::Address(neighbourhood(who.client)),
                limits.sessions_per_address,
                "sessions_per_address",
                "your address",
            ),
            (Share::Identity(issuer, subject), limits.sessions_per_identity, "sessions_per_identity", "your identity"),
            (
                Share::Datasource(protocol.to_owned(), name.to_owned()),
                limits.sessions_per_datasource,
                "sessions_per_datasource",
                "this datasource",
            ),
            (Share::Listener(who.listener), limits.sessions_per_listener, "sessions_per_listener", "this listener"),
        ];
        let mut seats = Vec::with_capacity(shares.len());
        for (share, most, key, whose) in shares {
            let seat = self.take(share, most).ok_or_else(|| {
                Refusal::new(RefusalKind::LimitReached, format!("{whose} has {most} sessions already"))
                    .hint(format!("close some of them; [limits] {key} sets how many there may be"))
            })?;
            seats.push(seat);
        }
        Ok(seats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_full_and_free_again() {
        let seats = Seats::default();
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let taken: Vec<Seat> = (0..3).filter_map(|_| seats.take(Share::Login(here), 2)).collect();
        assert_eq!(taken.len(), 2);
        assert!(seats.take(Share::Address(here), 2).is_some(), "another share");
        assert!(seats.take(Share::Login("192.0.2.2".parse().unwrap()), 2).is_some(), "another address");
        drop(taken);
        assert!(seats.take(Share::Login(here), 2).is_some());
        assert!(seats.0.lock().is_empty(), "what nobody has takes no memory");
    }
}
