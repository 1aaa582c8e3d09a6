//! `affidavit policy diff`: what changed between two policies, rule by rule.

use super::{Place, Stopped, source};
use crate::assembly;
use policies::RuleChange;
use serde_json::{Value, json};

/// Arguments of `affidavit policy diff`.
#[derive(clap::Args)]
pub(crate) struct DiffArguments {
    /// The older policy: a folder, a file, or the beginning of a version in the store.
    #[arg(value_name = "OLD")]
    old: String,
    /// The newer one; by default the configured folder.
    #[arg(value_name = "NEW")]
    new: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(super) fn diff(arguments: &DiffArguments) -> Result<(), Stopped> {
    let setup = assembly::load(&arguments.place.config)?;
    let old = source::read(&setup, &arguments.old)?;
    let new = match &arguments.new {
        Some(named) => source::read(&setup, named)?,
        None => source::configured(&setup)?,
    };
    let changes = new.policy.changes_since(&old.policy);
    let (from, to) = (old.policy.version().to_string(), new.policy.version().to_string());
    if arguments.place.json {
        let changes: Vec<Value> = changes.iter().map(to_json).collect();
        println!("{:#}", json!({ "old": from, "new": to, "changes": changes }));
    } else {
        println!("{} {from}\n{} {to}", old.called, new.called);
        print!("{}", words(&changes));
    }
    Ok(())
}

pub(super) fn to_json(change: &RuleChange) -> Value {
    json!({
        "happened": change.happened.as_str(), "kind": change.kind.as_str(), "rule": change.name, "whom": change.whom,
        "details": change.details,
    })
}

/// The changes for people.
pub(super) fn words(changes: &[RuleChange]) -> String {
    if changes.is_empty() {
        return "no rule is other than it was\n".to_owned();
    }
    let mut out = String::new();
    for change in changes {
        out.push_str(&format!("{:<8} {} {:?}\n", change.happened.as_str(), change.kind.as_str(), change.name));
        for detail in &change.details {
            out.push_str(&format!("         {detail}\n"));
        }
    }
    out
}
