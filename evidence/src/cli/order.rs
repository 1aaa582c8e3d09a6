//! `evidence order`: what two people sign, and its carrying out.

use super::config::Store;
use super::output::say;
use super::{actor, config};
use crate::error::{At, StoreError};
use crate::inbox::{self, Left};
use crate::journal::now;
use crate::recorder::Recorder;
use crate::retention::{Action, Order, words};
use crate::search::Archive;
use crate::sign::LogKey;
use crate::store::Layout;
use crate::table::rfc3339;
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct OrderCommand {
    #[command(subcommand)]
    command: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Says what an order would do.
    Show {
        /// The order.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Adds your signature to an order.
    Sign {
        /// The order.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Your own key (`evidence keys generate --origin NAME`), one of [store] retention signers.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Has the store's writer carry out an order that two people signed.
    Apply {
        /// The order.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The proxy's configuration; only its [store] is read.
        #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
        config: PathBuf,
    },
}

/// What every order needs.
#[derive(Args)]
pub(super) struct Draft {
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    /// Your own key (`evidence keys generate --origin NAME`), one of [store] retention signers.
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    /// Where the order goes; must not exist yet.
    #[arg(long, value_name = "FILE")]
    pub(super) out: PathBuf,
}

impl Draft {
    /// Writes an order with the first signature.
    pub(super) fn write(self, archive: &Archive, action: Action) -> Result<ExitCode, StoreError> {
        if self.reason.trim().is_empty() || self.reason.len() > 2000 {
            return Err(StoreError::Config("--reason is a text of at most 2,000 bytes".to_owned()));
        }
        let about = crate::store::About::read(&archive.layout)?
            .ok_or_else(|| StoreError::Config("the store has no description".to_owned()))?;
        let order = Order::new(action, &self.reason, &actor(), now());
        let note = order.sign(&about.origin, &key(&self.key)?)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.out)
            .at(&self.out, "making the order's file")?;
        file.write_all(note.as_bytes()).and_then(|()| file.sync_all()).at(&self.out, "writing the order")?;
        print(&note, &order);
        let shown = self.out.display();
        say!("\nwritten to {shown}. A second person signs it with\n  evidence order sign {shown} --key THEIR.key");
        say!("and it is carried out with\n  evidence order apply {shown} --config affidavit.toml");
        Ok(ExitCode::SUCCESS)
    }
}

fn key(path: &Path) -> Result<LogKey, StoreError> {
    LogKey::parse(&std::fs::read_to_string(path).at(path, "reading your key")?)
}

impl OrderCommand {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        match self.command {
            Step::Show { file } => {
                let (note, order) = read(&file)?;
                print(&note, &order);
            }
            Step::Sign { file, key: path } => {
                let (note, order) = read(&file)?;
                let key = key(&path)?;
                if key.verifier().verifies(&note) {
                    return Err(StoreError::Config("this key has signed it already; another person must".to_owned()));
                }
                let note = Order::cosign(&note, &key).map_err(StoreError::Config)?;
                crate::store::write_durably(&file, note.as_bytes())?;
                print(&note, &order);
            }
            Step::Apply { file, config } => {
                let (note, _) = read(&file)?;
                let store = config::read(&config)?;
                say!("{}", ask(&store, &mut |layout| inbox::leave_order(layout, &note))?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn read(file: &Path) -> Result<(String, Order), StoreError> {
    let note = std::fs::read_to_string(file).at(file, "reading the order")?;
    let origin = note.lines().nth(1).unwrap_or_default().to_owned();
    let order = Order::parse(&note, &origin).map_err(|what| StoreError::damaged(file.display(), what))?;
    Ok((note, order))
}

fn print(note: &str, order: &Order) {
    say!("order   {} for the log {}", order.id, note.lines().nth(1).unwrap_or_default());
    match &order.action {
        Action::Prune { segments } => {
            say!("does    remove sessions, statements, texts and rows of segments {}", words(segments));
        }
        Action::Release { hold } => say!("does    release hold {hold}"),
    }
    say!("reason  {}", order.reason);
    say!("made    {} by {}", rfc3339(order.made), order.made_by);
    for line in note.lines().filter_map(|line| line.strip_prefix("— ")) {
        say!("signed  {}", line.split(' ').next().unwrap_or_default());
    }
}

/// Has the store's writer do something: the process that holds the store, or this one for a moment.
pub(super) fn ask(
    store: &Store,
    leave: &mut dyn FnMut(&Layout) -> Result<Left, StoreError>,
) -> Result<String, StoreError> {
    let layout = Layout::new(&store.path);
    if !layout.about().exists() {
        return Err(StoreError::Config(format!("{} holds no audit store yet", store.path.display())));
    }
    if crate::verify::is_live(&layout) {
        return Ok(leave(&layout)?.wait(Duration::from_secs(600))?.1);
    }
    let (recorder, _) = Recorder::open(store.full()?)?;
    let left = leave(&layout)?;
    let answer = left.wait(Duration::from_secs(600));
    recorder.close()?;
    Ok(answer?.1)
}
