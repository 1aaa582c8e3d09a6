//! Configurations, good and bad, in a folder with real keys and certificates.

mod effective;
mod mistakes;
mod options;
mod sound;
mod tls;

use super::{Gravity, KnownProtocol, Problem, Problems, Setup, Surroundings, parse};
use options::OWN_KEYS;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What nothing may ever show.
const SECRETS: [&str; 3] = ["signing-secret-0123456789", "hunter2-upstream", "masking-secret-0123456789-0123456789"];

/// Sound, with a comment at the end of each line that tests change, so that they can name it.
const BASE: &str = r#"
[store]
path = "./audit"
origin = "audit.example.org/ehr"
signing_key = { file = "./keys/log.key" }
segment = { rows = 1_000_000, bytes = "128MiB", age = "5m" }

[[issuers]]
issuer = "http://127.0.0.1:9000"
audience = ["affidavit"]
claims = { subject = "sub", name = "email", groups = "groups" }

[[listeners]]
protocol = "postgres"
address = "127.0.0.1:6432"
datasource = "ehr"
tls = { cert = "server.crt", key = "server.key" }

[[datasources]]
name = "ehr"
protocol = "postgres"
address = "10.0.0.5:5432"
database = "ehr"
user = "affidavit"
password = { env = "EHR_PASSWORD" }
tls = "verify-full"
ca = "ca.crt"
allow = [{ groups = ["ci-agents"] }, { subjects = ["repo:clinic/reports:*"] }]

[policies]
path = "./rules"
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        folder.write("keys/log.key", &format!("{}\n", SECRETS[0]), 0o600);
        folder.write("ehr.password", &format!("{}\n", SECRETS[1]), 0o600);
        folder.write("masking.key", SECRETS[2], 0o600);
        let authority = tls::authority();
        let (cert, key) = tls::server(&authority, "db.example.org");
        folder.write("ca.crt", &authority.pem(), 0o644);
        folder.write("server.crt", &cert, 0o644);
        folder.write("server.key", &key, 0o600);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn parse(&self, text: &str) -> Result<Setup, Problems> {
        let known = |name: &str, datasource_by_database, options| KnownProtocol {
            name: name.to_owned(),
            datasource_by_database,
            options,
        };
        let protocols = [known("postgres", true, &[][..]), known("mysql", false, OWN_KEYS)];
        let env = |name: &str| match name {
            "EHR_PASSWORD" => Some(SECRETS[1].to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let around = Surroundings { folder: self.path().to_owned(), env: &env, protocols: &protocols };
        let result = parse(Path::new("affidavit.toml"), text, &around);
        let shown = match &result {
            Ok(setup) => format!("{setup:?}"),
            Err(problems) => format!("{problems}{problems:?}"),
        };
        for secret in SECRETS {
            assert!(!shown.contains(secret), "a secret shows: {shown}");
        }
        result
    }

    /// The sound configuration with one text replaced, which must be there.
    fn with(&self, from: &str, to: &str) -> Result<Setup, Problems> {
        assert!(BASE.contains(from), "{from}");
        self.parse(&BASE.replacen(from, to, 1))
    }

    /// Every error of the sound configuration with one text replaced, on one line each.
    fn errors(&self, from: &str, to: &str) -> Vec<String> {
        let problems = self.with(from, to).expect_err(to).0;
        errors(&problems)
    }
}

fn errors(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .filter(|problem| problem.gravity == Gravity::Error)
        .inspect(|problem| assert!(!problem.fix.is_empty(), "what to do is missing: {problem}"))
        .map(|problem| problem.to_string().replace("\n  ", " | "))
        .collect()
}
