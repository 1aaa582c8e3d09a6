//! `affidavit policy suggest`: proposes rules for a datasource, from its catalog and a bounded sample. What leaves the
//! process are names of columns and counts; the sampled values never do. A person decides what becomes of the proposal.

mod count;
pub(crate) mod proposal;

use crate::assembly::{self, Failure};
use crate::doctor::{chosen, runtime};
use count::{Counter, Counts};
use pipeline::names;
use policies::{Likeness, Policy, column_pattern, recognise};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use wire::{Datasource, SampleOrder, SurveyColumn};

/// Arguments of `affidavit policy suggest`.
#[derive(clap::Args)]
pub(crate) struct SuggestArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "affidavit.toml")]
    config: PathBuf,
    /// The datasource to propose rules for.
    #[arg(long, value_name = "NAME")]
    datasource: String,
    /// Rows to sample from each table (at most 10000); 0 looks at names, types and comments only.
    #[arg(long, value_name = "N", default_value_t = 50)]
    sample: u32,
}

/// A column and why it is proposed.
struct Proposed {
    pattern: String,
    why: String,
}

/// The result: rules by identifier, tables that could not be sampled, and what is covered already.
#[derive(Default)]
struct Proposal {
    rules: BTreeMap<Likeness, Vec<Proposed>>,
    unread: Vec<String>,
    covered: usize,
    looked_at: usize,
}

/// Runs the command: 0 with the proposal on standard output, 3 when it could not be made.
#[must_use]
pub(crate) fn suggest(arguments: &SuggestArguments) -> ExitCode {
    match suggested(arguments) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("affidavit: {failure}");
            ExitCode::from(3)
        }
    }
}

fn suggested(arguments: &SuggestArguments) -> Result<String, Failure> {
    let setup = assembly::load(&arguments.config)?;
    let policy = assembly::policy(&setup)?;
    let mut text = String::new();
    for configured in chosen(&setup, Some(&arguments.datasource))? {
        let datasource = assembly::datasource(configured)?;
        let proposal = runtime()?.block_on(propose(datasource.as_ref(), &policy, arguments.sample))?;
        text = write(&proposal, &arguments.datasource, &policy, arguments.sample, setup.masking.is_some());
    }
    // It has to load as it is; one that does not is a mistake of this command, and is not handed out.
    match Policy::parse(&[("suggested.toml".to_owned(), text.clone())]) {
        Ok(_) => Ok(text),
        Err(errors) => Err(Failure {
            what: format!(
                "the proposal is not a policy: {}",
                errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            ),
            fix: "report this, with the names of the columns that it mentions".to_owned(),
        }),
    }
}

async fn propose(datasource: &dyn Datasource, policy: &Policy, rows: u32) -> Result<Proposal, Failure> {
    let name = datasource.spec().name.clone();
    let survey = datasource.survey().await.map_err(|refusal| Failure {
        what: format!("the catalog of {name:?} cannot be read: {}", refusal.message),
        fix: refusal.hint.unwrap_or_default(),
    })?;
    let counter =
        Counter::new().ok_or_else(|| Failure { what: "the detectors do not load".to_owned(), fix: String::new() })?;
    let mut proposal = Proposal::default();
    for columns in survey.columns.chunk_by(|one, other| one.column.table() == other.column.table()) {
        let open = |column: &&SurveyColumn| {
            let covers = |path| policy.covering(&name, path, names(datasource)).is_some();
            // A view's column is hidden by what hides its sources; what cannot be followed is hidden, and constants are
            // nobody's.
            let followed = column.unproven.is_some() || column.sources.is_empty() || column.sources.iter().any(covers);
            !(covers(&column.column) || column.of_view && followed)
        };
        let candidates: Vec<&SurveyColumn> = columns.iter().filter(open).collect();
        proposal.looked_at = proposal.looked_at.saturating_add(columns.len());
        proposal.covered = proposal.covered.saturating_add(columns.len().saturating_sub(candidates.len()));
        let promised: Vec<Option<Likeness>> =
            candidates.iter().map(|column| by_name(column).map(|(likeness, _)| likeness)).collect();
        let counts = match sample(datasource, &candidates, &promised, rows, &counter).await {
            Ok(counts) => counts,
            Err(refusal) => {
                let table = candidates.first().map(|column| column.column.table().to_string()).unwrap_or_default();
                proposal.unread.push(format!("{table}: {}", one_line(&refusal.message)));
                candidates.iter().map(|_| None).collect()
            }
        };
        for (column, counts) in candidates.iter().zip(&counts) {
            if let Some((likeness, why)) = judge(column, counts.as_ref()) {
                let pattern = column_pattern(&name, &column.column);
                proposal.rules.entry(likeness).or_default().push(Proposed { pattern, why });
            }
        }
    }
    Ok(proposal)
}

/// Counts of the columns whose types hold texts or numbers; `None` for the others.
async fn sample(
    datasource: &dyn Datasource,
    columns: &[&SurveyColumn],
    promised: &[Option<Likeness>],
    rows: u32,
    counter: &Counter,
) -> Result<Vec<Option<Counts>>, model::Refusal> {
    let mut counts: Vec<Option<Counts>> = columns.iter().map(|_| None).collect();
    let readable: Vec<usize> =
        columns.iter().enumerate().filter(|(_, column)| is_readable(&column.type_name)).map(|(at, _)| at).collect();
    let Some(first) = columns.first().filter(|_| rows > 0 && !readable.is_empty()) else { return Ok(counts) };
    let names: Vec<String> =
        readable.iter().filter_map(|at| columns.get(*at)).map(|column| column.column.column.clone()).collect();
    let wanted: Vec<Option<Likeness>> = readable.iter().filter_map(|at| promised.get(*at).copied()).collect();
    let table = first.column.table();
    let sampled = datasource.sample(&SampleOrder { table: &table, columns: &names, rows }).await?;
    for (at, counted) in readable.into_iter().zip(counter.count(&sampled, &wanted)) {
        if let Some(place) = counts.get_mut(at) {
            *place = Some(counted);
        }
    }
    Ok(counts)
}

/// Whether values of the type are texts or numbers that detectors can read.
fn is_readable(type_name: &str) -> bool {
    let name = type_name.to_ascii_lowercase();
    let readable = [
        "char", "text", "json", "int", "numeric", "decimal", "inet", "cidr", "macaddr", "uuid", "citext", "xml", "enum",
    ];
    readable.iter().any(|word| name.contains(word)) && !name.contains("point") && !name.contains("interval")
}

/// By the column's name, else by the comment on it.
fn by_name(column: &SurveyColumn) -> Option<(Likeness, String)> {
    let path = &column.column;
    if let Some(found) = recognise(&path.table, &path.column, &column.type_name) {
        let unsure = if found.sure { "" } else { ", which need not mean much" };
        return Some((found.likeness, format!("its name says {:?}{unsure}", found.because)));
    }
    let comment = column.comment.as_deref()?;
    let head: String = comment.chars().take(80).collect();
    let found = recognise(&path.table, &head, &column.type_name).filter(|found| found.sure)?;
    Some((found.likeness, format!("its comment says {:?}", found.because)))
}

/// What to propose for a column, and why.
fn judge(column: &SurveyColumn, counts: Option<&Counts>) -> Option<(Likeness, String)> {
    let named = by_name(column);
    let Some(counts) = counts.filter(|counts| counts.values > 0) else { return named };
    let looks = |count: u32, what: &str| format!("{count} of {} sampled values look like {what}", counts.values);
    match (named, counts.mostly(), counts.free_text()) {
        (Some((likeness, why)), ..) if count::is_told(likeness) => {
            Some((likeness, format!("{why}; {}", looks(counts.as_named(), proposal::words(likeness)))))
        }
        (Some(named), ..) => Some(named),
        (None, Some((likeness, count)), _) => Some((likeness, looks(count, proposal::words(likeness)))),
        (None, None, Some(count)) => {
            Some((Likeness::FreeText, format!("identifiers stand in {count} of {} sampled values", counts.values)))
        }
        (None, None, None) => None,
    }
}

/// A text in a comment of a TOML file: no control characters, no line breaks.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

fn write(proposal: &Proposal, datasource: &str, policy: &Policy, rows: u32, keyed: bool) -> String {
    let sampled = if rows == 0 {
        "names, types and comments only".to_owned()
    } else {
        format!("up to {rows} rows a table sampled")
    };
    let mut lines = vec![
        format!("# Proposed for datasource {}: {sampled}; only counts of the values were kept.", one_line(datasource)),
        format!(
            "# {} columns looked at, {} of them covered already by policy {}.",
            proposal.looked_at,
            proposal.covered,
            policy.version()
        ),
        "# Read it before you put it into the policy folder: it is a guess by names and samples, and what it does not name".to_owned(),
        "# may still identify someone. Remove what is wrong; with = \"keep\" says that a column is meant to be seen.".to_owned(),
    ];
    for table in &proposal.unread {
        lines.push(format!("# Not sampled: {}", one_line(table)));
    }
    if proposal.rules.is_empty() {
        lines.push("# Nothing is proposed: no further column looks like an identifier.".to_owned());
    }
    let taken: Vec<String> = policy.rules().into_iter().map(|rule| rule.name).collect();
    for (likeness, columns) in &proposal.rules {
        let plain = format!("suggested for {datasource}: {}", proposal::words(*likeness));
        let numbered = (2..).map(|number| format!("{plain} ({number})"));
        let name = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(plain);
        let patterns = columns.iter().map(|one| (proposal::quoted(&one.pattern), Some(one_line(&one.why))));
        lines.push(String::new());
        lines.extend(proposal::lines(*likeness, &name, patterns, keyed));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests;
