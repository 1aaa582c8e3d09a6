//! `affidavit approvals …`: deciding from the command line, through the same API as everyone else.

use super::device;
use super::http_client::{client, json, trusting};
use clap::{Args, Subcommand};
use reqwest::{Client, Method, RequestBuilder, Url};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// `affidavit approvals`
#[derive(Args, Debug)]
pub(crate) struct ApprovalsArguments {
    /// The console's address, such as https://affidavit.example.org [env: AFFIDAVIT_CONSOLE]
    #[arg(long, value_name = "URL", global = true)]
    console: Option<String>,
    #[command(flatten)]
    who: Who,
    #[command(subcommand)]
    action: Action,
}

/// As whom a command calls an API, and how it shows the answer.
#[derive(Args, Debug)]
pub(crate) struct Who {
    /// An access token for this proxy; without one, you log in by the device flow [env: AFFIDAVIT_TOKEN]
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<String>,
    /// The client id for the device flow [env: AFFIDAVIT_CLIENT_ID]
    #[arg(long, value_name = "ID", global = true)]
    client_id: Option<String>,
    /// The issuer for the device flow; otherwise the console names it [env: AFFIDAVIT_ISSUER]
    #[arg(long, value_name = "URL", global = true)]
    issuer: Option<String>,
    /// Root certificates (PEM) instead of the system's
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Subcommand, Debug)]
enum Action {
    /// List requests, newest first
    List {
        /// Only these: pending, granted, used, denied, expired, cancelled, revoked, or all
        #[arg(long, default_value = "pending")]
        state: String,
    },
    /// Show one request in full
    Show {
        /// Its id, such as apr-7f3k-9qxm
        id: String,
    },
    /// Agree to a request
    Approve {
        /// Its id
        id: String,
        /// Why; recorded with your name
        #[arg(long, short = 'm')]
        justification: String,
        /// For every statement of the same shape until the grant expires, where the rule allows it
        #[arg(long)]
        window: bool,
    },
    /// Refuse a request
    Deny {
        /// Its id
        id: String,
        /// Why; recorded with your name, and the requester reads it
        #[arg(long, short = 'm')]
        justification: String,
    },
    /// Take an unused approval back
    Revoke {
        /// Its id
        id: String,
        /// Why; recorded with your name
        #[arg(long, short = 'm')]
        justification: String,
    },
    /// Record the review of an emergency access
    Review {
        /// Its id
        id: String,
        /// What you found; recorded with your name
        #[arg(long, short = 'm')]
        finding: String,
    },
    /// Withdraw your own request
    Withdraw {
        /// Its id
        id: String,
    },
}

/// Why the command did not succeed, with its exit code.
pub(crate) struct Stopped {
    code: u8,
    message: String,
}

impl Stopped {
    /// Exit code 2: wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// Exit code 3: could not run.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self { code: 3, message: message.into() }
    }

    /// Exit code 1: the console says no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
}

/// Runs the command.
pub(crate) fn approvals(arguments: &ApprovalsArguments) -> ExitCode {
    finish(run(arguments))
}

/// Runs a command to its exit code.
pub(crate) fn finish(command: impl Future<Output = Result<(), Stopped>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("affidavit: cannot start the runtime: {error}");
            return ExitCode::from(3);
        }
    };
    match runtime.block_on(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            eprintln!("affidavit: {}", stopped.message);
            ExitCode::from(stopped.code)
        }
    }
}

pub(crate) fn given(argument: Option<&String>, variable: &str) -> Option<String> {
    argument.cloned().or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
}

async fn run(arguments: &ApprovalsArguments) -> Result<(), Stopped> {
    let console = given(arguments.console.as_ref(), "AFFIDAVIT_CONSOLE").ok_or_else(|| {
        Stopped::usage(
            "which console? name it with --console URL or AFFIDAVIT_CONSOLE; the notice of a held statement shows it",
        )
    })?;
    let base = Url::parse(&console).map_err(|_| Stopped::usage(format!("--console {console:?} is not a URL")))?;
    let http = arguments.who.open(&base)?;
    let token = arguments.who.token(&http, &base).await?;
    let call = |method: Method, path: &str| {
        let address = format!("{}/api/v1/{path}", console.trim_end_matches('/'));
        http.request(method, address).bearer_auth(&token)
    };
    let decide = |id: &str, action: &str, words: &str, window: bool| {
        let mut body = serde_json::json!({ "justification": words });
        if window && let Some(object) = body.as_object_mut() {
            object.insert("window".to_owned(), Value::Bool(true));
        }
        call(Method::POST, &format!("approvals/{}/{action}", plain(id))).json(&body)
    };
    let request = match &arguments.action {
        Action::List { state } if state == "all" => call(Method::GET, "approvals"),
        Action::List { state } => call(Method::GET, &format!("approvals?state={}", plain(state))),
        Action::Show { id } => call(Method::GET, &format!("approvals/{}", plain(id))),
        Action::Approve { id, justification, window } => decide(id, "approve", justification, *window),
        Action::Deny { id, justification } => decide(id, "deny", justification, false),
        Action::Revoke { id, justification } => decide(id, "revoke", justification, false),
        Action::Review { id, finding } => decide(id, "review", finding, false),
        Action::Withdraw { id } => decide(id, "withdraw", "", false),
    };
    let answer = ask(request, &console).await?;
    if arguments.who.json {
        println!("{answer:#}");
        return Ok(());
    }
    match &arguments.action {
        Action::List { .. } => super::table::list(&answer),
        Action::Show { .. } => super::table::show(&answer),
        _ => super::table::decided(&answer),
    }
    Ok(())
}

/// Sends a request; what is refused is told in the API's own words (RFC 9457, or RFC 6749 for token requests).
pub(crate) async fn ask(request: RequestBuilder, place: &str) -> Result<Value, Stopped> {
    let (status, answer) =
        json(request).await.map_err(|cause| Stopped::broken(format!("{place} cannot be asked: {cause}")))?;
    if status.is_success() {
        return Ok(answer);
    }
    let part = |name: &str| answer.get(name).and_then(Value::as_str);
    let detail = part("detail").or(part("error_description")).unwrap_or("it was refused without saying why");
    let hint = part("hint").map(|hint| format!("\n  {hint}")).unwrap_or_default();
    Err(Stopped::refused(format!("{detail}{hint}")))
}

impl Who {
    /// The token to call with: given, or by the device flow of the issuer that the place names.
    pub(crate) async fn token(&self, http: &Client, base: &Url) -> Result<String, Stopped> {
        if let Some(token) = given(self.token.as_ref(), "AFFIDAVIT_TOKEN") {
            return Ok(token);
        }
        let issuer = match given(self.issuer.as_ref(), "AFFIDAVIT_ISSUER") {
            Some(issuer) => issuer,
            None => issuer_of(http, base).await?,
        };
        let client_id = given(self.client_id.as_ref(), "AFFIDAVIT_CLIENT_ID").ok_or_else(|| {
            Stopped::usage(
                "no token: give one with --token or AFFIDAVIT_TOKEN, or --client-id ID to log in with your browser",
            )
        })?;
        let issuer_url = Url::parse(&issuer).map_err(|_| Stopped::usage(format!("{issuer:?} is not a URL")))?;
        device::log_in(&self.open(&issuer_url)?, &issuer, &client_id).await
    }

    /// A client for that address, trusting what was asked to be trusted.
    pub(crate) fn open(&self, url: &Url) -> Result<Client, Stopped> {
        open(url, self.ca.as_deref())
    }
}

/// What a person typed, fit for a path; a wrong id is refused by the console in words.
pub(crate) fn plain(text: &str) -> String {
    text.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>().to_lowercase()
}

/// A client for that address; `ca` in place of the system's roots.
pub(crate) fn open(url: &Url, ca: Option<&Path>) -> Result<Client, Stopped> {
    let tls = if url.scheme() == "https" {
        let mut roots = rustls::RootCertStore::empty();
        match ca {
            Some(file) => {
                let unreadable =
                    |error: &dyn std::fmt::Display| Stopped::usage(format!("--ca {}: {error}", file.display()));
                for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))? {
                    let certificate = certificate.map_err(|error| unreadable(&error))?;
                    roots.add(certificate).map_err(|error| unreadable(&error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        Some(Arc::new(trusting(roots).map_err(Stopped::broken)?))
    } else {
        None
    };
    client(tls.as_ref(), url).map_err(Stopped::usage)
}

/// RFC 9728: the console names the issuer that it trusts.
async fn issuer_of(http: &Client, base: &Url) -> Result<String, Stopped> {
    let address =
        base.join("/.well-known/oauth-protected-resource").map_err(|error| Stopped::usage(error.to_string()))?;
    let (_, answer) =
        json(http.get(address)).await.map_err(|cause| Stopped::broken(format!("{base} cannot be asked: {cause}")))?;
    let first = answer.get("authorization_servers").and_then(Value::as_array).and_then(|all| all.first());
    first
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Stopped::usage("it names no issuer; give one with --issuer URL, or a token with --token"))
}
