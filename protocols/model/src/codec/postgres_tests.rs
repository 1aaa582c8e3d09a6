//! Byte literals as PostgreSQL 15 sends them, each with the text that it prints, and each cut short.

use super::*;

fn text(kind: &Kind, cell: &[u8]) -> Option<String> {
    let mut out = String::new();
    render(kind, cell, 0, &mut out).map(|()| out)
}

/// Every case prints `expected`, and no shorter prefix of it is accepted.
fn check(kind: &Kind, cell: &[u8], expected: &str) {
    assert_eq!(text(kind, cell).as_deref(), Some(expected));
    for cut in 0..cell.len() {
        assert_eq!(text(kind, &cell[..cut]), None, "{expected} cut at {cut}");
    }
}

#[test]
fn booleans_and_integers() {
    check(&Kind::Bool, &[1], "t");
    check(&Kind::Bool, &[0], "f");
    assert_eq!(text(&Kind::Bool, &[2]), None);
    let int = |bytes| Kind::Int { bytes, signed: true };
    assert_eq!(text(&int(8), &[255; 8]).as_deref(), Some("-1"));
    assert_eq!(text(&int(4), &[0, 0, 1, 0]).as_deref(), Some("256"));
    assert_eq!(text(&int(2), &[0x80, 0]).as_deref(), Some("-32768"));
    assert_eq!(text(&Kind::Int { bytes: 4, signed: false }, &[255; 4]).as_deref(), Some("4294967295"));
    assert_eq!(text(&int(4), &[1, 2, 3]), None);
}

#[test]
fn dates() {
    check(&Kind::Date, &[0, 0, 0, 0], "2000-01-01");
    check(&Kind::Date, &[0xff, 0xff, 0xff, 0xff], "1999-12-31");
    check(&Kind::Date, &[0x7f, 255, 255, 255], "infinity");
    check(&Kind::Date, &[0x80, 0, 0, 0], "-infinity");
}

#[test]
fn timestamps() {
    check(&Kind::Timestamp, &[0; 8], "2000-01-01 00:00:00");
    check(&Kind::Timestamp, &(-1_i64).to_be_bytes(), "1999-12-31 23:59:59.999999");
    check(&Kind::TimestampTz, &1_500_000_i64.to_be_bytes(), "2000-01-01 00:00:01.5+00");
    check(&Kind::TimestampTz, &i64::MAX.to_be_bytes(), "infinity");
}

#[test]
fn times() {
    check(&Kind::Time, &3_600_000_000_i64.to_be_bytes(), "01:00:00");
    assert_eq!(text(&Kind::Time, &(-1_i64).to_be_bytes()), None);
    let mut cell = 3_600_000_000_i64.to_be_bytes().to_vec();
    cell.extend_from_slice(&(-19_800_i32).to_be_bytes());
    check(&Kind::TimeTz, &cell, "01:00:00+05:30");
}

#[test]
fn intervals() {
    let cell = |micros: i64, days: i32, months: i32| {
        let mut cell = micros.to_be_bytes().to_vec();
        cell.extend_from_slice(&days.to_be_bytes());
        cell.extend_from_slice(&months.to_be_bytes());
        cell
    };
    check(&Kind::Interval, &cell(0, 0, 0), "00:00:00");
    check(&Kind::Interval, &cell(14_706_789_000, 3, 14), "1 year 2 mons 3 days 04:05:06.789");
    check(&Kind::Interval, &cell(7_200_000_000, -1, 0), "-1 days +02:00:00");
    check(&Kind::Interval, &cell(-1, 1, -13), "-1 years -1 mons +1 day -00:00:00.000001");
}

#[test]
fn bits_uuids_and_bytes() {
    check(&Kind::Bit, &[0, 0, 0, 10, 0b1010_0000, 0b1100_0000], "1010000011");
    check(&Kind::Bit, &[0, 0, 0, 0], "");
    assert_eq!(text(&Kind::Bit, &[255, 255, 255, 255]), None);
    let uuid: [u8; 16] = std::array::from_fn(|i| u8::try_from(i).unwrap() * 17);
    check(&Kind::Uuid, &uuid, "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(text(&Kind::Bytes, &[0, 0xab]).as_deref(), Some("\\x00ab"));
}

#[test]
fn json_and_text() {
    assert_eq!(text(&Kind::Jsonb, b"\x01{\"a\": 1}").as_deref(), Some("{\"a\": 1}"));
    assert_eq!(text(&Kind::Jsonb, b"\x02{}"), None, "a version that does not exist yet");
    assert_eq!(text(&Kind::Jsonb, b""), None);
    assert_eq!(text(&Kind::Text, &[0xc3]), None, "half a character");
}

#[test]
fn networks() {
    assert_eq!(text(&Kind::Network, &[2, 32, 0, 4, 10, 0, 0, 1]).as_deref(), Some("10.0.0.1"));
    assert_eq!(text(&Kind::Network, &[2, 8, 1, 4, 10, 0, 0, 0]).as_deref(), Some("10.0.0.0/8"));
    assert_eq!(text(&Kind::Network, &[8, 0, 0x2b, 1, 2, 3]).as_deref(), Some("08:00:2b:01:02:03"));
    let mut six = vec![3, 64, 0, 16];
    six.extend_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(text(&Kind::Network, &six).as_deref(), Some("2001:db8::1/64"));
    assert_eq!(text(&Kind::Network, &six[..10]), None);
}

fn kind_named(name: &str) -> Kind {
    let int = |bytes| Kind::Int { bytes, signed: true };
    match name {
        "int2" => int(2),
        "int4" => int(4),
        "int8" => int(8),
        "bool" => Kind::Bool,
        "float4" => Kind::Float { bytes: 4 },
        "float8" => Kind::Float { bytes: 8 },
        "numeric" => Kind::Decimal,
        "date" => Kind::Date,
        "timestamp" => Kind::Timestamp,
        "timestamptz" => Kind::TimestampTz,
        "time" => Kind::Time,
        "timetz" => Kind::TimeTz,
        "interval" => Kind::Interval,
        "uuid" => Kind::Uuid,
        "jsonb" => Kind::Jsonb,
        "bytea" => Kind::Bytes,
        "bit" => Kind::Bit,
        "inet" | "cidr" | "macaddr" | "macaddr8" => Kind::Network,
        "text" => Kind::Text,
        "record" => Kind::Composite,
        array => {
            let element = array.strip_suffix("[]").unwrap_or_else(|| panic!("no kind for {array}"));
            Kind::Array { element: Box::new(kind_named(element)), element_oid: 0 }
        }
    }
}

#[test]
fn everything_a_postgres_15_server_printed() {
    let mut seen = 0;
    for line in include_str!("postgres15.tsv").lines().filter(|line| !line.starts_with('#')) {
        let [name, bytes, expected] = line.splitn(3, '\t').collect::<Vec<_>>().try_into().expect("three fields");
        let cell: Vec<u8> =
            (0..bytes.len() / 2).map(|i| u8::from_str_radix(&bytes[i * 2..i * 2 + 2], 16).unwrap()).collect();
        assert_eq!(text(&kind_named(name), &cell).as_deref(), Some(expected), "{name} {bytes}");
        seen += 1;
    }
    assert!(seen > 150, "{seen} cases");
}
