//! `affidavit doctor`: what around the proxy would let protected values past it. Rights of its users at the databases,
//! settings that write values down, the way to the databases, and rules that no longer fit the tables.

mod drift;
mod hop;
mod report;

use crate::assembly::{self, Failure};
use crate::config::{DatasourceSetup, Setup};
use crate::second_lock;
use model::Refusal;
use pipeline::names;
use policies::{Keys, Names, Policy};
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;
use wire::{Datasource, Finding, LockMode, LockPlan, Severity, Survey};

/// Arguments of `affidavit doctor`.
#[derive(clap::Args)]
pub(crate) struct DoctorArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: PathBuf,
    /// Look at this datasource only.
    #[arg(long, value_name = "NAME")]
    datasource: Option<String>,
    /// Print JSON.
    #[arg(long, conflicts_with = "sql")]
    json: bool,
    /// Print the SQL of a user with the least rights that the proxy needs, for the database's administrator to run.
    #[arg(long, requires = "datasource")]
    sql: bool,
    /// With --sql: the user's name at the database (MySQL: user or user@host), instead of the configured one.
    #[arg(long, value_name = "NAME", requires = "sql")]
    role: Option<String>,
    /// With --sql: only the roles of the second lock.
    #[arg(long, requires = "sql")]
    second_lock: bool,
}

/// A datasource that was looked at.
struct Patient<'a> {
    setup: &'a DatasourceSetup,
    names: Names,
    survey: Survey,
}

/// Runs the command: 0 when nothing of severity high was found, 1 when something was, 3 when a datasource or the policy
/// could not be looked at.
#[must_use]
pub(crate) fn doctor(arguments: &DoctorArguments) -> ExitCode {
    let outcome = if arguments.sql { sql(arguments) } else { examine(arguments) };
    outcome.unwrap_or_else(|failure| {
        eprintln!("affidavit: {failure}");
        ExitCode::from(3)
    })
}

fn examine(arguments: &DoctorArguments) -> Result<ExitCode, Failure> {
    let setup = assembly::load(&arguments.config)?;
    let policy = assembly::policy(&setup)?;
    let keys = assembly::keys(&setup)?;
    let chosen = chosen(&setup, arguments.datasource.as_deref())?;
    let runtime = runtime()?;
    let mut report = Report::new(&policy);
    let mut patients = Vec::new();
    for datasource in chosen {
        match runtime.block_on(survey(datasource, &policy, &keys)) {
            Ok(patient) => patients.push(patient),
            Err(failure) => report.unreachable(datasource, &failure),
        }
    }
    for patient in &patients {
        let mut findings: Vec<Finding> = hop::findings(patient.setup);
        findings.extend(patient.survey.findings.iter().cloned());
        findings.extend(drift::uncovered(patient, &policy));
        findings.extend(drift::views(patient, &policy));
        report.examined(patient, findings);
    }
    let complete = patients.len() == setup.datasources.len();
    let unseen = setup.datasources.iter().filter(|one| !patients.iter().any(|seen| seen.setup.name == one.name));
    let unseen: Vec<&str> = unseen.map(|one| one.name.as_str()).collect();
    report.policy(drift::dead_patterns(&patients, &unseen, &policy), complete);
    if arguments.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(report.exit_code())
}

fn sql(arguments: &DoctorArguments) -> Result<ExitCode, Failure> {
    let setup = assembly::load(&arguments.config)?;
    let policy = assembly::policy(&setup)?;
    let keys = assembly::keys(&setup)?;
    let runtime = runtime()?;
    for configured in chosen(&setup, arguments.datasource.as_deref())? {
        let datasource = assembly::datasource(configured)?;
        let role = arguments.role.as_deref();
        if !arguments.second_lock {
            let written = runtime.block_on(datasource.hardening(role));
            print!("{}", written.map_err(|refusal| cannot(configured, &refusal))?);
        }
        if arguments.second_lock || second_lock::mode(datasource.as_ref()) != LockMode::Off {
            let written = runtime.block_on(lock_sql(&policy, &keys, datasource.as_ref(), role, !arguments.second_lock));
            print!("{}", written.map_err(|refusal| cannot(configured, &refusal))?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn lock_sql(
    policy: &Policy,
    keys: &Keys,
    datasource: &dyn Datasource,
    role: Option<&str>,
    least: bool,
) -> Result<String, Refusal> {
    let relations = datasource.relations().await?;
    datasource.lock_sql(role, &LockPlan { least, ..second_lock::plan(policy, keys, datasource, &relations) }).await
}

/// What is not as the second lock needs it.
async fn lock_findings(policy: &Policy, keys: &Keys, datasource: &dyn Datasource) -> Result<Vec<Finding>, Refusal> {
    let mode = second_lock::mode(datasource);
    if mode == LockMode::Off {
        return Ok(Vec::new());
    }
    let report = second_lock::look(policy, keys, datasource).await?;
    let name = &datasource.spec().name;
    let severity = if mode == LockMode::Required { Severity::High } else { Severity::Medium };
    let finding = |severity, check, why| {
        move |what: String| Finding {
            severity,
            check,
            what,
            why,
            fix: vec![format!(
                "-- as the database's administrator: affidavit doctor --datasource {name} --sql --second-lock"
            )],
        }
    };
    let wrong = report.wrong.into_iter().map(finding(
        severity,
        "second-lock",
        "a mistake in the proxy's reading of a statement would not end at the database's own privileges",
    ));
    let narrow = report.narrow.into_iter().map(finding(
        Severity::Low,
        "second-lock-narrow",
        "statements over it are refused by the database although policy lets them pass",
    ));
    Ok(wrong.chain(narrow).collect())
}

async fn survey<'a>(setup: &'a DatasourceSetup, policy: &Policy, keys: &Keys) -> Result<Patient<'a>, Failure> {
    let datasource = assembly::datasource(setup)?;
    let mut survey = datasource.survey().await.map_err(|refusal| cannot(setup, &refusal))?;
    let lock = lock_findings(policy, keys, datasource.as_ref()).await.map_err(|refusal| cannot(setup, &refusal))?;
    survey.findings.extend(lock);
    Ok(Patient { setup, names: names(datasource.as_ref()), survey })
}

fn cannot(setup: &DatasourceSetup, refusal: &model::Refusal) -> Failure {
    Failure {
        what: format!("datasource {:?} cannot be looked at: {}", setup.name, refusal.message),
        fix: format!("correct its section in the configuration, or its user {:?} at {}", setup.user, setup.address),
    }
}

/// The datasource of that name, or all of them.
pub(crate) fn chosen<'a>(setup: &'a Setup, name: Option<&str>) -> Result<Vec<&'a DatasourceSetup>, Failure> {
    let Some(name) = name else { return Ok(setup.datasources.iter().collect()) };
    match setup.datasources.iter().find(|datasource| datasource.name == name) {
        Some(found) => Ok(vec![found]),
        None => Err(Failure {
            what: format!("there is no datasource {name:?} in {}", setup.file.display()),
            fix: format!(
                "there are: {}",
                setup.datasources.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
        }),
    }
}

/// A runtime for a command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure { what: format!("cannot start the runtime: {error}"), fix: String::new() })
}
