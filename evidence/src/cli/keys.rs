//! `evidence keys`.

use super::config;
use super::output::say;
use crate::config::SigningKeySource;
use crate::error::{At, StoreError};
use crate::sign::{LogKey, LogSigner};
use crate::store::Layout;
use clap::{Args, Subcommand};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Subcommand)]
enum KeysCommand {
    /// Writes a new private key to a file (mode 0600) and prints the public verification key.
    Generate {
        /// Name of the log (`audit.example.org/ehr`): must be the store's `origin`.
        #[arg(long, value_name = "NAME")]
        origin: String,
        /// Where the private key goes. An existing file is never overwritten.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Hands the store's log over to a new key: both keys sign that in the log. Stop the proxy first, and give it the new
    /// key afterwards. Who knows the old verification key follows from it.
    Rotate {
        /// The proxy's configuration; only its [store] is read. Its signing_key is the key until now.
        #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
        config: PathBuf,
        /// Where the new private key goes. An existing file is never overwritten.
        #[arg(long, value_name = "FILE", required_unless_present_any = ["to", "to_command"])]
        out: Option<PathBuf>,
        /// An existing private key to hand over to.
        #[arg(long, value_name = "FILE", conflicts_with = "out")]
        to: Option<PathBuf>,
        /// A program that has the key to hand over to, and its arguments (last on the line).
        #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true, conflicts_with_all = ["out", "to"])]
        to_command: Option<Vec<String>>,
    },
    /// Prints the public verification key of a private key file.
    Show {
        /// The private key.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Keys {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        match self.command {
            KeysCommand::Generate { origin, out } => {
                let key = generate(&origin, &out)?;
                say!("{}", key.verifier());
                eprintln!("evidence: private key in {}; give the line above to those who verify", out.display());
            }
            KeysCommand::Rotate { config, out, to, to_command } => rotate(&config, out, to, to_command)?,
            KeysCommand::Show { file } => {
                let text = std::fs::read_to_string(&file).at(&file, "reading the key")?;
                say!("{}", LogKey::parse(&text)?.verifier());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn generate(origin: &str, out: &Path) -> Result<LogKey, StoreError> {
    let key = LogKey::generate(origin)?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .at(out, "making the key file (an existing one is never overwritten)")?;
    writeln!(file, "{}", *key.to_text()).and_then(|()| file.sync_all()).at(out, "writing the key")?;
    Ok(key)
}

fn rotate(
    config: &Path,
    out: Option<PathBuf>,
    to: Option<PathBuf>,
    to_command: Option<Vec<String>>,
) -> Result<(), StoreError> {
    let store = config::read(config)?;
    let full = store.full()?;
    if crate::verify::is_live(&Layout::new(&full.path)) {
        let what = "a process holds the store; stop the proxy, rotate, then start it with the new key";
        return Err(StoreError::Config(what.to_owned()));
    }
    if !Layout::new(&full.path).about().exists() {
        return Err(StoreError::Config(format!("{} holds no audit store yet", full.path.display())));
    }
    let next = match (&out, &to, to_command) {
        (Some(out), _, _) => LogSigner::Key(generate(&full.origin, out)?),
        (_, Some(file), _) => {
            let text = std::fs::read_to_string(file).at(file, "reading the new key")?;
            LogSigner::open(&SigningKeySource::Text { text: text.into(), origin: file.display().to_string() })?
        }
        (_, _, Some(argv)) => LogSigner::open(&SigningKeySource::Command { argv })?,
        (None, None, None) => return Err(StoreError::Config("say where the new key goes: --out FILE".to_owned())),
    };
    let key = crate::keeper::rotate(full, &next)?;
    say!("{key}");
    eprintln!("evidence: the log is handed over; name the new key as signing_key before the proxy starts again");
    eprintln!("evidence: who has the old verification key needs nothing; new verifiers get the line above");
    Ok(())
}
