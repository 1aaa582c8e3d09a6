//! Taking a token apart (RFC 7519 in the compact form of RFC 7515) without believing any of it.

use super::strict_json;
use super::wording::shown;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use model::{Refusal, RefusalKind};
use serde_json::{Map, Value};

/// No honest token is larger (bytes).
const MAX_BYTES: usize = 64 * 1024;

/// What a refused token says about itself. **Not verified**: for the record of the denial, never for a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unverified {
    /// `iss`.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    /// `jti`.
    pub token_id: Option<String>,
}

impl Unverified {
    pub(crate) fn of(claims: &Map<String, Value>) -> Self {
        let short = |name: &str| {
            let text = claims.get(name)?.as_str()?;
            Some(text.chars().filter(|letter| !letter.is_control()).take(200).collect())
        };
        Self { issuer: short("iss"), subject: short("sub"), token_id: short("jti") }
    }
}

/// A token in its parts. Its form is sound; nothing of it is proven.
pub(crate) struct Token<'a> {
    /// What the signature is over: `header.payload` as sent.
    pub(crate) signed: &'a str,
    /// The signature, base64url.
    pub(crate) signature: &'a str,
    /// What it claims to be signed with.
    pub(crate) algorithm: Algorithm,
    /// Which key it claims to be signed with.
    pub(crate) key_id: Option<String>,
    /// What it claims.
    pub(crate) claims: Map<String, Value>,
}

/// Why a text is no token that could be accepted, with what it says about itself.
pub(crate) type Malformed = Box<(Refusal, Unverified)>;

fn refuse(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::NotAuthenticated, message).hint(hint)
}

/// Takes a credential apart. White space around it is ignored: tokens come from files and shells.
pub(crate) fn take_apart(credential: &[u8]) -> Result<Token<'_>, Malformed> {
    let alone = |refusal| Box::new((refusal, Unverified::default()));
    let (signed, signature, header, claims) = parts(credential).map_err(alone)?;
    let about = Unverified::of(&claims);
    match heading(&header) {
        Ok((algorithm, key_id)) => Ok(Token { signed, signature, algorithm, key_id, claims }),
        Err(refusal) => Err(Box::new((refusal, about))),
    }
}

type Parts<'a> = (&'a str, &'a str, Map<String, Value>, Map<String, Value>);

fn parts(credential: &[u8]) -> Result<Parts<'_>, Refusal> {
    if credential.len() > MAX_BYTES {
        let message = format!("the token is {} bytes long; the most that is accepted is {MAX_BYTES}", credential.len());
        return Err(refuse(message, "ask for a token with fewer claims, such as only the groups that matter here"));
    }
    let text = credential.trim_ascii();
    if text.is_empty() {
        return Err(refuse("no token was sent", "send an OIDC token where the driver asks for a password"));
    }
    let password = || {
        refuse(
            "this looks like a password, not a token",
            "send an OIDC token (three parts with dots between them) where the driver asks for a password; the \
             database's own passwords are not used here",
        )
    };
    let text = std::str::from_utf8(text).map_err(|_| password())?;
    if text.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("bearer ")) {
        return Err(refuse("the token begins with the word Bearer", "send the token alone"));
    }
    match text.bytes().filter(|byte| *byte == b'.').count() {
        2 => {}
        4 => return Err(refuse("the token is encrypted (JWE)", "ask the issuer for a signed token (JWS)")),
        _ => return Err(password()),
    }
    let (signed, signature) = text.rsplit_once('.').ok_or_else(password)?;
    let (header, payload) = signed.split_once('.').ok_or_else(password)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header = decode(header).and_then(|bytes| strict_json::object(&bytes).ok()).ok_or_else(password)?;
    let payload = decode(payload).ok_or_else(|| {
        refuse("the token is damaged: its middle part is not base64url", "copy it as a whole, without line breaks")
    })?;
    let claims = strict_json::object(&payload).map_err(|error| {
        refuse(
            format!("the token's claims cannot be read: {error}"),
            "get a fresh token; if this stays, tell whoever runs the issuer",
        )
    })?;
    if decode(signature).is_none() {
        return Err(refuse(
            "the token is damaged: its signature is not base64url",
            "copy it as a whole, without line breaks",
        ));
    }
    Ok((signed, signature, header, claims))
}

/// The header's part of the decision: algorithm and key. Anything it says about where to find a key is ignored.
fn heading(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), Refusal> {
    if header.contains_key("crit") {
        return Err(refuse(
            "the token demands extensions (crit) that this proxy does not know",
            "ask the issuer for a token without them",
        ));
    }
    if let Some(kind) = header.get("typ") {
        let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if !matches!(kind, "jwt" | "at+jwt") {
            let message = format!("the token is of type {}, which is not for logging in", shown(kind));
            return Err(refuse(message, "send an ID token or an access token (JWT or at+jwt)"));
        }
    }
    let Some(name) = header.get("alg").and_then(Value::as_str) else {
        return Err(refuse(
            "the token does not say how it is signed (alg)",
            "get a token from one of the configured issuers",
        ));
    };
    let algorithm = algorithm(name)?;
    let key_id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => {
            return Err(refuse(
                "the token's key id (kid) is not a text",
                "get a token from one of the configured issuers",
            ));
        }
    };
    Ok((algorithm, key_id))
}

/// RFC 7518, section 3.1; RFC 8037 and RFC 9864 for EdDSA.
pub(crate) fn algorithm(name: &str) -> Result<Algorithm, Refusal> {
    match name {
        "RS256" => Ok(Algorithm::RS256),
        "RS384" => Ok(Algorithm::RS384),
        "RS512" => Ok(Algorithm::RS512),
        "PS256" => Ok(Algorithm::PS256),
        "ES256" => Ok(Algorithm::ES256),
        "ES384" => Ok(Algorithm::ES384),
        "EdDSA" | "Ed25519" => Ok(Algorithm::EdDSA),
        _ if name.eq_ignore_ascii_case("none") => {
            Err(refuse("the token is not signed (alg: none)", "get a signed token from one of the configured issuers"))
        }
        "HS256" | "HS384" | "HS512" => Err(refuse(
            format!("the token is signed with a shared secret ({name}), so whoever can check it could have made it"),
            "let the issuer sign with RS256, ES256 or EdDSA",
        )),
        _ => Err(refuse(
            format!("the token is signed with {}, which is not accepted here", shown(name)),
            "let the issuer sign with RS256, RS384, RS512, PS256, ES256, ES384 or EdDSA",
        )),
    }
}
