//! Values out of cells and back, over every kind and encoding.

use super::*;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 4] =
    [Encoding::PostgresText, Encoding::PostgresBinary, Encoding::MysqlText, Encoding::MysqlBinary];

fn round_trip(kind: &Kind, encoding: Encoding, value: Value<'_>) {
    let repr = Repr { kind: kind.clone(), encoding };
    let mut out = b"\xff".to_vec();
    assert_eq!(repr.encode(&value, &mut out), Ok(()), "{repr:?} {value:?}");
    assert_eq!(repr.decode(&out[1..]), Some(value), "{repr:?} {:?}", &out[1..]);
}

#[test]
fn out_of_range_is_refused_and_leaves_nothing_behind() {
    let int = |bytes, signed| Kind::Int { bytes, signed };
    for encoding in ENCODINGS {
        for (kind, value) in [
            (int(1, true), 128),
            (int(1, false), -1),
            (int(2, true), 32_768),
            (int(3, true), 8_388_608),
            (int(4, true), 1 << 31),
            (int(8, false), 1 << 64),
        ] {
            let mut out = vec![7];
            assert_eq!(Repr { kind, encoding }.encode(&Value::Int(value), &mut out), Err(Unencodable));
            assert_eq!(out, [7]);
        }
        let labels = vec!["a".to_owned()];
        let mut out = Vec::new();
        assert!(Repr { kind: Kind::Enum { labels }, encoding }.encode(&Value::Text("b"), &mut out).is_err());
        assert!(Repr { kind: Kind::Bool, encoding }.encode(&Value::Int(1), &mut out).is_err());
    }
}

#[test]
fn what_only_one_engine_stores() {
    let mysql = Repr { kind: Kind::Date, encoding: Encoding::MysqlText };
    assert_eq!(mysql.decode(b"0000-00-00"), Some(Value::Date(Date { year: 0, month: 0, day: 0 })));
    let binary = Repr { kind: Kind::Timestamp, encoding: Encoding::MysqlBinary };
    assert!(matches!(binary.decode(&[]), Some(Value::DateTime(value)) if value.date.is_zero()));
    round_trip(&Kind::Date, Encoding::PostgresText, Value::Infinity(false));
    round_trip(&Kind::TimestampTz, Encoding::PostgresBinary, Value::Infinity(true));
    round_trip(&Kind::Date, Encoding::PostgresText, Value::Date(Date { year: -43, month: 3, day: 15 }));
    let mut out = Vec::new();
    let zero = Value::Date(Date { year: 0, month: 0, day: 0 });
    assert!(Repr { kind: Kind::Date, encoding: Encoding::PostgresBinary }.encode(&zero, &mut out).is_err());
}

#[test]
fn zones_survive_in_text_and_become_utc_in_binary() {
    let text = Repr { kind: Kind::TimestampTz, encoding: Encoding::PostgresText };
    let value = text.decode(b"2024-02-29 12:00:00.5+05:30").unwrap();
    let mut out = Vec::new();
    text.encode(&value, &mut out).unwrap();
    assert_eq!(out, b"2024-02-29 12:00:00.5+05:30");
    let binary = Repr { kind: Kind::TimestampTz, encoding: Encoding::PostgresBinary };
    let mut out = Vec::new();
    binary.encode(&value, &mut out).unwrap();
    let mut shown = String::new();
    binary.render(&out, &mut shown);
    assert_eq!(shown, "2024-02-29 06:30:00.5+00");
}

#[test]
fn text_that_is_no_value() {
    let text = |kind| Repr { kind, encoding: Encoding::PostgresText };
    for cell in ["29.02.2024", "2024-13-01", "2023-02-29", "2024-1-1", "", "+024-01-01", "2024-01-01 00:00:00"] {
        assert_eq!(text(Kind::Date).decode(cell.as_bytes()), None, "{cell}");
    }
    for cell in ["2024-01-01", "2024-01-01 25:61:00", "2024-01-01 10:00", "2024-01-01 10:00:00+", "x"] {
        assert_eq!(text(Kind::Timestamp).decode(cell.as_bytes()), None, "{cell}");
    }
    for cell in ["00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeg", ""] {
        assert_eq!(text(Kind::Uuid).decode(cell.as_bytes()), None, "{cell}");
    }
    assert_eq!(text(Kind::Text).decode(&[0xff]), None);
}

proptest! {
    #[test]
    fn decoding_is_total(cell in prop::collection::vec(any::<u8>(), 0..24), kind in 0..14_usize) {
        let kinds = [
            Kind::Bool, Kind::Int { bytes: 4, signed: true }, Kind::Float { bytes: 8 }, Kind::Decimal, Kind::Date,
            Kind::Timestamp, Kind::TimestampTz, Kind::Time, Kind::Year, Kind::Uuid, Kind::Text, Kind::Jsonb,
            Kind::Interval, Kind::Unknown,
        ];
        for encoding in ENCODINGS {
            let repr = Repr { kind: kinds[kind].clone(), encoding };
            if let Some(value) = repr.decode(&cell) {
                let mut out = Vec::new();
                // What was decoded from a cell of this kind can be written as one, floats and durations aside.
                if !matches!(value, Value::Float(_) | Value::Time(_)) && repr.encode(&value, &mut out).is_ok() {
                    prop_assert_eq!(repr.decode(&out), Some(value));
                }
            }
        }
    }

    #[test]
    fn integers_round_trip(value in any::<i32>(), encoding in 0..4_usize) {
        round_trip(&Kind::Int { bytes: 4, signed: true }, ENCODINGS[encoding], Value::Int(value.into()));
        round_trip(&Kind::Int { bytes: 8, signed: true }, ENCODINGS[encoding], Value::Int(value.into()));
        round_trip(&Kind::Int { bytes: 3, signed: true }, Encoding::MysqlBinary, Value::Int((value >> 9).into()));
    }

    #[test]
    fn moments_round_trip(days in -200_000_i64..200_000, micros in 0_i64..86_400_000_000, encoding in 0..4_usize) {
        let date = Date::from_unix_days(days).unwrap();
        round_trip(&Kind::Date, ENCODINGS[encoding], Value::Date(date));
        round_trip(&Kind::Timestamp, ENCODINGS[encoding], Value::DateTime(DateTime { date, micros, offset: None }));
        let zoned = Value::DateTime(DateTime { date, micros, offset: Some(0) });
        round_trip(&Kind::TimestampTz, ENCODINGS[encoding % 2], zoned);
    }

    #[test]
    fn texts_uuids_and_decimals_round_trip(
        text in ".{0,20}", uuid in any::<[u8; 16]>(), unscaled in any::<i64>(), scale in 0_u16..9, encoding in 0..4_usize
    ) {
        round_trip(&Kind::Text, ENCODINGS[encoding], Value::Text(&text));
        round_trip(&Kind::Jsonb, ENCODINGS[encoding], Value::Text(&text));
        round_trip(&Kind::Uuid, ENCODINGS[encoding], Value::Uuid(uuid));
        let decimal = Decimal { unscaled: unscaled.into(), scale };
        round_trip(&Kind::Decimal, ENCODINGS[encoding], Value::Decimal(decimal));
    }
}
