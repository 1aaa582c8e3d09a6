//! The files of a policy folder: which they are, their text, and whether it changed. Bounded in number and size.

use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Policy files in one folder.
const MAX_FILES: usize = 256;
/// Bytes in one of them.
const MAX_FILE: u64 = 1 << 20;
/// Bytes in all of them.
const MAX_TOTAL: u64 = 8 << 20;

/// Identifies the content of a folder. The content, not the modification times: two writes within one tick of the
/// file system's clock leave the same times behind, and copying tools set them back.
pub(super) type Digest = [u8; 32];

pub(super) fn digest(files: &[(String, String)]) -> Digest {
    let mut hash = Sha256::new();
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

struct PolicyFile {
    name: String,
    path: PathBuf,
}

/// The `*.toml` files of the folder itself, by name. Hidden files are not policies: editors and Kubernetes keep theirs
/// so.
fn files(folder: &Path) -> Result<Vec<PolicyFile>, String> {
    let cannot = |path: &Path, error: &std::io::Error| {
        format!("{}: cannot be read: {error}; let the user that runs affidavit read it", path.display())
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| cannot(folder, &error))? {
        let entry = entry.map_err(|error| cannot(folder, &error))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return Err(format!("{}: its name is not UTF-8; rename it", path.display()));
        };
        if name.starts_with('.') || !name.ends_with(".toml") {
            continue;
        }
        let metadata = std::fs::metadata(&path).map_err(|error| cannot(&path, &error))?;
        if metadata.is_dir() {
            return Err(format!("{}: is a folder; policy files lie in {} itself", path.display(), folder.display()));
        }
        if !metadata.is_file() || metadata.len() > MAX_FILE {
            return Err(format!("{}: is not a file of at most 1 MiB; split it", path.display()));
        }
        files.push(PolicyFile { name, path });
        if files.len() > MAX_FILES {
            return Err(format!("{}: holds more than {MAX_FILES} policy files; merge some", folder.display()));
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// Names and texts, sorted by name; or everything that is wrong.
pub(super) fn read(folder: &Path) -> Result<Vec<(String, String)>, Vec<String>> {
    let files = files(folder).map_err(|problem| vec![problem])?;
    if files.is_empty() {
        let shown = folder.display();
        return Err(vec![format!(
            "{shown}: holds no *.toml file; an empty policy would protect nothing, so put one there \
             (policies/rules has examples)"
        )]);
    }
    let (mut texts, mut problems, mut total) = (Vec::new(), Vec::new(), 0_u64);
    for file in files {
        match text(&file.path) {
            Ok(text) => {
                total = total.saturating_add(text.len() as u64);
                texts.push((file.name, text));
            }
            Err(what) => problems.push(format!("{}: {what}", file.path.display())),
        }
    }
    if total > MAX_TOTAL {
        problems
            .push(format!("{}: its policy files hold {total} bytes; at most {MAX_TOTAL} are read", folder.display()));
    }
    if problems.is_empty() { Ok(texts) } else { Err(problems) }
}

fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("is larger than 1 MiB; split it".to_owned());
    }
    String::from_utf8(bytes)
        .map_err(|error| format!("is not UTF-8 at byte {}; save it as UTF-8", error.utf8_error().valid_up_to()))
}

/// Name of the file in which `affidavit policy activate` notes the version that somebody put there on purpose.
pub(crate) const DELIBERATE: &str = ".activated";

/// Whether somebody has put this version there with `affidavit policy activate`.
pub(super) fn is_deliberate(folder: &Path, version: &str) -> bool {
    std::fs::read_to_string(folder.join(DELIBERATE)).is_ok_and(|noted| noted.trim() == version)
}
