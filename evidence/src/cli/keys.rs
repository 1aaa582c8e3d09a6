//! `evidence keys`.

use crate::error::{At, StoreError};
use crate::sign::LogKey;
use clap::{Args, Subcommand};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
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
                let key = LogKey::generate(&origin)?;
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&out)
                    .at(&out, "making the key file (an existing one is never overwritten)")?;
                writeln!(file, "{}", *key.to_text()).and_then(|()| file.sync_all()).at(&out, "writing the key")?;
                println!("{}", key.verifier());
                eprintln!("evidence: private key in {}; give the line above to those who verify", out.display());
            }
            KeysCommand::Show { file } => {
                let text = std::fs::read_to_string(&file).at(&file, "reading the key")?;
                println!("{}", LogKey::parse(&text)?.verifier());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
