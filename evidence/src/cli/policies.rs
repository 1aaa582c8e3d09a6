//! `evidence policies`: versions, what was in force when, for whom, and what changed.

use super::output::{self, Format};
use super::sessions::short_time;
use super::{Place, time};
use crate::error::StoreError;
use crate::search::Query;
use crate::table::{Record, Table, Value};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Policies {
    #[command(flatten)]
    place: Place,
    /// The version in force at this time, with its text.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    at: Option<i64>,
    /// With --at: only the rules that hold for this identity, by the groups of its newest session.
    #[arg(long = "for", value_name = "IDENTITY", requires = "at")]
    identity: Option<String>,
    /// Prints a version's text (the beginning of its hash is enough).
    #[arg(long, value_name = "VERSION")]
    show: Option<String>,
    /// Prints what changed between two versions.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"])]
    diff: Option<Vec<String>>,
    #[command(flatten)]
    format: Format,
}

impl Policies {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let archive = self.place.open("queried", "policies")?;
        let found = archive.collect(&Query::new(Table::PolicyVersions), None)?;
        let records: Vec<Record> = found.into_iter().map(|(record, _)| record).collect();
        let texts: BTreeMap<String, String> = records
            .iter()
            .filter(|record| record.str("event") == "loaded")
            .map(|record| (record.str("version").to_owned(), record.str("content").to_owned()))
            .collect();
        if let Some(version) = &self.show {
            output::lines(text_of(&texts, version)?.1);
            return Ok(ExitCode::SUCCESS);
        }
        if let Some([old, new]) = self.diff.as_deref() {
            output::lines(&diff(text_of(&texts, old)?.1, text_of(&texts, new)?.1));
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(at) = self.at {
            return self.in_force(&archive, &records, &texts, at);
        }
        if self.format.json {
            output::json(&records.iter().map(Record::json).collect::<Vec<_>>());
        } else if self.format.csv {
            let header: Vec<&str> = Table::PolicyVersions.columns().map(|column| column.name).collect();
            output::csv(&header, records.iter().map(|record| record.values.iter().map(Value::text).collect()));
        } else {
            let rows: Vec<Vec<String>> = records
                .iter()
                .map(|record| {
                    let text = |name: &str| record.get(name).text();
                    let moment = |name: &str| record.get(name).as_int().map(short_time).unwrap_or_default();
                    vec![
                        short_time(record.int("ts")),
                        text("event"),
                        text("version").chars().take(16).collect(),
                        moment("effective_from"),
                        moment("effective_until"),
                        text("author"),
                        text("change_reason"),
                        text("git_commit"),
                    ]
                })
                .collect();
            let header = ["time (UTC)", "event", "version", "from", "until", "author", "reason", "commit"];
            output::table(&header, &rows);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn in_force(
        &self,
        archive: &crate::search::Archive,
        records: &[Record],
        texts: &BTreeMap<String, String>,
        at: i64,
    ) -> Result<ExitCode, StoreError> {
        let active = records.iter().rfind(|record| record.str("event") == "activated" && record.int("ts") <= at);
        let Some(active) = active else {
            return Err(StoreError::Config(format!("no policy was in force at {}", short_time(at))));
        };
        let version = active.str("version");
        let text = texts.get(version).map_or("", String::as_str);
        let mut out = format!("# version {version}, in force since {}\n", short_time(active.int("effective_from")));
        match &self.identity {
            None => out.push_str(text),
            Some(identity) => {
                let groups = groups_of(archive, identity, at)?;
                let list = groups.iter().cloned().collect::<Vec<_>>().join(", ");
                out.push_str(&format!("# rules that hold for {identity} (groups: {list})\n"));
                out.push_str(&rules_for(text, identity, &groups)?);
            }
        }
        output::lines(&out);
        Ok(ExitCode::SUCCESS)
    }
}

fn text_of<'a>(texts: &'a BTreeMap<String, String>, version: &str) -> Result<(&'a str, &'a str), StoreError> {
    let mut found = texts.iter().filter(|(known, _)| known.starts_with(version));
    match (found.next(), found.next()) {
        (Some((version, text)), None) => Ok((version, text)),
        (None, _) => Err(StoreError::Config(format!("no policy version begins with `{version}`"))),
        (Some(_), Some(_)) => Err(StoreError::Config(format!("several versions begin with `{version}`"))),
    }
}

/// Groups of an identity, as its newest session before `at` had them.
fn groups_of(archive: &crate::search::Archive, identity: &str, at: i64) -> Result<BTreeSet<String>, StoreError> {
    let mut groups = None;
    archive.search(&Query::new(Table::Sessions).between(None, Some(at)), &mut |record, _| {
        let same = record.str("user_id") == identity || record.str("user_email") == identity;
        if same && let Value::Strs(found) = record.get("groups") {
            groups = Some(found.iter().flatten().cloned().collect());
        }
        Ok(groups.is_none())
    })?;
    groups.ok_or_else(|| StoreError::Config(format!("{identity} had no session before {}", short_time(at))))
}

/// The rules of a policy's text that hold for someone: those that name their groups or subject or nobody in
/// particular, and do not exempt them.
fn rules_for(text: &str, identity: &str, groups: &BTreeSet<String>) -> Result<String, StoreError> {
    let all: toml::Table =
        text.parse().map_err(|error| StoreError::Config(format!("the policy's text does not read: {error}")))?;
    let mut held = toml::Table::new();
    for (kind, rules) in all {
        let toml::Value::Array(rules) = rules else {
            held.insert(kind, rules);
            continue;
        };
        let rules: Vec<toml::Value> = rules.into_iter().filter(|rule| holds(rule, identity, groups)).collect();
        if !rules.is_empty() {
            held.insert(kind, toml::Value::Array(rules));
        }
    }
    toml::to_string(&held).map_err(|error| StoreError::Config(error.to_string()))
}

fn holds(rule: &toml::Value, identity: &str, groups: &BTreeSet<String>) -> bool {
    let exempt = rule.get("unless").and_then(toml::Value::as_array).into_iter().flatten();
    if exempt.into_iter().any(|who| names(who, identity, groups) == Some(true)) {
        return false;
    }
    rule.get("when").and_then(|when| names(when, identity, groups)).unwrap_or(true)
}

/// Whether a condition names someone; `None` when it is not about people.
fn names(condition: &toml::Value, identity: &str, groups: &BTreeSet<String>) -> Option<bool> {
    let list = |key: &str| condition.get(key).and_then(toml::Value::as_array);
    let of_groups = list("groups").map(|names| names.iter().filter_map(|n| n.as_str()).any(|n| groups.contains(n)));
    let of_subjects = list("subjects").map(|names| names.iter().filter_map(|n| n.as_str()).any(|n| n == identity));
    match (of_groups, of_subjects) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(false) || b.unwrap_or(false)),
    }
}

/// Lines that went and came, by the longest common subsequence.
fn diff(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    // common[i][j]: length of the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0u32; new.len() + 1]; old.len() + 1];
    let at = |common: &Vec<Vec<u32>>, i: usize, j: usize| common.get(i).and_then(|r| r.get(j)).copied().unwrap_or(0);
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let length = if old.get(i) == new.get(j) {
                at(&common, i + 1, j + 1) + 1
            } else {
                at(&common, i + 1, j).max(at(&common, i, j + 1))
            };
            if let Some(place) = common.get_mut(i).and_then(|row| row.get_mut(j)) {
                *place = length;
            }
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    loop {
        match (old.get(i), new.get(j)) {
            (None, None) => return out,
            (Some(a), Some(b)) if a == b => {
                out.push_str(&format!("  {a}\n"));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.push_str(&format!("- {a}\n"));
                i += 1;
            }
            (_, Some(b)) => {
                out.push_str(&format!("+ {b}\n"));
                j += 1;
            }
            (Some(_), None) => return out,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_went_and_what_came() {
        assert_eq!(diff("a\nb\nc\n", "a\nx\nc\nd\n"), "  a\n- b\n+ x\n  c\n+ d\n");
        assert_eq!(diff("", "a"), "+ a\n");
        assert_eq!(diff("a", ""), "- a\n");
    }

    #[test]
    fn rules_are_kept_for_those_whom_they_concern() {
        let text = "[[deny]]\nname = \"a\"\nwhen = { groups = [\"ci\"] }\n[[mask]]\nname = \"b\"\nunless = [{ groups = [\"ci\"] }]\n[[mask]]\nname = \"c\"\n";
        let ci = rules_for(text, "x", &BTreeSet::from(["ci".to_owned()])).unwrap();
        assert!(ci.contains("\"a\"") && !ci.contains("\"b\"") && ci.contains("\"c\""), "{ci}");
        let other = rules_for(text, "x", &BTreeSet::new()).unwrap();
        assert!(!other.contains("\"a\"") && other.contains("\"b\"") && other.contains("\"c\""), "{other}");
    }
}
