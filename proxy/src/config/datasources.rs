//! `[[datasources]]`: the upstream databases, how to log in there, and who may use them.

use super::Surroundings;
use super::document::Section;
use super::listeners::protocol;
use super::peers::{AllowRule, DatasourceSetup, IssuerSetup, PatienceSetup, UpstreamCheck};
use super::secret::{Exposure, secret};
use super::tls;
use std::path::Path;
use std::time::Duration;
use wire::{OptionKind, OptionSpec, OptionValue, Options, UpstreamTls};

/// The largest file that an option may name.
const MOST_BYTES: u64 = 64 * 1024;

/// A datasource that the file names, sound or not: what a listener may refer to without a second complaint.
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) protocol: Option<String>,
}

pub(crate) fn datasources(
    root: &Section<'_>,
    around: &Surroundings<'_>,
    issuers: &[IssuerSetup],
) -> (Vec<DatasourceSetup>, Vec<Declared>) {
    let mut datasources: Vec<DatasourceSetup> = Vec::new();
    let mut declared: Vec<Declared> = Vec::new();
    let sections = root.sections("datasources");
    if sections.is_empty() && !root.has("datasources") {
        root.wrong(
            "[[datasources]]",
            "is missing: there is nothing to connect to",
            "add [[datasources]] with name, protocol, address, user and allow",
        );
    }
    for section in sections {
        datasources.extend(datasource(&section, around, issuers));
        if let Some(name) = section.peek("name") {
            if declared.iter().any(|other| other.name == name) {
                section.wrong(
                    "name",
                    format!("{name:?} is used by two datasources"),
                    "rename one: rules and recordings tell them apart by name",
                );
            }
            declared.push(Declared { name, protocol: section.peek("protocol") });
        }
        section.finish();
    }
    (datasources, declared)
}

fn datasource(section: &Section<'_>, around: &Surroundings<'_>, issuers: &[IssuerSetup]) -> Option<DatasourceSetup> {
    let name = section.required("name", "\"ehr\"").filter(|name| {
        let usable = !name.contains(['.', '*']) && !name.chars().any(char::is_control);
        if !usable {
            section.wrong(
                "name",
                format!("{name:?} cannot be named in rules (datasource.schema.table.column)"),
                "use a name without dots, stars and control characters",
            );
        }
        usable
    });
    let protocol = protocol(section, around);
    let address = address(section);
    let database = section.text("database");
    let user = section.required("user", "\"affidavit\"");
    let password = secret(section, "password", around, Exposure::Warns);
    let password_is_wrong = section.has("password") && password.is_none();
    let (check, ca, tls) = upstream_tls(section, around, address.as_deref());
    let connect_timeout = section.duration(
        "connect_timeout",
        Duration::from_millis(100)..=Duration::from_secs(300),
        Duration::from_secs(10),
    );
    let patience = patience(section);
    let contact = section.text("contact");
    let options = options(section, around, protocol.as_deref());
    let allow = allow_rules(section, issuers);
    if password_is_wrong {
        return None;
    }
    Some(DatasourceSetup {
        name: name?,
        protocol: protocol?,
        address: address?,
        database,
        user: user?,
        password,
        check,
        ca,
        tls: tls?,
        connect_timeout,
        patience,
        options: options?,
        allow,
        contact,
    })
}

/// Limits of the datasource's own; what is left out has none.
fn patience(section: &Section<'_>) -> PatienceSetup {
    let limit = |key| {
        let given = section.has(key);
        let range = Duration::from_secs(1)..=Duration::from_secs(30 * 86_400);
        let limit = section.duration(key, range, Duration::from_secs(86_400));
        given.then_some(limit)
    };
    PatienceSetup {
        statement: limit("statement_timeout"),
        transaction: limit("idle_in_transaction_timeout"),
        idle: limit("idle_timeout"),
        session: limit("session_timeout"),
    }
}

/// The keys that the protocol itself adds; `None` when one of them is wrong.
fn options(section: &Section<'_>, around: &Surroundings<'_>, protocol: Option<&str>) -> Option<Options> {
    let mut options = Options::default();
    let known = around.protocols.iter().find(|known| protocol == Some(known.name.as_str()));
    let mut sound = true;
    for OptionSpec { key, kind } in known.map(|known| known.options).unwrap_or_default() {
        let value = match kind {
            OptionKind::Flag => section.flag(key).map(OptionValue::Flag),
            OptionKind::Choice(choices) => section.text(key).and_then(|text| choice(section, key, choices, &text)),
            OptionKind::File => content(section, key, around),
        };
        sound &= value.is_some() || !section.has(key);
        if let Some(value) = value {
            options.set(key, value);
        }
    }
    sound.then_some(options)
}

fn choice(section: &Section<'_>, key: &str, choices: &'static [&'static str], text: &str) -> Option<OptionValue> {
    let chosen = choices.iter().find(|choice| **choice == text);
    if chosen.is_none() {
        let all: Vec<String> = choices.iter().map(|choice| format!("{choice:?}")).collect();
        section.wrong(key, format!("{text:?} is not one of its values"), format!("write {}", all.join(" or ")));
    }
    chosen.map(|chosen| OptionValue::Choice(chosen))
}

/// The content of `key = { file = "…" }`.
fn content(section: &Section<'_>, key: &'static str, around: &Surroundings<'_>) -> Option<OptionValue> {
    if !section.has(key) {
        section.know(key);
        return None;
    }
    let place = section.section(key);
    let file = place.text("file");
    if place.present() && file.is_none() && !place.has("file") {
        section.wrong(key, "names no file", format!("write {key} = {{ file = \"…\" }}"));
    }
    place.finish();
    let path = around.resolve(&file?);
    let size = std::fs::metadata(&path).map(|metadata| metadata.len());
    match size.and_then(|size| if size > MOST_BYTES { Err(too_large()) } else { std::fs::read(&path) }) {
        Ok(content) => Some(OptionValue::File { path: path.display().to_string(), content: content.into() }),
        Err(error) => {
            let what = format!("{} cannot be read: {error}", path.display());
            section.wrong(key, what, "name a file that this user may read");
            None
        }
    }
}

fn too_large() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is larger than 64 KiB")
}

/// `host:port`, where an IPv6 address stands in brackets.
fn address(section: &Section<'_>) -> Option<String> {
    let text = section.required("address", "\"10.0.0.5:5432\"")?;
    let (host, port) = text.rsplit_once(':').unwrap_or((&text, ""));
    let plain = !host.is_empty() && !host.contains([':', '/', '@', ' ']);
    let bracketed = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    if (plain || bracketed) && port.parse::<u16>().is_ok_and(|port| port != 0) {
        return Some(text);
    }
    section.wrong(
        "address",
        format!("{text:?} is not a host and a port"),
        "write address = \"db.example.org:5432\" ([::1]:5432 for IPv6)",
    );
    None
}

type Towards = (UpstreamCheck, Option<std::path::PathBuf>, Option<UpstreamTls>);

/// `tls` has no default: what protects the upstream connection is written down, not assumed.
fn upstream_tls(section: &Section<'_>, around: &Surroundings<'_>, address: Option<&str>) -> Towards {
    let ca = section.text("ca").map(|path| around.resolve(&path));
    let Some(mode) = section.required("tls", "\"verify-full\" (or \"require\", \"disable\")") else {
        return (UpstreamCheck::Full, ca, None);
    };
    if ca.is_some() && matches!(mode.as_str(), "require" | "disable") {
        section.wrong("ca", format!("is not used with tls = {mode:?}"), "write tls = \"verify-full\", or remove ca");
    }
    let loopback = address.is_some_and(is_loopback_host);
    match mode.as_str() {
        "verify-full" => {
            let config = tls::client(section, if ca.is_some() { "ca" } else { "tls" }, ca.as_deref().map(Path::new));
            (UpstreamCheck::Full, ca, config.map(UpstreamTls::Required))
        }
        "require" => {
            if !loopback {
                section.warn(
                    "tls",
                    "\"require\" encrypts but does not check who answers: someone on the way \
                    could pose as the database",
                    "use \"verify-full\" with ca = \"…\" where you can",
                );
            }
            (UpstreamCheck::EncryptOnly, None, tls::client_unverified(section, "tls").map(UpstreamTls::Required))
        }
        "disable" => {
            if !loopback {
                section.warn(
                    "tls",
                    "\"disable\" sends raw rows in the clear between proxy and database",
                    "use \"verify-full\" unless this network is protected otherwise",
                );
            }
            (UpstreamCheck::Plain, None, Some(UpstreamTls::Disabled))
        }
        other => {
            section.wrong(
                "tls",
                format!("{other:?} is not a TLS mode"),
                "write \"verify-full\", \"require\" or \"disable\"",
            );
            (UpstreamCheck::Full, ca, None)
        }
    }
}

fn is_loopback_host(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn allow_rules(section: &Section<'_>, issuers: &[IssuerSetup]) -> Vec<AllowRule> {
    let mut rules = Vec::new();
    for entry in section.sections("allow") {
        let rule = AllowRule {
            groups: entry.texts("groups").unwrap_or_default(),
            subjects: entry.texts("subjects").unwrap_or_default(),
            issuer: entry.text("issuer"),
        };
        if let Some(named) = &rule.issuer {
            if !issuers.iter().any(|issuer| issuer.issuer == *named) {
                entry.wrong("issuer", format!("{named:?} is not one of [[issuers]]"), "write it exactly as there");
            }
        } else if issuers.len() > 1 {
            entry.warn(
                "",
                "holds for every issuer: each of them can make anyone a member of its groups",
                "add issuer = \"…\" to the rule",
            );
        }
        let empty = rule.groups.is_empty() && rule.subjects.is_empty();
        if empty && rule.issuer.is_none() {
            entry.wrong(
                "",
                "has no condition",
                "write groups, subjects or issuer; subjects = [\"*\"] lets everyone in who can log in",
            );
        }
        entry.finish();
        rules.push(rule);
    }
    if rules.is_empty() {
        section.warn("allow", "lets nobody in", "write allow = [{ groups = [\"…\"] }]");
    }
    rules
}
