//! Types: the engine's type bytes, flags and collations as kinds of values, and how wide their binary form is.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html>

use crate::message::column::ColumnDefinition;
use crate::message::parameter::ParamType;
use crate::type_names::type_name;
use model::{Column, ColumnRef, Encoding, Kind, Repr, TableRef};
use sql::Catalog;

pub(crate) const DECIMAL: u8 = 0;
pub(crate) const TINY: u8 = 1;
pub(crate) const SHORT: u8 = 2;
pub(crate) const LONG: u8 = 3;
pub(crate) const FLOAT: u8 = 4;
pub(crate) const DOUBLE: u8 = 5;
pub(crate) const NULL: u8 = 6;
pub(crate) const TIMESTAMP: u8 = 7;
pub(crate) const LONGLONG: u8 = 8;
pub(crate) const INT24: u8 = 9;
pub(crate) const DATE: u8 = 10;
pub(crate) const TIME: u8 = 11;
pub(crate) const DATETIME: u8 = 12;
pub(crate) const YEAR: u8 = 13;
pub(crate) const NEWDATE: u8 = 14;
pub(crate) const VARCHAR: u8 = 15;
pub(crate) const BIT: u8 = 16;
pub(crate) const JSON: u8 = 245;
pub(crate) const NEWDECIMAL: u8 = 246;
pub(crate) const ENUM: u8 = 247;
pub(crate) const SET: u8 = 248;
pub(crate) const TINY_BLOB: u8 = 249;
pub(crate) const MEDIUM_BLOB: u8 = 250;
pub(crate) const LONG_BLOB: u8 = 251;
pub(crate) const BLOB: u8 = 252;
pub(crate) const VAR_STRING: u8 = 253;
pub(crate) const STRING: u8 = 254;

const NOT_NULL: u16 = 1;
pub(crate) const UNSIGNED: u16 = 32;
pub(crate) const ENUM_FLAG: u16 = 256;
pub(crate) const SET_FLAG: u16 = 2048;
/// The collation that means "bytes, not text".
pub(crate) const BINARY: u16 = 63;

/// Bytes of a value in the binary protocol, or `None` where a length goes before it.
pub(crate) fn fixed_width(column_type: u8) -> Option<usize> {
    match column_type {
        NULL => Some(0),
        TINY => Some(1),
        SHORT | YEAR => Some(2),
        LONG | INT24 | FLOAT => Some(4),
        LONGLONG | DOUBLE => Some(8),
        _ => None,
    }
}

/// The same, by kind: what a column of a result needs. A three-byte integer travels in four.
pub(crate) fn width_of(kind: &Kind) -> Option<usize> {
    match kind {
        Kind::Int { bytes: 3, .. } => Some(4),
        Kind::Int { bytes, .. } | Kind::Float { bytes } => Some(usize::from(*bytes)),
        Kind::Year => Some(2),
        _ => None,
    }
}

/// The representation of a parameter.
pub(crate) fn parameter(param: ParamType) -> Repr {
    let signed = param.flags & 0x80 == 0;
    let kind = match param.column_type {
        TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | BLOB => Kind::Bytes,
        other => scalar(other, signed).unwrap_or(Kind::Text),
    };
    Repr { kind, encoding: Encoding::MysqlBinary }
}

/// Kinds that depend on the type byte alone; `None` for text, bytes, enumerations.
fn scalar(column_type: u8, signed: bool) -> Option<Kind> {
    Some(match column_type {
        TINY => Kind::Int { bytes: 1, signed },
        SHORT => Kind::Int { bytes: 2, signed },
        INT24 => Kind::Int { bytes: 3, signed },
        LONG => Kind::Int { bytes: 4, signed },
        LONGLONG => Kind::Int { bytes: 8, signed },
        FLOAT => Kind::Float { bytes: 4 },
        DOUBLE => Kind::Float { bytes: 8 },
        DECIMAL | NEWDECIMAL => Kind::Decimal,
        DATE | NEWDATE => Kind::Date,
        TIME => Kind::Time,
        TIMESTAMP | DATETIME => Kind::Timestamp,
        YEAR => Kind::Year,
        BIT => Kind::Bit,
        JSON => Kind::Json,
        VARCHAR | VAR_STRING | STRING | ENUM | SET | TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | BLOB => return None,
        // NULL, geometry, vectors, and whatever comes.
        _ => Kind::Unknown,
    })
}

/// A column of a result.
pub(crate) fn column(definition: &ColumnDefinition<'_>, binary: bool, catalog: &Catalog) -> Column {
    let announced = announced(definition, catalog);
    let stored = announced.as_ref().and_then(|column| stored_type(column, catalog));
    let encoding = if binary { Encoding::MysqlBinary } else { Encoding::MysqlText };
    let kind = kind(definition, stored);
    let max_chars = if kind == Kind::Text { characters(definition) } else { None };
    Column {
        name: String::from_utf8_lossy(definition.name).into_owned(),
        type_name: stored.map_or_else(|| type_name(definition).to_owned(), str::to_owned),
        repr: Repr { kind, encoding },
        nullable: Some(definition.flags & NOT_NULL == 0),
        max_chars,
        announced,
    }
}

fn kind(definition: &ColumnDefinition<'_>, stored: Option<&str>) -> Kind {
    let signed = definition.flags & UNSIGNED == 0;
    if definition.flags & (ENUM_FLAG | SET_FLAG) != 0 || matches!(definition.column_type, ENUM | SET) {
        // A single label is a valid SET as well.
        return Kind::Enum { labels: stored.map(labels).unwrap_or_default() };
    }
    if definition.json && definition.collation != BINARY {
        return Kind::Json;
    }
    scalar(definition.column_type, signed).unwrap_or(if definition.collation == BINARY {
        Kind::Bytes
    } else {
        Kind::Text
    })
}

/// The labels of `enum('a','b''c')` as information_schema writes them.
fn labels(stored: &str) -> Vec<String> {
    let Some((_, list)) = stored.split_once('(') else { return Vec::new() };
    let mut labels = Vec::new();
    let mut chars = list.chars().peekable();
    while let Some(next) = chars.next() {
        if next != '\'' {
            continue;
        }
        let mut label = String::new();
        while let Some(next) = chars.next() {
            if next != '\'' {
                label.push(next);
            } else if chars.next_if_eq(&'\'').is_some() {
                label.push('\'');
            } else {
                break;
            }
        }
        labels.push(label);
    }
    labels
}

/// The column of a table that the server names, if the catalog has it. Names of derived tables have none.
fn announced(definition: &ColumnDefinition<'_>, catalog: &Catalog) -> Option<ColumnRef> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (schema, table) = (text(definition.schema)?, text(definition.org_table)?);
    let column = text(definition.org_name)?;
    if schema.is_empty() || table.is_empty() || column.is_empty() {
        return None;
    }
    let exact = TableRef { schema: schema.to_owned(), table: table.to_owned() };
    let relation = catalog
        .relation(&exact)
        .or_else(|| catalog.relation(&TableRef { schema: schema.to_lowercase(), table: table.to_lowercase() }))?;
    let found = relation
        .columns
        .iter()
        .find(|known| known.name.eq_ignore_ascii_case(column) || known.name.to_lowercase() == column.to_lowercase())?;
    Some(ColumnRef {
        schema: relation.name.schema.clone(),
        table: relation.name.table.clone(),
        column: found.name.clone(),
    })
}

fn stored_type<'a>(column: &ColumnRef, catalog: &'a Catalog) -> Option<&'a str> {
    let relation = catalog.relation(&column.table())?;
    relation.columns.iter().find(|known| known.name == column.column).map(|known| known.type_name.as_str())
}

/// The longest value in characters: the announced length is in bytes of the result's character set.
fn characters(definition: &ColumnDefinition<'_>) -> Option<u32> {
    let widest = match definition.collation {
        // utf8mb4: the old general ones, UCA 9.0, MariaDB's UCA 14.
        45 | 46 | 224..=247 | 255..=323 | 2304..=2559 => 4,
        // utf8mb3, the same three families.
        33 | 76 | 83 | 192..=215 | 223 | 2048..=2303 => 3,
        // latin1, ascii.
        5 | 8 | 11 | 15 | 31 | 47 | 48 | 49 | 65 | 94 => 1,
        _ => return None,
    };
    Some(definition.length / widest).filter(|characters| *characters > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sql::{CatalogColumn, Relation, RelationKind};

    fn definition(column_type: u8, flags: u16, collation: u16) -> ColumnDefinition<'static> {
        ColumnDefinition {
            schema: b"ehr",
            org_table: b"patients",
            name: b"x",
            org_name: b"sex",
            collation,
            length: 80,
            column_type,
            flags,
            json: false,
        }
    }

    fn catalog() -> Catalog {
        let column = CatalogColumn {
            name: "sex".to_owned(),
            type_name: "enum('f','m','it''s (x)')".to_owned(),
            number: 1,
            nullable: true,
            collation: None,
            invisible: false,
            generated_from: Vec::new(),
            indexes: Vec::new(),
        };
        let relation = Relation {
            name: TableRef { schema: "ehr".to_owned(), table: "patients".to_owned() },
            id: 0,
            kind: RelationKind::Table,
            columns: vec![column],
            definition: None,
            parents: Vec::new(),
        };
        Catalog::new(1, vec![relation], Vec::new())
    }

    #[test]
    fn kinds_by_type_flags_and_collation() {
        let none = Catalog::default();
        for (column_type, flags, collation, kind) in [
            (TINY, UNSIGNED, 63, Kind::Int { bytes: 1, signed: false }),
            (INT24, 0, 63, Kind::Int { bytes: 3, signed: true }),
            (BLOB, 0, 63, Kind::Bytes),
            (BLOB, 0, 45, Kind::Text),
            (VAR_STRING, 0, 63, Kind::Bytes),
            (STRING, ENUM_FLAG, 45, Kind::Enum { labels: Vec::new() }),
            (NEWDECIMAL, 0, 63, Kind::Decimal),
            (JSON, 0, 63, Kind::Json),
            (255, 0, 63, Kind::Unknown),
            (200, 0, 63, Kind::Unknown),
        ] {
            assert_eq!(
                column(&definition(column_type, flags, collation), false, &none).repr.kind,
                kind,
                "{column_type}"
            );
        }
    }

    #[test]
    fn a_text_that_is_marked_as_json_is_json() {
        let marked = ColumnDefinition { json: true, ..definition(BLOB, 0, 45) };
        assert_eq!(column(&marked, false, &Catalog::default()).repr.kind, Kind::Json);
    }

    #[test]
    fn a_column_is_announced_only_if_the_catalog_has_it() {
        let known = column(&definition(STRING, ENUM_FLAG, 45), true, &catalog());
        assert_eq!(known.announced.unwrap().to_string(), "ehr.patients.sex");
        let labels = ["f", "m", "it's (x)"].map(str::to_owned).to_vec();
        assert_eq!(known.repr, Repr { kind: Kind::Enum { labels }, encoding: Encoding::MysqlBinary });
        let derived = ColumnDefinition { org_table: b"cte", ..definition(STRING, 0, 45) };
        assert_eq!(column(&derived, true, &catalog()).announced, None);
    }

    #[test]
    fn characters_by_character_set() {
        let none = Catalog::default();
        for (collation, characters) in [(45, Some(20)), (33, Some(26)), (8, Some(80)), (28, None)] {
            assert_eq!(column(&definition(VAR_STRING, 0, collation), false, &none).max_chars, characters);
        }
    }

    #[test]
    fn widths_agree_between_type_and_kind() {
        let none = Catalog::default();
        for column_type in (0..=16).chain(242..=255).filter(|column_type| *column_type != NULL) {
            let kind = column(&definition(column_type, 0, 45), true, &none).repr.kind;
            assert_eq!(width_of(&kind), fixed_width(column_type), "{column_type}");
        }
    }
}
