//! Settling: a statement that was handed out is permitted or refused.

use super::commands::put_reset;
use crate::conversation::{Draft, DraftKind, MysqlConversation};
use crate::message::packet;
use crate::upstream::{Due, Plain};
use crate::{errors, settings};
use model::{Refusal, Statement};

impl MysqlConversation {
    /// See [`wire::Conversation::permit`].
    pub(crate) fn permitted(&mut self, statement: &Statement) {
        let Some(Draft { id, kind, answer_sequence, .. }) = self.draft.take() else { return };
        match kind {
            DraftKind::Query | DraftKind::Kill => {
                self.sent(Due::run(statement, answer_sequence));
            }
            DraftKind::ChangeUser => {
                if let Some(roles) = &mut self.roles {
                    roles.doubt();
                }
                self.sent(Due::change_user(id, answer_sequence));
            }
            DraftKind::FieldList => self.sent(Due::field_list(id, answer_sequence)),
            DraftKind::Prepare { settings, sent } => {
                let draft = crate::upstream::Preparing {
                    statement: id,
                    sql: statement.sql.clone(),
                    facts: statement.facts.clone(),
                    settings,
                    sent,
                };
                self.sent(Due::prepare(draft, answer_sequence));
            }
            DraftKind::Execute { number, cursor } => {
                self.prepared.clear_long(number);
                if let Some(entry) = self.prepared.get_mut(number) {
                    entry.facts = statement.facts.clone();
                    if let Some(types) = &mut entry.types {
                        types.upstream_has = true;
                    }
                }
                self.sent(Due::execute(statement, number, cursor, answer_sequence));
            }
            DraftKind::Refused => return,
        }
        let runs = statement.phase != model::Phase::Prepare;
        if runs {
            self.made.sent(&statement.facts);
        }
        if runs && settings::may_change(&statement.facts) {
            self.setting = Some(statement.facts.clone()).filter(|_| !self.stale);
            self.stale = true;
        }
    }

    /// See [`wire::Conversation::refuse`]: nothing is due, so the client is answered on the spot.
    pub(crate) fn refused(
        &mut self,
        statement: &Statement,
        refusal: &Refusal,
        upstream: &mut Vec<u8>,
        client: &mut Vec<u8>,
    ) {
        let Some(draft) = self.draft.take() else { return };
        if let DraftKind::Execute { number, .. } = draft.kind {
            // The upstream still holds what was sent ahead for it; the client believes that it was used up.
            if self.prepared.clear_long(number) {
                put_reset(upstream, number);
                self.sent(Due::plain(Plain::Unheard, 1));
            }
        }
        let mut payload = Vec::new();
        match errors::missing_table(refusal, &statement.facts, self.settings.search_path.first()) {
            Some(message) => {
                let missing = Refusal { message, ..refusal.clone() };
                errors::put_refusal(&mut payload, &missing, errors::NO_SUCH_TABLE);
            }
            None => {
                let code = draft.code.unwrap_or_else(|| errors::code(refusal.kind));
                errors::put_refusal(&mut payload, refusal, code);
            }
        }
        packet::put(client, draft.answer_sequence, &payload);
    }
}
