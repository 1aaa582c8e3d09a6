//! The configuration file `affidavit.toml`, read strictly and turned into a validated [`Setup`].
//!
//! Reading has two steps: `document` walks the TOML so that every complaint knows its line and key, and the section
//! files turn raw keys into types that cannot hold a contradiction. All problems are found at once; a secret appears in
//! none of them.

mod check;
mod console;
mod datasources;
mod document;
mod effective;
mod issuers;
mod listeners;
mod peers;
mod problem;
mod quantity;
mod secret;
mod service;
mod setup;
mod store;
#[cfg(test)]
mod tests;
mod tls;

pub use check::{Finding, PolicyFinding, Probes, Report, check};
pub use peers::{
    AllowRule, ClaimNames, DatasourceSetup, IssuerSetup, ListenerSetup, PatienceSetup, ServerTls, UpstreamCheck,
};
pub use problem::{Gravity, Problem, Problems};
pub use secret::{SecretSource, Sourced};
pub use setup::{
    ApprovalsSetup, ConsoleLogin, ConsoleRoles, ConsoleSetup, Durability, ExchangeSetup, Limits, MaskingSetup, OnHold,
    PoliciesSetup, SegmentSetup, Setup, SigningKey, StorePlace, StoreSetup, WebhookFormat, WebhookSetup,
};

use document::{Notes, Section};
use std::path::{Path, PathBuf};

/// No configuration is larger (bytes).
const MAX_BYTES: u64 = 1 << 20;

/// A protocol that this build can speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProtocol {
    /// Its registered name.
    pub name: String,
    /// Whether a listener may leave the datasource to the client's choice of database.
    pub datasource_by_database: bool,
    /// Keys that it adds to `[[datasources]]`.
    pub options: &'static [wire::OptionSpec],
}

/// What a configuration may refer to beyond its own text.
pub struct Surroundings<'a> {
    /// The folder that relative paths start at: that of the configuration file.
    pub folder: PathBuf,
    /// Looks up an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// What `protocol = "…"` may say; empty leaves it unchecked.
    pub protocols: &'a [KnownProtocol],
}

impl Surroundings<'_> {
    pub(crate) fn resolve(&self, path: &str) -> PathBuf {
        let path = path.strip_prefix("./").unwrap_or(path);
        self.folder.join(path)
    }
}

/// Reads and validates a configuration file, with the process's environment.
///
/// # Errors
/// Everything that is wrong with it, warnings included.
pub fn load(path: &Path, protocols: &[KnownProtocol]) -> Result<Setup, Problems> {
    let alone = |what: String, fix: &str| {
        let file = path.display().to_string();
        let (key, fix) = (String::new(), fix.to_owned());
        Problems(vec![Problem { gravity: Gravity::Error, file, line: None, key, what, fix }])
    };
    let unreadable = |error: std::io::Error| {
        alone(
            format!("cannot be read: {error}"),
            "name the configuration with --config FILE, and let this user read it",
        )
    };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_BYTES {
        return Err(alone("is larger than 1 MiB".to_owned(), "is it the right file?"));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    parse(path, &text, &Surroundings { folder, env: &|name| std::env::var(name).ok(), protocols })
}

/// Validates the text of a configuration. `path` is only named.
///
/// # Errors
/// Everything that is wrong with it, warnings included.
pub fn parse(path: &Path, text: &str, around: &Surroundings<'_>) -> Result<Setup, Problems> {
    let notes = Notes::new(&path.display().to_string(), text);
    let table = match toml::de::DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map(|span| notes.line(span.start));
            notes.add(
                Gravity::Error,
                line,
                "",
                format!("is not TOML: {}", error.message()),
                "correct that line; https://toml.io describes the format",
            );
            return Err(Problems(notes.into_problems()));
        }
    };
    let root = Section::root(&notes, table.get_ref());
    let issuers = issuers::issuers(&root, around);
    let (datasources, declared) = datasources::datasources(&root, around, &issuers);
    let listeners = listeners::listeners(&root, around, &declared);
    let store = store::store(&root, around);
    let policies = store::policies(&root, around);
    let masking = store::masking(&root, around);
    let approvals = service::approvals(&root);
    let console = listeners::console(&root, around, &issuers);
    let exchange = listeners::exchange(&root, around, console.as_ref());
    let webhooks = console::webhooks(&root, around);
    let limits = service::limits(&root);
    root.finish();

    let warnings = notes.into_problems();
    let sound = warnings.iter().all(|problem| problem.gravity == Gravity::Warning);
    match (store, policies) {
        (Some(store), Some(policies)) if sound => Ok(Setup {
            file: path.to_owned(),
            store,
            issuers,
            listeners,
            datasources,
            policies,
            masking,
            approvals,
            console,
            exchange,
            webhooks,
            limits,
            warnings,
        }),
        _ => Err(Problems(warnings)),
    }
}
