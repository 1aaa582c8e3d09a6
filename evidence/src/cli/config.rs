//! `[store]` of `affidavit.toml`: the only part of the proxy's configuration that this binary reads.

use crate::config::{Durability, SigningKeySource, StoreConfig};
use crate::error::{At, StoreError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};

/// What `[store]` says.
pub(super) struct Store {
    pub(super) path: PathBuf,
    table: Table,
    file: PathBuf,
}

/// Reads `[store]`. Paths are relative to the file.
pub(super) fn read(file: &Path) -> Result<Store, StoreError> {
    let text = std::fs::read_to_string(file).at(file, "reading the configuration")?;
    let wrong = |what: String| StoreError::Config(format!("{}: {what}", file.display()));
    let all: Table = text.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    let Some(Value::Table(table)) = all.get("store") else { return Err(wrong("it has no [store]".to_owned())) };
    let Some(path) = table.get("path").and_then(Value::as_str) else {
        return Err(wrong("[store] has no path; this command reads local stores".to_owned()));
    };
    let store = Store { path: resolve(file, path), table: table.clone(), file: file.to_path_buf() };
    Ok(store)
}

fn resolve(file: &Path, path: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}

impl Store {
    /// All that opening the store for sealing needs.
    pub(super) fn full(&self) -> Result<StoreConfig, StoreError> {
        let wrong = |what: &str| StoreError::Config(format!("{}: [store] {what}", self.file.display()));
        let text = |name: &str| self.table.get(name).and_then(Value::as_str);
        let origin = text("origin").ok_or_else(|| wrong("has no origin"))?;
        let key = self.table.get("signing_key").and_then(Value::as_table).ok_or_else(|| wrong("has no signing_key"))?;
        let source = match (key.get("file").and_then(Value::as_str), key.get("env").and_then(Value::as_str)) {
            (Some(path), None) => {
                let path = resolve(&self.file, path);
                let text = std::fs::read_to_string(&path).at(&path, "reading the signing key")?;
                SigningKeySource { text: text.into(), origin: path.display().to_string() }
            }
            (None, Some(name)) => {
                let text = std::env::var(name).map_err(|_| wrong(&format!("names ${name}, which is not set")))?;
                SigningKeySource { text: text.into(), origin: format!("${name}") }
            }
            _ => return Err(wrong("signing_key is { file = \"…\" } or { env = \"…\" }")),
        };
        let mut config = StoreConfig::new(&self.path, origin, source);
        if text("durability") == Some("strict") {
            config.durability = Durability::Strict;
        }
        // This process lives for one sealing only.
        config.heartbeat = Duration::from_secs(3600);
        Ok(config)
    }
}

/// Reads the key of encrypted statement bodies: 32 or 64 hexadecimal digits.
pub(super) fn body_key(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, StoreError> {
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).at(path, "reading the key of statement bodies")?);
    match hex::decode(text.trim()) {
        Ok(bytes) if matches!(bytes.len(), 16 | 32) => Ok(bytes.into()),
        _ => Err(StoreError::Key(format!("{} does not hold 32 or 64 hexadecimal digits", path.display()))),
    }
}
