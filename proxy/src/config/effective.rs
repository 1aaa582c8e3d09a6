//! The effective setup, for people and for programs: every value in force, defaults included, secrets by their source.

use super::console::shown;
use super::peers::{AllowRule, DatasourceSetup, IssuerSetup, ListenerSetup, ServerTls};
use super::quantity::{show_duration, show_size};
use super::setup::{OnHold, Setup, StoreSetup};
use serde_json::{Value, json};

/// A titled list of values, in the order in which they are shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    pub(crate) title: String,
    pub(crate) values: Vec<(&'static str, Value)>,
}

pub(crate) fn blocks(setup: &Setup) -> Vec<Block> {
    let mut blocks = vec![store(&setup.store)];
    blocks.extend(setup.issuers.iter().map(issuer));
    blocks.extend(setup.listeners.iter().map(listener));
    blocks.extend(setup.datasources.iter().map(datasource));
    blocks.push(block(
        "policies",
        vec![
            ("path", json!(setup.policies.path.display().to_string())),
            ("allow_weaker", json!(setup.policies.allow_weaker)),
        ],
    ));
    if let Some(masking) = &setup.masking {
        blocks.push(block(
            "masking",
            vec![
                ("key", json!(masking.key.source.to_string())),
                ("tenant", json!(masking.tenant)),
                (
                    "small_zip_areas",
                    match &masking.small_zip_areas {
                        Some(areas) => json!(areas.iter().map(|area| format!("{area:03}")).collect::<Vec<_>>()),
                        None => json!("those of the 2000 census"),
                    },
                ),
            ],
        ));
    }
    let on_hold = match setup.approvals.on_hold {
        OnHold::Wait => "wait",
        OnHold::Reject => "reject",
    };
    blocks.push(block(
        "approvals",
        vec![("wait", json!(show_duration(setup.approvals.wait))), ("on_hold", json!(on_hold))],
    ));
    if let Some(console) = &setup.console {
        blocks.push(block(
            "console",
            vec![
                ("address", json!(console.address.to_string())),
                ("tls", server_tls(console.tls.as_ref())),
                ("public_url", json!(console.public_url)),
                ("login", console.login.as_ref().map_or(Value::Null, |login| json!(login.issuer.issuer))),
                ("client_secret", shown(console.login.as_ref().and_then(|login| login.client_secret.as_ref()))),
                ("viewer", json!(console.roles.viewer)),
                ("approver", json!(console.roles.approver)),
                ("auditor", json!(console.roles.auditor)),
                ("operator", json!(console.roles.operator)),
            ],
        ));
    }
    if let Some(exchange) = &setup.exchange {
        blocks.push(block(
            "exchange",
            vec![
                ("address", json!(exchange.address.to_string())),
                ("tls", server_tls(exchange.tls.as_ref())),
                ("valid_for", json!(show_duration(exchange.valid_for))),
                ("operators", json!(exchange.operators)),
            ],
        ));
    }
    for webhook in &setup.webhooks {
        // The address may carry a secret, so only its host shows.
        let host = reqwest::Url::parse(&webhook.url).ok().and_then(|url| url.host_str().map(str::to_owned));
        blocks.push(block("webhooks", vec![("host", json!(host)), ("secret", shown(webhook.secret.as_ref()))]));
    }
    let limits = &setup.limits;
    blocks.push(block(
        "limits",
        vec![
            ("sessions", json!(limits.sessions)),
            ("pending_logins", json!(limits.pending_logins)),
            ("logins_per_address", json!(limits.logins_per_address)),
            ("sessions_per_address", json!(limits.sessions_per_address)),
            ("sessions_per_identity", json!(limits.sessions_per_identity)),
            ("sessions_per_datasource", json!(limits.sessions_per_datasource)),
            ("sessions_per_listener", json!(limits.sessions_per_listener)),
            ("console_connections", json!(limits.console_connections)),
            ("login_timeout", json!(show_duration(limits.login_timeout))),
            ("idle_timeout", json!(show_duration(limits.idle_timeout))),
            ("message_bytes", json!(show_size(limits.message_bytes))),
            ("unfinished_bytes", json!(show_size(limits.unfinished_bytes))),
            ("shutdown_grace", json!(show_duration(limits.shutdown_grace))),
            ("threads", json!(limits.threads)),
        ],
    ));
    blocks
}

fn block(title: impl Into<String>, values: Vec<(&'static str, Value)>) -> Block {
    Block { title: title.into(), values }
}

fn store(store: &StoreSetup) -> Block {
    let mut values = vec![("place", json!(store.place.to_string()))];
    if let Some(journal) = &store.journal {
        values.push(("journal", json!(journal.display().to_string())));
    }
    values.extend([
        ("create", json!(store.create)),
        ("head", json!(store.head.as_ref().map(|head| head.display().to_string()))),
        ("origin", json!(store.origin)),
        ("signing_key", json!(store.signing_key.to_string())),
        ("durability", json!(store.durability.as_str())),
        ("segment.rows", json!(store.segment.rows)),
        ("segment.bytes", json!(show_size(store.segment.bytes))),
        ("segment.age", json!(show_duration(store.segment.age))),
        ("clock_slack", json!(show_duration(store.clock_slack))),
    ]);
    if let Some(key) = &store.body_key {
        values.push(("body_key", json!(key.source.to_string())));
    }
    if let Some(retention) = &store.retention {
        let names: Vec<&str> = retention.signers.iter().map(evidence::VerifierKey::name).collect();
        values.push(("retention.keep", json!(show_duration(retention.keep))));
        values.push(("retention.signers", json!(names)));
    }
    block("store", values)
}

fn issuer(issuer: &IssuerSetup) -> Block {
    let roots = issuer.ca.as_ref().map_or_else(|| "system".to_owned(), |ca| ca.display().to_string());
    block(
        format!("issuer {}", issuer.issuer),
        vec![
            ("audience", json!(issuer.audience)),
            ("claims.subject", json!(issuer.claims.subject)),
            ("claims.name", json!(issuer.claims.name)),
            ("claims.groups", json!(issuer.claims.groups)),
            ("scope", json!(issuer.scope)),
            ("skew", json!(show_duration(issuer.skew))),
            ("max_lifetime", json!(show_duration(issuer.max_lifetime))),
            ("keys.refresh", json!(show_duration(issuer.keys_fresh))),
            ("keys.keep", json!(show_duration(issuer.keys_keep))),
            ("tls roots", json!(if issuer.tls.is_some() { roots } else { "none (loopback)".to_owned() })),
        ],
    )
}

fn listener(listener: &ListenerSetup) -> Block {
    block(
        format!("listener {} {}", listener.protocol, listener.address),
        vec![
            ("datasource", json!(listener.datasource.as_deref().unwrap_or("(the database that the client asks for)"))),
            ("strict_names", json!(listener.strict_names)),
            ("tls", server_tls(listener.tls.as_ref())),
        ],
    )
}

fn server_tls(tls: Option<&ServerTls>) -> Value {
    match tls {
        Some(tls) => json!(format!("{} with key {}", tls.cert.display(), tls.key.display())),
        None => json!("none (loopback)"),
    }
}

fn datasource(datasource: &DatasourceSetup) -> Block {
    let password =
        datasource.password.as_ref().map_or_else(|| "none".to_owned(), |password| password.source.to_string());
    let mut values = vec![
        ("protocol", json!(datasource.protocol)),
        ("address", json!(datasource.address)),
        ("database", json!(datasource.database)),
        ("user", json!(datasource.user)),
        ("password", json!(password)),
        ("tls", json!(datasource.check.as_str())),
        ("connect_timeout", json!(show_duration(datasource.connect_timeout))),
        ("statement_timeout", json!(datasource.patience.statement.map(show_duration))),
        ("idle_in_transaction_timeout", json!(datasource.patience.transaction.map(show_duration))),
        ("idle_timeout", json!(datasource.patience.idle.map(show_duration))),
        ("session_timeout", json!(datasource.patience.session.map(show_duration))),
        ("allow", Value::Array(datasource.allow.iter().map(|rule| json!(allow(rule))).collect())),
    ];
    if let Some(ca) = &datasource.ca {
        values.push(("ca", json!(ca.display().to_string())));
    }
    values.extend(datasource.options.iter().map(|(key, value)| (key, json!(value.to_string()))));
    if let Some(contact) = &datasource.contact {
        values.push(("contact", json!(contact)));
    }
    block(format!("datasource {}", datasource.name), values)
}

fn allow(rule: &AllowRule) -> String {
    let mut conditions = Vec::new();
    if !rule.groups.is_empty() {
        conditions.push(format!("group in {}", rule.groups.join(", ")));
    }
    if !rule.subjects.is_empty() {
        conditions.push(format!("subject like {}", rule.subjects.join(", ")));
    }
    if let Some(issuer) = &rule.issuer {
        conditions.push(format!("issuer {issuer}"));
    }
    conditions.join(" and ")
}
