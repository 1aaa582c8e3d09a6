//! `[store]` of `affidavit.toml`: the only part of the proxy's configuration that this binary reads. What a writer goes by
//! (keys, retention) must mean here what it means to the proxy: a store is sealed by either.

use crate::config::{Durability, Retention, SigningKeySource, StoreConfig, parse_body_key, remembered_head};
use crate::error::{At, StoreError};
use crate::sign::VerifierKey;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::{Table, Value};
use zeroize::Zeroizing;

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
        let mut config = StoreConfig::new(&self.path, origin, self.signing_key()?);
        config.head = Some(self.head());
        config.body_key = self.body_key()?;
        config.retention = self.retention()?;
        if text("durability") == Some("strict") {
            config.durability = Durability::Strict;
        }
        // This process lives for one sealing only.
        config.heartbeat = Duration::from_secs(3600);
        Ok(config)
    }

    /// Where the head of the log is remembered, outside of the store.
    pub(super) fn head(&self) -> PathBuf {
        let named = self.table.get("head").and_then(Value::as_str);
        named.map_or_else(|| remembered_head(&self.path), |path| resolve(&self.file, path))
    }

    fn wrong(&self, what: &str) -> StoreError {
        StoreError::Config(format!("{}: [store] {what}", self.file.display()))
    }

    /// The log's key, or who has it.
    pub(super) fn signing_key(&self) -> Result<SigningKeySource, StoreError> {
        let key = self.table.get("signing_key").and_then(Value::as_table);
        let key = key.ok_or_else(|| self.wrong("has no signing_key"))?;
        if let Some(argv) = key.get("command") {
            let argv = strings(argv).filter(|argv| !argv.is_empty() && key.len() == 1);
            let argv =
                argv.ok_or_else(|| self.wrong("signing_key command is a list: the program and its arguments"))?;
            return Ok(SigningKeySource::Command { argv });
        }
        let (text, origin) = self.secret("signing_key", key)?;
        Ok(SigningKeySource::Text { text, origin })
    }

    /// The key of encrypted statement bodies, if they are to be.
    pub(super) fn body_key(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(key) = self.table.get("body_key") else { return Ok(None) };
        let key = key.as_table().ok_or_else(|| self.wrong("body_key is { file = \"…\" } or { env = \"…\" }"))?;
        let (text, origin) = self.secret("body_key", key)?;
        parse_body_key(&text, &origin).map(Some)
    }

    fn secret(&self, name: &str, key: &Table) -> Result<(Zeroizing<String>, String), StoreError> {
        match (key.get("file").and_then(Value::as_str), key.get("env").and_then(Value::as_str)) {
            (Some(path), None) => {
                let path = resolve(&self.file, path);
                let text = std::fs::read_to_string(&path).at(&path, "reading a key")?;
                Ok((text.into(), path.display().to_string()))
            }
            (None, Some(env)) => {
                let text = std::env::var(env).map_err(|_| self.wrong(&format!("names ${env}, which is not set")))?;
                Ok((text.into(), format!("${env}")))
            }
            _ => Err(self.wrong(&format!("{name} is {{ file = \"…\" }} or {{ env = \"…\" }}"))),
        }
    }

    /// How long the record is kept.
    pub(super) fn retention(&self) -> Result<Option<Retention>, StoreError> {
        let Some(table) = self.table.get("retention") else { return Ok(None) };
        let how = "retention is { keep = \"2192d\", signers = [\"NAME+ID+KEY\", …] }, with at least two people";
        let keep = table.get("keep").and_then(Value::as_str).and_then(duration).ok_or_else(|| self.wrong(how))?;
        let signers = table.get("signers").and_then(strings).ok_or_else(|| self.wrong(how))?;
        let signers = signers.iter().map(|key| VerifierKey::parse(key)).collect::<Result<Vec<_>, _>>();
        let signers = signers.map_err(|error| self.wrong(&format!("retention signers: {error}")))?;
        Retention::new(keep, signers).map(Some).map_err(|what| self.wrong(&what))
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A whole number and one unit, as everywhere in the configuration.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit() && letter != '_')?);
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.replace('_', "").parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

/// Reads the key of encrypted statement bodies: 32 or 64 hexadecimal digits.
pub(super) fn body_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let text = Zeroizing::new(std::fs::read_to_string(path).at(path, "reading the key of statement bodies")?);
    parse_body_key(&text, &path.display().to_string())
}
