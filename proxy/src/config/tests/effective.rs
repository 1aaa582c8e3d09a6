//! The report of `affidavit check`.

use super::{BASE, Folder, SECRETS};
use crate::config::{DatasourceSetup, IssuerSetup, PolicyFinding, Probes, check};
use async_trait::async_trait;

struct World {
    database: Result<&'static str, &'static str>,
    need_key: Vec<String>,
}

#[async_trait]
impl Probes for World {
    async fn datasource(&self, datasource: &DatasourceSetup) -> Result<String, String> {
        self.database.map(|version| format!("{} runs {version}", datasource.address)).map_err(str::to_owned)
    }

    async fn issuer(&self, _: &IssuerSetup) -> Result<String, String> {
        Ok("2 keys".to_owned())
    }

    async fn policies(&self) -> Result<PolicyFinding, Vec<String>> {
        Ok(PolicyFinding { version: "abc".to_owned(), rules: 3, need_key: self.need_key.clone() })
    }
}

#[tokio::test]
async fn the_report_shows_everything_in_force_and_no_secret() {
    let folder = Folder::new();
    let text =
        format!("{BASE}\n[masking]\nkey = {{ file = \"masking.key\" }}\n[console]\naddress = \"127.0.0.1:8443\"\n");
    let setup = folder.parse(&text).unwrap();
    let report = check(&setup, &World { database: Ok("PostgreSQL 15"), need_key: vec!["ssn".to_owned()] }).await;
    assert!(report.passed());
    let plain = report.to_string().replace(&folder.path().display().to_string(), "DIR");
    for line in [
        "  place            DIR/audit",
        "  head             DIR/audit.head",
        "  signing_key      from file DIR/keys/log.key",
        "issuer http://127.0.0.1:9000",
        "listener postgres 127.0.0.1:6432",
        "  password         from environment variable EHR_PASSWORD",
        "  allow            group in ci-agents | subject like repo:clinic/reports:*",
        "  idle_timeout     8h",
        "PASS datasource ehr: 10.0.0.5:5432 runs PostgreSQL 15",
        "PASS policies: version abc, 3 rules",
        "check: 3 passed, 0 failed",
    ] {
        assert!(plain.lines().any(|found| found == line), "expected {line:?} in\n{plain}");
    }
    let json = report.to_json();
    assert_eq!(json["passed"], true);
    assert_eq!(json["effective"][0]["values"]["segment.bytes"], "128MiB");
    for secret in SECRETS {
        assert!(!plain.contains(secret) && !json.to_string().contains(secret));
    }
}

#[tokio::test]
async fn what_fails_is_named_and_a_missing_masking_key_fails_only_when_a_rule_needs_it() {
    let folder = Folder::new();
    let setup = folder.parse(BASE).unwrap();
    let report =
        check(&setup, &World { database: Err("connection refused; is it running?"), need_key: Vec::new() }).await;
    assert!(!report.passed());
    assert!(report.to_string().contains("FAIL datasource ehr: connection refused; is it running?"), "{report}");
    assert!(report.to_string().ends_with("check: 2 passed, 1 failed"), "{report}");
    let report = check(&setup, &World { database: Ok("x"), need_key: vec!["ssn".to_owned(), "mrn".to_owned()] }).await;
    assert!(
        report
            .to_string()
            .contains("FAIL masking key: rules that need the masking key, which is not configured: ssn, mrn"),
        "{report}"
    );
    assert_eq!(report.to_json()["findings"][3]["passed"], false);
    let remote = BASE.replace("path = \"./audit\"", "url = \"s3://bucket\"\njournal = \"./journal\"");
    let report = check(&folder.parse(&remote).unwrap(), &World { database: Ok("x"), need_key: Vec::new() }).await;
    assert!(report.to_string().contains("FAIL store: s3://bucket cannot be written to yet"), "{report}");
}
