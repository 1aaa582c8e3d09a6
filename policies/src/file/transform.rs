//! `with`: a transform by name, or a table with its options.

use super::fields::{Fields, Report, choose};
use model::MaskSpec;

/// Characters that `partial` keeps unless the rule says otherwise.
const PARTIAL_KEEP: u32 = 4;

#[derive(Clone, Copy)]
enum Transform {
    Redact,
    Null,
    Partial,
    Token,
    Year,
    Zip3,
    FakeName,
    Hash,
    Keep,
}

const TRANSFORMS: [(&str, Transform); 10] = [
    ("redact", Transform::Redact),
    ("null", Transform::Null),
    ("partial", Transform::Partial),
    ("token", Transform::Token),
    ("year", Transform::Year),
    // A date, a year of birth and an age are told apart by the column's type and value: one transform.
    ("age", Transform::Year),
    ("zip3", Transform::Zip3),
    ("fake_name", Transform::FakeName),
    ("hash", Transform::Hash),
    ("keep", Transform::Keep),
];

/// Reads `with = "token"` or `with = { token = { domain = "ssn", keep_format = true } }`.
pub(super) fn with(entry: &Fields<'_, '_>, rule: &str, report: &mut Report<'_>) -> Option<MaskSpec> {
    let key = entry.key("with");
    let Some(value) = entry.get("with") else {
        let help = "add with = \"redact\" (or null, partial, token, year, age, zip3, fake_name, hash, keep)";
        report.error(&entry.path, &entry.span, "the rule says not how to mask", help);
        return None;
    };
    if let Some(name) = value.get_ref().as_str() {
        let transform = choose(name, &value.span(), &key, &TRANSFORMS, report)?;
        return Some(plain(transform, rule));
    }
    let names: Vec<&str> = TRANSFORMS.iter().map(|(name, _)| *name).collect();
    let table = entry.table("with", &names, report)?;
    let given: Vec<_> = TRANSFORMS.iter().filter(|(name, _)| table.get(name).is_some()).collect();
    let [(name, transform)] = given.as_slice() else {
        if given.len() > 1 {
            report.error(&key, &value.span(), "a column has one transform, here are several", "keep one of them");
        } else if value.get_ref().as_table().is_some_and(|table| table.is_empty()) {
            report.error(&key, &value.span(), "no transform is named", "write for example with = \"redact\"");
        }
        return None;
    };
    match transform {
        Transform::Partial => {
            let options = table.table(name, &["keep"], report)?;
            let keep = options.number("keep", report).unwrap_or(PARTIAL_KEEP.into());
            match u32::try_from(keep) {
                Ok(keep @ 1..=64) => Some(MaskSpec::Partial { keep }),
                _ => {
                    let help = "write a number of characters from 1 to 64";
                    report.error(
                        &options.key("keep"),
                        &options.span,
                        format!("{keep} characters cannot be kept"),
                        help,
                    );
                    None
                }
            }
        }
        Transform::Token => {
            let options = table.table(name, &["domain", "keep_format"], report)?;
            let domain = options.string("domain", report).unwrap_or(rule);
            let keep_format = options.boolean("keep_format", report).unwrap_or(false);
            Some(MaskSpec::Token { domain: domain.to_owned(), keep_format })
        }
        other => {
            let options = table.table(name, &[], report)?;
            drop(options);
            Some(plain(*other, rule))
        }
    }
}

fn plain(transform: Transform, rule: &str) -> MaskSpec {
    match transform {
        Transform::Redact => MaskSpec::Redact,
        Transform::Null => MaskSpec::Null,
        Transform::Partial => MaskSpec::Partial { keep: PARTIAL_KEEP },
        Transform::Token => MaskSpec::Token { domain: rule.to_owned(), keep_format: false },
        Transform::Year => MaskSpec::Year,
        Transform::Zip3 => MaskSpec::Zip3,
        Transform::FakeName => MaskSpec::FakeName,
        Transform::Hash => MaskSpec::Hash,
        Transform::Keep => MaskSpec::Keep,
    }
}
