//! The transforms, written once for values: how a text, a number, a date or a UUID is replaced.
//!
//! Each answers `None` or `false` for what it does not serve; the masker then redacts.

mod fake_name;
mod ff1;
mod names;
mod partial;
mod token;
mod year;
mod zip3;

use crate::detect::Scanner;
use crate::keys::{Keyed, Keys, keyed};
use hmac::Mac as _;
use model::codec::{Date, Decimal};
use model::{Kind, MaskSpec};

/// A transform with its keys.
pub(crate) enum Transform {
    Token(Box<token::Token>),
    Partial { keep: usize },
    Year { oldest: i32 },
    Zip3 { small: Vec<u16> },
    FakeName(Keyed),
    Hash(Keyed),
    Detect(Box<Scanner>),
}

impl Transform {
    /// The transform of a mask; `None` for those that are no function of the value.
    pub(crate) fn new(spec: &MaskSpec, keys: &Keys) -> Option<Self> {
        Some(match spec {
            MaskSpec::Redact | MaskSpec::Null | MaskSpec::Keep => return None,
            MaskSpec::Partial { keep } => Self::Partial { keep: usize::try_from(*keep).ok()? },
            MaskSpec::Token { domain, keep_format } => {
                Self::Token(Box::new(token::Token::new(keys, domain, *keep_format)))
            }
            MaskSpec::Year => Self::Year { oldest: keys.oldest_year() },
            MaskSpec::Zip3 => Self::Zip3 { small: keys.small_areas().to_vec() },
            MaskSpec::FakeName => Self::FakeName(keyed(&keys.derive("fake name", ""))),
            MaskSpec::Hash => Self::Hash(keyed(&keys.derive("hash", ""))),
            MaskSpec::Detect { find } => Self::Detect(Box::new(Scanner::new(find)?)),
        })
    }

    /// Whether it serves a kind at all; what it does not serve is redacted.
    pub(crate) fn serves(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Char | Kind::Text | Kind::Json | Kind::Jsonb => true,
            Kind::Int { .. } => matches!(
                self,
                Self::Token(_) | Self::Partial { .. } | Self::Year { .. } | Self::Zip3 { .. } | Self::Hash(_)
            ),
            Kind::Decimal => matches!(self, Self::Token(_) | Self::Partial { .. }),
            Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::Year => matches!(self, Self::Year { .. }),
            Kind::Uuid => matches!(self, Self::Token(_) | Self::Hash(_)),
            Kind::Array { element, .. } => self.serves(element),
            _ => false,
        }
    }

    /// Appends the replacement of a text.
    pub(crate) fn text(&self, value: &str, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Token(token) => token.text(value, out),
            Self::Partial { keep } => partial::text(value, *keep, out),
            Self::Year { oldest } => return year::text(value, *oldest, out),
            Self::Zip3 { small } => return zip3::text(value, small, out),
            Self::FakeName(key) => fake_name::text(value, key, out),
            Self::Hash(key) => {
                for byte in pseudonym(key, value.as_bytes()) {
                    out.extend(
                        [byte >> 4, byte & 15]
                            .map(|nibble| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }),
                    );
                }
            }
            Self::Detect(scanner) => scanner.replace(value, out),
        }
        true
    }

    /// The replacement of an integer of a width.
    pub(crate) fn int(&self, value: i128, bytes: u8, signed: bool) -> Option<i128> {
        match self {
            Self::Token(token) => token.int(value, bytes, signed),
            Self::Partial { keep } => Some(partial::int(value, *keep)),
            Self::Year { oldest } => year::int(value, *oldest),
            Self::Zip3 { small } => zip3::int(value, small),
            Self::Hash(key) => {
                let digest = pseudonym(key, &value.to_be_bytes());
                let bits = u32::from(bytes) * 8 - u32::from(signed);
                let number = u64::from_be_bytes(*digest.first_chunk()?);
                Some(i128::from(number) & ((1_i128 << bits) - 1))
            }
            Self::FakeName(_) | Self::Detect(_) => None,
        }
    }

    /// The replacement of a decimal.
    pub(crate) fn decimal(&self, value: Decimal) -> Option<Decimal> {
        match self {
            Self::Token(token) => token.decimal(value),
            Self::Partial { keep } => {
                Some(Decimal { unscaled: partial::int(value.unscaled, *keep), scale: value.scale })
            }
            _ => None,
        }
    }

    /// The replacement of a date, also of a timestamp's.
    pub(crate) fn date(&self, value: Date) -> Option<Date> {
        match self {
            Self::Year { oldest } => Some(year::date(value, *oldest)),
            _ => None,
        }
    }

    /// The replacement of a UUID.
    pub(crate) fn uuid(&self, value: [u8; 16]) -> Option<[u8; 16]> {
        match self {
            Self::Token(token) => Some(token.uuid(value)),
            Self::Hash(key) => Some(keyed_uuid(key, value)),
            _ => None,
        }
    }
}

/// The MAC of a value: the source of everything that is drawn.
fn pseudonym(key: &Keyed, value: &[u8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(value);
    mac.finalize().into_bytes().into()
}

/// A UUID drawn from the MAC, with the version (4) and variant bits of RFC 9562.
fn keyed_uuid(key: &Keyed, value: [u8; 16]) -> [u8; 16] {
    let digest = pseudonym(key, &value);
    let mut uuid: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut uuid;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    uuid
}
