//! A session: the relay between a client and its upstream, and the session's door to the record.

mod ended;
mod held;
mod inbox;
mod live;
mod patience;
mod recording;
mod relay;

pub(crate) use ended::Ended;
pub(crate) use held::{Held, Holding, Holds};
pub(crate) use inbox::Allowance;
pub(crate) use live::Sessions;
pub(crate) use patience::Patience;
pub(crate) use recording::Recording;
pub(crate) use relay::{Parts, Relay};

#[cfg(test)]
mod tests;
