//! `affidavit health`: asks a running proxy whether it is well, for probes of machines and containers that have neither
//! shell nor curl.
//!
//! `--ready` asks instead whether new sessions should be sent to it; the answer names each kind of reason why not.
//!
//! Exit codes: 0 well, 1 it answers that it is not, 2 wrong usage, 3 it could not be asked.

use crate::console::command::{Stopped, finish, given, open};
use crate::console::http_client::explain;
use clap::Args;
use reqwest::Url;
use std::path::PathBuf;
use std::process::ExitCode;

/// Bytes of an answer that are repeated.
const MOST_WORDS: usize = 200;

/// `affidavit health`
#[derive(Args, Debug)]
pub(crate) struct HealthArguments {
    /// The console's address, such as https://localhost:8443 [env: AFFIDAVIT_CONSOLE]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Root certificates (PEM) instead of the system's [env: AFFIDAVIT_CA]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Ask whether it can serve sessions (/readyz) instead of whether it is well (/healthz)
    #[arg(long)]
    ready: bool,
}

/// Runs the command.
pub(crate) fn health(arguments: &HealthArguments) -> ExitCode {
    finish(ask(arguments))
}

async fn ask(arguments: &HealthArguments) -> Result<(), Stopped> {
    let url = given(arguments.url.as_ref(), "AFFIDAVIT_CONSOLE").ok_or_else(|| {
        Stopped::usage("whom to ask? name the console with --url URL or AFFIDAVIT_CONSOLE; a proxy without [console] has no health page")
    })?;
    let address = Url::parse(&url)
        .and_then(|url| url.join(if arguments.ready { "/readyz" } else { "/healthz" }))
        .map_err(|_| Stopped::usage(format!("--url {url:?} is not a URL")))?;
    let ca = arguments.ca.clone().or_else(|| std::env::var_os("AFFIDAVIT_CA").map(PathBuf::from));
    let http = open(&address, ca.as_deref())?;
    let broken = |cause: String| Stopped::broken(format!("{url} cannot be asked: {cause}"));
    let mut answer = http.get(address).send().await.map_err(|error| broken(explain(&error)))?;
    let status = answer.status();
    if status.is_success() {
        println!("{}", if arguments.ready { "ready" } else { "ok" });
        return Ok(());
    }
    let first = answer.chunk().await.ok().flatten().unwrap_or_default();
    let words = String::from_utf8_lossy(first.get(..MOST_WORDS).unwrap_or(&first)).trim().to_owned();
    Err(Stopped::refused(format!("{url} answers {status}: {words}")))
}
