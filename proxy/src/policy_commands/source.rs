//! Where a policy comes from: a folder, a file, or a version that the store remembers.

use super::Stopped;
use crate::assembly::{self, Failure};
use crate::config::{Setup, StorePlace};
use crate::policy_store;
use policies::Policy;
use std::path::Path;

/// A policy that was read, with the files that make it.
pub(super) struct Source {
    /// What the person called it.
    pub(super) called: String,
    pub(super) files: Vec<(String, String)>,
    pub(super) policy: Policy,
}

/// Reads a folder of policy files, one policy file, or, where nothing is called so, the version that begins so.
pub(super) fn read(setup: &Setup, named: &str) -> Result<Source, Stopped> {
    let path = Path::new(named);
    let unreadable = |what: String| Failure { what, fix: "name a folder, a file or a version in the store".to_owned() };
    let files = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            policy_store::files(path).map_err(|rejected| unreadable(rejected.to_string()))?
        }
        Ok(_) => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(format!("{named}: {error}")))?;
            // Only *.toml in sight is read as a policy, whatever the file is called here.
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.filter(|name| name.ends_with(".toml") && !name.starts_with('.'));
            vec![(name.unwrap_or_else(|| "policy.toml".to_owned()), text)]
        }
        Err(error) if is_version(named) => vec![("policy.toml".to_owned(), remembered(setup, named, &error)?)],
        Err(error) => return Err(unreadable(format!("{named}: {error}")).into()),
    };
    parse(named, files)
}

/// The configured folder.
pub(super) fn configured(setup: &Setup) -> Result<Source, Stopped> {
    let folder = &setup.policies.path;
    let files = policy_store::files(folder).map_err(|rejected| Failure {
        what: rejected.to_string(),
        fix: format!("correct [policies] path in {}", setup.file.display()),
    })?;
    parse(&folder.display().to_string(), files)
}

fn parse(called: &str, files: Vec<(String, String)>) -> Result<Source, Stopped> {
    let policy = <Policy as policy_store::Policy>::parse(&files).map_err(|problems| {
        Stopped::Invalid(Failure {
            what: format!("{called} holds no valid policy:\n  {}", problems.join("\n  ")),
            fix: "correct these; nothing was changed".to_owned(),
        })
    })?;
    Ok(Source { called: called.to_owned(), files, policy })
}

fn is_version(named: &str) -> bool {
    (4..=64).contains(&named.len()) && named.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn remembered(setup: &Setup, version: &str, missing: &std::io::Error) -> Result<String, Failure> {
    let StorePlace::Local(store) = &setup.store.place else {
        return Err(Failure {
            what: format!("{version}: {missing}, and the store {} cannot be searched from here", setup.store.place),
            fix: "name a folder".to_owned(),
        });
    };
    let found = evidence::policy_text(store, &version.to_ascii_lowercase());
    found.map(|(_, text)| text).map_err(|error| Failure {
        what: format!("{version} is no folder or file ({missing}), and no version: {error}"),
        fix: "evidence policies lists the versions".to_owned(),
    })
}

/// Rules that cannot work with this configuration: no masking key.
pub(super) fn usable(setup: &Setup, source: &Source) -> Result<(), Stopped> {
    let unset = assembly::rules_without_key(setup, &source.policy);
    if unset.is_empty() {
        return Ok(());
    }
    Err(Stopped::Invalid(Failure {
        what: format!("rules of {} need a masking key, which is not configured: {}", source.called, unset.join(", ")),
        fix: "add [masking] key = { file = \"…\" } to the configuration; nothing was changed".to_owned(),
    }))
}
