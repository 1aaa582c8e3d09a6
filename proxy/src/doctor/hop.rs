//! The way from the proxy to a database: raw rows travel there.

use crate::config::{DatasourceSetup, UpstreamCheck};
use wire::{Finding, Severity};

/// What is wrong with the way.
pub(super) fn findings(setup: &DatasourceSetup) -> Vec<Finding> {
    if is_loopback(&setup.address) {
        return Vec::new();
    }
    let fix = vec![format!("-- in the section of datasource {:?}: tls = \"verify-full\", ca = \"…\"", setup.name)];
    let (severity, what, why) = match setup.check {
        UpstreamCheck::Full => return Vec::new(),
        UpstreamCheck::EncryptOnly => (
            Severity::Medium,
            format!("TLS to {} does not check who answers (tls = \"require\")", setup.address),
            "somebody on the way can pose as the database, and gets the proxy's password and every statement",
        ),
        UpstreamCheck::Plain => (
            Severity::High,
            format!("rows travel in the clear from {} (tls = \"disable\")", setup.address),
            "whoever sees that network sees every value before it is masked",
        ),
    };
    vec![Finding { severity, check: "hop", what, why, fix }]
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
