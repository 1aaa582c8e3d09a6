//! Who is asking, and what they may use: verification of OIDC tokens, and the allow rules of datasources.
//!
//! Nothing in a token is trusted before its signature was checked with a key that the issuer itself publishes; the
//! key's own type decides which algorithms it may have been used with. Whatever is refused is refused in words that a
//! person can act on, and a token's text is never repeated.

mod access;
mod claims;
mod clock;
mod fetch;
mod key_cache;
mod keys;
mod strict_json;
#[cfg(test)]
mod tests;
mod token;
mod verifier;
mod wording;

pub use access::Access;
pub use clock::{Clock, SystemClock};
pub use fetch::HttpError;
pub(crate) use fetch::discovery_url;
pub use token::Unverified;
pub use verifier::{Denied, IssuerHealth, Verifier};

/// Whether a URL names this machine, so that plain HTTP reveals nothing to others.
pub(crate) fn is_loopback(url: &reqwest::Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
