//! Types: from what PostgreSQL announces (OID, modifier, format) to what the vocabulary knows ([`Kind`], [`Repr`]).
//!
//! OIDs of built-in types are fixed: <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>.
//! Types of users (enums, domains, composites, their arrays) come from the catalog.

use model::{Encoding, Kind, Repr};
use std::collections::HashMap;

/// Name and kind of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeInfo {
    /// Its name, as `format_type` prints it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
}

/// The types of a database.
#[derive(Debug, Default)]
pub(crate) struct Types {
    user: HashMap<u32, TypeInfo>,
    by_name: HashMap<String, u32>,
}

const fn int(bytes: u8) -> Kind {
    Kind::Int { bytes, signed: true }
}

/// Scalar built-in types: OID, the names it goes by (the first is the one shown), OID of its array type.
const SCALARS: &[(u32, &[&str], u32)] = &[
    (16, &["bool", "boolean"], 1000),
    (17, &["bytea"], 1001),
    (18, &["\"char\""], 1002),
    (19, &["name"], 1003),
    (20, &["int8", "bigint"], 1016),
    (21, &["int2", "smallint"], 1005),
    (23, &["int4", "integer"], 1007),
    (25, &["text"], 1009),
    (26, &["oid"], 1028),
    (114, &["json"], 199),
    (142, &["xml"], 143),
    (700, &["float4", "real"], 1021),
    (701, &["float8", "double precision"], 1022),
    (650, &["cidr"], 651),
    (774, &["macaddr8"], 775),
    (829, &["macaddr"], 1040),
    (869, &["inet"], 1041),
    (1042, &["bpchar", "character"], 1014),
    (1043, &["varchar", "character varying"], 1015),
    (1082, &["date"], 1182),
    (1083, &["time", "time without time zone"], 1183),
    (1114, &["timestamp", "timestamp without time zone"], 1115),
    (1184, &["timestamptz", "timestamp with time zone"], 1185),
    (1186, &["interval"], 1187),
    (1266, &["timetz", "time with time zone"], 1270),
    (1560, &["bit"], 1561),
    (1562, &["varbit", "bit varying"], 1563),
    (1700, &["numeric"], 1231),
    (2249, &["record"], 2287),
    (2950, &["uuid"], 2951),
    (3802, &["jsonb"], 3807),
];

fn scalar(oid: u32) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Bool,
        17 => Kind::Bytes,
        18 | 19 | 25 | 142 | 1043 => Kind::Text,
        20 => int(8),
        21 => int(2),
        23 => int(4),
        26 => Kind::Int { bytes: 4, signed: false },
        114 => Kind::Json,
        700 => Kind::Float { bytes: 4 },
        701 => Kind::Float { bytes: 8 },
        650 | 774 | 829 | 869 => Kind::Network,
        1042 => Kind::Char,
        1082 => Kind::Date,
        1083 => Kind::Time,
        1114 => Kind::Timestamp,
        1184 => Kind::TimestampTz,
        1186 => Kind::Interval,
        1266 => Kind::TimeTz,
        1560 | 1562 => Kind::Bit,
        1700 => Kind::Decimal,
        2249 => Kind::Composite,
        2950 => Kind::Uuid,
        3802 => Kind::Jsonb,
        _ => return None,
    })
}

fn built_in(oid: u32) -> Option<TypeInfo> {
    let row = SCALARS.iter().find(|(scalar, _, array)| *scalar == oid || *array == oid)?;
    let (element_oid, [name, ..], _) = row else { return None };
    let kind = scalar(*element_oid)?;
    Some(if *element_oid == oid {
        TypeInfo { name: (*name).to_owned(), kind }
    } else {
        TypeInfo { name: format!("{name}[]"), kind: Kind::Array { element: Box::new(kind), element_oid: *element_oid } }
    })
}

impl Types {
    /// Types of users, by OID.
    pub(crate) fn new(user: HashMap<u32, TypeInfo>) -> Self {
        let by_name = user.iter().map(|(oid, info)| (info.name.clone(), *oid)).collect();
        Self { user, by_name }
    }

    /// The type of this OID.
    pub(crate) fn by_oid(&self, oid: u32) -> TypeInfo {
        built_in(oid)
            .or_else(|| self.user.get(&oid).cloned())
            .unwrap_or_else(|| TypeInfo { name: format!("oid {oid}"), kind: Kind::Unknown })
    }

    /// The type that `format_type` prints like this (`character varying(20)`, `integer[]`, `clinic.mood`), and its
    /// length limit in characters.
    pub(crate) fn by_name(&self, name: &str) -> (TypeInfo, Option<u32>) {
        let (bare, array) = name.strip_suffix("[]").map_or((name, false), |bare| (bare, true));
        let (base, limit) = split_modifier(bare);
        let row = SCALARS.iter().find(|(_, names, _)| names.contains(&base.as_str()));
        let oid = row.map(|(scalar, _, array_oid)| if array { *array_oid } else { *scalar });
        let oid = oid.or_else(|| self.by_name.get(name).copied());
        let info = oid.map_or(TypeInfo { name: name.to_owned(), kind: Kind::Unknown }, |oid| self.by_oid(oid));
        let limit = limit.filter(|_| !array && (base.starts_with("character") || base.ends_with("char")));
        (info, limit)
    }

    /// How a value of this type is written in this format.
    pub(crate) fn repr(&self, oid: u32, binary: bool) -> Repr {
        Repr { kind: self.by_oid(oid).kind, encoding: encoding(binary) }
    }
}

/// `timestamp(3) with time zone` is `timestamp with time zone`; `character(5)` has a limit of 5.
fn split_modifier(name: &str) -> (String, Option<u32>) {
    match name.split_once('(') {
        None => (name.to_owned(), None),
        Some((before, rest)) => {
            let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
            (format!("{before}{after}"), inside.parse().ok())
        }
    }
}

/// The encoding that a format code means.
pub(crate) fn encoding(binary: bool) -> Encoding {
    if binary { Encoding::PostgresBinary } else { Encoding::PostgresText }
}

/// The length limit in characters that a modifier of `char(n)` or `varchar(n)` means.
pub(crate) fn max_chars(oid: u32, modifier: i32) -> Option<u32> {
    // The modifier counts the header of four bytes that a stored value once had.
    (oid == 1042 || oid == 1043).then(|| modifier.checked_sub(4)).flatten().and_then(|limit| u32::try_from(limit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types() -> Types {
        let mood = TypeInfo { name: "clinic.mood".to_owned(), kind: Kind::Enum { labels: vec!["sad".to_owned()] } };
        Types::new(HashMap::from([(16400, mood)]))
    }

    #[test]
    fn built_in_and_user_types_by_oid() {
        assert_eq!(types().by_oid(23).kind, int(4));
        assert_eq!(types().by_oid(1007).kind, Kind::Array { element: Box::new(int(4)), element_oid: 23 });
        assert_eq!(types().by_oid(16400).kind, Kind::Enum { labels: vec!["sad".to_owned()] });
        assert_eq!(types().by_oid(99_999).kind, Kind::Unknown);
    }

    #[test]
    fn types_by_name() {
        assert_eq!(types().by_name("character varying(20)"), (types().by_oid(1043), Some(20)));
        assert_eq!(types().by_name("character(5)").1, Some(5));
        assert_eq!(types().by_name("numeric(10,2)").0.kind, Kind::Decimal);
        assert_eq!(types().by_name("timestamp(3) with time zone").0.kind, Kind::TimestampTz);
        assert_eq!(types().by_name("integer[]").0, types().by_oid(1007));
        assert_eq!(types().by_name("clinic.mood").0, types().by_oid(16400));
        assert_eq!(types().by_name("clinic.nothing").0.kind, Kind::Unknown);
    }

    #[test]
    fn modifiers_become_character_limits() {
        assert_eq!(max_chars(1043, 15), Some(11));
        assert_eq!(max_chars(1043, -1), None);
        assert_eq!(max_chars(25, 15), None);
    }
}
