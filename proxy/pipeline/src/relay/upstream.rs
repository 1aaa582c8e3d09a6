//! The upstream's side: hear → mask → record → release.

use super::inbox::Filled;
use super::{Ended, HIGH_WATER, Relay, Side, no_room};
use crate::Recording;
use std::task::{Context, Poll};
use wire::Step;

/// A read of this much at once is of a large answer.
const BULK: usize = 32 * 1024;
/// Steps of the upstream that are recorded before the journal is asked for room again.
const STEPS_WITHOUT_ASKING: u32 = 8;

impl Relay {
    pub(super) fn read_upstream(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = self.understand_upstream(cx)?;
        if self.to_client.backlog() >= HIGH_WATER {
            return Ok(moved);
        }
        match self.from_upstream.poll_fill(cx, &mut self.upstream) {
            Poll::Pending => {}
            Poll::Ready(Ok(Filled::More)) => {
                self.bulk |= self.from_upstream.unread().len() >= BULK;
                self.understand_upstream(cx)?;
                moved = true;
            }
            Poll::Ready(Ok(Filled::Closed)) => return Err(Ended::UpstreamGone(None)),
            Poll::Ready(Ok(Filled::NoRoom(limit))) => return Err(no_room(limit)),
            Poll::Ready(Err(error)) => return Err(Ended::UpstreamGone(Some(error))),
        }
        Ok(moved)
    }

    /// hear → mask → record → release, for everything that the upstream has said so far.
    fn understand_upstream(&mut self, cx: &mut Context<'_>) -> Result<bool, Ended> {
        let mut moved = false;
        let mut steps = 0_u32;
        while self.to_client.backlog() < HIGH_WATER {
            // What was read at once may be more than the journal has room for: it is looked at again when there is.
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(STEPS_WITHOUT_ASKING)
                && self.recording.recorder().poll_room(cx, self.bulk).is_pending()
            {
                break;
            }
            let step = crate::hear(self.conversation.as_mut(), self.from_upstream.unread());
            match step.map_err(|violation| Ended::Violation(violation, Side::Upstream))? {
                Step::Need(more) => {
                    self.from_upstream.want(more);
                    break;
                }
                Step::Got { consumed, item: heard } => {
                    moved = true;
                    let masked = crate::mask(
                        heard,
                        &mut self.running,
                        self.conversation.as_mut(),
                        &self.judge,
                        &self.keys,
                        &mut self.splices,
                    )
                    .map_err(|violation| Ended::Violation(violation, Side::Upstream));
                    let recorded = masked.and_then(|masked| {
                        crate::record(masked, &self.recording, &mut self.running)
                            .map_err(|error| Ended::Closed(Recording::refusal(&error)))
                    });
                    let recorded = recorded.inspect_err(|_| self.conversation.withheld())?;
                    crate::release(&recorded, &mut self.to_client);
                    drop(recorded);
                    self.from_upstream.consume(consumed);
                }
            }
        }
        Ok(moved)
    }
}
