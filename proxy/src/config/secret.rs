//! Secrets come from a file or from the environment, never from the configuration file itself, and never show.

use super::Surroundings;
use super::document::Section;
use std::fmt;
use std::path::PathBuf;
use wire::Secret;
use zeroize::Zeroizing;

/// No secret is larger.
const MAX_BYTES: u64 = 64 * 1024;

/// Where a secret was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file; one trailing line break is not part of the secret.
    File(PathBuf),
    /// An environment variable.
    Env(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "from file {}", path.display()),
            Self::Env(name) => write!(f, "from environment variable {name}"),
        }
    }
}

/// A secret and where it came from; only the latter shows.
#[derive(Clone, Debug)]
pub struct Sourced {
    /// Where it was read.
    pub source: SecretSource,
    /// The bytes.
    pub secret: Secret,
}

/// How bad it is that others on the machine can read the file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Warn.
    Warns,
    /// Refuse to start.
    Forbidden,
}

/// Reads `key = { file = "…" }` or `{ env = "…" }` of `section`; `None` when absent or wrong (which is complained
/// about).
pub(crate) fn secret(
    section: &Section<'_>,
    key: &'static str,
    around: &Surroundings<'_>,
    exposure: Exposure,
) -> Option<Sourced> {
    let how = format!("write {key} = {{ file = \"…\" }} or {key} = {{ env = \"NAME\" }}");
    if section.has(key) && !section.is_table(key) {
        // The value itself may be the secret: it is not repeated.
        section.know(key);
        section.wrong(key, "must say where the secret is, not what it is", how);
        return None;
    }
    let place = section.section(key);
    let (file, env) = (place.text("file"), place.text("env"));
    let present = place.present();
    place.finish();
    match (file, env) {
        (Some(file), None) => from_file(section, key, around.resolve(&file), exposure),
        (None, Some(name)) => from_env(section, key, name, around),
        (None, None) => {
            if present {
                section.wrong(key, "names neither a file nor an environment variable", how);
            }
            None
        }
        (Some(_), Some(_)) => {
            section.wrong(key, "names both a file and an environment variable", "keep one of them");
            None
        }
    }
}

fn from_env(section: &Section<'_>, key: &str, name: String, around: &Surroundings<'_>) -> Option<Sourced> {
    match (around.env)(&name).map(Zeroizing::new) {
        Some(value) if !value.is_empty() => {
            Some(Sourced { secret: Secret::new(value.as_bytes()), source: SecretSource::Env(name) })
        }
        Some(_) => {
            section.wrong(
                key,
                format!("environment variable {name} is empty"),
                format!("set {name} before starting affidavit"),
            );
            None
        }
        None => {
            section.wrong(
                key,
                format!("environment variable {name} is not set"),
                format!("set {name} before starting affidavit"),
            );
            None
        }
    }
}

fn from_file(section: &Section<'_>, key: &str, path: PathBuf, exposure: Exposure) -> Option<Sourced> {
    let shown = path.display();
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) => {
            section.wrong(
                key,
                format!("cannot read {shown}: {error}"),
                "check the path (relative paths start at the configuration file) and its permissions",
            );
            return None;
        }
    };
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        section.wrong(
            key,
            format!("{shown} is not a file of at most 64 KiB"),
            "point to the file that holds only this secret",
        );
        return None;
    }
    if let Some(mode) = readable_by_others(&metadata) {
        let what = format!("{shown} can be read by others (mode {mode:03o})");
        let fix = format!("chmod 600 {shown}");
        match exposure {
            Exposure::Warns => section.warn(key, what, fix),
            Exposure::Forbidden => {
                section.wrong(key, what, fix);
                return None;
            }
        }
    }
    match std::fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => {
            let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
            if secret.is_empty() {
                section.wrong(key, format!("{shown} is empty"), "put the secret into it");
                return None;
            }
            Some(Sourced { secret: Secret::new(secret), source: SecretSource::File(path) })
        }
        Err(error) => {
            section.wrong(
                key,
                format!("cannot read {shown}: {error}"),
                "let the user that runs affidavit read it, and nobody else",
            );
            None
        }
    }
}

/// The mode, if others may read the file. What root owns and this process is not root's may be lent to it through its
/// group (0640 or less): so containers' secret volumes hand files to an unprivileged user, and PostgreSQL takes its keys.
#[cfg(unix)]
pub(crate) fn readable_by_others(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mode = metadata.permissions().mode() & 0o777;
    exposed(mode, metadata.uid() == 0).then_some(mode)
}

/// Whether a file of that mode lets anyone read it but its owner, or write it; root may lend its files to one group.
#[cfg(unix)]
fn exposed(mode: u32, of_root: bool) -> bool {
    mode & if of_root { 0o037 } else { 0o077 } != 0
}

/// Other systems have no mode bits to look at.
#[cfg(not(unix))]
pub(crate) fn readable_by_others(_: &std::fs::Metadata) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::exposed;

    #[test]
    fn only_root_lends_its_files_to_a_group() {
        for (mode, of_root, expected) in [
            (0o600, false, false),
            (0o400, true, false),
            (0o440, true, false),
            (0o640, true, false),
            (0o440, false, true),
            (0o660, true, true),
            (0o444, true, true),
            (0o644, true, true),
            (0o604, false, true),
        ] {
            assert_eq!(exposed(mode, of_root), expected, "{mode:o} of root: {of_root}");
        }
    }
}
