//! What tokens promise: determinism, one domain across kinds and widths, formats kept, ranges kept.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

fn token(domain: &str, keep_format: bool) -> Token {
    Token::new(&Keys::new(b"master", "tenant"), domain, keep_format)
}

fn text(token: &Token, value: &str) -> String {
    let mut out = Vec::new();
    token.text(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn plain_tokens() {
    let tokens = token("mrn", false);
    assert_eq!(text(&tokens, "MRN00123"), text(&token("mrn", false), "MRN00123"));
    assert_ne!(text(&tokens, "MRN00123"), text(&tokens, "MRN00124"));
    assert_ne!(text(&tokens, "MRN00123"), text(&token("ssn", false), "MRN00123"));
    assert_eq!(text(&tokens, "MRN00123").len(), 16);
}

#[test]
fn formats_are_kept() {
    let tokens = token("ssn", true);
    let ssn = text(&tokens, "123-45-6789");
    let shape: String = ssn.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "999-99-9999");
    assert_eq!(ssn.replace('-', ""), text(&tokens, "123456789"), "separators do not make another person");
    let mixed = text(&tokens, "Ab.c/Ünï 7");
    let shape: String = mixed
        .chars()
        .map(|c| match c {
            '0'..='9' => '9',
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            other => other,
        })
        .collect();
    assert_eq!(shape, "Aa.a/Aaa 9");
    assert_eq!(text(&tokens, "12").len(), 2, "too few digits to permute are drawn");
    assert_eq!(text(&tokens, &"x".repeat(100)).len(), 100, "too many to permute are drawn too");
    assert_eq!(text(&tokens, ""), "");
}

#[test]
fn formatted_tokens_do_not_collide() {
    let tokens = token("ssn", true);
    let distinct: HashSet<String> = (0..3_000).map(|n| text(&tokens, &format!("{n:09}"))).collect();
    assert_eq!(distinct.len(), 3_000);
    let distinct: HashSet<String> = (0..3_000).map(|n| text(&tokens, &format!("MRN{n:05}"))).collect();
    assert_eq!(distinct.len(), 3_000);
}

#[test]
fn an_integer_has_one_token_in_every_width() {
    let tokens = token("account", false);
    let mediumint = tokens.int(1_234_567, 3, true);
    assert_eq!(mediumint, tokens.int(1_234_567, 4, true));
    assert_eq!(mediumint, tokens.int(1_234_567, 8, false));
    assert_eq!(tokens.int(-1_234_567, 4, true), mediumint.map(|token| -token));
    assert_eq!(tokens.int(i128::from(i64::MIN), 8, true), None, "it stands alone: redacted");
}

#[test]
fn unsigned_integers_beyond_the_signed_ones_have_tokens_too() {
    let tokens = token("account", false);
    for bytes in [3_u8, 4, 8] {
        let half = 1_i128 << (u32::from(bytes) * 8 - 1);
        let values = [half, half + 1, half + 12_345, 2 * half - 1];
        let found: HashSet<i128> = values.iter().filter_map(|value| tokens.int(*value, bytes, false)).collect();
        assert_eq!(found.len(), values.len(), "{bytes}");
        assert!(found.iter().all(|token| (half..2 * half).contains(token)), "{bytes}: {found:?}");
    }
    assert_eq!(tokens.int(1 << 31, 4, false), tokens.int(1 << 31, 8, true));
}

proptest! {
    #[test]
    fn integers_stay_in_range(value in any::<i64>(), width in 0..5_usize) {
        let (bytes, value) = match width {
            0 => (1, value >> 56),
            1 => (2, value >> 48),
            2 => (3, value >> 40),
            3 => (4, value >> 32),
            _ => (8, value),
        };
        if let Some(token) = token("d", false).int(value.into(), bytes, true) {
            let limit = 1_i128 << (u32::from(bytes) * 8 - 1);
            prop_assert!((-limit..limit).contains(&token), "{} -> {}", value, token);
        } else {
            prop_assert_eq!(value, i64::MIN);
        }
    }

    #[test]
    fn decimals_keep_digits_and_scale(unscaled in -(10_i128.pow(37))..10_i128.pow(37), scale in 0_u16..10) {
        let tokens = token("d", false);
        let masked = tokens.decimal(Decimal { unscaled, scale }).unwrap();
        prop_assert_eq!(masked.scale, scale);
        prop_assert!(masked.unscaled.abs().checked_ilog10() <= unscaled.abs().checked_ilog10().or(Some(0)));
    }

    #[test]
    fn any_text_has_a_token_of_its_own_shape(value in "\\PC{0,60}") {
        let masked = text(&token("d", true), &value);
        prop_assert_eq!(masked.chars().count(), value.chars().count());
    }
}
