//! `[[listeners]]`, `[console]` and `[exchange]`: where clients and people connect.

use super::datasources::Declared;
use super::document::{Section, nearest};
use super::peers::{IssuerSetup, ListenerSetup, ServerTls};
use super::setup::{ConsoleSetup, ExchangeSetup};
use super::{Surroundings, console, tls};
use std::net::SocketAddr;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Datasources are read first: a listener names one.
pub(crate) fn listeners(root: &Section<'_>, around: &Surroundings<'_>, datasources: &[Declared]) -> Vec<ListenerSetup> {
    let mut listeners: Vec<ListenerSetup> = Vec::new();
    let sections = root.sections("listeners");
    if sections.is_empty() && !root.has("listeners") {
        root.wrong(
            "[[listeners]]",
            "is missing: nobody could connect",
            "add [[listeners]] with protocol, address and tls",
        );
    }
    for section in sections {
        let found = listener(&section, around, datasources);
        if let Some(setup) = &found
            && setup.address.port() != 0
            && listeners.iter().any(|other| other.address == setup.address)
        {
            section.wrong("address", format!("{} is used by two listeners", setup.address), "give each its own port");
        }
        section.finish();
        listeners.extend(found);
    }
    listeners
}

fn listener(section: &Section<'_>, around: &Surroundings<'_>, datasources: &[Declared]) -> Option<ListenerSetup> {
    let protocol = protocol(section, around);
    let address = address(section);
    let datasource = section.text("datasource");
    match (&datasource, &protocol) {
        (Some(name), _) => behind(section, name, protocol.as_deref(), datasources),
        (None, Some(protocol)) => {
            if around.protocols.iter().any(|known| known.name == *protocol && !known.datasource_by_database) {
                section.wrong(
                    "datasource",
                    format!("is missing: {protocol} must know its datasource before the client has named a database"),
                    "write datasource = \"…\", the name of one of [[datasources]]",
                );
            }
        }
        (None, None) => {}
    }
    let tls = server_tls(section, around, address, section.flag("insecure_loopback"));
    let strict_names = section.flag("strict_names").unwrap_or(false);
    Some(ListenerSetup { protocol: protocol?, address: address?, datasource, strict_names, tls })
}

/// The datasource exists and speaks the listener's protocol.
fn behind(section: &Section<'_>, name: &str, protocol: Option<&str>, datasources: &[Declared]) {
    match datasources.iter().find(|datasource| datasource.name == name) {
        Some(datasource) => {
            if let (Some(theirs), Some(ours)) = (&datasource.protocol, protocol)
                && theirs != ours
            {
                section.wrong(
                    "datasource",
                    format!("{name:?} speaks {theirs}, this listener {ours}"),
                    "let listener and datasource have the same protocol",
                );
            }
        }
        None => {
            let fix = match nearest(name, datasources.iter().map(|datasource| datasource.name.as_str())) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "add it to [[datasources]], or correct the name".to_owned(),
            };
            section.wrong("datasource", format!("there is no datasource named {name:?}"), fix);
        }
    }
}

/// A protocol's name; unknown ones are complained about when the known ones are given.
pub(crate) fn protocol(section: &Section<'_>, around: &Surroundings<'_>) -> Option<String> {
    let protocol = section.required("protocol", "\"postgres\"")?;
    let mut names = around.protocols.iter().map(|known| known.name.as_str());
    if !around.protocols.is_empty() && !names.any(|name| name == protocol) {
        let names: Vec<_> = around.protocols.iter().map(|known| known.name.as_str()).collect();
        let fix = match nearest(&protocol, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("known protocols: {}", names.join(", ")),
        };
        section.wrong("protocol", format!("{protocol:?} is not a protocol this build knows"), fix);
        return None;
    }
    Some(protocol)
}

fn address(section: &Section<'_>) -> Option<SocketAddr> {
    let text = section.required("address", "\"127.0.0.1:6432\"")?;
    let literal = text.strip_prefix("localhost:").map_or_else(|| text.clone(), |port| format!("127.0.0.1:{port}"));
    let address = literal.parse().ok();
    if address.is_none() {
        section.wrong(
            "address",
            format!("{text:?} is not an IP address with a port"),
            "write address = \"127.0.0.1:6432\", or \"0.0.0.0:6432\" for every interface",
        );
    }
    address
}

/// TLS, or the proof that it may be missing.
fn server_tls(
    section: &Section<'_>,
    around: &Surroundings<'_>,
    address: Option<SocketAddr>,
    insecure: Option<bool>,
) -> Option<ServerTls> {
    if section.has("tls") {
        if insecure == Some(true) {
            section.wrong("insecure_loopback", "contradicts tls", "remove one of them");
        }
        return tls::server(section, around);
    }
    section.know("tls");
    let loopback = address.is_none_or(|address| address.ip().is_loopback());
    if !loopback {
        section.wrong(
            "tls",
            "is missing on an address that others can reach: tokens would travel in the clear",
            "write tls = { cert = \"server.crt\", key = \"server.key\" }",
        );
    } else if insecure != Some(true) {
        section.wrong(
            "tls",
            "is missing",
            "write tls = { cert = \"server.crt\", key = \"server.key\" }, or \
            insecure_loopback = true if only this machine connects",
        );
    }
    None
}

pub(crate) fn console(root: &Section<'_>, around: &Surroundings<'_>, issuers: &[IssuerSetup]) -> Option<ConsoleSetup> {
    let section = root.section("console");
    if !section.present() {
        return None;
    }
    let address = address(&section);
    let tls = tls::server(&section, around);
    if !section.has("tls") && address.is_some_and(|address| !address.ip().is_loopback()) {
        section.wrong(
            "tls",
            "is missing on an address that others can reach: logins and recordings would travel in the clear",
            "write tls = { cert = \"server.crt\", key = \"server.key\" }, or listen on 127.0.0.1 behind a TLS proxy",
        );
    }
    let public_url = console::public_url(&section, address, tls.is_some());
    let login = console::login(&section, around, issuers);
    let roles = console::roles(&section);
    section.finish();
    Some(ConsoleSetup { address: address?, tls, public_url, login, roles })
}

pub(crate) fn exchange(
    root: &Section<'_>,
    around: &Surroundings<'_>,
    console: Option<&ConsoleSetup>,
) -> Option<ExchangeSetup> {
    let section = root.section("exchange");
    if !section.present() {
        return None;
    }
    let address = address(&section);
    let tls = server_tls(&section, around, address, section.flag("insecure_loopback"));
    let valid_for = section.duration("valid_for", MINUTE..=24 * 60 * MINUTE, 15 * MINUTE);
    let mut operators = section.texts("operators").unwrap_or_default();
    operators.extend(console.map(|console| console.roles.operator.clone()).unwrap_or_default());
    operators.sort();
    operators.dedup();
    section.finish();
    Some(ExchangeSetup { address: address?, tls, valid_for, operators })
}
