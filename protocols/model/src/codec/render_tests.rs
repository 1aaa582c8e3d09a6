//! What holds for rendering whatever the bytes are.

use super::*;
use proptest::prelude::*;

fn kinds() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        Just(Kind::Bool),
        (prop_oneof![Just(1_u8), Just(2), Just(3), Just(4), Just(8)], any::<bool>())
            .prop_map(|(bytes, signed)| Kind::Int { bytes, signed }),
        prop_oneof![Just(4_u8), Just(8)].prop_map(|bytes| Kind::Float { bytes }),
        prop::sample::select(vec![
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
            Kind::Json,
            Kind::Jsonb,
            Kind::Bytes,
            Kind::Composite,
            Kind::Bit,
            Kind::Network,
            Kind::Unknown,
        ]),
    ];
    leaf.prop_recursive(2, 4, 1, |inner| {
        inner.prop_map(|element| Kind::Array { element: Box::new(element), element_oid: 25 })
    })
}

fn encodings() -> impl Strategy<Value = Encoding> {
    prop::sample::select(vec![
        Encoding::PostgresText,
        Encoding::PostgresBinary,
        Encoding::MysqlText,
        Encoding::MysqlBinary,
    ])
}

#[test]
fn what_cannot_be_decoded_is_hex() {
    for encoding in [Encoding::PostgresBinary, Encoding::MysqlBinary, Encoding::PostgresText, Encoding::MysqlText] {
        let mut out = "kept:".to_owned();
        Repr { kind: Kind::Unknown, encoding }.render(&[0xff, 0], &mut out);
        assert_eq!(out, "kept:\\xff00");
    }
    let mut out = String::new();
    let element = Box::new(Kind::Text);
    Repr { kind: Kind::Array { element, element_oid: 25 }, encoding: Encoding::PostgresBinary }.render(&[0], &mut out);
    assert_eq!(out, "\\x00");
}

proptest! {
    #[test]
    fn rendering_is_total_and_only_appends(
        kind in kinds(), encoding in encodings(), cell in prop::collection::vec(any::<u8>(), 0..80)
    ) {
        let mut out = "before".to_owned();
        Repr { kind, encoding }.render(&cell, &mut out);
        prop_assert!(out.starts_with("before"));
    }

    #[test]
    fn text_encodings_pass_utf8_through(kind in kinds(), text in ".{0,40}") {
        for encoding in [Encoding::PostgresText, Encoding::MysqlText] {
            if kind == Kind::Bit { continue; }
            let mut out = String::new();
            Repr { kind: kind.clone(), encoding }.render(text.as_bytes(), &mut out);
            prop_assert_eq!(&out, &text);
        }
    }
}
