//! One statement, from what was understood to what is sent: judge → approve → settle → execute.

use super::waiting::Waiting;
use super::{Ended, Relay};
use crate::{Approved, Estimate, Opinion, Permit, Recording, Refused, Ruling, Understood, Unsent};
use std::time::Duration;

/// A planner that takes longer has no estimate.
const ESTIMATE_WITHIN: Duration = Duration::from_secs(3);

impl Relay {
    /// A new statement: refresh the catalog first if it names what the catalog does not know.
    pub(super) fn consider(&mut self, understood: Understood) -> Result<(), Ended> {
        self.bulk = false;
        let facts = &understood.statement().facts;
        if facts.unknown_relations.is_empty() || !self.judge.may_refresh(facts) {
            return self.judge(understood);
        }
        let datasource = self.datasource.clone();
        let refresh = async move { datasource.refresh_catalog().await };
        self.waiting = Some(Waiting::Catalog(Box::pin(refresh), understood));
        Ok(())
    }

    /// judge → approve → settle → execute.
    pub(super) fn judge(&mut self, understood: Understood) -> Result<(), Ended> {
        self.judge_by(understood, Estimate::NotAsked)
    }

    pub(super) fn judge_by(&mut self, understood: Understood, estimate: Estimate) -> Result<(), Ended> {
        match self.judge.judge(understood, &self.running, estimate) {
            Opinion::Ready(judged) => self.obey(crate::approve(judged)),
            Opinion::Ask(understood) => {
                let datasource = self.datasource.clone();
                let ask = async move {
                    let asked =
                        tokio::time::timeout(ESTIMATE_WITHIN, datasource.estimate(understood.statement())).await;
                    (understood, Estimate::Asked(asked.unwrap_or(None)))
                };
                self.waiting = Some(Waiting::Estimate(Box::pin(ask)));
                Ok(())
            }
        }
    }

    pub(super) fn obey(&mut self, ruling: Ruling) -> Result<(), Ended> {
        match ruling {
            Ruling::Approved(approved) => self.send(approved),
            Ruling::Refused(refused) => self.refuse(refused),
            Ruling::Held(held) => {
                let asking = self.holds.hold(held.question());
                self.waiting = Some(Waiting::Asking(held, asking));
                Ok(())
            }
        }
    }

    fn send(&mut self, approved: Approved) -> Result<(), Ended> {
        match crate::settle(approved, self.conversation.as_mut()) {
            Ok(permit) => self.execute(permit),
            Err(refused) => self.refuse(refused),
        }
    }

    pub(super) fn execute(&mut self, permit: Permit) -> Result<(), Ended> {
        let sent = crate::execute(
            permit,
            &self.recording,
            self.conversation.as_mut(),
            &mut self.running,
            &mut self.to_upstream,
        );
        match sent {
            Ok(()) => Ok(()),
            Err(Unsent::Refused(refused)) => self.refuse(refused),
            Err(Unsent::NoRoom(permit)) => {
                self.waiting = Some(Waiting::Room(Box::new(permit)));
                Ok(())
            }
        }
    }

    pub(super) fn refuse(&mut self, refused: Refused) -> Result<(), Ended> {
        crate::refuse(
            refused,
            &self.recording,
            self.conversation.as_mut(),
            &mut self.running,
            &mut self.to_upstream,
            &mut self.to_client,
        )
        .map_err(|error| Ended::Closed(Recording::refusal(&error)))
    }
}
