//! `affidavit credentials …`: getting, listing and revoking exchanged credentials, through the same endpoint as everyone else.

use super::request::{GRANT, TOKEN_TYPES};
use crate::console::command::{Stopped, Who, ask, finish, given, plain};
use crate::console::device::form;
use crate::console::table::{aligned, text};
use clap::{Args, Subcommand};
use reqwest::Url;
use serde_json::{Value, json};
use std::process::ExitCode;

/// `affidavit credentials`
#[derive(Args, Debug)]
pub(crate) struct CredentialsArguments {
    /// The token exchange's address, such as https://affidavit.example.org:8444 [env: AFFIDAVIT_EXCHANGE]
    #[arg(long, value_name = "URL", global = true)]
    exchange: Option<String>,
    #[command(flatten)]
    who: Who,
    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Subcommand, Debug)]
enum Action {
    /// Exchange your token for a user name and a password
    Get {
        /// The datasource to connect to
        #[arg(long, value_name = "NAME")]
        datasource: String,
    },
    /// List your credentials, newest first; operators see everybody's
    List,
    /// Take a credential back: nobody gets in by it any more, and its sessions end at once
    Revoke {
        /// Its user name, such as x-7k3f…
        user: String,
        /// Why; recorded with your name, and needed for somebody else's
        #[arg(long, short = 'm', default_value = "")]
        justification: String,
    },
}

/// Runs the command.
pub(crate) fn credentials(arguments: &CredentialsArguments) -> ExitCode {
    finish(run(arguments))
}

async fn run(arguments: &CredentialsArguments) -> Result<(), Stopped> {
    let place = given(arguments.exchange.as_ref(), "AFFIDAVIT_EXCHANGE")
        .ok_or_else(|| Stopped::usage("which token exchange? name it with --exchange URL or AFFIDAVIT_EXCHANGE"))?;
    let base = Url::parse(&place).map_err(|_| Stopped::usage(format!("--exchange {place:?} is not a URL")))?;
    let http = arguments.who.open(&base)?;
    let token = arguments.who.token(&http, &base).await?;
    let address = |path: &str| format!("{}/{path}", place.trim_end_matches('/'));
    let request = match &arguments.action {
        Action::Get { datasource } => form(
            http.post(address("oauth/token")),
            &[
                ("grant_type", GRANT),
                ("subject_token", &token),
                ("subject_token_type", TOKEN_TYPES[0]),
                ("audience", datasource),
            ],
        ),
        Action::List => http.get(address("api/v1/credentials")).bearer_auth(&token),
        Action::Revoke { user, justification } => http
            .post(address(&format!("api/v1/credentials/{}/revoke", plain(user))))
            .bearer_auth(&token)
            .json(&json!({ "justification": justification })),
    };
    let answer = ask(request, &format!("the token exchange at {place}")).await?;
    if arguments.who.json {
        println!("{answer:#}");
        return Ok(());
    }
    match &arguments.action {
        Action::Get { .. } => {
            for key in ["user", "password", "expires_at"] {
                println!("{key:<12}{}", text(answer.get(key)));
            }
        }
        Action::List => list(&answer),
        Action::Revoke { .. } => {
            let ended = answer.get("sessions_ended").and_then(Value::as_u64).unwrap_or(0);
            println!("{} is revoked; sessions ended: {ended}", text(answer.get("user")));
        }
    }
    Ok(())
}

fn list(answer: &Value) {
    let empty = Vec::new();
    let credentials = answer.get("credentials").and_then(Value::as_array).unwrap_or(&empty);
    if credentials.is_empty() {
        println!("no credentials that you may see");
        return;
    }
    let head = ["CREDENTIAL", "STATE", "WHO", "DATASOURCE", "ISSUED", "EXPIRES", "SESSIONS", "FROM"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(credentials.iter().map(|one| {
        let who = one.get("name").filter(|name| !name.is_null()).or(one.get("subject"));
        let cell = |key: &str| text(one.get(key));
        vec![
            cell("user"),
            cell("state"),
            text(who),
            cell("datasource"),
            cell("issued"),
            cell("expires"),
            cell("sessions"),
            cell("from"),
        ]
    }));
    aligned(&rows);
}
