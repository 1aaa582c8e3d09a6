//! Failed attempts, by address and what was attempted (a user name): some are forgiven, more have to wait. The passwords
//! cannot be guessed anyway; this bounds what a guesser costs. Others behind the same address do not wait for it.

use crate::seats::neighbourhood;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Failures of one address that need not wait.
const FORGIVEN: u32 = 50;
/// What each failure costs, so that an address that goes on failing gets one attempt in this time.
const COST: Duration = Duration::from_secs(2);
/// No address has to wait for longer, however often it failed: others may sit behind it.
const LONGEST: Duration = Duration::from_secs(30);
/// Addresses that are remembered.
const MOST: usize = 10_000;

/// An address that has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// How long.
    pub(crate) wait: Duration,
    /// Whether it is the first time that it is told: that goes on the record, the rest does not.
    pub(crate) first: bool,
}

/// When all failures of an address will have been paid for, and whether it was told to wait.
struct Debt {
    paid: Instant,
    told: bool,
}

/// What addresses owe.
#[derive(Default)]
pub(super) struct Attempts {
    debts: Mutex<HashMap<(IpAddr, String), Debt>>,
}

impl Attempts {
    /// Whether an address may try now.
    pub(super) fn may(&self, address: IpAddr, what: &str, now: Instant) -> Result<(), Waits> {
        let mut debts = self.debts.lock();
        let Some(debt) = debts.get_mut(&(neighbourhood(address), what.to_owned())) else { return Ok(()) };
        let wait = debt.paid.saturating_duration_since(now).saturating_sub(COST * FORGIVEN);
        if wait.is_zero() {
            debt.told = false;
            return Ok(());
        }
        let first = !std::mem::replace(&mut debt.told, true);
        Err(Waits { wait, first })
    }

    /// An attempt has failed.
    pub(super) fn failed(&self, address: IpAddr, what: &str, now: Instant) {
        let mut debts = self.debts.lock();
        let key = (neighbourhood(address), what.to_owned());
        if debts.len() >= MOST && !debts.contains_key(&key) {
            debts.retain(|_, debt| now < debt.paid);
            if debts.len() >= MOST
                && let Some(least) = debts.iter().min_by_key(|(_, debt)| debt.paid).map(|(key, _)| key.clone())
            {
                debts.remove(&least);
            }
        }
        let debt = debts.entry(key).or_insert(Debt { paid: now, told: false });
        debt.paid = (debt.paid.max(now) + COST).min(now + COST * FORGIVEN + LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn some_failures_are_forgiven_and_then_one_at_a_time_is() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..FORGIVEN {
            assert_eq!(attempts.may(HERE, "x", now), Ok(()));
            attempts.failed(HERE, "x", now);
        }
        assert_eq!(attempts.may(HERE, "x", now), Ok(()), "exactly as many as are forgiven");
        attempts.failed(HERE, "x", now);
        assert_eq!(attempts.may(HERE, "x", now), Err(Waits { wait: COST, first: true }));
        assert_eq!(attempts.may(HERE, "x", now), Err(Waits { wait: COST, first: false }), "recorded once");
        assert_eq!(attempts.may(HERE, "x", now + COST), Ok(()));
        attempts.failed(HERE, "x", now + COST);
        assert!(attempts.may(HERE, "x", now + COST).is_err_and(|waits| waits.first));
        assert_eq!(attempts.may("192.0.2.2".parse().unwrap(), "x", now), Ok(()), "others are not held up");
        assert_eq!(attempts.may(HERE, "y", now), Ok(()), "nor are those behind the same address");
    }

    #[test]
    fn nobody_waits_for_longer_than_a_while() {
        let attempts = Attempts::default();
        let now = Instant::now();
        (0..100_000).for_each(|_| attempts.failed(HERE, "x", now));
        assert_eq!(attempts.may(HERE, "x", now), Err(Waits { wait: LONGEST, first: true }));
        assert_eq!(attempts.may(HERE, "x", now + LONGEST), Ok(()));
    }

    #[test]
    fn an_ipv6_neighbourhood_is_one_and_a_mapped_address_is_ipv4() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..=FORGIVEN {
            attempts.failed("2001:db8:1:2::3".parse().unwrap(), "x", now);
            attempts.failed("::ffff:192.0.2.1".parse().unwrap(), "x", now);
        }
        assert!(attempts.may("2001:db8:1:2:ffff::9".parse().unwrap(), "x", now).is_err());
        assert!(attempts.may("2001:db8:1:3::3".parse().unwrap(), "x", now).is_ok());
        assert!(attempts.may(HERE, "x", now).is_err());
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..u32::try_from(MOST).unwrap() + 500 {
            attempts.failed(IpAddr::from(number.to_be_bytes()), "x", now);
        }
        assert!(attempts.debts.lock().len() <= MOST);
    }
}
