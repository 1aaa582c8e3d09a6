//! Every mistake is named with its line, its key and what to do, and all of them at once.

use super::{BASE, Folder, errors};

#[test]
fn each_mistake_says_what_where_and_what_to_do() {
    let folder = Folder::new();
    folder.write("loose.key", "signing-secret-0123456789", 0o644);
    folder.write("short.key", "too short", 0o600);
    folder.write("empty", "\n", 0o600);
    let mut missed = Vec::new();
    for (from, to, expected) in [
        ("origin =", "orign =", "affidavit.toml:4: [store].orign: is not a known key | did you mean \"origin\"?"),
        (
            "[policies]",
            "[polices]\n[policies]",
            "affidavit.toml:30: polices: is not a known key | did you mean \"policies\"?",
        ),
        (
            "[policies]",
            "[xyz]\n[policies]",
            "xyz: is not a known key | known keys here: approvals, console, datasources, exchange, issuers",
        ),
        (
            "age = \"5m\"",
            "aged = \"5m\"",
            "affidavit.toml:6: [store].segment.aged: is not a known key | did you mean \"age\"?",
        ),
        (
            "groups = [\"ci-agents\"] }",
            "group = [\"ci-agents\"] }",
            "[[datasources]][0].allow[0].group: is not a known key | did you mean \"groups\"?",
        ),
        ("path = \"./audit\"", "", "[store].path: is missing | write path = \"./audit\""),
        ("path = \"./audit\"", "path = 7", "affidavit.toml:3: [store].path: is an integer, not a text in quotes"),
        ("path = \"./audit\"", "path = \"a\"\nurl = \"s3://b\"", "[store].url: is given beside path"),
        ("path = \"./audit\"", "path = \"a\"\njournal = \"b\"", "[store].journal: is for remote stores"),
        ("path = \"./audit\"", "url = \"ftp://b\"", "\"ftp://b\" is not the address of an object store"),
        ("path = \"./audit\"", "url = \"s3://b\"", "[store].journal: is missing"),
        ("audit.example.org/ehr", "audit example", "[store].origin: \"audit example\" cannot name a log"),
        (
            "signing_key = { file = \"./keys/log.key\" }",
            "",
            "[store].signing_key: is missing | run evidence keys generate --origin audit.example.org/ehr --out log.key",
        ),
        (
            "{ file = \"./keys/log.key\" }",
            "\"signing-secret-0123456789\"",
            "[store].signing_key: must say where the secret is, not what it is",
        ),
        ("./keys/log.key", "loose.key", "loose.key can be read by others (mode 644) | chmod 600"),
        ("./keys/log.key", "absent.key", "absent.key: No such file or directory"),
        ("./keys/log.key", "empty", "empty is empty | put the secret into it"),
        ("./keys/log.key", "keys", "is not a file of at most 64 KiB"),
        (
            "{ file = \"./keys/log.key\" }",
            "{ env = \"NOPE\" }",
            "environment variable NOPE is not set | set NOPE before starting affidavit",
        ),
        ("{ file = \"./keys/log.key\" }", "{ env = \"EMPTY\" }", "environment variable EMPTY is empty"),
        (
            "{ file = \"./keys/log.key\" }",
            "{ env = \"A\", file = \"b\" }",
            "names both a file and an environment variable",
        ),
        ("{ file = \"./keys/log.key\" }", "{}", "names neither a file nor an environment variable"),
        ("{ file = \"./keys/log.key\" }", "{ command = [] }", "[store].signing_key: names no program"),
        (
            "{ file = \"./keys/log.key\" }",
            "{ command = [\"x\"], file = \"y\" }",
            "signing_key.file: is not a known key",
        ),
        (
            "segment =",
            "body_key = { file = \"masking.key\" }\nsegment =",
            "[store].body_key: is not 32 or 64 hexadecimal",
        ),
        (
            "segment =",
            "retention = { keep = \"6y\", signers = [] }\nsegment =",
            "[store].retention.keep: \"6y\" is not a duration",
        ),
        (
            "segment =",
            "retention = { keep = \"2192d\", signers = [\"ann\"] }\nsegment =",
            "[store].retention: signers: signing key: the verification key does not have three parts",
        ),
        (
            "segment =",
            "retention = { keep = \"2192d\" }\nsegment =",
            "[store].retention: retention needs the keys of at least two different people",
        ),
        ("segment =", "durability = \"fast\"\nsegment =", "[store].durability: \"fast\" is not a durability"),
        (
            "segment =",
            "clock_slack = \"1h\"\nsegment =",
            "[store].clock_slack: is \"1h\", which is not between 0ms and 5m",
        ),
        ("\"128MiB\"", "\"128 mib\"", "[store].segment.bytes: \"128 mib\" is not a size"),
        ("\"128MiB\"", "\"1B\"", "[store].segment.bytes: is \"1B\", which is not between 64KiB and 16GiB"),
        ("\"5m\"", "\"5 minutes\"", "[store].segment.age: \"5 minutes\" is not a duration"),
        ("1_000_000", "0", "[store].segment.rows: is 0, which is not between 1 and 100000000"),
        ("1_000_000", "-1", "[store].segment.rows: is -1, which is not between"),
        ("1_000_000", "\"many\"", "[store].segment.rows: is a string, not a whole number"),
        ("http://127.0.0.1:9000", "login", "[[issuers]][0].issuer: \"login\" is not a URL"),
        ("http://127.0.0.1:9000", "http://login.example", "http://login.example is not encrypted"),
        ("http://127.0.0.1:9000", "http://localhost.evil.example", "is not encrypted"),
        ("http://127.0.0.1:9000", "https://login.example/?a=b", "an issuer has no user, query or fragment"),
        ("http://127.0.0.1:9000", "ftp://login.example", "is neither https nor http"),
        ("audience = [\"affidavit\"]", "", "affidavit.toml:8: [[issuers]][0].audience: names no audience"),
        ("audience = [\"affidavit\"]", "audience = [7]", "[[issuers]][0].audience: is not a list of texts"),
        (
            "audience = [\"affidavit\"]",
            "audience = [\"affidavit\"]\nskew = \"1h\"",
            "[[issuers]][0].skew: is \"1h\", which is not between 0ms and 5m",
        ),
        (
            "audience = [\"affidavit\"]",
            "audience = [\"affidavit\"]\nkeys = { refresh = \"2h\" }",
            "[[issuers]][0].keys.keep: is shorter than refresh",
        ),
        (
            "[[listeners]]",
            "[[issuers]]\nissuer = \"http://127.0.0.1:9000\"\naudience = [\"x\"]\n[[listeners]]",
            "affidavit.toml:14: [[issuers]][1].issuer: http://127.0.0.1:9000 is configured twice",
        ),
        (
            "protocol = \"postgres\"\naddress = \"127.0.0.1:6432\"",
            "protocol = \"postgre\"\naddress = \"127.0.0.1:6432\"",
            "[[listeners]][0].protocol: \"postgre\" is not a protocol this build knows | did you mean \"postgres\"?",
        ),
        ("\"127.0.0.1:6432\"", "\"6432\"", "[[listeners]][0].address: \"6432\" is not an IP address with a port"),
        (
            "datasource = \"ehr\"",
            "datasource = \"her\"",
            "[[listeners]][0].datasource: there is no datasource named \"her\"",
        ),
        (
            "protocol = \"postgres\"\naddress = \"127.0.0.1:6432\"",
            "protocol = \"mysql\"\naddress = \"127.0.0.1:6432\"",
            "\"ehr\" speaks postgres, this listener mysql",
        ),
        (
            "protocol = \"postgres\"\naddress = \"127.0.0.1:6432\"\ndatasource = \"ehr\"",
            "protocol = \"mysql\"\naddress = \"127.0.0.1:6432\"",
            "mysql must know its datasource before",
        ),
        (
            "\"127.0.0.1:6432\"\ndatasource = \"ehr\"\ntls = { cert = \"server.crt\", key = \"server.key\" }",
            "\"127.0.0.1:6432\"",
            "[[listeners]][0].tls: is missing | write tls",
        ),
        (
            "\"127.0.0.1:6432\"\ndatasource = \"ehr\"\ntls = { cert = \"server.crt\", key = \"server.key\" }",
            "\"0.0.0.0:6432\"\ninsecure_loopback = true",
            "tokens would travel in the clear",
        ),
        ("datasource = \"ehr\"", "insecure_loopback = true", "[[listeners]][0].insecure_loopback: contradicts tls"),
        ("cert = \"server.crt\"", "cert = \"ca.crt\"", "certificate and key cannot be used together"),
        ("cert = \"server.crt\"", "cert = \"server.key\"", "server.key holds no certificate"),
        ("key = \"server.key\"", "key = \"server.crt\"", "[[listeners]][0].tls.key: no private key can be read from"),
        (
            "[[datasources]]",
            "[[listeners]]\nprotocol = \"postgres\"\naddress = \"127.0.0.1:6432\"\ninsecure_loopback = true\n[[datasources]]",
            "127.0.0.1:6432 is used by two listeners",
        ),
        ("name = \"ehr\"", "name = \"ehr.prod\"", "\"ehr.prod\" cannot be named in rules"),
        ("\"10.0.0.5:5432\"", "\"10.0.0.5\"", "\"10.0.0.5\" is not a host and a port"),
        ("\"10.0.0.5:5432\"", "\"::1:5432\"", "([::1]:5432 for IPv6)"),
        ("user = \"affidavit\"", "user = \" \"", "[[datasources]][0].user: is empty"),
        (
            "{ env = \"EHR_PASSWORD\" }",
            "\"hunter2-upstream\"",
            "[[datasources]][0].password: must say where the secret is",
        ),
        ("tls = \"verify-full\"", "tls = \"prefer\"", "[[datasources]][0].tls: \"prefer\" is not a TLS mode"),
        ("tls = \"verify-full\"", "", "[[datasources]][0].tls: is missing"),
        ("tls = \"verify-full\"", "tls = \"disable\"", "[[datasources]][0].ca: is not used with tls = \"disable\""),
        ("ca = \"ca.crt\"", "ca = \"server.key\"", "[[datasources]][0].ca:"),
        ("{ groups = [\"ci-agents\"] }", "{}", "[[datasources]][0].allow[0]: has no condition"),
        ("{ groups = [\"ci-agents\"] }", "\"ci-agents\"", "[[datasources]][0].allow[0]: is a string, not a table"),
        ("{ groups = [\"ci-agents\"] }", "{ issuer = \"https://x\" }", "\"https://x\" is not one of [[issuers]]"),
        ("\"./rules\"", "\"./ruled\"", "[policies].path: cannot open"),
        ("\"./rules\"", "\"ca.crt\"", "ca.crt is not a folder"),
        (
            "[policies]",
            "[masking]\nkey = { file = \"short.key\" }\n[policies]",
            "[masking].key: is shorter than 32 bytes",
        ),
        ("[policies]", "[masking]\ntenant = \"x\"\n[policies]", "[masking].key: is missing"),
        (
            "[policies]",
            "[masking]\nkey = { file = \"masking.key\" }\nsmall_zip_areas = [\"36\"]\n[policies]",
            "[masking].small_zip_areas: \"36\" is not the first three digits",
        ),
        (
            "[policies]",
            "[approvals]\non_hold = \"ask\"\n[policies]",
            "[approvals].on_hold: \"ask\" is not a way to hold",
        ),
        (
            "[policies]",
            "[console]\naddress = \"0.0.0.0:8443\"\n[policies]",
            "[console].tls: is missing on an address that others can reach",
        ),
        (
            "[policies]",
            "[exchange]\naddress = \"0.0.0.0:8444\"\n[policies]",
            "[exchange].tls: is missing on an address that others can reach: tokens would travel in the clear",
        ),
        (
            "[policies]",
            "[exchange]\naddress = \"127.0.0.1:8444\"\n[policies]",
            "or insecure_loopback = true if only this machine connects",
        ),
        (
            "[policies]",
            "[exchange]\naddress = \"127.0.0.1:8444\"\ninsecure_loopback = true\nvalid_for = \"2d\"\n[policies]",
            "[exchange].valid_for: is \"2d\", which is not between 1m and",
        ),
        (
            "[policies]",
            "[limits]\nsessions = 0\n[policies]",
            "[limits].sessions: is 0, which is not between 1 and 1000000",
        ),
        ("[[issuers]]", "[issuers]", "issuers: is a table, not one table per item"),
        ("[store]", "[[store]]", "store: is an array, not a table"),
        ("[store]", "[store", "affidavit.toml:2: is not TOML:"),
    ] {
        let found = folder.errors(from, to);
        if !found.iter().any(|error| error.contains(expected)) {
            missed.push(format!("expected {expected:?} in {found:#?}"));
        }
        if found.len() > 2 {
            missed.push(format!("one mistake, one complaint (two at most): {found:#?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let folder = Folder::new();
    let text = BASE
        .replace("\"5m\"", "\"soon\"")
        .replace("audience = [\"affidavit\"]", "audience = []")
        .replace("\"127.0.0.1:6432\"", "\"nowhere\"")
        .replace("EHR_PASSWORD", "NOPE")
        .replace("\"./rules\"", "\"./ruled\"");
    let problems = folder.parse(&text).unwrap_err();
    let keys: Vec<_> = problems.0.iter().map(|problem| (problem.line.unwrap(), problem.key.as_str())).collect();
    assert_eq!(
        keys,
        [
            (6, "[store].segment.age"),
            (10, "[[issuers]][0].audience"),
            (15, "[[listeners]][0].address"),
            (25, "[[datasources]][0].password"),
            (31, "[policies].path"),
        ]
    );
    assert!(problems.to_string().ends_with("5 errors in the configuration; nothing was started"));
}

#[test]
fn an_empty_file_names_every_section_that_is_needed() {
    let problems = Folder::new().parse("").unwrap_err();
    let found = errors(&problems.0);
    assert_eq!(found.len(), 5, "{found:#?}");
    for section in ["[store]", "[policies]", "[[issuers]]", "[[listeners]]", "[[datasources]]"] {
        assert!(found.iter().any(|error| error.contains(&format!(": {section}: is missing"))), "{section}: {found:#?}");
    }
}

#[test]
fn a_sound_text_survives_any_cut_without_a_panic() {
    let folder = Folder::new();
    for end in (0..BASE.len()).step_by(7) {
        let _ = folder.parse(&BASE[..end]);
    }
}
