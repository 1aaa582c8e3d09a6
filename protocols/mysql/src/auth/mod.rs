//! Authentication: of the client by its token or by the password of an exchanged credential, and of ourselves at the upstream.

pub(crate) mod caching_sha2;
pub(crate) mod client;
pub(crate) mod upstream;
