//! `[store]`, `[policies]` and `[masking]`: what is kept, and by which rules.

use super::Surroundings;
use super::document::Section;
use super::secret::{Exposure, Sourced, secret};
use super::setup::{Durability, MaskingSetup, PoliciesSetup, SegmentSetup, SigningKey, StorePlace, StoreSetup};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) fn store(root: &Section<'_>, around: &Surroundings<'_>) -> Option<StoreSetup> {
    let section = root.section("store");
    if !section.present() {
        root.wrong(
            "[store]",
            "is missing: without a store nothing can be recorded, so nothing may pass",
            "add [store] with path, origin and signing_key",
        );
        return None;
    }
    let place = place(&section, around);
    let journal = section.text("journal").map(|path| around.resolve(&path));
    if journal.is_none() && matches!(place, Some(StorePlace::Remote(_))) {
        section.wrong(
            "journal",
            "is missing: a remote store still journals on this machine first",
            "write journal = \"./journal\", on a disk that outlives the process",
        );
    }
    if journal.is_some() && matches!(place, Some(StorePlace::Local(_))) {
        section.wrong(
            "journal",
            "is for remote stores: a local store keeps its journal inside its own directory",
            "remove journal, or put the whole store on the disk that you mean",
        );
    }
    let origin = origin(&section);
    if !section.has("signing_key") {
        let name = origin.as_deref().unwrap_or("NAME");
        section.wrong(
            "signing_key",
            "is missing",
            format!(
                "run evidence keys generate --origin {name} --out \
            log.key, then write signing_key = {{ file = \"log.key\" }}"
            ),
        );
    }
    let signing_key = signing_key(&section, around);
    let body_key = body_key(&section, around);
    let retention = retention(&section);
    let durability = match section.text("durability").as_deref() {
        None | Some("process") => Durability::Process,
        Some("strict") => Durability::Strict,
        Some(other) => {
            section.wrong(
                "durability",
                format!("{other:?} is not a durability"),
                "write \"process\" (survives kill -9) or \"strict\" (survives power loss)",
            );
            Durability::Strict
        }
    };
    let segment = segment(&section);
    let create = section.flag("create").unwrap_or(false);
    let head = head(&section, around, place.as_ref());
    let clock_slack =
        section.duration("clock_slack", Duration::ZERO..=Duration::from_secs(300), Duration::from_secs(1));
    section.finish();
    Some(StoreSetup {
        place: place?,
        create,
        head,
        journal,
        origin: origin?,
        signing_key: signing_key?,
        body_key,
        retention,
        durability,
        segment,
        clock_slack,
    })
}

/// Where the log's head is remembered: outside of the store, or it would be lost with it.
fn head(section: &Section<'_>, around: &Surroundings<'_>, place: Option<&StorePlace>) -> Option<PathBuf> {
    let named = section.text("head").map(|path| around.resolve(&path));
    let Some(StorePlace::Local(store)) = place else { return named };
    if named.as_ref().is_some_and(|head| head.starts_with(store)) {
        section.wrong(
            "head",
            "lies inside the store, and would be lost with it",
            "name a file elsewhere, best on another disk; without head it lies beside the store",
        );
    }
    Some(named.unwrap_or_else(|| evidence::remembered_head(store)))
}

/// A key in a file or the environment, or `{ command = ["program", "argument"] }`.
fn signing_key(section: &Section<'_>, around: &Surroundings<'_>) -> Option<SigningKey> {
    if !section.is_table("signing_key") || !section.section("signing_key").has("command") {
        return secret(section, "signing_key", around, Exposure::Forbidden).map(SigningKey::Key);
    }
    let place = section.section("signing_key");
    let argv = place.texts("command");
    place.finish();
    let argv = argv?;
    if argv.first().is_none_or(|program| program.trim().is_empty()) {
        section.wrong(
            "signing_key",
            "names no program",
            "write signing_key = { command = [\"program\", \"argument\"] }; it is asked for its vkey and to sign",
        );
        return None;
    }
    Some(SigningKey::Command(argv))
}

fn body_key(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Sourced> {
    let key = secret(section, "body_key", around, Exposure::Forbidden)?;
    let digits = key.secret.expose();
    if !matches!(digits.len(), 32 | 64) || !digits.iter().all(u8::is_ascii_hexdigit) {
        section.wrong(
            "body_key",
            "is not 32 or 64 hexadecimal digits",
            "make one with openssl rand -hex 32, and keep a copy: without it the texts cannot be read again",
        );
        return None;
    }
    Some(key)
}

fn retention(section: &Section<'_>) -> Option<evidence::Retention> {
    let table = section.section("retention");
    if !table.present() {
        return None;
    }
    let (day, century) = (Duration::from_secs(86_400), Duration::from_secs(36_525 * 86_400));
    // HIPAA: six years from creation or from when it was last in effect.
    let keep = table.duration("keep", day..=century, Duration::from_secs(2192 * 86_400));
    let keys = table.texts("signers").unwrap_or_default();
    table.finish();
    let mut signers = Vec::new();
    for key in &keys {
        match evidence::VerifierKey::parse(key) {
            Ok(key) => signers.push(key),
            Err(error) => {
                section.wrong("retention", format!("signers: {error}"), "take what evidence keys show prints")
            }
        }
    }
    if signers.len() < keys.len() {
        return None;
    }
    let how = "write retention = { keep = \"2192d\", signers = [\"NAME+ID+KEY\", \"NAME+ID+KEY\"] }";
    evidence::Retention::new(keep, signers).map_err(|what| section.wrong("retention", what, how)).ok()
}

fn place(section: &Section<'_>, around: &Surroundings<'_>) -> Option<StorePlace> {
    match (section.text("path"), section.text("url")) {
        (Some(path), None) if !path.trim().is_empty() => Some(StorePlace::Local(around.resolve(&path))),
        (None, Some(url)) => {
            let known = ["s3://", "gs://", "az://"].iter().any(|scheme| url.starts_with(scheme));
            if !known {
                section.wrong(
                    "url",
                    format!("{url:?} is not the address of an object store"),
                    "write s3://bucket/prefix, or use path for a local directory",
                );
            }
            known.then_some(StorePlace::Remote(url))
        }
        (Some(_), Some(_)) => {
            section.wrong("url", "is given beside path", "keep one of them");
            None
        }
        (Some(_), None) | (None, None) => {
            section.wrong("path", "is missing", "write path = \"./audit\"");
            None
        }
    }
}

/// The name of the log: <https://c2sp.org/tlog-checkpoint> and <https://c2sp.org/signed-note> forbid white space and
/// `+`.
fn origin(section: &Section<'_>) -> Option<String> {
    let origin = section.required("origin", "\"audit.example.org/ehr\"")?;
    if origin.len() > 255 || origin.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == '+')
    {
        section.wrong(
            "origin",
            format!("{origin:?} cannot name a log"),
            "use a host name and path of yours, without spaces or +",
        );
        return None;
    }
    Some(origin)
}

fn segment(section: &Section<'_>) -> SegmentSetup {
    let segment = section.section("segment");
    let setup = SegmentSetup {
        rows: segment.count("rows", 1..=100_000_000).unwrap_or(1_000_000),
        bytes: segment.size("bytes", 64 * 1024..=16 << 30, 128 << 20),
        age: segment.duration("age", Duration::from_secs(1)..=Duration::from_secs(86_400), Duration::from_secs(300)),
    };
    segment.finish();
    setup
}

pub(crate) fn policies(root: &Section<'_>, around: &Surroundings<'_>) -> Option<PoliciesSetup> {
    let section = root.section("policies");
    if !section.present() {
        root.wrong(
            "[policies]",
            "is missing: without policies every statement would have to be refused",
            "add [policies] with path = \"./policies/rules\"",
        );
        return None;
    }
    let path = section.required("path", "\"./policies/rules\"").map(|path| around.resolve(&path));
    if let Some(path) = &path {
        match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => {
                section.wrong(
                    "path",
                    format!("{} is not a folder", path.display()),
                    "point to the folder that holds the *.toml policy files",
                );
            }
            Ok(metadata) => {
                if let Some(mode) = writable_by_world(&metadata) {
                    section.warn(
                        "path",
                        format!(
                            "{} can be written by anyone (mode {mode:03o}): whoever writes \
                        there decides what is masked",
                            path.display()
                        ),
                        format!("chmod o-w {}", path.display()),
                    );
                }
            }
            Err(error) => {
                section.wrong(
                    "path",
                    format!("cannot open {}: {error}", path.display()),
                    "create it, or correct the path (relative paths start at the configuration file)",
                );
            }
        }
    }
    let allow_weaker = section.flag("allow_weaker").unwrap_or(false);
    section.finish();
    path.map(|path| PoliciesSetup { path, allow_weaker })
}

#[cfg(unix)]
fn writable_by_world(metadata: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o002 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn writable_by_world(_: &std::fs::Metadata) -> Option<u32> {
    None
}

/// Absent is fine here: whether a rule needs the key is known only once policies are read.
pub(crate) fn masking(root: &Section<'_>, around: &Surroundings<'_>) -> Option<MaskingSetup> {
    let section = root.section("masking");
    let present = section.present();
    let key = secret(&section, "key", around, Exposure::Warns);
    if present && !section.has("key") {
        section.wrong(
            "key",
            "is missing",
            "run openssl rand -hex 32 > masking.key, chmod 600 it, then write key = { file = \"masking.key\" }",
        );
    }
    let key = key.filter(|key| {
        let long_enough = key.secret.expose().len() >= 32;
        if !long_enough {
            section.wrong(
                "key",
                "is shorter than 32 bytes: tokens could be reversed by guessing it",
                "make one with openssl rand -hex 32; tokens made with another key will not match",
            );
        }
        long_enough
    });
    let tenant = section.text("tenant").unwrap_or_else(|| "default".to_owned());
    let small_zip_areas = section.texts("small_zip_areas").map(|areas| {
        let number = |area: &String| {
            let digits = area.len() == 3 && area.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| area.parse().ok()).flatten();
            if number.is_none() {
                section.wrong(
                    "small_zip_areas",
                    format!("{area:?} is not the first three digits of a ZIP code"),
                    "write three digits in quotes, like \"036\"",
                );
            }
            number
        };
        areas.iter().filter_map(number).collect()
    });
    section.finish();
    key.map(|key| MaskingSetup { key, tenant, small_zip_areas })
}
