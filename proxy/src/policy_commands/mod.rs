//! `affidavit policy`: what the rules are, what changed between two policies, and putting another one in force.

mod activate;
mod diff;
mod list;
mod source;

use crate::assembly::Failure;
use crate::suggest::SuggestArguments;
use std::path::PathBuf;
use std::process::ExitCode;

/// The commands about policies.
#[derive(clap::Subcommand)]
pub(crate) enum PolicyCommand {
    /// List the rules of the policy files, with the version they make.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Say in words what changed from one policy to another.
    Diff(diff::DiffArguments),
    /// Validate a policy and replace the configured folder's content by it, all at once.
    Activate(activate::ActivateArguments),
    /// Propose rules for a datasource, from its catalog and a sample.
    Suggest(SuggestArguments),
}

/// What every command about policies is told.
#[derive(clap::Args)]
pub(crate) struct Place {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a command ended that did not do what it was asked.
enum Stopped {
    /// A policy is not valid. Exit code 1.
    Invalid(Failure),
    /// Something kept the command from its work. Exit code 3.
    Cannot(Failure),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Cannot(failure)
    }
}

/// Runs one.
#[must_use]
pub(crate) fn run(command: &PolicyCommand) -> ExitCode {
    let done = match command {
        PolicyCommand::List { place } => list::list(place),
        PolicyCommand::Diff(arguments) => diff::diff(arguments),
        PolicyCommand::Activate(arguments) => activate::activate(arguments),
        PolicyCommand::Suggest(arguments) => return crate::suggest::suggest(arguments),
    };
    let (failure, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Stopped::Invalid(failure)) => (failure, 1),
        Err(Stopped::Cannot(failure)) => (failure, 3),
    };
    eprintln!("affidavit: {failure}");
    ExitCode::from(code)
}
