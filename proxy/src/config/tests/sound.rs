//! What a sound configuration means, defaults included.

use super::{BASE, Folder, SECRETS};
use crate::config::{AllowRule, Durability, OnHold, SigningKey, StorePlace, UpstreamCheck, load};
use std::time::Duration;
use wire::UpstreamTls;

#[test]
fn the_documented_configuration_means_what_it_says() {
    let folder = Folder::new();
    let setup = folder.parse(BASE).unwrap();
    assert_eq!(setup.store.place, StorePlace::Local(folder.path().join("audit")));
    let SigningKey::Key(key) = &setup.store.signing_key else { panic!("{:?}", setup.store.signing_key) };
    assert_eq!(key.secret.expose(), SECRETS[0].as_bytes(), "without the line break");
    assert_eq!(setup.store.durability, Durability::Process);
    let segment = &setup.store.segment;
    assert_eq!((segment.rows, segment.bytes, segment.age), (1_000_000, 134_217_728, Duration::from_secs(300)));
    assert_eq!(setup.store.clock_slack, Duration::from_secs(1));
    let issuer = &setup.issuers[0];
    assert_eq!(
        (issuer.issuer.as_str(), &issuer.audience[..]),
        ("http://127.0.0.1:9000", &["affidavit".to_owned()][..])
    );
    assert_eq!((issuer.skew, issuer.max_lifetime), (Duration::from_secs(60), Duration::from_secs(86_400)));
    assert!(issuer.tls.is_none(), "plain loopback");
    let listener = &setup.listeners[0];
    assert_eq!((listener.protocol.as_str(), listener.datasource.as_deref()), ("postgres", Some("ehr")));
    assert_eq!(listener.address, "127.0.0.1:6432".parse().unwrap());
    assert!(listener.tls.as_ref().unwrap().config.alpn_protocols.is_empty());
    let datasource = &setup.datasources[0];
    assert_eq!(datasource.check, UpstreamCheck::Full);
    assert!(matches!(datasource.tls, UpstreamTls::Required(_)));
    let spec = datasource.spec();
    assert_eq!((spec.name.as_str(), spec.address.as_str(), spec.user.as_str()), ("ehr", "10.0.0.5:5432", "affidavit"));
    assert_eq!(spec.password.unwrap().expose(), SECRETS[1].as_bytes());
    let by_group = AllowRule { groups: vec!["ci-agents".to_owned()], ..AllowRule::default() };
    let by_subject = AllowRule { subjects: vec!["repo:clinic/reports:*".to_owned()], ..AllowRule::default() };
    assert_eq!(datasource.allow, [by_group, by_subject]);
    assert_eq!(setup.policies.path, folder.path().join("rules"));
    assert!(setup.masking.is_none() && setup.console.is_none() && setup.exchange.is_none());
    assert_eq!((setup.approvals.wait, setup.approvals.on_hold), (Duration::from_secs(900), OnHold::Wait));
    assert_eq!((setup.limits.sessions, setup.limits.message_bytes), (10_000, 64 << 20));
    assert_eq!(setup.warnings, []);
}

#[test]
fn every_optional_key_is_understood() {
    let folder = Folder::new();
    let more = r#"
[masking]
key = { file = "masking.key" }
tenant = "clinic"
small_zip_areas = ["036", "021"]
[approvals]
wait = "1h"
on_hold = "reject"
[console]
address = "127.0.0.1:8443"
tls = { cert = "server.crt", key = "server.key" }
roles = { operator = ["ops"] }
[exchange]
address = "127.0.0.1:8444"
tls = { cert = "server.crt", key = "server.key" }
valid_for = "2m"
operators = ["dba", "ops"]
[limits]
sessions = 5
pending_logins = 6
login_timeout = "7s"
idle_timeout = "8m"
message_bytes = "9MiB"
shutdown_grace = "0s"
threads = 3
"#;
    let text = BASE
        .replace("path = \"./audit\"", "url = \"s3://bucket/prefix\"\njournal = \"./journal\"\ndurability = \"strict\"")
        .replace("audience = [\"affidavit\"]", "audience = \"affidavit\"\nskew = \"5s\"\nmax_lifetime = \"1h\"\nkeys = { refresh = \"1m\", keep = \"2m\" }\nscope = \"openid groups\"\nhelp = \"https://tokens.example\"")
        .replace("ca = \"ca.crt\"", "ca = \"ca.crt\"\nconnect_timeout = \"3s\"\ncontact = \"dba@clinic.example\"")
        .replace("{ groups = [\"ci-agents\"] }", "{ groups = \"ci-agents\", issuer = \"http://127.0.0.1:9000\" }");
    let setup = folder.parse(&format!("{text}{more}")).unwrap();
    assert_eq!(setup.store.place, StorePlace::Remote("s3://bucket/prefix".to_owned()));
    assert_eq!(
        (setup.store.journal, setup.store.durability),
        (Some(folder.path().join("journal")), Durability::Strict)
    );
    let issuer = &setup.issuers[0];
    assert_eq!((issuer.skew.as_secs(), issuer.max_lifetime.as_secs()), (5, 3600));
    assert_eq!((issuer.keys_fresh.as_secs(), issuer.keys_keep.as_secs()), (60, 120));
    assert_eq!((issuer.scope.as_str(), issuer.help.as_deref()), ("openid groups", Some("https://tokens.example")));
    let datasource = &setup.datasources[0];
    assert_eq!((datasource.connect_timeout.as_secs(), datasource.contact.as_deref()), (3, Some("dba@clinic.example")));
    assert_eq!(datasource.allow[0].issuer.as_deref(), Some("http://127.0.0.1:9000"));
    let masking = setup.masking.unwrap();
    assert_eq!((masking.key.secret.expose(), masking.tenant.as_str()), (SECRETS[2].as_bytes(), "clinic"));
    assert_eq!(masking.small_zip_areas.as_deref(), Some(&[36, 21][..]));
    assert_eq!((setup.approvals.wait.as_secs(), setup.approvals.on_hold), (3600, OnHold::Reject));
    assert!(setup.console.unwrap().tls.is_some());
    let exchange = setup.exchange.unwrap();
    assert_eq!((exchange.valid_for.as_secs(), exchange.operators), (120, vec!["dba".to_owned(), "ops".to_owned()]));
    assert!(exchange.tls.is_some_and(|tls| !tls.certificate.is_empty()));
    let limits = setup.limits;
    assert_eq!((limits.sessions, limits.pending_logins, limits.message_bytes), (5, 6, 9 << 20));
    assert_eq!(limits.threads, 3);
    assert_eq!(
        (limits.login_timeout.as_secs(), limits.idle_timeout.as_secs(), limits.shutdown_grace.as_secs()),
        (7, 480, 0)
    );
    assert_eq!(setup.warnings, []);
}

/// The example is the reference of the format: it must be sound, and what it calls a default must be one.
#[test]
fn the_example_is_sound_and_its_defaults_are_the_defaults() {
    const EXAMPLE: &str = include_str!("../../../affidavit.example.toml");
    let folder = Folder::new();
    let full = folder.parse(EXAMPLE).unwrap();
    assert_eq!(full.warnings, []);
    let bare = EXAMPLE.lines().filter(|line| !line.contains("# default")).collect::<Vec<_>>().join("\n");
    assert!(EXAMPLE.lines().count() - bare.lines().count() > 15, "the comments are what this test goes by");
    let bare = folder.parse(&bare).unwrap();
    let shown = |setup| format!("{:#?}", crate::config::effective::blocks(setup));
    assert_eq!(shown(&full), shown(&bare));
}

#[test]
fn a_file_is_loaded_with_paths_relative_to_it() {
    let folder = Folder::new();
    let text = BASE.replace("{ env = \"EHR_PASSWORD\" }", "{ file = \"ehr.password\" }");
    folder.write("affidavit.toml", &text, 0o644);
    let setup = load(&folder.path().join("affidavit.toml"), &[]).unwrap();
    assert_eq!(setup.datasources[0].password.as_ref().unwrap().secret.expose(), SECRETS[1].as_bytes());
    let absent = load(&folder.path().join("absent.toml"), &[]).unwrap_err().to_string();
    assert!(absent.contains("absent.toml: cannot be read: No such file"), "{absent}");
    assert!(absent.contains("--config FILE"), "{absent}");
}

#[test]
fn what_is_risky_but_allowed_is_a_warning() {
    let folder = Folder::new();
    folder.write("ehr.password", SECRETS[1], 0o644);
    folder.write("server.key", &std::fs::read_to_string(folder.path().join("server.key")).unwrap(), 0o644);
    for (from, to, words) in [
        ("{ env = \"EHR_PASSWORD\" }", "{ file = \"ehr.password\" }", "ehr.password can be read by others (mode 644)"),
        ("tls = \"verify-full\"\nca = \"ca.crt\"", "tls = \"require\"", "does not check who answers"),
        ("tls = \"verify-full\"\nca = \"ca.crt\"", "tls = \"disable\"", "sends raw rows in the clear"),
        ("allow = [{ groups = [\"ci-agents\"] }, { subjects = [\"repo:clinic/reports:*\"] }]", "", "lets nobody in"),
        (
            "[policies]",
            "[[issuers]]\nissuer = \"http://localhost:1\"\naudience = [\"x\"]\n[policies]",
            "holds for every issuer",
        ),
        ("[store]", "[store]", "server.key can be read by others (mode 644)"),
    ] {
        let warnings = folder.with(from, to).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.what.contains(words)), "expected {words:?} in {warnings:?}");
    }
    let local = BASE
        .replace("10.0.0.5:5432", "127.0.0.1:5432")
        .replace("tls = \"verify-full\"\nca = \"ca.crt\"", "tls = \"disable\"");
    let warnings = folder.parse(&local).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "plain loopback is fine; only the listener's key is left: {warnings:?}");
}

#[test]
fn a_store_may_have_its_key_elsewhere_encrypt_texts_and_be_kept_for_a_time() {
    let folder = Folder::new();
    folder.write("body.key", "00112233445566778899aabbccddeeff\n", 0o600);
    let people =
        ["ann.example", "bob.example"].map(|name| evidence::LogKey::generate(name).unwrap().verifier().to_string());
    let more = format!(
        "segment = {{}}\nbody_key = {{ file = \"body.key\" }}\nretention = {{ keep = \"2192d\", signers = [\"{}\", \"{}\"] }}",
        people[0], people[1]
    );
    let text = BASE.replace("{ file = \"./keys/log.key\" }", "{ command = [\"hsm-sign\", \"--slot\", \"3\"] }");
    let text = text.replace("segment = { rows = 1_000_000, bytes = \"128MiB\", age = \"5m\" }", &more);
    let setup = folder.parse(&text).unwrap();
    let SigningKey::Command(argv) = &setup.store.signing_key else { panic!("{:?}", setup.store.signing_key) };
    assert_eq!(argv, &["hsm-sign", "--slot", "3"]);
    let retention = setup.store.retention.as_ref().unwrap();
    assert_eq!(retention.keep, Duration::from_secs(2192 * 86_400));
    assert_eq!(retention.signers.len(), 2);
    assert_eq!(setup.store.body_key.as_ref().unwrap().secret.expose(), b"00112233445566778899aabbccddeeff");
}
