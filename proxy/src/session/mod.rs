//! A session: the relay between a client and its upstream, and the session's door to the record.

mod ended;
mod held;
mod inbox;
mod live;
mod recording;
mod relay;

pub(crate) use held::{Held, Holds};
pub(crate) use live::Sessions;
pub(crate) use recording::Recording;
pub(crate) use relay::{Parts, Relay};

#[cfg(test)]
mod tests;
