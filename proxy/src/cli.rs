//! The command line of `affidavit`: raw arguments in, exit code out.
//!
//! Exit codes: 0 good, 1 a check failed, 2 wrong usage, 3 could not run.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Identity-aware proxy for PostgreSQL and MySQL/MariaDB: masks protected health information and records who saw what.
#[derive(Parser)]
#[command(name = "affidavit", version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the proxy.
    Serve {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
        config: PathBuf,
    },
    /// Validate everything, print the effective setup, exit.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
        config: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Do not connect to databases and identity providers.
        #[arg(long)]
        offline: bool,
    },
    /// Say what would happen to a statement, column by column, and why.
    Explain(crate::explain::ExplainArguments),
    /// Statements that wait for a person: list them, decide about them.
    Approvals(crate::console::command::ApprovalsArguments),
    /// Show it at work: real databases, a masked answer, its record. Runs from the source tree.
    Demo {
        /// Exit when everything has been shown.
        #[arg(long)]
        once: bool,
    },
    /// Ask a running proxy whether it is well, as a probe does.
    Health(crate::health::HealthArguments),
    /// What around the proxy would let protected values past it: rights, settings, rules that no longer fit.
    Doctor(crate::doctor::DoctorArguments),
    /// User names and passwords that tokens are exchanged for: get one, list them, take them back.
    Credentials(crate::exchange::command::CredentialsArguments),
    /// The policy files: what the rules are, what changed, which are missing.
    Policy {
        #[command(subcommand)]
        command: crate::policy_commands::PolicyCommand,
    },
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let help = !error.use_stderr();
            let _ = error.print();
            return if help { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    // The one TLS provider of the process; whoever comes second finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.command {
        Command::Serve { config } => crate::serve::serve(&config),
        Command::Check { config, json, offline } => crate::check::check(&config, json, offline),
        Command::Approvals(arguments) => crate::console::command::approvals(&arguments),
        Command::Credentials(arguments) => crate::exchange::command::credentials(&arguments),
        Command::Explain(arguments) => crate::explain::explain(&arguments),
        Command::Demo { once } => crate::demo::demo(once),
        Command::Health(arguments) => crate::health::health(&arguments),
        Command::Doctor(arguments) => crate::doctor::doctor(&arguments),
        Command::Policy { command } => crate::policy_commands::run(&command),
    }
}
