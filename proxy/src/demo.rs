//! `affidavit demo`: the demonstration lives in the source tree, with the servers and the hospital that it needs. A binary
//! that was built there starts it; any other says where it is.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Replaces this process by the demonstration; exit code 3 when it is not to be found or does not start.
#[must_use]
pub(crate) fn demo(once: bool) -> ExitCode {
    let Ok(binary) = std::env::current_exe() else {
        eprintln!("affidavit: the system does not say where this binary is; run `make demo` in the source tree");
        return ExitCode::from(3);
    };
    let Some(script) = script(&binary) else {
        eprintln!(
            "affidavit: the demonstration starts real databases and an identity provider, and comes with the source tree, \
             not with the binary\n  in the source tree: make demo (make demo ONCE=1 exits when it is done)"
        );
        return ExitCode::from(3);
    };
    let mut command = Command::new(&script);
    if once {
        command.arg("--once");
    }
    // The demonstration shows this build.
    if let Some(folder) = binary.parent() {
        command.env("AFFIDAVIT_BIN", folder);
    }
    let error = command.exec();
    eprintln!("affidavit: {} cannot be started: {error}", script.display());
    ExitCode::from(3)
}

/// The script of the tree that the binary was built in. Only folders above the binary are looked at: what lies where
/// somebody happens to stand is not run.
fn script(binary: &Path) -> Option<PathBuf> {
    let target = binary.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"))?;
    let root = target.parent()?;
    let script = root.join("testdata/demo");
    (script.is_file() && root.join("proxy/Cargo.toml").is_file()).then_some(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tree_of_the_binary_is_looked_at() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("affidavit");
        for folder in ["target/debug", "testdata", "proxy"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let binary = root.join("target/debug/affidavit");
        assert_eq!(script(&binary), None, "no script there");
        std::fs::write(root.join("testdata/demo"), "").unwrap();
        std::fs::write(root.join("proxy/Cargo.toml"), "").unwrap();
        assert_eq!(script(&binary), Some(root.join("testdata/demo")));
        assert_eq!(script(&home.path().join("bin/affidavit")), None);
    }
}
