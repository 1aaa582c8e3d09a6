//! FF1 (NIST SP 800-38G) over numbers that fit in an `u128`: the numeral strings that the `fpe` crate brings work on
//! vectors, one heap allocation per digit and round; these do not allocate.

use aes::Aes256;
use fpe::ff1::{FF1, NumeralString, Operations};

/// `count` numerals of a radix, as the number that they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numerals {
    value: u128,
    count: usize,
    radix: u32,
}

/// At most this many numerals of radix 10: a half then has 19, and what FF1 adds to it still fits.
pub(super) const MAX_DIGITS: usize = 38;
/// At most this many of radix 2.
pub(super) const MAX_BITS: usize = 126;
/// SP 800-38G Rev. 1: the domain has a million values or more.
pub(super) const MIN_DOMAIN: u128 = 1_000_000;

/// A fixed-width number, most significant byte first.
struct BigEndian {
    bytes: [u8; 16],
    start: usize,
}

impl AsRef<[u8]> for BigEndian {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

fn power(radix: u32, count: usize) -> u128 {
    u128::from(radix).saturating_pow(u32::try_from(count).unwrap_or(u32::MAX))
}

fn number(bytes: impl Iterator<Item = u8>) -> u128 {
    bytes.fold(0, |number, byte| number << 8 | u128::from(byte))
}

impl Operations for Numerals {
    type Bytes = BigEndian;

    fn numeral_count(&self) -> usize {
        self.count
    }

    fn to_be_bytes(&self, _radix: u32, b: usize) -> BigEndian {
        BigEndian { bytes: self.value.to_be_bytes(), start: 16_usize.saturating_sub(b) }
    }

    fn add_mod_exp(self, other: impl Iterator<Item = u8>, radix: u32, m: usize) -> Self {
        let modulus = power(radix, m);
        let value = (self.value % modulus + number(other) % modulus) % modulus;
        Self { value, count: m, radix }
    }

    fn sub_mod_exp(self, other: impl Iterator<Item = u8>, radix: u32, m: usize) -> Self {
        let modulus = power(radix, m);
        let value = (self.value % modulus + modulus - number(other) % modulus) % modulus;
        Self { value, count: m, radix }
    }
}

impl NumeralString for Numerals {
    type Ops = Self;

    fn is_valid(&self, radix: u32) -> bool {
        radix == self.radix && self.value < power(radix, self.count)
    }

    fn numeral_count(&self) -> usize {
        self.count
    }

    fn split(&self) -> (Self, Self) {
        let head = self.count / 2;
        let tail = self.count - head;
        let divisor = power(self.radix, tail);
        (
            Self { value: self.value / divisor, count: head, radix: self.radix },
            Self { value: self.value % divisor, count: tail, radix: self.radix },
        )
    }

    fn concat(a: Self, b: Self) -> Self {
        Self { value: a.value * power(b.radix, b.count) + b.value, count: a.count + b.count, radix: b.radix }
    }
}

/// A keyed permutation of numbers.
pub(super) struct Permutation {
    decimal: FF1<Aes256>,
    binary: FF1<Aes256>,
}

impl Permutation {
    pub(super) fn new(key: &[u8; 32]) -> Option<Self> {
        Some(Self { decimal: FF1::new(key, 10).ok()?, binary: FF1::new(key, 2).ok()? })
    }

    /// Permutes the decimal strings of `count` digits (6 to 38).
    pub(super) fn digits(&self, value: u128, count: usize) -> Option<u128> {
        if count > MAX_DIGITS {
            return None;
        }
        self.decimal.encrypt(&[], &Numerals { value, count, radix: 10 }).ok().map(|numerals| numerals.value)
    }

    /// Permutes `low..high`: encrypts in the smallest binary domain that holds `high − 1`, again and again until the
    /// result lies in the range (cycle walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains").
    pub(super) fn range(&self, value: u128, low: u128, high: u128) -> Option<u128> {
        let size = high.checked_sub(low).filter(|size| *size >= MIN_DOMAIN)?;
        let count = usize::try_from(128 - (size - 1).leading_zeros()).ok().filter(|count| *count <= MAX_BITS)?;
        let mut at = Numerals { value: value.checked_sub(low).filter(|offset| *offset < size)?, count, radix: 2 };
        // The domain is less than twice the range, so a walk is two steps on average; it ends, because it is on a cycle
        // that holds the value itself.
        loop {
            at = self.binary.encrypt(&[], &at).ok()?;
            if at.value < size {
                return at.value.checked_add(low);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpe::ff1::FlexibleNumeralString;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn digits_of(value: u128, count: usize) -> Vec<u16> {
        format!("{value:0count$}").bytes().map(|byte| u16::from(byte - b'0')).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_numeral_strings_of_fpe(value in 0..10_u128.pow(38), count in 6..39_usize) {
            let value = value % power(10, count);
            let permutation = Permutation::new(&[7; 32]).unwrap();
            let theirs = FF1::<Aes256>::new(&[7; 32], 10).unwrap();
            let expected: Vec<u16> =
                theirs.encrypt(&[], &FlexibleNumeralString::from(digits_of(value, count))).unwrap().into();
            prop_assert_eq!(digits_of(permutation.digits(value, count).unwrap(), count), expected);
        }

        #[test]
        fn ranges_are_kept(low in 0..1_000_000_u128, size in 1_000_000..1_u128 << 64, at in any::<u64>()) {
            let permutation = Permutation::new(&[9; 32]).unwrap();
            let value = low + u128::from(at) % size;
            let token = permutation.range(value, low, low + size).unwrap();
            prop_assert!((low..low + size).contains(&token));
        }
    }

    /// SP 800-38G, FF1 sample 7 (AES-256, radix 10, no tweak).
    #[test]
    fn the_published_sample() {
        let key: [u8; 32] = [
            0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c, 0xef, 0x43,
            0x59, 0xd8, 0xd5, 0x80, 0xaa, 0x4f, 0x7f, 0x03, 0x6d, 0x6f, 0x04, 0xfc, 0x6a, 0x94,
        ];
        assert_eq!(Permutation::new(&key).unwrap().digits(123_456_789, 10), Some(6_657_667_009));
    }

    #[test]
    fn small_ranges_are_refused_and_permutations_do_not_collide() {
        let permutation = Permutation::new(&[1; 32]).unwrap();
        assert_eq!(permutation.range(5, 0, 999_999), None);
        assert_eq!(permutation.digits(5, 5), None, "fewer than a million values");
        let tokens: HashSet<u128> = (0..2_000).filter_map(|value| permutation.range(value, 0, 1_000_001)).collect();
        assert_eq!(tokens.len(), 2_000);
    }
}
