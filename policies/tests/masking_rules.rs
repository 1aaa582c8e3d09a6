//! The promises about transforms, one by one, through the public interface: what each does to a value, that it stays of its
//! type in text and in binary, and what it does to what it does not serve.

// Clippy knows tests by their attribute; what helps them panics as they do.
#![allow(clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use affidavit_policies::{CellAnswer, Keys, Masker};
use model::{Column, Encoding, Kind, MaskSpec, Repr, Timestamp};

const ENCODINGS: [Encoding; 4] =
    [Encoding::PostgresText, Encoding::PostgresBinary, Encoding::MysqlText, Encoding::MysqlBinary];

fn column(kind: Kind, encoding: Encoding) -> Column {
    Column {
        name: "c".to_owned(),
        type_name: String::new(),
        repr: Repr { kind, encoding },
        nullable: Some(false),
        max_chars: None,
        announced: None,
    }
}

/// 1 July 2026.
fn keys() -> Keys {
    Keys::new(b"a master secret", "tenant").at(Timestamp(1_782_864_000_000_000))
}

/// Masks a text column's cell.
fn text(mask: &MaskSpec, keys: &Keys, cell: &str) -> String {
    let mut masker = Masker::compile(mask, &column(Kind::Text, Encoding::PostgresText), keys).unwrap();
    let mut out = Vec::new();
    match masker.apply(Some(cell.as_bytes()), &mut out) {
        CellAnswer::Keep => cell.to_owned(),
        CellAnswer::Null => "NULL".to_owned(),
        CellAnswer::Replaced => String::from_utf8(out).unwrap(),
    }
}

/// Masks an integer in every encoding; all answers as numbers.
fn ints(mask: &MaskSpec, keys: &Keys, bytes: u8, value: i64) -> Vec<String> {
    let shown = |encoding| {
        let column = column(Kind::Int { bytes, signed: true }, encoding);
        let mut cell = Vec::new();
        column.repr.encode(&model::codec::Value::Int(value.into()), &mut cell).unwrap();
        let (mut out, mut shown) = (Vec::new(), String::new());
        assert_ne!(Masker::compile(mask, &column, keys).unwrap().apply(Some(&cell), &mut out), CellAnswer::Keep);
        column.repr.render(&out, &mut shown);
        shown
    };
    let mut all: Vec<String> = ENCODINGS.into_iter().map(shown).collect();
    all.dedup();
    all
}

fn token(domain: &str, keep_format: bool) -> MaskSpec {
    MaskSpec::Token { domain: domain.to_owned(), keep_format }
}

#[test]
fn zip_codes_of_the_seventeen_small_areas_become_000() {
    for area in "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split(' ') {
        assert_eq!(text(&MaskSpec::Zip3, &keys(), &format!("{area}42")), "000", "{area}");
        assert_eq!(text(&MaskSpec::Zip3, &keys(), &format!("{area}42-0001")), "000", "{area}");
        let number: i64 = format!("{area}42").parse().unwrap();
        assert_eq!(ints(&MaskSpec::Zip3, &keys(), 4, number), ["0"], "{area}");
    }
    let small = (0..1_000).filter(|area| text(&MaskSpec::Zip3, &keys(), &format!("{area:03}99")) == "000").count();
    assert_eq!(small, 18, "these, and the area 000 itself");
    let own = keys().small_zip_areas(vec![21]);
    assert_eq!(
        (text(&MaskSpec::Zip3, &own, "02139"), text(&MaskSpec::Zip3, &own, "03642")),
        ("000".to_owned(), "036".to_owned())
    );
    assert_eq!(text(&MaskSpec::Zip3, &keys(), "SW1A 1AA"), "***", "what is no ZIP code is redacted");
}

#[test]
fn ages_over_89_and_their_birth_years_are_one_group() {
    for (age, shown) in [(0, "0"), (45, "45"), (89, "89"), (90, "90"), (91, "90"), (104, "90"), (150, "90")] {
        assert_eq!(ints(&MaskSpec::Year, &keys(), 2, age), [shown], "{age}");
        assert_eq!(text(&MaskSpec::Year, &keys(), &age.to_string()), shown, "{age}");
    }
    // In 2026 who was born in 1936 is 89 or 90.
    for (year, shown) in [(2001, "2001"), (1937, "1937"), (1936, "1936"), (1935, "1936"), (1911, "1936")] {
        assert_eq!(ints(&MaskSpec::Year, &keys(), 4, year), [shown], "{year}");
        assert_eq!(text(&MaskSpec::Year, &keys(), &format!("{year}-05-17")), format!("{shown}-01-01"));
        assert_eq!(text(&MaskSpec::Year, &keys(), &format!("05/17/{year}")), format!("{shown}-01-01"));
    }
    // The group moves with the calendar.
    let later = keys().at(Timestamp(1_814_400_000_000_000));
    assert_eq!(text(&MaskSpec::Year, &later, "1936-05-17"), "1937-01-01");
    assert_eq!(text(&MaskSpec::Year, &keys(), "17th of May"), "***", "what is no date is redacted");
}

#[test]
fn tokens_are_keyed_deterministic_and_apart_by_domain_tenant_and_key() {
    for keep_format in [false, true] {
        let of = |keys: &Keys, domain| text(&token(domain, keep_format), keys, "MRN0012345678");
        let first = of(&keys(), "mrn");
        assert_eq!(first, of(&keys(), "mrn"));
        for other in [
            of(&keys(), "ssn"),
            of(&Keys::new(b"a master secret", "another tenant"), "mrn"),
            of(&Keys::new(b"another secret", "tenant"), "mrn"),
        ] {
            assert_ne!(first, other);
        }
    }
    let ssn = text(&token("ssn", true), &keys(), "219-09-9999");
    let shape: String = ssn.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "999-99-9999", "separators stay where they were: {ssn}");
    assert_ne!(ssn, "219-09-9999");
    for (bytes, value) in [(2, 31_000_i64), (4, 2_000_000_000), (8, 8_000_000_000_000_000_000)] {
        let tokens = ints(&token("n", false), &keys(), bytes, value);
        assert_eq!(tokens.len(), 1, "one token in every encoding: {tokens:?}");
        let token: i64 = tokens[0].parse().unwrap();
        let high = 1_i64.checked_shl(u32::from(bytes) * 8 - 1).filter(|high| *high > 0).unwrap_or(i64::MAX);
        assert!((0..=high).contains(&token), "{token} fits in {bytes} bytes and keeps its sign");
    }
}

#[test]
fn hashes_are_keyed_and_names_keep_nothing() {
    let hash = text(&MaskSpec::Hash, &keys(), "jane@mail.example");
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    let bare: String = {
        use sha2::Digest as _;
        sha2::Sha256::digest(b"jane@mail.example").iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_ne!(hash, bare, "anybody could compute a bare hash");
    assert_ne!(hash, text(&MaskSpec::Hash, &Keys::new(b"another secret", "tenant"), "jane@mail.example"));
    assert_eq!(text(&MaskSpec::FakeName, &keys(), "Jane Doe"), text(&MaskSpec::FakeName, &keys(), "JANE DOE"));
    assert_ne!(text(&MaskSpec::FakeName, &keys(), "Jane Doe"), text(&MaskSpec::FakeName, &keys(), "Jane Roe"));
    assert_eq!(text(&MaskSpec::Partial { keep: 4 }, &keys(), "617-555-0134"), "***-***-0134");
    assert_eq!(text(&MaskSpec::Keep, &keys(), "as it is"), "as it is");
}

/// A transform that does not serve a kind redacts it, and never passes it on.
#[test]
fn what_a_transform_does_not_serve_is_redacted() {
    let kinds = [
        Kind::Bool,
        Kind::Float { bytes: 8 },
        Kind::Time,
        Kind::Bytes,
        Kind::Enum { labels: vec!["a".to_owned(), "b".to_owned()] },
    ];
    for kind in kinds {
        for mask in [token("d", true), MaskSpec::Year, MaskSpec::Zip3, MaskSpec::FakeName, MaskSpec::Hash] {
            let column = column(kind.clone(), Encoding::PostgresText);
            let of = |cell: &[u8]| {
                let mut out = Vec::new();
                let answer = Masker::compile(&mask, &column, &keys()).unwrap().apply(Some(cell), &mut out);
                assert_ne!(answer, CellAnswer::Keep, "{mask:?} of {kind:?}");
                out
            };
            let (one, other) = match kind {
                Kind::Bool => (b"t".to_vec(), b"f".to_vec()),
                Kind::Float { .. } => (b"1.5".to_vec(), b"-7".to_vec()),
                Kind::Time => (b"10:11:12".to_vec(), b"01:02:03".to_vec()),
                Kind::Bytes => (b"\\x00ff".to_vec(), b"\\x01".to_vec()),
                _ => (b"a".to_vec(), b"b".to_vec()),
            };
            assert_eq!(of(&one), of(&other), "{mask:?} of {kind:?} tells values apart");
        }
    }
}
