//! `affidavit approvals …`: deciding from the command line, through the same API as everyone else.

use super::device;
use super::http_client::{client, json, trusting};
use clap::{Args, Subcommand};
use reqwest::{Client, Method, Url};
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
    json: bool,
    #[command(subcommand)]
    action: Action,
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
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("affidavit: cannot start the runtime: {error}");
            return ExitCode::from(3);
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            eprintln!("affidavit: {}", stopped.message);
            ExitCode::from(stopped.code)
        }
    }
}

fn given(argument: Option<&String>, variable: &str) -> Option<String> {
    argument.cloned().or_else(|| std::env::var(variable).ok()).filter(|value| !value.is_empty())
}

async fn run(arguments: &ApprovalsArguments) -> Result<(), Stopped> {
    let console = given(arguments.console.as_ref(), "AFFIDAVIT_CONSOLE").ok_or_else(|| {
        Stopped::usage(
            "which console? name it with --console URL or AFFIDAVIT_CONSOLE; the notice of a held statement shows it",
        )
    })?;
    let base = Url::parse(&console).map_err(|_| Stopped::usage(format!("--console {console:?} is not a URL")))?;
    let http = open(&base, arguments.ca.as_deref())?;
    let token = match given(arguments.token.as_ref(), "AFFIDAVIT_TOKEN") {
        Some(token) => token,
        None => {
            let issuer = match given(arguments.issuer.as_ref(), "AFFIDAVIT_ISSUER") {
                Some(issuer) => issuer,
                None => issuer_of(&http, &base).await?,
            };
            let client_id = given(arguments.client_id.as_ref(), "AFFIDAVIT_CLIENT_ID").ok_or_else(|| {
                Stopped::usage(
                    "no token: give one with --token or AFFIDAVIT_TOKEN, or --client-id ID to log in with your browser",
                )
            })?;
            let issuer_url = Url::parse(&issuer).map_err(|_| Stopped::usage(format!("{issuer:?} is not a URL")))?;
            device::log_in(&open(&issuer_url, arguments.ca.as_deref())?, &issuer, &client_id).await?
        }
    };
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
    let (status, answer) = json(request)
        .await
        .map_err(|cause| Stopped::broken(format!("the console at {console} cannot be asked: {cause}")))?;
    if !status.is_success() {
        let part = |name: &str| answer.get(name).and_then(Value::as_str);
        let detail = part("detail").unwrap_or("the console refused without saying why");
        let hint = part("hint").map(|hint| format!("\n  {hint}")).unwrap_or_default();
        return Err(Stopped::refused(format!("{detail}{hint}")));
    }
    if arguments.json {
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

/// What a person typed, fit for a path; a wrong id is refused by the console in words.
fn plain(text: &str) -> String {
    text.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>().to_lowercase()
}

fn open(url: &Url, ca: Option<&Path>) -> Result<Client, Stopped> {
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
    let (_, answer) = json(http.get(address))
        .await
        .map_err(|cause| Stopped::broken(format!("the console at {base} cannot be asked: {cause}")))?;
    let first = answer.get("authorization_servers").and_then(Value::as_array).and_then(|all| all.first());
    first.and_then(Value::as_str).map(str::to_owned).ok_or_else(|| {
        Stopped::usage("the console names no issuer; give one with --issuer URL, or a token with --token")
    })
}
