//! Exact decimals: PostgreSQL's base-10000 digits, and the text both engines use otherwise.
//!
//! Format: `numeric_send` in src/backend/utils/adt/numeric.c — `u16 ndigits · i16 weight · u16 sign · u16 dscale`, then
//! `ndigits` digits of 0 to 9999 (`u16` each); digit `i` counts 10000^(weight − i).

use super::reader::Reader;
use std::fmt::Write as _;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const POSITIVE_INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
/// The largest scale that PostgreSQL stores (`NUMERIC_DSCALE_MASK`).
const MAX_SCALE: u16 = 0x3FFF;

/// A decimal that fits in an `i128`: `unscaled / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The digits, without the point.
    pub unscaled: i128,
    /// How many of them stand behind the point.
    pub scale: u16,
}

struct Numeric<'a> {
    weight: i32,
    sign: u16,
    scale: u16,
    digits: &'a [[u8; 2]],
}

fn parse(bytes: &[u8]) -> Option<Numeric<'_>> {
    let mut reader = Reader::new(bytes);
    let count = reader.u16()?;
    let weight = i32::from(reader.i16()?);
    let sign = reader.u16()?;
    let scale = reader.u16()?;
    let (digits, odd) = reader.rest().as_chunks::<2>();
    let sane = odd.is_empty()
        && digits.len() == usize::from(count)
        && scale <= MAX_SCALE
        && digits.iter().all(|digit| u16::from_be_bytes(*digit) < 10_000);
    sane.then_some(Numeric { weight, sign, scale, digits })
}

impl Numeric<'_> {
    /// The digit that counts 10000^power; 0 where none is stored.
    fn digit(&self, power: i32) -> u16 {
        usize::try_from(self.weight - power)
            .ok()
            .and_then(|index| self.digits.get(index))
            .map_or(0, |digit| u16::from_be_bytes(*digit))
    }
}

/// Appends what `numeric_out` would print; `None` leaves `out` as it was.
pub(super) fn render_numeric(bytes: &[u8], out: &mut String) -> Option<()> {
    let numeric = parse(bytes)?;
    match numeric.sign {
        0 => {}
        NEGATIVE => out.push('-'),
        NAN => {
            return {
                out.push_str("NaN");
                Some(())
            };
        }
        POSITIVE_INFINITY => {
            return {
                out.push_str("Infinity");
                Some(())
            };
        }
        NEGATIVE_INFINITY => {
            return {
                out.push_str("-Infinity");
                Some(())
            };
        }
        _ => return None,
    }
    if numeric.weight < 0 {
        out.push('0');
    }
    for power in (0..=numeric.weight).rev() {
        let digit = numeric.digit(power);
        let _ = if power == numeric.weight { write!(out, "{digit}") } else { write!(out, "{digit:04}") };
    }
    if numeric.scale > 0 {
        out.push('.');
        let end = out.len() + usize::from(numeric.scale);
        let mut power = -1;
        while out.len() < end {
            let _ = write!(out, "{:04}", numeric.digit(power));
            power -= 1;
        }
        out.truncate(end);
    }
    Some(())
}

/// The value, if it is finite and fits.
pub(super) fn decode_numeric(bytes: &[u8]) -> Option<Decimal> {
    let numeric = parse(bytes)?;
    if !matches!(numeric.sign, 0 | NEGATIVE) || numeric.weight > 9 || numeric.scale > 38 {
        return None;
    }
    let mut unscaled: i128 = 0;
    for power in (0..=numeric.weight).rev() {
        unscaled = unscaled.checked_mul(10_000)?.checked_add(numeric.digit(power).into())?;
    }
    let mut left = numeric.scale;
    let mut power = -1;
    while left > 0 {
        let keep = u32::from(left.min(4));
        let digit = numeric.digit(power) / 10_u16.pow(4 - keep);
        unscaled = unscaled.checked_mul(10_i128.pow(keep))?.checked_add(digit.into())?;
        left = left.saturating_sub(4);
        power -= 1;
    }
    Some(Decimal { unscaled: if numeric.sign == NEGATIVE { -unscaled } else { unscaled }, scale: numeric.scale })
}

/// Appends the value in PostgreSQL's binary form.
pub(super) fn encode_numeric(value: Decimal, out: &mut Vec<u8>) -> Option<()> {
    let scale = u32::from(value.scale);
    let padding = (4 - scale % 4) % 4;
    // Digits are collected from the least significant end; 39 decimal digits and padding make at most 11 of them,
    // and trailing zero digits are left out, as numeric_send does.
    let mut rest = value.unscaled.unsigned_abs().checked_mul(10_u128.pow(padding))?;
    let mut digits = [0_u16; 11];
    let mut count = 0_u16;
    let mut power = -i32::try_from(scale.div_ceil(4)).ok()?;
    let mut lowest = power;
    while rest > 0 {
        let digit = u16::try_from(rest % 10_000).ok()?;
        rest /= 10_000;
        if count == 0 && digit == 0 {
            power += 1;
            lowest = power;
            continue;
        }
        *digits.get_mut(usize::from(count))? = digit;
        count += 1;
    }
    let weight = if count == 0 { 0 } else { lowest + i32::from(count) - 1 };
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&i16::try_from(weight).ok()?.to_be_bytes());
    out.extend_from_slice(&(if value.unscaled < 0 { NEGATIVE } else { 0 }).to_be_bytes());
    out.extend_from_slice(&value.scale.to_be_bytes());
    for digit in digits.get(..usize::from(count))?.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
    Some(())
}

/// Reads `-12.340`. Exponents, NaN and infinities are not decimals in this sense.
pub(super) fn parse_text(text: &str) -> Option<Decimal> {
    let (sign, unsigned) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut unscaled: i128 = 0;
    let mut scale = None;
    let mut digits = 0_usize;
    for byte in unsigned.bytes() {
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                digits += 1;
                scale = scale.map(|scale: u16| scale + 1);
            }
            b'.' if scale.is_none() => scale = Some(0),
            _ => return None,
        }
    }
    (digits > 0).then_some(Decimal { unscaled: sign * unscaled, scale: scale.unwrap_or(0) })
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.unscaled.unsigned_abs();
        let sign = if self.unscaled < 0 { "-" } else { "" };
        match 10_u128.checked_pow(self.scale.into()) {
            Some(unit) if self.scale > 0 => {
                write!(f, "{sign}{}.{:0width$}", size / unit, size % unit, width = usize::from(self.scale))
            }
            Some(_) => write!(f, "{sign}{size}"),
            None => write!(f, "{sign}0.{size:0width$}", width = usize::from(self.scale)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> Option<String> {
        let mut out = String::new();
        render_numeric(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn numerics_as_postgres_15_sends_them() {
        let cases: &[(&[u8], &str)] = &[
            (&[0, 0, 0, 0, 0, 0, 0, 0], "0"),
            (&[0, 0, 0, 0, 0, 0, 0, 2], "0.00"),
            (&[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x0d, 0x48], "12.34"),
            (&[0, 2, 0, 1, 0x40, 0, 0, 0, 0, 123, 0x11, 0xd7], "-1234567"),
            (&[0, 1, 0xff, 0xfe, 0, 0, 0, 5, 0x03, 0xe8], "0.00001"),
            (&[0, 1, 0, 2, 0, 0, 0, 0, 0, 1], "100000000"),
            (&[0, 0, 0, 0, 0xc0, 0, 0, 0], "NaN"),
            (&[0, 0, 0, 0, 0xf0, 0, 0, 0x20], "-Infinity"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(text(bytes).as_deref(), Some(*expected));
        }
    }

    #[test]
    fn truncated_or_impossible_numerics_are_refused() {
        assert_eq!(text(&[0, 2, 0, 0, 0, 0, 0, 2, 0, 12]), None, "one digit of two");
        assert_eq!(text(&[0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10]), None, "digit 10000");
        assert_eq!(text(&[0, 0, 0, 0, 0x12, 0, 0, 0]), None, "unknown sign");
        assert_eq!(text(&[0, 0, 0]), None);
    }

    proptest! {
        #[test]
        fn decimals_round_trip(unscaled in -(10_i128.pow(30))..10_i128.pow(30), scale in 0_u16..20) {
            let value = Decimal { unscaled, scale };
            let mut bytes = Vec::new();
            prop_assert!(encode_numeric(value, &mut bytes).is_some());
            prop_assert_eq!(decode_numeric(&bytes), Some(value));
            let printed = value.to_string();
            prop_assert_eq!(text(&bytes), Some(printed.clone()));
            prop_assert_eq!(parse_text(&printed), Some(value));
        }
    }
}
