//! What a webhook says: which request, whose, where, under which rule, what happened. Never the statement itself.

use crate::approvals::{Approval, Entry, Step};
use serde_json::{Value, json};

/// One step of one approval, ready to be told.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    step: Step,
    seconds: i64,
    link: Option<String>,
    by: Option<String>,
    words: Option<String>,
    id: String,
    state: &'static str,
    requester: String,
    requester_id: String,
    datasource: String,
    rule: String,
    reason: Option<String>,
    ticket: Option<String>,
    tables: Vec<String>,
    verbs: Vec<String>,
    fingerprint: String,
    policy: String,
    approvers: Vec<String>,
    needed: usize,
    agreed: usize,
    expires: i64,
    emergency: bool,
}

impl Notice {
    pub(super) fn of(approval: &Approval, entry: &Entry, console_url: Option<&str>) -> Self {
        let request = approval.request();
        Self {
            step: entry.step,
            seconds: entry.at.0 / 1_000_000,
            link: console_url.map(|url| format!("{url}/approvals/{}", request.id)),
            by: entry.by.as_ref().map(|by| by.display().to_owned()),
            words: entry.words.clone(),
            id: request.id.to_string(),
            state: approval.state().as_str(),
            requester: request.requester.display().to_owned(),
            requester_id: request.requester.recorded(),
            datasource: request.binding.datasource.clone(),
            rule: request.binding.rule.clone(),
            reason: request.reason.clone(),
            ticket: request.ticket.clone(),
            tables: request.picture.tables.iter().map(|table| table.name.clone()).collect(),
            verbs: request.picture.verbs.clone(),
            fingerprint: request.binding.fingerprint.clone(),
            policy: request.binding.policy.clone(),
            approvers: approval.deciders(),
            needed: request.needed(),
            agreed: approval.votes().len(),
            expires: request.expires.0 / 1_000_000,
            emergency: request.terms.break_glass,
        }
    }

    /// When it happened (seconds since the epoch).
    pub(super) fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Our own form. Times are seconds since the epoch.
    pub(super) fn json(&self) -> String {
        let event = format!(
            "approval.{}",
            serde_json::to_value(self.step).ok().as_ref().and_then(Value::as_str).unwrap_or("changed")
        );
        json!({
            "event": event, "at": self.seconds, "by": self.by, "justification": self.words,
            "approval": {
                "id": self.id, "state": self.state, "link": self.link, "requester": self.requester,
                "requester_id": self.requester_id, "datasource": self.datasource, "rule": self.rule,
                "reason": self.reason, "ticket": self.ticket, "verbs": self.verbs, "tables": self.tables,
                "fingerprint": self.fingerprint, "policy": self.policy, "approvers": self.approvers,
                "needed": self.needed, "agreed": self.agreed, "expires": self.expires, "emergency": self.emergency,
            },
        })
        .to_string()
    }

    /// Slack's incoming webhook form; `None` for steps that a channel need not hear of.
    pub(super) fn slack(&self) -> Option<String> {
        let (who, place) = (escaped(&self.requester), escaped(&self.datasource));
        let by = self.by.as_deref().map(escaped).unwrap_or_default();
        let words = self.words.as_deref().map(|words| format!(": {}", escaped(words))).unwrap_or_default();
        let id = &self.id;
        let text = match self.step {
            Step::Requested if self.emergency => return None,
            Step::Requested => format!("{who} asks for approval on {place} ({id})"),
            Step::Opened => format!(":rotating_light: EMERGENCY ACCESS by {who} on {place} ({id}) must be reviewed"),
            Step::Escalated => format!("Nobody has decided on {id} by {who} on {place}{words}"),
            Step::Granted => format!("{id} by {who} on {place} is approved"),
            Step::Denied => format!("{by} denied {id} by {who}{words}"),
            Step::Revoked => format!("{by} revoked {id} by {who}{words}"),
            Step::Expired => format!("{id} by {who} on {place} has expired"),
            Step::Reviewed => format!("{by} reviewed the emergency access {id} by {who}{words}"),
            Step::Approved | Step::Used | Step::Cancelled => return None,
        };
        let asks = matches!(self.step, Step::Requested | Step::Opened | Step::Escalated);
        let mut facts =
            vec![format!("*Rule* {}", escaped(&self.rule)), format!("*Does* {}", escaped(&self.verbs.join(", ")))];
        if !self.tables.is_empty() {
            facts.push(format!("*Tables* {}", escaped(&self.tables.join(", "))));
        }
        facts.extend(self.reason.as_deref().map(|reason| format!("*Reason* {}", escaped(reason))));
        facts.extend(self.ticket.as_deref().map(|ticket| format!("*Ticket* {}", escaped(ticket))));
        let mut blocks = vec![json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })];
        if asks {
            let facts = facts.join("\n");
            blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": facts } }));
            if let Some(link) = &self.link {
                let label = json!({ "type": "plain_text", "text": "Look and decide" });
                blocks.push(json!({ "type": "actions", "elements": [{ "type": "button", "text": label, "url": link, "style": "primary" }] }));
            }
        }
        Some(json!({ "text": text, "blocks": blocks }).to_string())
    }
}

/// Slack's escapes, and a length that its blocks take.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().filter(|character| !character.is_control()).take(300) {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Emphasis begins with these; a word joiner before them keeps the text readable and inert.
            '*' | '_' | '~' | '`' => {
                out.push('\u{2060}');
                out.push(character);
            }
            plain => out.push(plain),
        }
    }
    out
}
