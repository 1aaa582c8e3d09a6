//! The shortest decimal text that reads back as the same IEEE 754 number, laid out as each engine lays it out.
//!
//! PostgreSQL: `float8out` (src/backend/utils/adt/float.c, src/common/d2s.c): exponents below −4 or from 15 (float4: 6) on are
//! written as `1e+20`. MySQL: `my_gcvt` (strings/dtoa.cc): from 15 on as `1e15`. MySQL's text protocol cuts FLOAT to six
//! digits; a client of the binary protocol sees all of them, so all are written here.

use std::fmt::Write as _;

#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Decimal exponents below this are written scientifically.
    min: i32,
    /// Decimal exponents from this on are written scientifically.
    max: i32,
    /// `1e+05` (true) or `1e5`.
    padded: bool,
    infinity: &'static str,
}

pub(super) const POSTGRES_4: Style = Style { min: -4, max: 6, padded: true, infinity: "Infinity" };
pub(super) const POSTGRES_8: Style = Style { min: -4, max: 15, padded: true, infinity: "Infinity" };
pub(super) const MYSQL: Style = Style { min: -15, max: 15, padded: false, infinity: "Infinity" };

pub(super) fn push_f32(out: &mut String, value: f32, style: Style) {
    let start = out.len();
    let _ = write!(out, "{value:e}");
    relayout(out, start, value.is_finite(), style);
}

pub(super) fn push_f64(out: &mut String, value: f64, style: Style) {
    let start = out.len();
    let _ = write!(out, "{value:e}");
    relayout(out, start, value.is_finite(), style);
}

/// Rewrites Rust's `-1.25e3`, `inf`, `NaN`, which begins at `start`, in the engine's style.
fn relayout(out: &mut String, start: usize, finite: bool, style: Style) {
    let written = out.split_off(start);
    if !finite {
        let sign = if written.starts_with('-') { "-" } else { "" };
        let name = if written.ends_with("NaN") { "NaN" } else { style.infinity };
        let _ = write!(out, "{sign}{name}");
        return;
    }
    let (sign, unsigned) = written.strip_prefix('-').map_or(("", written.as_str()), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    out.push_str(sign);
    if exponent < style.min || exponent >= style.max {
        out.push_str(mantissa);
        if style.padded {
            let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
        } else {
            let _ = write!(out, "e{exponent}");
        }
        return;
    }
    let digits = || whole.chars().chain(fraction.chars());
    let count = whole.len() + fraction.len();
    if exponent < 0 {
        out.push_str("0.");
        (1..exponent.unsigned_abs()).for_each(|_| out.push('0'));
        out.extend(digits());
        return;
    }
    let before = usize::try_from(exponent).unwrap_or(0) + 1;
    out.extend(digits().take(before));
    (count..before).for_each(|_| out.push('0'));
    if count > before {
        out.push('.');
        out.extend(digits().skip(before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eight(value: f64, style: Style) -> String {
        let mut out = String::new();
        push_f64(&mut out, value, style);
        out
    }

    #[test]
    fn doubles_as_postgres_15_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (100_000.0, "100000"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e300, "1e+300"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(eight(value, POSTGRES_8), text);
        }
    }

    #[test]
    fn singles_have_their_own_threshold() {
        let four = |value: f32| {
            let mut out = String::new();
            push_f32(&mut out, value, POSTGRES_4);
            out
        };
        assert_eq!(four(1_000_000.0), "1e+06");
        assert_eq!(four(123_456.0), "123456");
        assert_eq!(four(0.1), "0.1");
        assert_eq!(four(16_777_216.0), "1.6777216e+07");
    }

    #[test]
    fn mysql_writes_short_exponents() {
        assert_eq!(eight(1e20, MYSQL), "1e20");
        assert_eq!(eight(1e14, MYSQL), "100000000000000");
        assert_eq!(eight(0.000_001, MYSQL), "0.000001");
    }
}
