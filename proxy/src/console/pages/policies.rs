//! Policies: the version in force, those before it, and what changed between them, for whom.

use super::{or_page, page, require, require_viewer};
use crate::console::fail::Fail;
use crate::console::server::Console;
use crate::console::view::time;
use crate::console::{PolicyText, diff, policy_changes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use minijinja::value::Serde;
use minijinja::{Value, context};
use model::Timestamp;
use serde::Deserialize;

/// Versions on the page; the record has them all (`evidence policies`).
const MOST_VERSIONS: usize = 50;

/// Two versions to compare, by the beginnings of their hashes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Compare {
    from: String,
    to: String,
}

pub(in crate::console) async fn list(
    State(console): State<Console>,
    headers: HeaderMap,
    uri: Uri,
    Query(compare): Query<Compare>,
) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let answer = async {
        require_viewer(&guest)?;
        let versions = versions(&console).await?;
        let compared = match (compare.from.trim(), compare.to.trim()) {
            ("", "") => None,
            (from, to) => {
                let (old, new) = (named(&versions, from)?, named(&versions, to)?);
                let (from, to) = (old.version.clone(), new.version.clone());
                Some(context! { from, to, ..changes(old, new) })
            }
        };
        let shown: Vec<Value> = versions
            .iter()
            .take(MOST_VERSIONS)
            .enumerate()
            .map(|(index, version)| {
                let before = versions.get(index.saturating_add(1));
                let own = context! {
                    version => version.version.clone(),
                    since => version.since.map(|since| time(Timestamp(since))),
                    until => version.until.map(|until| time(Timestamp(until))),
                    by => version.by.clone(),
                    text => version.text.clone(),
                    current => index == 0,
                    before => before.map(|before| before.version.clone()),
                };
                match before {
                    Some(before) => context! { ..changes(before, version), ..own },
                    None => own,
                }
            })
            .collect();
        Ok(page(&console, &guest, "policies.html", "policies", context! { versions => shown, compared }))
    };
    or_page(&console, answer.await)
}

/// From the record, where there is one to read: it knows what was in force before this process began.
async fn versions(console: &Console) -> Result<Vec<PolicyText>, Fail> {
    let Some(recordings) = console.recordings() else { return Ok(console.policies().versions()) };
    let recorded = recordings.read(evidence::Reader::policies).await?;
    let texts = recorded.into_iter().filter(|policy| !policy.activated.is_empty()).map(|policy| {
        let by: Vec<String> = [policy.author, policy.git_commit, policy.change_reason].into_iter().flatten().collect();
        PolicyText {
            version: policy.version,
            text: policy.content,
            since: policy.activated.last().copied(),
            until: policy.until,
            by: (!by.is_empty()).then(|| by.join(", ")),
        }
    });
    Ok(texts.collect())
}

/// The version that someone means.
fn named<'v>(versions: &'v [PolicyText], beginning: &str) -> Result<&'v PolicyText, Fail> {
    let mut found = versions.iter().filter(|version| !beginning.is_empty() && version.version.starts_with(beginning));
    match (found.next(), found.next()) {
        (Some(version), None) => Ok(version),
        (None, _) => Err(Fail::not_found("policy version")),
        (Some(_), Some(_)) => {
            Err(Fail::new(StatusCode::BAD_REQUEST, format!("several versions begin with {beginning:?}"))
                .hint("give more of it"))
        }
    }
}

/// What changed, rule by rule and line by line.
fn changes(old: &PolicyText, new: &PolicyText) -> Value {
    let lines = diff::lines(&old.text, &new.text).into_iter();
    context! {
        rules => policy_changes::between(&old.text, &new.text).map(Serde).map(Value::from),
        lines => lines.map(|line| context! { mark => line.mark, text => line.text }).collect::<Vec<_>>(),
    }
}
