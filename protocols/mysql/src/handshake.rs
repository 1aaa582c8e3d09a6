//! What a client is offered in the greeting, and what of its answer goes where: to the desk, to the upstream.

use crate::message::capability::Capabilities;
use crate::message::greeting::Greeting;
use crate::message::response::HandshakeResponse;
use rand::Rng as _;
use wire::Claim;

/// Names of the attributes that are for us, and not passed on.
const REASON: [&str; 2] = ["affidavit_reason", "affidavit.reason"];
const TICKET: [&str; 2] = ["affidavit_ticket", "affidavit.ticket"];

/// What of the upstream's capabilities a client is offered. TLS and compression are each hop's own: they are offered
/// whether the upstream has them or not, zstd only where the engine knows it.
pub(crate) fn offered(greeting: &Greeting, tls: bool, local_files: bool) -> Capabilities {
    let relayed = greeting.capabilities.relayed(local_files);
    let mut ours = relayed.with(Capabilities::PLUGIN_AUTH_LENENC).with(Capabilities::COMPRESS);
    if !greeting.is_mariadb() {
        ours = ours.with(Capabilities::ZSTD);
    }
    if tls { ours.with(Capabilities::SSL) } else { ours }
}

/// The upstream's greeting with our own challenge and what we can relay.
pub(crate) fn our_greeting(greeting: &Greeting, nonce: &[u8], tls: bool, local_files: bool) -> Vec<u8> {
    let capabilities = offered(greeting, tls, local_files);
    let ours = Greeting { nonce: nonce.to_vec(), capabilities, ..greeting.clone() };
    let mut payload = Vec::new();
    ours.encode(&mut payload);
    payload
}

/// Twenty random bytes without NUL and `$`, which end or split a challenge for some clients.
pub(crate) fn nonce() -> Vec<u8> {
    let mut rng = rand::rng();
    let mut next = || loop {
        let byte = rng.random_range(1..=127_u8);
        if byte != b'$' {
            break byte;
        }
    };
    (0..20).map(|_| next()).collect()
}

/// What the client says of itself.
pub(crate) fn claim(response: &HandshakeResponse) -> Claim {
    let first = |names: [&str; 2]| names.into_iter().find_map(|name| response.attribute(name));
    Claim {
        user: String::from_utf8_lossy(&response.user).into_owned(),
        database: response.database.as_deref().map(|name| String::from_utf8_lossy(name).into_owned()),
        application: response
            .attribute("program_name")
            .or_else(|| response.attribute("_client_name"))
            .unwrap_or_default(),
        reason: first(REASON),
        ticket: first(TICKET),
    }
}

/// The attributes that are not for us, in their order.
pub(crate) fn passed_on(attributes: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let ours = |name: &[u8]| REASON.iter().chain(&TICKET).any(|own| own.as_bytes() == name);
    attributes.iter().filter(|(name, _)| !ours(name)).cloned().collect()
}

/// The flag for a database goes with the database, which may be the datasource's although the client named none.
pub(crate) fn with_database_flag(mut wish: HandshakeResponse, greeting: &Greeting) -> HandshakeResponse {
    wish.capabilities = match wish.database {
        Some(_) => wish.capabilities.with(Capabilities::CONNECT_WITH_DB.and(greeting.capabilities)),
        None => wish.capabilities.without(Capabilities::CONNECT_WITH_DB),
    };
    wish
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_have_no_nul_and_no_dollar() {
        for _ in 0..500 {
            let nonce = nonce();
            assert_eq!(nonce.len(), 20);
            assert!(nonce.iter().all(|byte| *byte != 0 && *byte != b'$' && *byte < 128));
        }
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn reason_and_ticket_are_taken_and_the_rest_keeps_its_order() {
        let attribute = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        let response = HandshakeResponse {
            attributes: vec![
                attribute("z", "1"),
                attribute("affidavit.reason", "audit"),
                attribute("program_name", "mysql"),
                attribute("affidavit_ticket", "T-1"),
                attribute("a", "2"),
            ],
            ..HandshakeResponse::default()
        };
        let claim = claim(&response);
        assert_eq!((claim.reason.as_deref(), claim.ticket.as_deref()), (Some("audit"), Some("T-1")));
        assert_eq!(claim.application, "mysql");
        let rest = passed_on(&response.attributes);
        assert_eq!(
            rest.iter().map(|(name, _)| name.as_slice()).collect::<Vec<_>>(),
            [&b"z"[..], b"program_name", b"a"]
        );
    }
}
