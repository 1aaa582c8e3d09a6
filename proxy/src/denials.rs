//! Refused logins on the record: each one, as long as they are few; in sums, by network and minute, when they are many.
//!
//! Whoever is refused has proven nothing, and may come again ten thousand times a second. What strangers send is cut short,
//! and neither they nor all of them together may take more of the journal than the quotas below: so much in a minute, and
//! nothing at all while the journal is half full. Then their sums wait until it is sealed.

use crate::quiet::Quiet;
use crate::seats::neighbourhood;
use evidence::{LoginDenied, Recorder, new_session_id};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// A sum is made of this long.
const WINDOW: Duration = Duration::from_secs(60);
/// Refusals of one address that are recorded one by one in a window.
const EACH: u32 = 100;
/// Refusals of one network that are.
const NETWORK: u32 = 200;
/// Refusals of everybody that are. With what is kept of each this is the quota: about a megabyte a minute.
const ALL: u32 = 500;
/// While more than one byte in so many of the journal's room waits to be sealed, refusals are only counted.
const SHARE: u64 = 2;
/// Networks of which sums are kept; the rest are summed up together.
const MOST: usize = 500;
/// Characters of a stranger's own words that are recorded.
const WORDS: usize = 200;

/// A window's counts.
#[derive(Default)]
struct Window {
    begun: Option<Instant>,
    all: u32,
    addresses: HashMap<IpAddr, u32>,
    networks: HashMap<String, Sum>,
}

/// Refusals of one network.
#[derive(Default)]
struct Sum {
    recorded: u32,
    summed: u64,
    last: Option<Box<LoginDenied>>,
}

/// Keeps the record of refusals within bounds.
#[derive(Default)]
pub(crate) struct Denials {
    window: Mutex<Window>,
}

static UNRECORDED: Quiet = Quiet::new();
static REFUSED: Quiet = Quiet::new();

/// The network of an address: /24, or /64.
fn network(address: IpAddr) -> String {
    match neighbourhood(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => format!("{v6}/64"),
    }
}

fn cut(text: &mut String) {
    if let Some((at, _)) = text.char_indices().nth(WORDS) {
        text.truncate(at);
        text.push('…');
    }
}

/// What a stranger sent, cut short.
fn bounded(mut denial: LoginDenied) -> LoginDenied {
    cut(&mut denial.claimed_user);
    cut(&mut denial.client_app);
    cut(&mut denial.refusal);
    let optional = [
        &mut denial.issuer,
        &mut denial.subject,
        &mut denial.name,
        &mut denial.token_id,
        &mut denial.datasource,
        &mut denial.database,
        &mut denial.reason,
        &mut denial.ticket,
    ];
    optional.into_iter().flatten().for_each(cut);
    denial
}

/// Whether so much of the journal waits to be sealed that the rest is for those who were let in.
fn crowded(unsealed: u64, room: u64) -> bool {
    unsealed > room / SHARE
}

impl Denials {
    /// Records a refusal, or counts it.
    pub(crate) fn note(&self, recorder: &Recorder, denial: LoginDenied, client: SocketAddr) {
        let denial = bounded(denial);
        REFUSED.say(|kept| {
            let (user, refusal) = (&denial.claimed_user, &denial.refusal);
            tracing::warn!(%client, %user, %refusal, more = kept, "login refused");
        });
        let health = recorder.health();
        let crowded = crowded(health.unsealed_bytes, health.room_bytes);
        if !crowded {
            self.over(Instant::now(), false).into_iter().for_each(|sum| put(recorder, &sum));
        }
        if let Some(denial) = self.count(denial, client.ip(), crowded) {
            put(recorder, &denial);
        }
    }

    /// Records the sums of a window that is over, or, at the end, of the present one.
    pub(crate) fn flush(&self, recorder: &Recorder, closing: bool) {
        let health = recorder.health();
        if closing || !crowded(health.unsealed_bytes, health.room_bytes) {
            self.over(Instant::now(), closing).into_iter().for_each(|sum| put(recorder, &sum));
        }
    }

    /// Counts a refusal. It comes back if it is to be recorded by itself.
    fn count(&self, denial: LoginDenied, client: IpAddr, crowded: bool) -> Option<LoginDenied> {
        let mut window = self.window.lock();
        let window = &mut *window;
        window.begun.get_or_insert_with(Instant::now);
        let mut network = network(client);
        if window.networks.len() >= MOST && !window.networks.contains_key(&network) {
            "everywhere else".clone_into(&mut network);
        }
        let all = window.all;
        let address = window.addresses.len() < MOST * 4 || window.addresses.contains_key(&client);
        let of_address = if address {
            let each = window.addresses.entry(client).or_default();
            *each += 1;
            *each - 1
        } else {
            EACH
        };
        let sum = window.networks.entry(network).or_default();
        if !crowded && of_address < EACH && sum.recorded < NETWORK && all < ALL {
            sum.recorded += 1;
            window.all += 1;
            return Some(denial);
        }
        sum.summed += 1;
        sum.last = Some(Box::new(denial));
        None
    }

    /// The sums of a window that is over.
    fn over(&self, now: Instant, closing: bool) -> Vec<LoginDenied> {
        let mut window = self.window.lock();
        let Some(begun) = window.begun else { return Vec::new() };
        let lasted = now.saturating_duration_since(begun);
        if lasted < WINDOW && !closing {
            return Vec::new();
        }
        let over = std::mem::take(&mut *window);
        drop(window);
        let seconds = lasted.as_secs().max(1);
        let sum = |(network, sum): (String, Sum)| {
            let last = *sum.last?;
            let mut refusal =
                format!("{} refusals of {network} in {seconds} s; the last: {}", sum.summed, last.refusal);
            cut(&mut refusal);
            Some(LoginDenied {
                session: new_session_id(),
                claimed_user: String::new(),
                client_addr: network,
                client_app: String::new(),
                issuer: None,
                subject: None,
                name: None,
                groups: Vec::new(),
                method: None,
                token_id: None,
                reason: None,
                ticket: None,
                refusal,
                ..last
            })
        };
        over.networks.into_iter().filter_map(sum).collect()
    }
}

fn put(recorder: &Recorder, denial: &LoginDenied) {
    if let Err(error) = recorder.login_denied(denial) {
        UNRECORDED.say(|kept| tracing::error!(%error, more = kept, "a refused login could not be recorded"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(user: &str) -> LoginDenied {
        LoginDenied {
            session: new_session_id(),
            claimed_user: user.to_owned(),
            issuer: None,
            subject: None,
            name: None,
            groups: Vec::new(),
            method: None,
            token_id: None,
            client_addr: "10.1.2.3:4".to_owned(),
            client_app: String::new(),
            protocol: "postgres".to_owned(),
            datasource: None,
            database: None,
            tls_version: None,
            reason: None,
            ticket: None,
            refusal: "the token is not valid".to_owned(),
        }
    }

    #[test]
    fn many_become_a_sum() {
        let denials = Denials::default();
        let mut recorded = 0;
        for number in 0..4_312_u32 {
            let client = IpAddr::from([10, 1, 2, u8::try_from(number % 200).unwrap()]);
            recorded += u32::from(denials.count(denial("x"), client, false).is_some());
        }
        assert_eq!(recorded, NETWORK);
        assert!(denials.over(Instant::now(), false).is_empty(), "the window is not over");
        let sums = denials.over(Instant::now() + WINDOW, false);
        assert_eq!(sums.len(), 1);
        assert_eq!(sums[0].client_addr, "10.1.2.0/24");
        assert_eq!(sums[0].refusal, "4112 refusals of 10.1.2.0/24 in 60 s; the last: the token is not valid");
        assert!(denials.over(Instant::now() + WINDOW, true).is_empty(), "told once");
    }

    #[test]
    fn everybody_together_stays_within_the_quota() {
        let denials = Denials::default();
        let mut recorded = 0;
        for number in 0..50_000_u32 {
            recorded +=
                u32::from(denials.count(denial("x"), IpAddr::from((number << 8).to_be_bytes()), false).is_some());
        }
        assert_eq!(recorded, ALL);
        assert!(denials.window.lock().networks.len() <= MOST + 1);
        let told: u64 = denials
            .over(Instant::now(), true)
            .iter()
            .filter_map(|sum| sum.refusal.split(' ').next()?.parse::<u64>().ok())
            .sum();
        assert_eq!(told, 50_000 - u64::from(ALL), "nobody is left out of the sums");
    }

    #[test]
    fn a_journal_that_is_half_full_is_for_those_who_were_let_in() {
        assert!(!crowded(512 << 20, 1 << 30) && crowded((512 << 20) + 1, 1 << 30) && crowded(1, 0));
        let denials = Denials::default();
        let client = IpAddr::from([10, 1, 2, 3]);
        for _ in 0..50 {
            assert!(denials.count(denial("x"), client, true).is_none());
        }
        assert!(denials.count(denial("x"), client, false).is_some(), "there is room again");
        let sums = denials.over(Instant::now() + 5 * WINDOW, false);
        assert_eq!(sums[0].refusal, "50 refusals of 10.1.2.0/24 in 300 s; the last: the token is not valid");
    }

    #[test]
    fn a_strangers_words_are_cut() {
        let cut = bounded(LoginDenied { database: Some("ä".repeat(100_000)), ..denial(&"u".repeat(1 << 20)) });
        assert_eq!(cut.claimed_user.chars().count(), WORDS + 1);
        assert_eq!(cut.database.unwrap().chars().count(), WORDS + 1);
    }
}
