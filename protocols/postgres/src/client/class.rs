//! The text that a statement's class asks for: masked projections in the place of relations, in a Query or a Parse.
//!
//! What is prepared, declared or bound runs later, with the text that was sent then. So the masks that were put into it are
//! remembered, and what runs must be judged to need exactly those; else the client is told what the server itself says of a
//! plan that has become another, and drivers prepare again.

use crate::conversation::PostgresConversation;
use crate::message::extended::{put_query, put_typed_parse};
use crate::objects;
use crate::state::{Proposed, SentAs};
use bytes::Bytes;
use model::{Class, Phase, Refusal, RefusalKind, Statement, Substitution};
use sql::Settings;
use std::sync::Arc;

impl PostgresConversation {
    /// See [`wire::Conversation::settle_class`].
    pub(crate) fn give_text(&mut self, statement: &mut Statement, class: &Class) -> Result<(), Refusal> {
        let wanted = class.substitution();
        let of_name = objects::used(&statement.sql);
        let uses = self.proposal.as_ref().is_some_and(|proposal| proposal.live.uses.is_some());
        match of_name {
            // FETCH and EXECUTE have no text to replace anything in; they run what is behind their name.
            Some(_) if statement.phase == Phase::Prepare => return Ok(()),
            Some(name) if uses => {
                let sent = self.objects.behind(&name).and_then(|behind| behind.sent_as.clone());
                return same(wanted, sent.as_ref());
            }
            _ => {}
        }
        if statement.phase == Phase::Execute {
            let prepared = self.proposal.as_ref().and_then(|proposal| proposal.live.prepared.clone());
            let sent = prepared.and_then(|prepared| prepared.learnt.lock().sent_as.clone());
            same(wanted, sent.as_ref())?;
            statement.sent = sent.map(|sent| sent.text);
            return Ok(());
        }
        let Some(wanted) = wanted else { return Ok(()) };
        let facts = statement.facts.clone();
        let views = self.roles.as_ref().and_then(|_| self.source.views_in_force());
        let text = self
            .read_under(&statement.sql, None, |analyser, catalog, settings| {
                let settings = Settings { mask_views: views, ..settings.clone() };
                analyser.substitute(&statement.sql, &facts, wanted, catalog, &settings)
            })
            .map_err(|why| unplaced(&why, wanted))?;
        let bytes = Bytes::from(text.text);
        let sent = SentAs { masks: wanted.clone(), text: bytes.clone(), origins: Arc::new(text.origins) };
        let mut wire = Vec::new();
        let written = match self.proposal.as_mut().filter(|proposal| proposal.live.id == statement.id) {
            Some(proposal) => {
                proposal.live.sent_as = Some(sent.clone());
                match &proposal.kind {
                    Proposed::Parse { prepared, .. } => {
                        prepared.learnt.lock().sent_as = Some(sent);
                        put_typed_parse(&prepared.server_name, &bytes, &prepared.declared, &mut wire)
                    }
                    Proposed::Query | Proposed::Bind { .. } => put_query(&bytes, &mut wire),
                }
            }
            None => return Err(unplaced("it is not the one that was proposed", wanted)),
        };
        written.map_err(|_| unplaced("its text becomes too long for a message", wanted))?;
        statement.sent = Some(bytes);
        statement.wire = Bytes::from(wire);
        Ok(())
    }
}

fn same(wanted: Option<&Arc<Substitution>>, sent: Option<&SentAs>) -> Result<(), Refusal> {
    let fits = match (wanted, sent) {
        (None, None) => true,
        (Some(wanted), Some(sent)) => Arc::ptr_eq(wanted, &sent.masks) || wanted.is_same_as(&sent.masks),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let refusal = Refusal::new(RefusalKind::NotSupported, "cached plan must not change result type");
    Err(refusal.hint("policy asks for other masks than when this was prepared: prepare it again"))
}

fn unplaced(why: &str, wanted: &Substitution) -> Refusal {
    let text = format!(
        "Affidavit could not put masks into this statement ({}, because of {}): {why}",
        wanted.columns().join(", "),
        wanted.because
    );
    Refusal::new(RefusalKind::NotSupported, text).hint("write it in plainer SQL, or leave the protected columns out")
}
