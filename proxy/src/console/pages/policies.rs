//! Policies: the version in force, those before it, and what changed between them.

use super::{or_page, page, require, require_viewer};
use crate::console::diff;
use crate::console::server::Console;
use crate::console::view::time;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use minijinja::context;
use model::Timestamp;

pub(in crate::console) async fn list(State(console): State<Console>, headers: HeaderMap, uri: Uri) -> Response {
    let guest = match require(&console, &headers, &uri) {
        Ok(guest) => guest,
        Err(login) => return *login,
    };
    let answer = require_viewer(&guest).map(|()| {
        let versions = console.policies().versions();
        let mut shown = Vec::new();
        for (index, version) in versions.iter().enumerate() {
            let before = versions.get(index.saturating_add(1));
            let changes = before.map(|before| {
                let lines = diff::lines(&before.text, &version.text);
                lines.into_iter().map(|line| context! { mark => line.mark, text => line.text }).collect::<Vec<_>>()
            });
            shown.push(context! {
                version => version.version.clone(),
                since => version.since.map(|since| time(Timestamp(since))),
                changes,
                text => version.text.clone(),
                current => index == 0,
            });
        }
        page(&console, &guest, "policies.html", "policies", context! { versions => shown })
    });
    or_page(&console, answer)
}
