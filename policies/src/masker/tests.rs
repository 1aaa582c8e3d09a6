//! What holds for every mask, kind and encoding: what comes out is of the declared type, and nothing of the value is in it.

use super::*;
use model::ColumnRef;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 4] =
    [Encoding::PostgresText, Encoding::PostgresBinary, Encoding::MysqlText, Encoding::MysqlBinary];

fn column(kind: Kind, encoding: Encoding) -> Column {
    Column {
        name: "c".to_owned(),
        type_name: String::new(),
        repr: Repr { kind, encoding },
        nullable: None,
        max_chars: None,
        announced: Some(ColumnRef { schema: "s".to_owned(), table: "t".to_owned(), column: "c".to_owned() }),
    }
}

fn keys() -> Keys {
    Keys::new(b"master", "tenant").at(model::Timestamp::from_unix_seconds(1_735_689_600))
}

fn masks() -> Vec<MaskSpec> {
    let token = |keep_format| MaskSpec::Token { domain: "d".to_owned(), keep_format };
    vec![
        MaskSpec::Redact,
        MaskSpec::Null,
        MaskSpec::Partial { keep: 4 },
        token(false),
        token(true),
        MaskSpec::Year,
        MaskSpec::Zip3,
        MaskSpec::FakeName,
        MaskSpec::Hash,
        MaskSpec::Detect { find: vec!["ssn".to_owned(), "phone".to_owned()] },
    ]
}

fn kinds() -> Vec<Kind> {
    let int = |bytes, signed| Kind::Int { bytes, signed };
    let mut kinds = vec![
        Kind::Bool,
        int(1, true),
        int(2, true),
        int(3, false),
        int(4, true),
        int(8, true),
        int(8, false),
        Kind::Float { bytes: 4 },
        Kind::Float { bytes: 8 },
        Kind::Decimal,
        Kind::Date,
        Kind::Timestamp,
        Kind::TimestampTz,
        Kind::Time,
        Kind::TimeTz,
        Kind::Interval,
        Kind::Year,
        Kind::Uuid,
        Kind::Char,
        Kind::Text,
        Kind::Enum { labels: vec!["a".to_owned(), "b".to_owned()] },
        Kind::Json,
        Kind::Jsonb,
        Kind::Bytes,
        Kind::Composite,
        Kind::Bit,
        Kind::Network,
        Kind::Unknown,
    ];
    for element in [Kind::Text, int(4, true), Kind::Date, Kind::Uuid, Kind::Bool] {
        kinds.push(Kind::Array { element: Box::new(element), element_oid: 25 });
    }
    kinds
}

/// Masks one cell; NULL is `None`, unchanged is an error.
fn apply(mask: &MaskSpec, column: &Column, cell: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    let mut masker = Masker::compile(mask, column, &keys()).unwrap();
    match masker.apply(cell, &mut out) {
        CellAnswer::Replaced => Some(out.split_off(6)),
        CellAnswer::Null => {
            assert_eq!(out, b"before", "NULL leaves nothing behind");
            None
        }
        CellAnswer::Keep => panic!("{mask:?} kept a cell of {column:?}"),
    }
}

fn text(mask: &MaskSpec, column: &Column, cell: &str) -> String {
    String::from_utf8(apply(mask, column, Some(cell.as_bytes())).unwrap()).unwrap()
}

/// Whether the bytes are a value of the column's kind: by decoding them where the kind has a typed form, else by
/// rendering them as something else than hex.
fn is_valid(column: &Column, cell: &[u8]) -> bool {
    let mut shown = String::new();
    column.repr.render(cell, &mut shown);
    match &column.repr.kind {
        Kind::Enum { labels } => labels.iter().any(|label| label.as_bytes() == cell),
        Kind::Bytes => true,
        Kind::TimeTz | Kind::Interval | Kind::Bit | Kind::Network | Kind::Composite | Kind::Array { .. } => {
            !shown.starts_with("\\x")
        }
        _ => column.repr.decode(cell).is_some(),
    }
}

#[test]
fn redactions_are_valid_for_every_kind_and_encoding() {
    for encoding in ENCODINGS {
        let mysql = matches!(encoding, Encoding::MysqlText | Encoding::MysqlBinary);
        for kind in kinds() {
            if mysql && matches!(kind, Kind::Array { .. } | Kind::Composite | Kind::TimeTz | Kind::Interval) {
                continue;
            }
            if !mysql && matches!(kind, Kind::Year | Kind::Int { bytes: 3, .. }) {
                continue;
            }
            let column = column(kind, encoding);
            let (some, none) = (apply(&MaskSpec::Redact, &column, Some(b"x")), apply(&MaskSpec::Redact, &column, None));
            assert_eq!(some, none, "a redacted column does not even say which cells were NULL: {column:?}");
            match some {
                Some(cell) => assert!(is_valid(&column, &cell), "{column:?}: {cell:?}"),
                None => assert!(matches!(column.repr.kind, Kind::Unknown | Kind::Composite | Kind::Bit), "{column:?}"),
            }
        }
    }
}

#[test]
fn the_constants_that_people_see() {
    let shown = |kind, encoding| {
        let column = column(kind, encoding);
        let mut out = String::new();
        column.repr.render(&apply(&MaskSpec::Redact, &column, Some(b"x")).unwrap(), &mut out);
        out
    };
    for (kind, text) in [
        (Kind::Text, "***"),
        (Kind::Int { bytes: 4, signed: true }, "0"),
        (Kind::Decimal, "0"),
        (Kind::Date, "0001-01-01"),
        (Kind::Timestamp, "0001-01-01 00:00:00"),
        (Kind::Uuid, "00000000-0000-4000-8000-000000000000"),
        (Kind::Json, "{}"),
    ] {
        for encoding in ENCODINGS {
            assert_eq!(shown(kind.clone(), encoding), text, "{encoding:?}");
        }
    }
    assert_eq!(shown(Kind::TimestampTz, Encoding::PostgresBinary), "0001-01-01 00:00:00+00");
    assert_eq!(shown(Kind::Bytes, Encoding::PostgresBinary), "\\x");
    assert_eq!(shown(Kind::Array { element: Box::new(Kind::Text), element_oid: 25 }, Encoding::PostgresBinary), "{}");
    assert_eq!(shown(Kind::Network, Encoding::PostgresBinary), "0.0.0.0");
}

#[test]
fn null_where_it_may_be_and_refusal_where_nothing_can_stand() {
    let mut dated = column(Kind::Date, Encoding::PostgresBinary);
    dated.nullable = Some(true);
    assert_eq!(apply(&MaskSpec::Redact, &dated, Some(&[0; 4])), None, "NULL tells more truthfully than the year 1");
    let mut number = column(Kind::Int { bytes: 4, signed: true }, Encoding::PostgresText);
    assert_eq!(apply(&MaskSpec::Null, &number, Some(b"7")), None);
    number.nullable = Some(false);
    assert_eq!(apply(&MaskSpec::Null, &number, Some(b"7")), Some(b"0".to_vec()));
    let mut unknown = column(Kind::Unknown, Encoding::PostgresBinary);
    assert_eq!(apply(&MaskSpec::Hash, &unknown, Some(b"7")), None);
    unknown.nullable = Some(false);
    unknown.type_name = "geometry".to_owned();
    let error = Masker::compile(&MaskSpec::Redact, &unknown, &keys()).err().unwrap().to_string();
    assert_eq!(
        error,
        "column \"c\" of type geometry has no value to stand for a masked one, and may not be NULL; leave it out"
    );
    assert!(Masker::compile(&MaskSpec::Keep, &unknown, &keys()).is_ok());
    let mut bits = column(Kind::Bit, Encoding::PostgresText);
    bits.nullable = Some(false);
    assert_eq!(text(&MaskSpec::Redact, &bits, "10110"), "00000");
    bits.repr.encoding = Encoding::PostgresBinary;
    assert_eq!(apply(&MaskSpec::Redact, &bits, Some(&[0, 0, 0, 5, 0xb0])), Some(vec![0, 0, 0, 5, 0]));
    bits.repr.encoding = Encoding::MysqlText;
    assert_eq!(apply(&MaskSpec::Redact, &bits, Some(&[0xb0, 1])), Some(vec![0, 0]));
}

#[test]
fn nulls_stay_null_under_transforms_and_keep_keeps() {
    let text = column(Kind::Text, Encoding::PostgresText);
    let mut out = Vec::new();
    for mask in [MaskSpec::Hash, MaskSpec::Year, MaskSpec::Keep] {
        assert_eq!(Masker::compile(&mask, &text, &keys()).unwrap().apply(None, &mut out), CellAnswer::Keep);
    }
    assert_eq!(Masker::compile(&MaskSpec::Keep, &text, &keys()).unwrap().apply(Some(b"x"), &mut out), CellAnswer::Keep);
    assert!(out.is_empty());
}

#[test]
fn one_value_has_one_token_on_every_engine_in_every_encoding() {
    for keep_format in [false, true] {
        let token = MaskSpec::Token { domain: "mrn".to_owned(), keep_format };
        let mut seen = std::collections::HashSet::new();
        for encoding in ENCODINGS {
            seen.insert(text(&token, &column(Kind::Text, encoding), "MRN-0012345"));
            let mut padded = column(Kind::Char, encoding);
            padded.max_chars = Some(24);
            let cell = text(&token, &padded, "MRN-0012345   ");
            seen.insert(cell.trim_end().to_owned());
        }
        assert_eq!(seen.len(), 1, "{seen:?}");
    }
    let token = MaskSpec::Token { domain: "n".to_owned(), keep_format: false };
    let number = |encoding, cell: &[u8]| {
        let column = column(Kind::Int { bytes: 4, signed: true }, encoding);
        column.repr.decode(&apply(&token, &column, Some(cell)).unwrap()).map(|value| format!("{value:?}"))
    };
    let first = number(Encoding::PostgresText, b"1234567");
    assert!(first.is_some());
    assert_eq!(first, number(Encoding::PostgresBinary, &1_234_567_i32.to_be_bytes()));
    assert_eq!(first, number(Encoding::MysqlBinary, &1_234_567_i32.to_le_bytes()));
    assert_eq!(first, number(Encoding::MysqlText, b"1234567"));
}

#[test]
fn declared_lengths_are_kept() {
    let mut short = column(Kind::Text, Encoding::PostgresText);
    short.max_chars = Some(2);
    assert_eq!(text(&MaskSpec::Redact, &short, "secret"), "**");
    assert_eq!(text(&MaskSpec::Hash, &short, "ß").len(), 2);
    let mut fixed = column(Kind::Char, Encoding::PostgresBinary);
    fixed.max_chars = Some(5);
    assert_eq!(text(&MaskSpec::Redact, &fixed, "12345"), "***  ");
    assert_eq!(text(&MaskSpec::Zip3, &fixed, "94305"), "943  ");
    assert_eq!(text(&MaskSpec::Partial { keep: 1 }, &fixed, "äöü  "), "**ü  ", "characters, not bytes");
    fixed.repr.encoding = Encoding::MysqlText;
    assert_eq!(text(&MaskSpec::Redact, &fixed, "12345"), "***", "MySQL strips the padding");
}

#[test]
fn dates_keep_their_year_and_their_infinity() {
    let year = |kind, encoding, cell: &[u8]| {
        let column = column(kind, encoding);
        let mut shown = String::new();
        column.repr.render(&apply(&MaskSpec::Year, &column, Some(cell)).unwrap(), &mut shown);
        shown
    };
    assert_eq!(year(Kind::Date, Encoding::PostgresText, b"1980-05-17"), "1980-01-01");
    assert_eq!(year(Kind::Date, Encoding::PostgresText, b"1911-05-17"), "1935-01-01", "over 89 in 2025");
    assert_eq!(year(Kind::Date, Encoding::PostgresText, b"infinity"), "infinity");
    assert_eq!(year(Kind::Date, Encoding::PostgresBinary, &[0x80, 0, 0, 0]), "-infinity");
    assert_eq!(year(Kind::Date, Encoding::PostgresBinary, &366_i32.to_be_bytes()), "2001-01-01");
    assert_eq!(year(Kind::TimestampTz, Encoding::PostgresText, b"2001-05-17 10:00:00+02"), "2001-01-01 00:00:00+02");
    assert_eq!(year(Kind::Timestamp, Encoding::MysqlBinary, &[0xd1, 7, 5, 17, 10, 0, 0]), "2001-01-01 00:00:00");
    assert_eq!(year(Kind::Date, Encoding::MysqlText, b"0000-00-00"), "0000-00-00");
    assert_eq!(year(Kind::Timestamp, Encoding::MysqlBinary, &[]), "0000-00-00 00:00:00");
    assert_eq!(year(Kind::Year, Encoding::MysqlText, b"1980"), "1980");
    assert_eq!(year(Kind::Date, Encoding::PostgresText, b"17.05.1980"), "0001-01-01", "not ISO: redacted");
}

#[test]
fn arrays_are_masked_element_by_element() {
    let array = |element| column(Kind::Array { element: Box::new(element), element_oid: 25 }, Encoding::PostgresText);
    let partial = MaskSpec::Partial { keep: 2 };
    assert_eq!(text(&partial, &array(Kind::Text), r#"{12345,NULL,"a \"b"}"#), r#"{***45,NULL,"* \"b"}"#);
    assert_eq!(text(&MaskSpec::Year, &array(Kind::Date), "{1980-05-17}"), "{1980-01-01}");
    assert_eq!(text(&MaskSpec::Year, &array(Kind::Date), "{1980-05-17,nonsense}"), "{}", "one bad element redacts all");
    assert_eq!(text(&MaskSpec::Hash, &array(Kind::Bool), "{t,f}"), "{}", "not served: redacted");
    let mut binary = array(Kind::Int { bytes: 4, signed: true });
    binary.repr.encoding = Encoding::PostgresBinary;
    let cell = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0x30, 0x39];
    let masked = apply(&partial, &binary, Some(&cell)).unwrap();
    let mut shown = String::new();
    binary.repr.render(&masked, &mut shown);
    assert_eq!(shown, "{45}");
}

#[test]
fn documents_are_masked_leaf_by_leaf() {
    let jsonb = column(Kind::Jsonb, Encoding::PostgresBinary);
    let masked = apply(&MaskSpec::Partial { keep: 2 }, &jsonb, Some(b"\x01{\"ssn\": \"12345\"}")).unwrap();
    assert_eq!(masked, b"\x01{\"ssn\": \"***45\"}");
    let json = column(Kind::Json, Encoding::MysqlText);
    assert_eq!(text(&MaskSpec::Hash, &json, "{\"open"), "{}", "not JSON: redacted");
}

#[test]
fn detectors_mask_what_they_find_in_texts_and_documents() {
    let find = MaskSpec::Detect { find: vec!["ssn".to_owned(), "mrn:H[0-9]{5}".to_owned()] };
    let notes = column(Kind::Text, Encoding::PostgresBinary);
    assert_eq!(text(&find, &notes, "Pt H12345, SSN 123-45-6789, stable"), "Pt [mrn], SSN [ssn], stable");
    let jsonb = column(Kind::Jsonb, Encoding::PostgresText);
    assert_eq!(text(&find, &jsonb, r#"{"n": ["H12345 \"x\""]}"#), r#"{"n": ["[mrn] \"x\""]}"#);
    let number = column(Kind::Int { bytes: 8, signed: true }, Encoding::PostgresText);
    assert_eq!(text(&find, &number, "123456789"), "0", "not a text: redacted");
}

/// Runs of four or more characters of `value` that are still in `masked`.
fn survivors(value: &str, masked: &str) -> Vec<String> {
    let value: Vec<char> = value.to_lowercase().chars().collect();
    let masked = masked.to_lowercase();
    value.windows(4).map(|run| run.iter().collect::<String>()).filter(|run| masked.contains(run.as_str())).collect()
}

proptest! {
    #[test]
    fn every_mask_of_every_cell_is_of_its_type(
        mask in 0..10_usize, kind in 0..33_usize, encoding in 0..4_usize, cell in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let column = column(kinds()[kind].clone(), ENCODINGS[encoding]);
        if let Some(masked) = apply(&masks()[mask], &column, Some(&cell)) {
            let mysql = encoding >= 2;
            // Kinds that the engine does not have.
            let alien = match column.repr.kind {
                Kind::Array { .. } | Kind::TimeTz | Kind::Interval => mysql,
                Kind::Year | Kind::Int { bytes: 3, .. } => !mysql,
                _ => false,
            };
            if !alien {
                prop_assert!(is_valid(&column, &masked), "{:?} {:?}", column, masked);
            }
        }
    }

    #[test]
    fn every_mask_of_every_value_is_of_its_type(mask in 0..10_usize, encoding in 0..4_usize, number in any::<i64>(), days in -300_000_i64..80_000) {
        let date = model::codec::Date::from_unix_days(days).unwrap();
        let values = [
            (Kind::Int { bytes: 8, signed: true }, Value::Int(number.into())),
            (Kind::Int { bytes: 4, signed: true }, Value::Int((number >> 32).into())),
            (Kind::Int { bytes: 2, signed: true }, Value::Int((number >> 48).into())),
            (Kind::Decimal, Value::Decimal(model::codec::Decimal { unscaled: number.into(), scale: 3 })),
            (Kind::Date, Value::Date(date)),
            (Kind::Timestamp, Value::DateTime(DateTime { date, micros: 1, offset: None })),
            (Kind::Uuid, Value::Uuid([number.to_be_bytes(); 2].concat().try_into().unwrap())),
        ];
        for (kind, value) in values {
            let column = column(kind, ENCODINGS[encoding]);
            let mut cell = Vec::new();
            column.repr.encode(&value, &mut cell).unwrap();
            if let Some(masked) = apply(&masks()[mask], &column, Some(&cell)) {
                prop_assert!(is_valid(&column, &masked), "{:?} {:?}", column, masked);
                prop_assert_eq!(apply(&masks()[mask], &column, Some(&cell)), Some(masked), "deterministic");
            }
        }
    }

    #[test]
    fn nothing_of_a_text_survives(value in "[ -~]{4,40}|[a-zA-Z0-9 äöüß.-]{4,20}") {
        let column = column(Kind::Text, Encoding::PostgresText);
        let token = MaskSpec::Token { domain: "d".to_owned(), keep_format: false };
        for mask in [MaskSpec::Redact, token, MaskSpec::Hash] {
            let masked = text(&mask, &column, &value);
            // A run of four in a random token is a coincidence of about one in a thousand values; two are not.
            let kept = survivors(&value, &masked);
            prop_assert!(kept.len() <= usize::from(mask != MaskSpec::Redact), "{:?} {:?} {:?}", value, masked, kept);
        }
    }

    #[test]
    fn tokens_are_deterministic_and_differ(one in "[0-9]{9}", other in "[0-9]{9}") {
        let column = column(Kind::Text, Encoding::PostgresText);
        let token = MaskSpec::Token { domain: "ssn".to_owned(), keep_format: true };
        prop_assert_eq!(text(&token, &column, &one), text(&token, &column, &one));
        prop_assert_eq!(one == other, text(&token, &column, &one) == text(&token, &column, &other));
    }
}
