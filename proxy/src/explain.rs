//! `affidavit explain`: what would happen to a statement, column by column, and why.

use crate::assembly::{self, Failure};
use crate::clock;
use crate::config::Setup;
use crate::second_lock;
use model::{
    AuthMethod, Decision, Identity, Lineage, OutputPlan, Outputs, Phase, Statement, StatementId, Timestamp, Usage,
    Verdict,
};
use pipeline::{Columns, names};
use policies::{PredicateRuling, Question};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use wire::{Datasource, LockMode, LockState};

/// Arguments of `affidavit explain`.
#[derive(clap::Args)]
pub(crate) struct ExplainArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: PathBuf,
    /// The datasource that the statement is for.
    #[arg(long, value_name = "NAME")]
    datasource: String,
    /// The claims of a token (a JSON object, as `sub`, `email`, `groups`); not verified here.
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// The statement.
    #[arg(long, value_name = "SQL")]
    sql: String,
    /// What the client would call itself.
    #[arg(long, value_name = "NAME", default_value = "")]
    client: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `affidavit explain`: 0 when the statement may run, 1 when it is denied or held, 3 when it cannot be told.
#[must_use]
pub(crate) fn explain(arguments: &ExplainArguments) -> ExitCode {
    match explained(arguments) {
        Ok((value, allowed)) => {
            if arguments.json {
                println!("{value:#}");
            } else {
                print!("{}", plain(&value));
            }
            if allowed { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(failure) => {
            eprintln!("affidavit: {failure}");
            ExitCode::from(3)
        }
    }
}

fn explained(arguments: &ExplainArguments) -> Result<(Value, bool), Failure> {
    let setup = assembly::load(&arguments.config)?;
    let policy = assembly::policy(&setup)?;
    let configured = setup.datasources.iter().find(|datasource| datasource.name == arguments.datasource);
    let configured = configured.ok_or_else(|| Failure {
        what: format!("there is no datasource {:?} in {}", arguments.datasource, setup.file.display()),
        fix: format!("there are: {}", setup.datasources.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ")),
    })?;
    let identity = identity(&setup, arguments.claims.as_deref())?;
    let datasource = assembly::datasource(configured)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure { what: format!("cannot start the runtime: {error}"), fix: String::new() })?;
    runtime.block_on(datasource.refresh_catalog()).map_err(|refusal| Failure {
        what: format!("the catalog of {:?} cannot be read: {refusal}", arguments.datasource),
        fix: "explain needs the tables and columns of the real database".to_owned(),
    })?;
    let facts = datasource.analyse(&arguments.sql);
    let schema = Columns(datasource.as_ref());
    let keys = assembly::keys(&setup)?;
    let mut question = Question {
        small_areas: keys.small_areas(),
        identity: &identity,
        client_app: &arguments.client,
        datasource: &arguments.datasource,
        names: names(datasource.as_ref()),
        sql: arguments.sql.as_bytes(),
        facts: &facts,
        schema: &schema,
        now: clock::now(),
        estimated_rows: None,
    };
    if policy.wants_estimate(&question) {
        question.estimated_rows = runtime.block_on(datasource.estimate(&as_sent(&arguments.sql, &facts)));
    }
    let verdict = policy.judge(&question);
    let rulings = policy.predicate_rulings(&question);
    let access = crate::identity::Access::new(&setup.datasources).allow(&identity, &arguments.datasource);
    let allowed = verdict.decision == Decision::Allow && access.is_ok();
    let lock = second_lock::mode(datasource.as_ref());
    if lock != LockMode::Off {
        let looked = runtime.block_on(second_lock::look(&policy, &keys, datasource.as_ref()));
        datasource.set_lock(match looked {
            Ok(report) if report.wrong.is_empty() => LockState::InForce,
            Ok(report) => LockState::Broken(report.wrong.join("; ").into()),
            Err(refusal) => LockState::Broken(refusal.to_string().into()),
        });
    }
    let shut_out = lock == LockMode::Required && datasource.lock() != LockState::InForce;
    let allowed = allowed && !shut_out;
    let mut said = describe(&identity, &datasource, &facts, &verdict, &rulings, access.err());
    if let Value::Object(said) = &mut said {
        said.insert("estimated_rows".to_owned(), json!(question.estimated_rows));
        let refused = matches!(verdict.decision, Decision::Deny(_));
        said.insert("class".to_owned(), json!(if refused { "refused" } else { verdict.class.as_str() }));
        if lock != LockMode::Off {
            said.insert("second_lock".to_owned(), json!(lock_words(&datasource.lock(), lock)));
        }
        if lock != LockMode::Off && !refused && !shut_out {
            let role = datasource.role(&as_sent(&arguments.sql, &facts), verdict.role);
            said.insert("role".to_owned(), json!(role.map_or("the one that was taken last", model::Role::as_str)));
        }
        if let Some(substitution) = verdict.class.substitution() {
            said.insert("because".to_owned(), json!(substitution.because));
            said.insert("masked_columns".to_owned(), json!(substitution.columns()));
            let (key, text) = match datasource.substitute(&arguments.sql, &facts, substitution) {
                Ok(text) => ("sent", text),
                Err(why) => ("cannot_be_sent", why),
            };
            said.insert(key.to_owned(), json!(text));
        }
    }
    Ok((said, allowed))
}

/// How the second lock stands, and what follows.
fn lock_words(state: &LockState, mode: LockMode) -> String {
    match (state, mode) {
        (LockState::InForce, _) => "in force".to_owned(),
        (LockState::Broken(why), LockMode::Required) => format!("out of order, so every statement is refused: {why}"),
        (LockState::Broken(why), _) => format!("out of order, so statements run without it: {why}"),
        (LockState::Unknown, _) => "not looked at".to_owned(),
    }
}

/// The statement, as a client would send it.
fn as_sent(sql: &str, facts: &Arc<model::Facts>) -> Statement {
    Statement {
        id: StatementId(1),
        phase: Phase::Simple,
        sql: sql.as_bytes().to_vec().into(),
        params: Vec::new(),
        prepared: None,
        sent: None,
        role: None,
        facts: facts.clone(),
        wire: Vec::new().into(),
    }
}

/// The identity that the claims would give, by the first issuer's claim names or the one that `iss` names.
fn identity(setup: &Setup, claims: Option<&Path>) -> Result<Identity, Failure> {
    let nobody = || Identity {
        issuer: setup.issuers.first().map(|issuer| issuer.issuer.clone()).unwrap_or_default(),
        subject: "nobody".to_owned(),
        name: None,
        groups: Vec::new(),
        expires: Timestamp(i64::MAX),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    };
    let Some(path) = claims else { return Ok(nobody()) };
    let unreadable = |what: String| Failure {
        what: format!("{}: {what}", path.display()),
        fix: "--claims wants a file with a JSON object such as {\"sub\": \"agent\", \"groups\": [\"ci-agents\"]}"
            .to_owned(),
    };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let claims: Value = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    let named = claims.get("iss").and_then(Value::as_str);
    let issuer = setup.issuers.iter().find(|issuer| named.is_none_or(|named| named == issuer.issuer));
    let Some(issuer) = issuer else { return Err(unreadable("its issuer is not configured".to_owned())) };
    let text_of = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let groups = match claims.get(&issuer.claims.groups) {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(groups)) => groups.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Ok(Identity {
        issuer: issuer.issuer.clone(),
        subject: text_of(&issuer.claims.subject).unwrap_or_else(|| "nobody".to_owned()),
        name: text_of(&issuer.claims.name),
        groups,
        ..nobody()
    })
}

fn describe(
    identity: &Identity,
    datasource: &Arc<dyn Datasource>,
    facts: &model::Facts,
    verdict: &Verdict,
    rulings: &[PredicateRuling],
    access: Option<model::Refusal>,
) -> Value {
    let decision = match &verdict.decision {
        Decision::Allow => json!({ "decision": "allow" }),
        Decision::Deny(refusal) => {
            json!({ "decision": "deny", "why": refusal.message, "hint": refusal.hint, "rule": verdict.rule })
        }
        Decision::Hold(need) => json!({
            "decision": "hold", "rule": need.rule, "approvers": need.approver_groups, "count": need.count,
            "valid_for_seconds": need.valid_for_seconds,
        }),
    };
    let parts: Vec<_> = facts
        .parts
        .iter()
        .zip(verdict.outputs.iter().map(Some).chain(std::iter::repeat(None)))
        .enumerate()
        .map(|(index, (part, plan))| {
            json!({
                "verb": part.verb.as_str(),
                "tables": part.tables.iter().map(|used| json!({ "table": used.table.to_string(), "access": format!("{:?}", used.access).to_lowercase() })).collect::<Vec<_>>(),
                "opaque": part.opaque.iter().map(|opaque| opaque.what.clone()).collect::<Vec<_>>(),
                "columns": columns(&part.outputs, plan),
                "predicates": rulings.iter().filter(|ruling| ruling.part == index).map(predicate).collect::<Vec<_>>(),
                "writes": part.writes.iter().map(written).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "identity": { "subject": identity.subject, "groups": identity.groups },
        "datasource": datasource.spec().name,
        "access": access.map_or(json!("allowed"), |refusal| json!(refusal.message)),
        "policy_version": verdict.policy.to_string(),
        "verdict": decision,
        "unparsed": facts.unparsed,
        "normalized": facts.normalized,
        "fingerprint": facts.fingerprint,
        "unknown_relations": facts.unknown_relations,
        "statements": parts,
        "messages": if verdict.guard_messages { "texts of errors and notices are withheld" } else { "as the server words them" },
    })
}

/// Per output column: its sources, the rule, and why.
fn columns(outputs: &Outputs, plan: Option<&OutputPlan>) -> Value {
    let known = match outputs {
        Outputs::None => return json!([]),
        Outputs::Unknown(why) => return json!([{ "name": "*", "from": [], "because": why, "mask": "redact" }]),
        Outputs::Known(known) => known,
    };
    let one = |(index, column): (usize, &model::OutputColumn)| {
        let (from, because) = match &column.lineage {
            Lineage::Bare(source) => (vec![source.to_string()], "a bare reference".to_owned()),
            Lineage::Derived(sources) if sources.is_empty() => (Vec::new(), "constants only".to_owned()),
            Lineage::Derived(sources) => {
                (sources.iter().map(ToString::to_string).collect(), "computed from its sources".to_owned())
            }
            Lineage::Unknown(why) => (Vec::new(), format!("not proven: {why}")),
        };
        let (mask, rule) = match plan {
            Some(OutputPlan::Columns(masks)) => {
                masks.get(index).map_or((json!("redact"), json!("unforeseen")), |mask| {
                    (json!(mask.mask.as_ref().map(spec)), json!(mask.rule))
                })
            }
            Some(OutputPlan::RedactAll(why)) => (json!("redact"), json!(why)),
            Some(OutputPlan::Untouched) | None => (Value::Null, Value::Null),
        };
        json!({ "name": column.name, "from": from, "because": because, "mask": mask, "rule": rule })
    };
    Value::Array(known.iter().enumerate().map(one).collect())
}

/// What a condition, join, ordering or grouping does with a column, and what the policy says of it.
fn predicate(ruling: &PredicateRuling) -> Value {
    let usage = match ruling.used.usage {
        Usage::Equality => "equality",
        Usage::Join => "join",
        Usage::Comparison => "comparison",
        Usage::Order => "order",
        Usage::Group => "group",
    };
    let (rule, allows) = ruling.rule.clone().unzip();
    json!({
        "column": ruling.used.column.to_string(), "usage": usage, "rule": rule, "allows": allows, "passes": ruling.allowed,
    })
}

/// What flows into a column.
fn written(flow: &model::WriteFlow) -> Value {
    json!({
        "into": flow.target.as_ref().map(ToString::to_string),
        "from": flow.sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn spec(spec: &model::MaskSpec) -> String {
    format!("{spec:?}").to_lowercase()
}

/// The same for people.
fn plain(value: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let list = |value: &Value| {
        value.as_array().map(|items| items.iter().map(text).collect::<Vec<_>>().join(", ")).unwrap_or_default()
    };
    let mut out = String::new();
    let verdict = &value["verdict"];
    let _ = writeln!(out, "verdict   {}", text(&verdict["decision"]));
    for key in ["why", "hint", "rule"] {
        if !verdict[key].is_null() {
            let _ = writeln!(out, "{key:<9} {}", text(&verdict[key]));
        }
    }
    if !verdict["approvers"].is_null() {
        let _ = writeln!(out, "approvers {} of {}", verdict["count"], list(&verdict["approvers"]));
    }
    let _ = writeln!(out, "access    {}", text(&value["access"]));
    let _ = writeln!(out, "policy    {}", text(&value["policy_version"]));
    let _ = writeln!(out, "messages  {}", text(&value["messages"]));
    let _ = writeln!(out, "class     {}", text(&value["class"]));
    if !value["because"].is_null() {
        let _ = writeln!(out, "because   {}", text(&value["because"]));
        let _ = writeln!(out, "masked    {}", list(&value["masked_columns"]));
    }
    for (key, name) in [("sent", "sent"), ("cannot_be_sent", "not sent"), ("role", "role"), ("second_lock", "lock")] {
        if !value[key].is_null() {
            let _ = writeln!(out, "{name:<9} {}", text(&value[key]));
        }
    }
    if !value["unparsed"].is_null() {
        let _ = writeln!(out, "unparsed  {}", text(&value["unparsed"]));
    }
    for statement in value["statements"].as_array().into_iter().flatten() {
        let tables: Vec<_> = statement["tables"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|table| format!("{} ({})", text(&table["table"]), text(&table["access"])))
            .collect();
        let _ = writeln!(out, "\n{} {}", text(&statement["verb"]), tables.join(", "));
        let opaque = list(&statement["opaque"]);
        if !opaque.is_empty() {
            let _ = writeln!(out, "  opaque: {opaque}");
        }
        for column in statement["columns"].as_array().into_iter().flatten() {
            let mask = if column["mask"].is_null() { "passes".to_owned() } else { text(&column["mask"]) };
            let rule = if column["rule"].is_null() { String::new() } else { format!(" by {}", text(&column["rule"])) };
            let name = if column["name"].is_null() { "?".to_owned() } else { text(&column["name"]) };
            let from = list(&column["from"]);
            let _ = writeln!(
                out,
                "  {name:<20} {mask}{rule}  ← {}{}",
                if from.is_empty() { "" } else { &from },
                format_args!(" ({})", text(&column["because"]))
            );
        }
        for used in statement["predicates"].as_array().into_iter().flatten() {
            let passes = if used["passes"] == json!(true) { "passes" } else { "does not pass" };
            let by = if used["rule"].is_null() {
                "no rule hides the column".to_owned()
            } else {
                format!("rule {} allows {}", text(&used["rule"]), text(&used["allows"]))
            };
            let _ = writeln!(out, "  {} on {}: {passes} ({by})", text(&used["usage"]), text(&used["column"]));
        }
        for flow in statement["writes"].as_array().into_iter().flatten() {
            let into =
                if flow["into"].is_null() { "something that is no column".to_owned() } else { text(&flow["into"]) };
            let from = list(&flow["from"]);
            let _ =
                writeln!(out, "  writes {into} ← {}", if from.is_empty() { "constants and parameters" } else { &from });
        }
    }
    out
}
