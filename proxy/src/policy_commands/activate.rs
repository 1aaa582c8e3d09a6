//! `affidavit policy activate`: validates a policy and makes it the configured folder's content in one step.
//!
//! The folder is exchanged with one that was written beside it, so there is no moment, and no crash, in which half of a
//! policy lies there: half of one may well be valid, and protect less. A running proxy takes it up within seconds, records
//! it, and judges running sessions by it.

use super::source::{Source, configured, read, usable};
use super::{Place, Stopped, diff};
use crate::assembly::{self, Failure};
use crate::policy_store;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

/// Arguments of `affidavit policy activate`.
#[derive(clap::Args)]
pub(crate) struct ActivateArguments {
    /// The policy: a folder, a file, or the beginning of a version in the store (to go back to it).
    #[arg(value_name = "POLICY")]
    policy: String,
    /// Say what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn activate(arguments: &ActivateArguments) -> Result<(), Stopped> {
    let setup = assembly::load(&arguments.place.config)?;
    let new = read(&setup, &arguments.policy)?;
    usable(&setup, &new)?;
    let folder = &setup.policies.path;
    // What lies there now may be broken: that is when another one is needed most.
    let old = configured(&setup).ok();
    let changes = old.as_ref().map(|old| new.policy.changes_since(&old.policy));
    let version = new.policy.version().to_string();
    let same = old.as_ref().is_some_and(|old| old.files == new.files);
    if !arguments.dry_run && !same {
        replace(folder, &new).map_err(|error| Failure {
            what: format!("{} cannot be replaced: {error}", folder.display()),
            fix: "nothing was changed; run this as a user who may write there and beside it".to_owned(),
        })?;
    }
    let done = match (arguments.dry_run, same) {
        (_, true) => "it lies there already; nothing was changed",
        (true, false) => "nothing was changed (--dry-run)",
        (false, false) => "a running proxy takes it up within seconds: see `evidence policies`",
    };
    if arguments.place.json {
        let value = json!({
            "version": version, "folder": folder.display().to_string(), "changed": !arguments.dry_run && !same,
            "old": old.as_ref().map(|old| old.policy.version().to_string()),
            "changes": changes.as_ref().map(|changes| changes.iter().map(diff::to_json).collect::<Vec<_>>()),
        });
        println!("{value:#}");
        return Ok(());
    }
    match &changes {
        Some(changes) => print!("{}", diff::words(changes)),
        None => println!("{} held no valid policy", folder.display()),
    }
    println!("policy version {version} in {}: {done}", folder.display());
    Ok(())
}

/// Exchanges the folder's content.
fn replace(folder: &Path, new: &Source) -> io::Result<()> {
    // A link is followed: what it leads to is exchanged, the link stays.
    let folder = fs::canonicalize(folder)?;
    let about = fs::metadata(&folder)?;
    let (Some(beside), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(io::Error::other("the root of a file system cannot be exchanged"));
    };
    let staged = beside.join(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    fs::create_dir(&staged)?;
    let exchanged = stage(&folder, &staged, &about, new).and_then(|()| {
        renameat_with(CWD, &staged, CWD, &folder, RenameFlags::EXCHANGE)?;
        File::open(beside)?.sync_all()
    });
    // What lies in `staged` now is the old content, or what could not take its place.
    let removed = fs::remove_dir_all(&staged);
    exchanged.and(removed)
}

/// Writes the new folder: the policy's files, and whatever else lay in the old one.
fn stage(folder: &Path, staged: &Path, about: &Metadata, new: &Source) -> io::Result<()> {
    let mut mode = None;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = fs::symlink_metadata(entry.path())?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if !found.is_file() {
            let what = format!("{shown} in it is no plain file; manage this folder by what put that there");
            return Err(io::Error::other(what));
        }
        if shown == policy_store::DELIBERATE {
            continue;
        }
        if shown.ends_with(".toml") && !shown.starts_with('.') {
            mode.get_or_insert_with(|| found.permissions());
        } else {
            fs::copy(entry.path(), staged.join(&name))?;
            own(&staged.join(&name), &found)?;
        }
    }
    for (name, text) in &new.files {
        let path: PathBuf = staged.join(name);
        let mut file = File::create_new(&path)?;
        file.write_all(text.as_bytes())?;
        if let Some(mode) = &mode {
            file.set_permissions(mode.clone())?;
        }
        file.sync_all()?;
        own(&path, about)?;
    }
    // A running proxy takes a policy that protects less only when somebody has said that it is meant.
    let deliberate = staged.join(policy_store::DELIBERATE);
    fs::write(&deliberate, format!("{}\n", new.policy.version()))?;
    own(&deliberate, about)?;
    fs::set_permissions(staged, about.permissions())?;
    own(staged, about)?;
    File::open(staged)?.sync_all()
}

/// Gives a file to whom its predecessor belonged. Only root may give away what is its own, and only root needs to.
fn own(path: &Path, like: &Metadata) -> io::Result<()> {
    let now = fs::metadata(path)?;
    if (now.uid(), now.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    match chown(path, Some(like.uid()), Some(like.gid())) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policies::Policy;

    fn source(rule: &str) -> Source {
        let text = format!("[[mask]]\nname = \"{rule}\"\ncolumns = [\"*.*.t.c\"]\nwith = \"redact\"\n");
        let files = vec![(format!("{rule}.toml"), text)];
        Source { called: rule.to_owned(), policy: Policy::parse(&files).unwrap(), files }
    }

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_content_changes_at_once_and_other_files_stay() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("policies");
        fs::create_dir(&folder).unwrap();
        for (name, text) in [("old.toml", "x"), ("README", "read me"), (".hidden.toml", "h")] {
            fs::write(folder.join(name), text).unwrap();
        }
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        replace(&link, &source("new")).unwrap();
        assert_eq!(listed(&folder), [".activated", ".hidden.toml", "README", "new.toml"]);
        assert_eq!(fs::read_to_string(folder.join("README")).unwrap(), "read me");
        assert_eq!(listed(home.path()), ["link", "policies"], "nothing is left beside it");
    }

    #[test]
    fn a_folder_that_something_else_manages_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("policies");
        fs::create_dir_all(folder.join(".git")).unwrap();
        fs::write(folder.join("old.toml"), "x").unwrap();
        let said = replace(&folder, &source("new")).unwrap_err().to_string();
        assert!(said.contains(".git"), "{said}");
        assert_eq!(listed(&folder), [".git", "old.toml"]);
        assert_eq!(listed(home.path()), ["policies"]);
    }
}
