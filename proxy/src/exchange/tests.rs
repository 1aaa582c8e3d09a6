//! The rules of the module's head, each with what would break it.

use super::super::attempts::Waits;
use super::super::entrance::{Exchange, OpenSessions, Rejected};
use super::super::seal::Keys;
use super::*;
use evidence::{AccessEvent, LoginDenied};
use model::{AuthMethod, Refusal};
use redb::{ReadableDatabase, TableDefinition};
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use wire::Proof;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("credentials");

/// A record that remembers, and that can fail.
#[derive(Default)]
struct Lines {
    said: Mutex<Vec<(String, String, String)>>,
    broken: AtomicBool,
}

impl Ledger for Lines {
    fn accessed(&self, event: &AccessEvent) -> Result<(), CannotRecord> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(CannotRecord::DiskFull { free: 0, needed: 1 });
        }
        self.said.lock().push((event.actor.clone(), event.action.clone(), event.scope.clone()));
        Ok(())
    }

    fn denied(&self, _: &LoginDenied) -> Result<(), CannotRecord> {
        Ok(())
    }
}

/// Two sessions of whatever credential.
#[derive(Default)]
struct Open(Mutex<Vec<(String, String)>>);

impl OpenSessions for Open {
    fn end(&self, user: &str, refusal: &Refusal) -> usize {
        self.0.lock().push((user.to_owned(), refusal.message.clone()));
        2
    }

    fn count(&self, _: &str) -> usize {
        2
    }
}

struct World {
    folder: tempfile::TempDir,
    lines: Arc<Lines>,
    open: Arc<Open>,
    clock: Arc<AtomicI64>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(AtomicI64::new(1_000 * MINUTE));
        Self { folder: tempfile::tempdir().unwrap(), lines: Arc::default(), open: Arc::default(), clock }
    }

    /// A proxy that starts on this store.
    fn start(&self, key: &[u8]) -> Exchange {
        let clock = self.clock.clone();
        let store = Store::open(self.folder.path(), Keys::derive(key).unwrap()).unwrap();
        let now = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
        let lasts = Duration::from_secs(900);
        let book = Book::open(store, self.lines.clone(), registry::protocols(), lasts, now).unwrap();
        Exchange::new(book, self.open.clone())
    }

    fn later(&self, micros: i64) {
        self.clock.fetch_add(micros, Ordering::SeqCst);
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn identity(&self, subject: &str, lasts: i64) -> Identity {
        Identity {
            issuer: "https://login".to_owned(),
            subject: subject.to_owned(),
            name: None,
            groups: vec!["ci-agents".to_owned()],
            expires: Timestamp(self.now() + lasts),
            method: AuthMethod::OauthBearer,
            token_id: Some("t-1".to_owned()),
        }
    }

    fn issue(&self, exchange: &Exchange) -> Issued {
        exchange.issue(&self.identity("agent", 60 * MINUTE), "wards", "mysql", "192.0.2.1").unwrap()
    }
}

/// A proof by whoever knows the password.
struct Knows<'p>(&'p str);

impl Proof for Knows<'_> {
    fn fits(&self, verifier: &Secret) -> bool {
        registry::protocols().iter().any(|protocol| {
            let made = protocol.verifier(self.0.as_bytes(), &[0; 16]);
            made.is_some_and(|made| made.expose() == verifier.expose())
        })
    }
}

fn refusal<T>(result: Result<T, Box<Rejected>>) -> String {
    match result {
        Ok(_) => panic!("let in"),
        Err(rejected) => rejected.refusal.message,
    }
}

#[test]
fn who_knows_the_password_is_the_tokens_identity_until_the_end() {
    let world = World::new();
    let exchange = world.start(b"key");
    let issued = world.issue(&exchange);
    let user = &issued.credential.user;
    let prove = |password: &str| exchange.prove("mysql", user, &Knows(password), HERE);
    let proven = prove(&issued.password).unwrap();
    assert_eq!((proven.identity.subject.as_str(), proven.datasource.as_str()), ("agent", "wards"));
    assert_eq!(proven.identity.method, AuthMethod::Exchanged);
    assert_eq!(proven.identity.groups, ["ci-agents"]);
    assert_eq!(proven.identity.expires, Timestamp(world.now() + 15 * MINUTE), "the session ends with it");
    assert!(refusal(prove("guess")).contains("wrong"));
    world.later(15 * MINUTE - 1);
    assert!(prove(&issued.password).is_ok());
    world.later(1);
    assert!(refusal(prove(&issued.password)).contains("expired"));
    assert!(refusal(prove("guess")).contains("wrong"), "who has no password is not told what became of it");
    world.later(-10 * MINUTE);
    assert!(refusal(prove(&issued.password)).contains("expired"), "the clock does not run backwards");
}

#[test]
fn a_credential_never_outlives_its_token() {
    let world = World::new();
    let exchange = world.start(b"key");
    let short = exchange.issue(&world.identity("agent", 5 * MINUTE), "wards", "mysql", "h").unwrap();
    assert_eq!(short.credential.expires, Timestamp(world.now() + 5 * MINUTE));
    for lasts in [-MINUTE, 0, SECOND] {
        let late = exchange.issue(&world.identity("agent", lasts), "wards", "mysql", "h");
        assert!(matches!(late, Err(Failed::TooLate)), "{lasts}");
    }
    assert!(matches!(
        exchange.issue(&world.identity("agent", MINUTE), "wards", "tds", "h"),
        Err(Failed::NoPasswords(_))
    ));
}

#[test]
fn another_protocol_or_another_user_name_is_no_way_in() {
    let world = World::new();
    let exchange = world.start(b"key");
    let (one, other) = (world.issue(&exchange), world.issue(&exchange));
    let prove = |protocol: &str, user: &str, password: &str| exchange.prove(protocol, user, &Knows(password), HERE);
    assert!(prove("mysql", &one.credential.user, &one.password).is_ok());
    assert!(refusal(prove("postgres", &one.credential.user, &one.password)).contains("wrong"));
    assert!(refusal(prove("mysql", &other.credential.user, &one.password)).contains("wrong"));
    assert!(refusal(prove("mysql", "x-23456789bcdfghjkmnpq", &one.password)).contains("wrong"));
}

#[test]
fn a_challenge_does_not_tell_which_names_exist() {
    let world = World::new();
    let exchange = world.start(b"key");
    let issued = exchange.issue(&world.identity("agent", 60 * MINUTE), "ehr", "postgres", "h").unwrap();
    let challenge = |exchange: &Exchange, user: &str| {
        let verifier = exchange.challenge("postgres", user, HERE).unwrap().unwrap();
        // Only the salt and the count are sent to a client.
        String::from_utf8(verifier.expose().to_vec()).unwrap().split('$').nth(1).unwrap().to_owned()
    };
    let (real, fake) = (issued.credential.user.as_str(), "x-23456789bcdfghjkmnpq");
    let (asked_real, asked_fake) = (challenge(&exchange, real), challenge(&exchange, fake));
    assert_eq!(asked_real.len(), asked_fake.len());
    assert_ne!(asked_real, asked_fake);
    assert_eq!(challenge(&exchange, fake), asked_fake, "the same each time");
    world.later(10 * 60 * MINUTE);
    world.issue(&exchange);
    assert!(exchange.book().get(real).is_none(), "forgotten");
    assert_eq!(challenge(&exchange, real), asked_real, "a name that has come and gone looks as before");
    drop(exchange);
    assert_eq!(challenge(&world.start(b"key"), fake), asked_fake, "also after a restart");
    for token_user in ["ann", "postgres", ""] {
        assert!(world.start_again_challenge(token_user), "{token_user} logs in with a token");
    }
}

impl World {
    fn start_again_challenge(&self, user: &str) -> bool {
        self.start(b"key").challenge("postgres", user, HERE).unwrap().is_none()
    }
}

#[test]
fn revoked_is_revoked_at_once_and_ends_the_sessions() {
    let world = World::new();
    let exchange = world.start(b"key");
    let issued = world.issue(&exchange);
    let user = issued.credential.user.clone();
    let operator = Identity { name: Some("Ann".to_owned()), ..world.identity("ann", MINUTE) };
    let (revoked, ended) = exchange.revoke(&user, &operator, Some("laptop lost".to_owned())).unwrap();
    assert_eq!((revoked.state(Timestamp(world.now())), ended), ("revoked", 2));
    assert!(world.open.0.lock().iter().any(|(who, words)| *who == user && words.contains("revoked by Ann")));
    let denied = exchange.prove("mysql", &user, &Knows(&issued.password), HERE).unwrap_err();
    assert!(denied.refusal.message.contains("revoked by Ann"), "{:?}", denied.refusal);
    assert!(denied.proven.is_some(), "the record knows whose it was");
    assert!(!exchange.still_good(&user), "a login under way ends too");
    assert!(matches!(exchange.revoke(&user, &operator, None), Err(Failed::Over("revoked"))));
    assert!(matches!(exchange.revoke("x-23456789bcdfghjkmnpq", &operator, None), Err(Failed::Unknown)));
    let said = world.lines.said.lock().clone();
    assert_eq!(said.len(), 2);
    assert_eq!((said[1].0.as_str(), said[1].1.as_str()), ("https://login|ann", "credential revoked"));
    assert!(said[0].2.contains(&user) && said[0].2.contains("wards") && said[0].2.contains("t-1"), "{}", said[0].2);
}

#[test]
fn without_a_record_nothing_is_given_out_and_a_revocation_still_holds() {
    let world = World::new();
    let exchange = world.start(b"key");
    let issued = world.issue(&exchange);
    world.lines.broken.store(true, Ordering::SeqCst);
    let identity = world.identity("agent", 60 * MINUTE);
    assert!(matches!(exchange.issue(&identity, "wards", "mysql", "h"), Err(Failed::Unlogged(_))));
    assert_eq!(exchange.book().list(|_| true).len(), 1);
    assert!(matches!(exchange.revoke(&issued.credential.user, &identity, None), Err(Failed::NotRecorded(_))));
    assert!(exchange.prove("mysql", &issued.credential.user, &Knows(&issued.password), HERE).is_err());
    assert_eq!(world.open.0.lock().len(), 1, "its sessions are ended all the same");
}

#[test]
fn a_restart_keeps_credentials_and_what_became_of_them() {
    let world = World::new();
    let exchange = world.start(b"key");
    let (kept, revoked) = (world.issue(&exchange), world.issue(&exchange));
    exchange.revoke(&revoked.credential.user, &world.identity("agent", MINUTE), None).unwrap();
    drop(exchange);
    let file = std::fs::read(world.folder.path().join("credentials.redb")).unwrap();
    for issued in [&kept, &revoked] {
        let password = issued.password.as_bytes();
        assert!(!file.windows(password.len()).any(|window| window == password), "a password is in the file");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(world.folder.path().join("credentials.redb")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    world.later(-5 * MINUTE);
    let exchange = world.start(b"key");
    assert!(exchange.prove("mysql", &kept.credential.user, &Knows(&kept.password), HERE).is_ok());
    let denied = exchange.prove("mysql", &revoked.credential.user, &Knows(&revoked.password), HERE);
    assert!(refusal(denied).contains("revoked"));
    world.later(20 * MINUTE);
    assert!(refusal(exchange.prove("mysql", &kept.credential.user, &Knows(&kept.password), HERE)).contains("expired"));
}

#[test]
fn who_can_write_the_file_but_has_no_key_gains_nothing() {
    let world = World::new();
    let exchange = world.start(b"key");
    let (mine, other) = (world.issue(&exchange), world.issue(&exchange));
    drop(exchange);
    {
        let database = redb::Database::create(world.folder.path().join("credentials.redb")).unwrap();
        let entry = |user: &str| {
            let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
            table.get(user).unwrap().unwrap().value().to_vec()
        };
        let (extended, swapped) = (entry(&mine.credential.user), entry(&other.credential.user));
        let text = String::from_utf8(extended[32..].to_vec()).unwrap();
        let later = text.replace(&mine.credential.expires.0.to_string(), &i64::MAX.to_string());
        assert_ne!(text, later);
        let write = database.begin_write().unwrap();
        {
            let mut table = write.open_table(TABLE).unwrap();
            let forged = [&extended[..32], later.as_bytes()].concat();
            table.insert(mine.credential.user.as_str(), forged.as_slice()).unwrap();
            table.insert("x-23456789bcdfghjkmnpq", swapped.as_slice()).unwrap();
        }
        write.commit().unwrap();
    }
    let exchange = world.start(b"key");
    assert!(exchange.book().get(&mine.credential.user).is_none(), "an altered entry is dropped");
    assert!(exchange.book().get("x-23456789bcdfghjkmnpq").is_none(), "an entry under another name is dropped");
    assert!(exchange.prove("mysql", &other.credential.user, &Knows(&other.password), HERE).is_ok());
    drop(exchange);
    assert!(world.start(b"another key").book().list(|_| true).is_empty(), "a new key starts afresh");
}

#[test]
fn one_identity_cannot_fill_the_book() {
    let world = World::new();
    let exchange = world.start(b"key");
    for _ in 0..MOST_EACH {
        world.issue(&exchange);
    }
    let identity = world.identity("agent", 60 * MINUTE);
    assert!(matches!(exchange.issue(&identity, "wards", "mysql", "h"), Err(Failed::YouHaveEnough)));
    assert!(exchange.issue(&world.identity("other", 60 * MINUTE), "wards", "mysql", "h").is_ok());
    let one = exchange.book().list(|credential| credential.subject == "agent").pop().unwrap();
    exchange.revoke(&one.user, &identity, None).unwrap();
    let again = exchange.issue(&identity, "wards", "mysql", "h");
    assert!(matches!(again, Err(Failed::YouHaveEnough)), "revoking makes no room");
    world.later(16 * MINUTE);
    assert!(exchange.issue(&identity, "wards", "mysql", "h").is_ok(), "what has ended does not count");
}

#[test]
fn who_fails_too_often_waits() {
    let world = World::new();
    let exchange = world.start(b"key");
    let issued = world.issue(&exchange);
    let user = issued.credential.user.as_str();
    let mut failures = 0;
    while exchange.challenge("mysql", user, HERE).is_ok() {
        assert!(exchange.prove("mysql", user, &Knows("guess"), HERE).is_err());
        failures += 1;
        assert!(failures < 1000, "nobody stops the guessing");
    }
    assert!(matches!(exchange.challenge("mysql", user, HERE), Err(Waits { first: false, .. })));
    assert!(exchange.challenge("mysql", user, "192.0.2.9".parse().unwrap()).is_ok(), "others do not wait");
    assert!(exchange.challenge("mysql", "ann", HERE).is_ok(), "tokens are not held up");
}
