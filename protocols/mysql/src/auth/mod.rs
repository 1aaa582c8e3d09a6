//! Authentication: of the client by its token, and of ourselves at the upstream.

pub(crate) mod client;
pub(crate) mod upstream;
