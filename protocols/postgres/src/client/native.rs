//! The error that the server would have given: a statement that was refused because it names what does not exist, or that
//! came in a transaction which has failed, is told so by the SQLSTATE that drivers branch on.

use crate::conversation::PostgresConversation;
use crate::errors::Reply;
use crate::message::session::Transaction;
use crate::state::Live;
use model::{Facts, Refusal, RefusalKind, Verb};

impl PostgresConversation {
    /// What the client reads when a statement is refused.
    pub(super) fn reply(&self, live: &Live, refusal: &Refusal) -> Reply {
        let about_the_text =
            matches!(refusal.kind, RefusalKind::Denied | RefusalKind::NotUnderstood | RefusalKind::NotSupported);
        if refusal.rule.is_some() || !about_the_text {
            return Reply::from(refusal);
        }
        let native = self.transaction_failed(&live.facts).or_else(|| self.missing(&live.facts));
        native.map_or_else(|| Reply::from(refusal), |native| Reply { detail: Some(refusal.message.clone()), ..native })
    }

    /// In a failed transaction the server looks at nothing but its end.
    fn transaction_failed(&self, facts: &Facts) -> Option<Reply> {
        let failed = self.transaction == Transaction::Failed && self.at_rest() && facts.unparsed.is_none();
        let first = facts.parts.first()?;
        let text = "current transaction is aborted, commands ignored until end of transaction block";
        (failed && first.verb != Verb::Transaction).then(|| Reply::new("25P02", text))
    }

    /// A relation or routine that the catalog does not know, after it was read again for its sake.
    fn missing(&self, facts: &Facts) -> Option<Reply> {
        // In brackets stands a reason to read the catalog, not a name.
        if let Some(name) = facts.unknown_relations.iter().find(|name| !name.starts_with('(')) {
            return self.session.settings().map(|_| Reply::new("42P01", format!("relation \"{name}\" does not exist")));
        }
        let snapshot = self.source.snapshot();
        let own = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_owned();
        facts.parts.iter().find_map(|part| {
            let call = part.calls.iter().find(|call| {
                let suspect = !call.pure && part.opaque.iter().any(|opaque| opaque.what.contains(&call.name));
                suspect && snapshot.catalog.routines(&own(&call.name)).is_empty()
            })?;
            let kind = if part.verb == Verb::Call { "procedure" } else { "function" };
            let mut reply = Reply::new("42883", format!("{kind} {} does not exist", call.name));
            let hint = "No {} matches the given name and argument types. You might need to add explicit type casts.";
            reply.hint = Some(hint.replace("{}", kind));
            Some(reply)
        })
    }
}
