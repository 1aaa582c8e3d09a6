//! FF1 (NIST SP 800-38G), without a tweak, over numbers whose halves fit in an `u64`.
//!
//! The `fpe` crate has FF1 for numeral strings of any length; it is the reference that the tests compare with. Here a
//! token is drawn for every row, and knowing that a half fits in a machine word makes that three times as fast and more: one AES
//! block a round (AES-128: its ten rounds instead of fourteen are most of the time), no big numbers, no heap.

use aes::Aes128;
use aes::cipher::{BlockEncrypt as _, KeyInit as _};

/// At most this many numerals of radix 10: a half then has 19, which is below 2^64.
pub(super) const MAX_DIGITS: usize = 38;
/// At most this many of radix 2.
pub(super) const MAX_BITS: usize = 126;
/// SP 800-38G Rev. 1: the domain has a million values or more.
pub(super) const MIN_DOMAIN: u128 = 1_000_000;

/// What depends on the radix and the number of numerals only.
#[derive(Clone, Copy)]
struct Shape {
    /// AES of the first block, P: radix, number of numerals, length of the tweak.
    first: u128,
    /// radix^u and radix^v, where u and v are the numerals of the halves.
    moduli: [u64; 2],
    /// Bytes that the longer half takes (`b`).
    bytes: u32,
}

impl Shape {
    fn new(cipher: &Aes128, radix: u64, count: usize) -> Option<Self> {
        let count = u32::try_from(count).ok()?;
        let (u, v) = (count / 2, count - count / 2);
        let (head, tail) = (radix.checked_pow(u)?, radix.checked_pow(v)?);
        // P = [1] [2] [1] [radix]3 [10] [u mod 256] [n]4 [t]4
        let p = 0x01_02_01_u128 << 104
            | u128::from(radix) << 80
            | 10 << 72
            | u128::from(u & 0xff) << 64
            | u128::from(count) << 32;
        let bits = u64::BITS - (tail - 1).leading_zeros();
        Some(Self { first: encrypt(cipher, p), moduli: [head, tail], bytes: bits.div_ceil(8) })
    }
}

fn encrypt(cipher: &Aes128, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    cipher.encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// A keyed permutation of numbers.
pub(super) struct Permutation {
    cipher: Aes128,
    /// By the number of digits.
    decimal: Vec<Option<Shape>>,
    /// By the number of bits.
    binary: Vec<Option<Shape>>,
}

impl Permutation {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let cipher = Aes128::new(&(*key).into());
        let shapes = |radix: u64, min: usize, max: usize| {
            (0..=max).map(|count| (count >= min).then(|| Shape::new(&cipher, radix, count)).flatten()).collect()
        };
        // The least counts are those of a domain of a million: 10^6, 2^20.
        let (decimal, binary) = (shapes(10, 6, MAX_DIGITS), shapes(2, 20, MAX_BITS));
        Self { cipher, decimal, binary }
    }

    /// Permutes the decimal strings of `count` digits (6 to 38).
    pub(super) fn digits(&self, value: u128, count: usize) -> Option<u128> {
        self.permute(value, self.decimal.get(count)?.as_ref()?)
    }

    /// Permutes `low..high`: encrypts in the smallest binary domain that holds `high − 1`, again and again until the
    /// result lies in the range (cycle walking: Black and Rogaway, "Ciphers with Arbitrary Finite Domains").
    pub(super) fn range(&self, value: u128, low: u128, high: u128) -> Option<u128> {
        let size = high.checked_sub(low).filter(|size| *size >= MIN_DOMAIN)?;
        let bits = usize::try_from(128 - (size - 1).leading_zeros()).ok()?;
        let shape = self.binary.get(bits)?.as_ref()?;
        let mut at = value.checked_sub(low).filter(|offset| *offset < size)?;
        // The domain is less than twice the range, so a walk is two steps at most on average; it ends, because it is on
        // a cycle that holds the value itself.
        loop {
            at = self.permute(at, shape)?;
            if at < size {
                return at.checked_add(low);
            }
        }
    }

    /// Algorithm 7, FF1.Encrypt. `None` if the value has more numerals than the shape.
    fn permute(&self, value: u128, shape: &Shape) -> Option<u128> {
        let [head, tail] = shape.moduli;
        let mut a = u64::try_from(value / u128::from(tail)).ok().filter(|a| *a < head)?;
        let mut b = u64::try_from(value % u128::from(tail)).ok()?;
        for round in 0..10_u8 {
            // Q = [0]… [round] [NUM(B)]b, and R = PRF(P ‖ Q): a CBC-MAC of two blocks, the first of which never changes.
            let q = u128::from(round) << (8 * shape.bytes) | u128::from(b);
            let r = encrypt(&self.cipher, shape.first ^ q);
            let modulus = if round % 2 == 0 { head } else { tail };
            // y = NUM of the first d = 4 ⌈b / 4⌉ + 4 bytes of R: eight, or twelve.
            let y = if shape.bytes <= 4 {
                u64::try_from(r >> 64).ok()? % modulus
            } else {
                u64::try_from((r >> 32) % u128::from(modulus)).ok()?
            };
            let sum = u128::from(a) + u128::from(y);
            let sum = if sum >= u128::from(modulus) { sum - u128::from(modulus) } else { sum };
            (a, b) = (b, u64::try_from(sum).ok()?);
        }
        Some(u128::from(a) * u128::from(tail) + u128::from(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fpe::ff1::{FF1, FlexibleNumeralString};
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn digits_of(value: u128, count: usize) -> Vec<u16> {
        format!("{value:0count$}").bytes().map(|byte| u16::from(byte - b'0')).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_numeral_strings_of_fpe(value in 0..10_u128.pow(38), count in 6..39_usize) {
            let value = value % 10_u128.pow(u32::try_from(count).unwrap());
            let permutation = Permutation::new(&[7; 16]);
            let theirs = FF1::<aes_reference::Aes128>::new(&[7; 16], 10).unwrap();
            let expected: Vec<u16> =
                theirs.encrypt(&[], &FlexibleNumeralString::from(digits_of(value, count))).unwrap().into();
            prop_assert_eq!(digits_of(permutation.digits(value, count).unwrap(), count), expected);
        }

        #[test]
        fn agrees_with_fpe_in_binary(value in any::<u128>(), count in 20..127_usize) {
            let value = value >> (128 - count);
            let bits: Vec<u16> = (0..count).rev().map(|bit| u16::from(value >> bit & 1 == 1)).collect();
            let theirs = FF1::<aes_reference::Aes128>::new(&[7; 16], 2).unwrap();
            let expected: Vec<u16> = theirs.encrypt(&[], &FlexibleNumeralString::from(bits)).unwrap().into();
            let expected = expected.iter().fold(0, |number, bit| number << 1 | u128::from(*bit));
            let permutation = Permutation::new(&[7; 16]);
            let shape = permutation.binary[count].unwrap();
            prop_assert_eq!(permutation.permute(value, &shape), Some(expected));
        }

        #[test]
        fn ranges_are_kept(low in 0..1_000_000_u128, size in 1_000_000..1_u128 << 64, at in any::<u64>()) {
            let permutation = Permutation::new(&[9; 16]);
            let value = low + u128::from(at) % size;
            let token = permutation.range(value, low, low + size).unwrap();
            prop_assert!((low..low + size).contains(&token));
        }
    }

    /// SP 800-38G, FF1 sample 1 (AES-128, radix 10, no tweak).
    #[test]
    fn the_published_sample() {
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
        assert_eq!(Permutation::new(&key).digits(123_456_789, 10), Some(2_433_477_484));
    }

    #[test]
    fn small_ranges_are_refused_and_permutations_do_not_collide() {
        let permutation = Permutation::new(&[1; 16]);
        assert_eq!(permutation.range(5, 0, 999_999), None);
        assert_eq!(permutation.digits(5, 5), None, "fewer than a million values");
        let tokens: HashSet<u128> = (0..2_000).filter_map(|value| permutation.range(value, 0, 1_000_001)).collect();
        assert_eq!(tokens.len(), 2_000);
    }
}
