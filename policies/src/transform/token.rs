//! `token`: a keyed, deterministic pseudonym. Equal values of a domain get equal tokens, on every engine, in text and in
//! binary, whatever the width of the integer; nothing else about the value is kept, its format aside where asked for.

use super::ff1::{MAX_BITS, MAX_DIGITS, MIN_DOMAIN, Permutation};
use super::{Keyed, pseudonym};
use crate::Keys;
use crate::keys::keyed;
use model::codec::Decimal;

/// Letters and digits that are not taken for one another.
const ALPHABET: [u8; 32] = *b"abcdefghijkmnpqrstuvwxyz23456789";
/// Characters of a token without format: 80 bits.
const LENGTH: usize = 16;
/// Integers are permuted within these bounds, so that a value has one token in every width of three bytes or more that holds
/// it, signed or not.
const TIERS: [u128; 7] = [0, 1 << 23, 1 << 24, 1 << 31, 1 << 32, 1 << 63, 1 << 64];

/// The tokens of one domain.
pub(crate) struct Token {
    mac: Keyed,
    permutation: Permutation,
    keep_format: bool,
}

/// The set that a character of a formatted token comes from.
#[derive(Clone, Copy)]
enum Class {
    Digit,
    Lower,
    Upper,
    /// Kept as it is.
    Separator,
}

fn class(character: char) -> Class {
    match character {
        '0'..='9' => Class::Digit,
        upper if upper.is_uppercase() => Class::Upper,
        other if other.is_alphanumeric() || !other.is_ascii() => Class::Lower,
        _ => Class::Separator,
    }
}

impl Class {
    fn radix(self) -> u128 {
        match self {
            Self::Digit => 10,
            Self::Lower | Self::Upper => 26,
            Self::Separator => 1,
        }
    }

    /// The character's number within its class. Letters beyond ASCII share numbers.
    fn index(self, character: char) -> u128 {
        match self {
            Self::Digit => u128::from(character.to_digit(10).unwrap_or(0)),
            Self::Lower | Self::Upper => {
                let letter = character.to_ascii_lowercase();
                if letter.is_ascii_lowercase() {
                    u128::from(u32::from(letter) - u32::from('a'))
                } else {
                    u128::from(u32::from(letter) % 26)
                }
            }
            Self::Separator => 0,
        }
    }

    fn push(self, index: u128, original: char, out: &mut Vec<u8>) {
        let index = u8::try_from(index).unwrap_or(0);
        match self {
            Self::Digit => out.push(b'0' + index),
            Self::Lower => out.push(b'a' + index),
            Self::Upper => out.push(b'A' + index),
            // Separators are ASCII: everything else has a class.
            Self::Separator => out.push(u8::try_from(u32::from(original)).unwrap_or(b'?')),
        }
    }
}

impl Token {
    pub(super) fn new(keys: &Keys, domain: &str, keep_format: bool) -> Self {
        let key = keys.derive("token ff1", domain);
        let permutation = Permutation::new(key.first_chunk().unwrap_or(&[0; 16]));
        Self { mac: keyed(&keys.derive("token", domain)), permutation, keep_format }
    }

    pub(super) fn text(&self, value: &str, out: &mut Vec<u8>) {
        if self.keep_format {
            return self.formatted(value, out);
        }
        let digest = pseudonym(&self.mac, value.as_bytes());
        out.extend(
            digest.iter().take(LENGTH).map(|byte| ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or(b'x')),
        );
    }

    /// Digits become digits and letters letters, each in its place; everything else stays. Six digits' worth or more
    /// is permuted, so that no two values share a token; less, or more than the permutation takes, is drawn from the MAC.
    fn formatted(&self, value: &str, out: &mut Vec<u8>) {
        let start = out.len();
        let (mut domain, mut number, mut digits) = (Some(1_u128), 0_u128, Some(0_usize));
        for character in value.chars() {
            let class = class(character);
            domain = domain.and_then(|domain| domain.checked_mul(class.radix())).filter(|size| *size >> MAX_BITS == 0);
            number = number.wrapping_mul(class.radix()).wrapping_add(class.index(character));
            digits = match class {
                Class::Digit => digits.map(|count| count + 1),
                Class::Separator => digits,
                Class::Lower | Class::Upper => None,
            };
        }
        let permuted = domain.filter(|size| *size >= MIN_DOMAIN).and_then(|size| match digits {
            Some(count) if count <= MAX_DIGITS => self.permutation.digits(number, count),
            _ => self.permutation.range(number, 0, size),
        });
        match permuted {
            // The least significant character is the last: written backwards, then turned around.
            Some(mut rest) => {
                for character in value.chars().rev() {
                    let class = class(character);
                    // Division of 64 bits is several times as fast as of 128.
                    let (quotient, remainder) = match (u64::try_from(rest), u64::try_from(class.radix())) {
                        (Ok(rest), Ok(radix)) => (u128::from(rest / radix), u128::from(rest % radix)),
                        _ => (rest / class.radix(), rest % class.radix()),
                    };
                    class.push(remainder, character, out);
                    rest = quotient;
                }
                if let Some(written) = out.get_mut(start..) {
                    written.reverse();
                }
            }
            None => self.drawn(value, out),
        }
    }

    fn drawn(&self, value: &str, out: &mut Vec<u8>) {
        let mut block = pseudonym(&self.mac, value.as_bytes());
        let mut bytes = block.as_chunks::<2>().0.iter();
        for character in value.chars() {
            let class = class(character);
            let pair = match bytes.next() {
                Some(pair) => *pair,
                None => {
                    block = pseudonym(&self.mac, &block);
                    bytes = block.as_chunks::<2>().0.iter();
                    bytes.next().copied().unwrap_or_default()
                }
            };
            class.push(u128::from(u16::from_be_bytes(pair)) % class.radix(), character, out);
        }
    }

    /// Stays within the type, keeps the sign. One or two bytes hold too few values to permute: these are drawn from
    /// the MAC, and may collide.
    pub(super) fn int(&self, value: i128, bytes: u8, signed: bool) -> Option<i128> {
        let size = value.unsigned_abs();
        let token = if bytes <= 2 {
            let bits = u32::from(bytes) * 8 - u32::from(signed);
            self.below(value, 1 << bits)
        } else {
            let (low, high) = TIERS.iter().zip(TIERS.get(1..)?).find(|(_, high)| size < **high)?;
            self.permutation.range(size, *low, *high)?
        };
        let token = i128::try_from(token).ok()?;
        // The least number of a signed type stands alone in its tier: what becomes of it does not fit.
        let limit = 1_i128 << (u32::from(bytes) * 8 - u32::from(signed));
        Some(if value < 0 { -token } else { token }).filter(|token| (-limit..limit).contains(token))
    }

    /// Keeps the scale and the number of digits.
    pub(super) fn decimal(&self, value: Decimal) -> Option<Decimal> {
        let size = value.unscaled.unsigned_abs();
        let count = usize::try_from(size.checked_ilog10().unwrap_or(0)).ok()? + 1;
        let token = match self.permutation.digits(size, count) {
            Some(token) => token,
            None => self.below(value.unscaled, 10_u128.checked_pow(u32::try_from(count).ok()?)?),
        };
        let token = i128::try_from(token).ok()?;
        Some(Decimal { unscaled: if value.unscaled < 0 { -token } else { token }, scale: value.scale })
    }

    fn below(&self, value: i128, limit: u128) -> u128 {
        let digest = pseudonym(&self.mac, &value.to_be_bytes());
        digest.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes)) % limit
    }

    pub(super) fn uuid(&self, value: [u8; 16]) -> [u8; 16] {
        super::keyed_uuid(&self.mac, value)
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
