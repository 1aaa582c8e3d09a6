//! The masked projection of a relation: the SELECT that stands in for it, with a constant or a total expression in the place
//! of each protected column. Nothing in it fails, whatever a row holds, and nothing in it depends on `sql_mode`.

use crate::mask_views::{MaskView, view, view_column};
use crate::{Catalog, CatalogColumn, Relation, RelationKind};
use model::{Guarded, MaskSpec, SourceMask, TableRef};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// What stands for a text, as it does on the wire.
const TEXT: &str = "***";
/// A UUID with valid version and variant bits, and nothing else.
const UUID: &str = "00000000-0000-4000-8000-000000000000";

/// The SELECT over `table` with its columns masked. `named` says which invisible columns the statement names: `*` must not
/// stand for the others.
pub(super) fn projection(
    table: &TableRef,
    mask: &SourceMask,
    small_areas: &[u16],
    catalog: &Catalog,
    named: impl Fn(&str) -> bool,
    views: Option<&str>,
) -> Result<String, String> {
    let relation = catalog.relation(table);
    let known = |name: &str| relation.and_then(|relation| relation.columns.iter().find(|column| column.name == name));
    let computed = |(name, mask): &(String, Option<MaskSpec>)| {
        mask.as_ref().zip(known(name)).is_some_and(|(mask, column)| computes(column, mask))
    };
    // What is read beside the views must not need the value.
    let areas = if views.is_some() { None } else { Some(small_areas) };
    let through = views.filter(|_| mask.columns.iter().any(computed)).map(|schema| view(schema, table, false));
    let mut text = String::from("(SELECT ");
    let mut first = true;
    for (name, mask) in &mask.columns {
        let known = known(name);
        if known.is_some_and(|column| column.invisible) && !named(name) {
            continue;
        }
        if !first {
            text.push_str(", ");
        }
        first = false;
        let own = quoted(name);
        let written = match mask {
            None | Some(MaskSpec::Keep) => write!(text, "{own}"),
            Some(mask) => {
                let column = known.ok_or_else(|| format!("the type of {table}.{name} is not known"))?;
                let masked = match through {
                    Some(_) if computes(column, mask) => quoted(&view_column(name, mask)),
                    _ => masked(column, mask, areas),
                };
                write!(text, "{masked} AS {own}")
            }
        };
        written.map_err(|error| error.to_string())?;
    }
    if first {
        return Err(format!("the columns of {table} are not known"));
    }
    let from = through.as_ref().unwrap_or(table);
    write!(text, " FROM {}.{}", quoted(&from.schema), quoted(&from.table)).map_err(|error| error.to_string())?;
    let hidden = |name: &str| {
        mask.columns.iter().any(|(own, mask)| *own == name && !matches!(mask, None | Some(MaskSpec::Keep)))
    };
    let ignored = ignored(relation.filter(|_| through.is_none()), hidden);
    if !ignored.is_empty() {
        write!(text, " IGNORE INDEX ({})", ignored.join(", ")).map_err(|error| error.to_string())?;
    }
    text.push(')');
    Ok(text)
}

/// The indexes over masked columns. The projection asks for nothing in them, but the server would read one in place of the
/// table where it is the smallest, and give the rows in the order of what is masked.
fn ignored(relation: Option<&Relation>, hidden: impl Fn(&str) -> bool) -> Vec<String> {
    let table = relation.filter(|relation| relation.kind == RelationKind::Table);
    let columns = table.map(|table| table.columns.as_slice()).unwrap_or_default().iter();
    let hidden = columns.filter(|column| hidden(&column.name));
    let names: BTreeSet<&String> = hidden.flat_map(|column| &column.indexes).collect();
    names.into_iter().map(|name| quoted(name)).collect()
}

/// The view of a guarded relation, if one of its masks is computed from a value.
pub(crate) fn mask_views(schema: &str, guarded: &Guarded, catalog: &Catalog) -> Result<Vec<MaskView>, String> {
    let table = &guarded.table;
    let relation = catalog.relation(table);
    let mut shown = Vec::new();
    let mut any = false;
    for own in &guarded.columns {
        let name = &own.column.name;
        if !own.hidden {
            shown.push(quoted(name));
        }
        let column = relation.and_then(|relation| relation.columns.iter().find(|column| column.name == *name));
        for mask in &own.masks {
            let column = column.ok_or_else(|| format!("the type of {table}.{name} is not known"))?;
            if computes(column, mask) {
                any = true;
                shown.push(format!(
                    "{} AS {}",
                    masked(column, mask, Some(&guarded.small_areas)),
                    quoted(&view_column(name, mask))
                ));
            }
        }
    }
    if !any {
        return Ok(Vec::new());
    }
    let mut query = format!("SELECT {} FROM {}.{}", shown.join(", "), quoted(&table.schema), quoted(&table.table));
    let hidden: Vec<&str> = guarded.named(true).collect();
    let ignored = ignored(relation, |name| hidden.contains(&name));
    if !ignored.is_empty() {
        let _ = write!(query, " IGNORE INDEX ({})", ignored.join(", "));
    }
    Ok(vec![MaskView { name: view(schema, table, false), query }])
}

/// Whether a mask of the column is computed from its value; all others are constants.
fn computes(column: &CatalogColumn, mask: &MaskSpec) -> bool {
    let family = family(&column.type_name);
    match mask {
        MaskSpec::Partial { keep } => partial(column, family, *keep).is_some(),
        MaskSpec::Year => year(column, family).is_some(),
        MaskSpec::Zip3 => zip3(column, family, &[]).is_some(),
        _ => false,
    }
}

/// A name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What kind of values a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Family<'t> {
    Text(Option<u32>),
    Whole { unsigned: bool },
    Decimal(&'t str),
    Float,
    Date,
    DateTime(&'t str),
    Time(&'t str),
    Year,
    Json,
    Bytes,
    Bit,
    Enum,
    Uuid,
    Inet4,
    Inet6,
    Other,
}

/// The word that names a type, and what stands in its parentheses.
fn name_and_arguments(type_name: &str) -> (&str, Option<&str>) {
    let end = type_name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(type_name.len());
    let (name, rest) = type_name.split_at(end);
    let arguments = rest.strip_prefix('(').and_then(|rest| rest.rsplit_once(')')).map(|(inner, _)| inner);
    (name, arguments)
}

fn family(type_name: &str) -> Family<'_> {
    let (name, arguments) = name_and_arguments(type_name);
    let digits = arguments.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b','));
    match name.to_ascii_lowercase().as_str() {
        "char" | "varchar" | "nchar" | "nvarchar" => Family::Text(digits.and_then(|digits| digits.parse().ok())),
        "tinytext" | "text" | "mediumtext" | "longtext" | "set" => Family::Text(None),
        "enum" => Family::Enum,
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => {
            Family::Whole { unsigned: type_name.to_ascii_lowercase().contains("unsigned") }
        }
        "decimal" | "numeric" => Family::Decimal(digits.unwrap_or("10,0")),
        "float" | "double" | "real" => Family::Float,
        "date" => Family::Date,
        "datetime" | "timestamp" => Family::DateTime(digits.unwrap_or("0")),
        "time" => Family::Time(digits.unwrap_or("0")),
        "year" => Family::Year,
        "json" => Family::Json,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Family::Bytes,
        "bit" => Family::Bit,
        "uuid" => Family::Uuid,
        "inet4" => Family::Inet4,
        "inet6" => Family::Inet6,
        _ => Family::Other,
    }
}

/// The expression that stands for a protected column.
fn masked(column: &CatalogColumn, mask: &MaskSpec, small_areas: Option<&[u16]>) -> String {
    let family = family(&column.type_name);
    match mask {
        MaskSpec::Partial { keep } => partial(column, family, *keep).unwrap_or_else(|| constant(column, family)),
        MaskSpec::Year => year(column, family).unwrap_or_else(|| constant(column, family)),
        MaskSpec::Null if column.nullable => null(column, family),
        MaskSpec::Zip3 => {
            small_areas.and_then(|areas| zip3(column, family, areas)).unwrap_or_else(|| constant(column, family))
        }
        // A key never enters SQL, and detectors are no SQL.
        _ => constant(column, family),
    }
}

/// The constant that a redacted column holds, as on the wire: of the column's own type.
fn constant(column: &CatalogColumn, family: Family<'_>) -> String {
    match family {
        Family::Text(length) => {
            let kept = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(TEXT.len());
            text(column, &format!("'{}'", TEXT.get(..kept.min(TEXT.len())).unwrap_or_default()))
        }
        Family::Enum => text(column, &first_label(&column.type_name)),
        Family::Date | Family::DateTime(_) if column.nullable => null(column, family),
        Family::Date => "CAST('0001-01-01' AS DATE)".to_owned(),
        Family::DateTime(digits) => format!("CAST('0001-01-01 00:00:00' AS DATETIME({digits}))"),
        Family::Time(digits) => format!("CAST('00:00:00' AS TIME({digits}))"),
        Family::Whole { unsigned: false } => "CAST(0 AS SIGNED)".to_owned(),
        Family::Whole { unsigned: true } | Family::Year => "CAST(0 AS UNSIGNED)".to_owned(),
        Family::Decimal(digits) => format!("CAST(0 AS DECIMAL({digits}))"),
        Family::Float => "0e0".to_owned(),
        Family::Json => "CAST('{}' AS JSON)".to_owned(),
        Family::Bytes => "CAST('' AS BINARY)".to_owned(),
        Family::Bit => "b'0'".to_owned(),
        Family::Uuid => format!("CAST('{UUID}' AS UUID)"),
        Family::Inet4 => "CAST('0.0.0.0' AS INET4)".to_owned(),
        Family::Inet6 => "CAST('::' AS INET6)".to_owned(),
        Family::Other => "NULL".to_owned(),
    }
}

/// NULL of the column's own type.
fn null(column: &CatalogColumn, family: Family<'_>) -> String {
    match family {
        Family::Text(_) | Family::Enum => text(column, "NULL"),
        Family::Date => "CAST(NULL AS DATE)".to_owned(),
        Family::DateTime(digits) => format!("CAST(NULL AS DATETIME({digits}))"),
        Family::Time(digits) => format!("CAST(NULL AS TIME({digits}))"),
        Family::Whole { unsigned: false } => "CAST(NULL AS SIGNED)".to_owned(),
        Family::Whole { unsigned: true } | Family::Year => "CAST(NULL AS UNSIGNED)".to_owned(),
        Family::Decimal(digits) => format!("CAST(NULL AS DECIMAL({digits}))"),
        Family::Float => "NULL + 0e0".to_owned(),
        Family::Json => "CAST(NULL AS JSON)".to_owned(),
        Family::Bytes => "CAST(NULL AS BINARY)".to_owned(),
        Family::Uuid => "CAST(NULL AS UUID)".to_owned(),
        Family::Inet4 => "CAST(NULL AS INET4)".to_owned(),
        Family::Inet6 => "CAST(NULL AS INET6)".to_owned(),
        Family::Bit | Family::Other => "NULL".to_owned(),
    }
}

/// A text in the column's own character set, length and collation.
fn text(column: &CatalogColumn, value: &str) -> String {
    let (name, arguments) = name_and_arguments(&column.type_name);
    let length = match (name.to_ascii_lowercase().ends_with("char"), arguments) {
        (true, Some(length)) if length.bytes().all(|byte| byte.is_ascii_digit()) => format!("({length})"),
        _ => String::new(),
    };
    // `utf8mb4_general_ci` is a collation of `utf8mb4`.
    let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match column.collation.as_deref().filter(plain) {
        Some(collation) if collation != "binary" => {
            let charset = collation.split('_').next().unwrap_or(collation);
            format!("CAST({value} AS CHAR{length} CHARACTER SET {charset}) COLLATE {collation}")
        }
        _ => format!("CAST({value} AS CHAR{length})"),
    }
}

/// The first label of an enumeration, where it can be written plainly.
fn first_label(type_name: &str) -> String {
    let label = type_name.split('\'').nth(1).unwrap_or_default();
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-.".contains(&byte));
    let doubled = type_name.split('\'').nth(2).is_some_and(str::is_empty);
    if plain && !doubled { format!("'{label}'") } else { "''".to_owned() }
}

/// The last characters, and stars for the others.
fn partial(column: &CatalogColumn, family: Family<'_>, keep: u32) -> Option<String> {
    let own = quoted(&column.name);
    match family {
        Family::Text(_) => Some(format!(
            "CONCAT(REPEAT('*', IF(CHAR_LENGTH({own}) > {keep}, CHAR_LENGTH({own}) - {keep}, CHAR_LENGTH({own}))), \
             IF(CHAR_LENGTH({own}) > {keep}, RIGHT({own}, {keep}), ''))"
        )),
        Family::Whole { .. } if keep <= 18 => {
            let unit = 10_u64.pow(keep);
            Some(format!("IF({own} BETWEEN -{below} AND {below}, 0, {own} MOD {unit})", below = unit - 1))
        }
        _ => None,
    }
}

/// The first three digits of a ZIP code, 000 for areas of few people; what is none is redacted. A number has lost its leading
/// zeros.
fn zip3(column: &CatalogColumn, family: Family<'_>, small_areas: &[u16]) -> Option<String> {
    let own = quoted(&column.name);
    let listed = |areas: Vec<String>| if areas.is_empty() { "NULL".to_owned() } else { areas.join(", ") };
    match family {
        Family::Text(_) => {
            let first = format!("LEFT(TRIM({own}), 3)");
            let areas = listed(small_areas.iter().map(|area| format!("'{area:03}'")).collect());
            let value = format!(
                "CASE WHEN {own} IS NULL THEN NULL WHEN TRIM({own}) NOT REGEXP '^([0-9]{{5}}(-.{{0,4}})?|[0-9]{{9}}-?)$' THEN '{TEXT}' \
                 WHEN {first} IN ({areas}) THEN '000' ELSE {first} END"
            );
            Some(text(column, &value))
        }
        Family::Whole { .. } => {
            let areas = listed(small_areas.iter().map(u16::to_string).collect());
            let of = |unit: u32| format!("IF(({own} DIV {unit}) IN ({areas}), 0, ({own} DIV {unit}) * {unit})");
            Some(format!(
                "CASE WHEN {own} IS NULL THEN NULL WHEN {own} < 0 OR {own} > 999999999 THEN 0 WHEN {own} <= 99999 THEN {} ELSE {} END",
                of(100),
                of(1_000_000)
            ))
        }
        _ => None,
    }
}

/// The first of January of the year, everybody of 90 years or more in one.
fn year(column: &CatalogColumn, family: Family<'_>) -> Option<String> {
    let own = quoted(&column.name);
    let bounded = |year: String| format!("GREATEST({year}, YEAR(UTC_DATE()) - 90)");
    let first = |year: String| format!("MAKEDATE({}, 1)", bounded(year));
    match family {
        Family::Date => Some(first(format!("YEAR({own})"))),
        Family::DateTime(digits) => Some(format!("CAST({} AS DATETIME({digits}))", first(format!("YEAR({own})")))),
        Family::Year => Some(bounded(own)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(type_name: &str, nullable: bool, collation: Option<&str>) -> CatalogColumn {
        CatalogColumn {
            name: "c`".to_owned(),
            type_name: type_name.to_owned(),
            number: 1,
            nullable,
            collation: collation.map(str::to_owned),
            invisible: false,
            generated_from: Vec::new(),
            indexes: Vec::new(),
        }
    }

    #[test]
    fn constants_are_of_the_columns_type() {
        for (type_name, expected) in [
            ("varchar(20)", "CAST('***' AS CHAR(20) CHARACTER SET latin1) COLLATE latin1_bin"),
            ("char(2)", "CAST('**' AS CHAR(2) CHARACTER SET latin1) COLLATE latin1_bin"),
            ("enum('f','m')", "CAST('f' AS CHAR CHARACTER SET latin1) COLLATE latin1_bin"),
            ("enum('it''s')", "CAST('' AS CHAR CHARACTER SET latin1) COLLATE latin1_bin"),
            ("int(10) unsigned", "CAST(0 AS UNSIGNED)"),
            ("decimal(10,2)", "CAST(0 AS DECIMAL(10,2))"),
            ("datetime(6)", "CAST('0001-01-01 00:00:00' AS DATETIME(6))"),
            ("geometry", "NULL"),
        ] {
            assert_eq!(masked(&column(type_name, false, Some("latin1_bin")), &MaskSpec::Redact, Some(&[36])), expected);
        }
        assert_eq!(masked(&column("date", true, None), &MaskSpec::Redact, Some(&[36])), "CAST(NULL AS DATE)");
        assert_eq!(masked(&column("date", false, None), &MaskSpec::Null, Some(&[36])), "CAST('0001-01-01' AS DATE)");
        assert_eq!(masked(&column("text", true, None), &MaskSpec::Null, Some(&[36])), "CAST(NULL AS CHAR)");
    }

    #[test]
    fn what_needs_the_value_names_it_in_quotes() {
        assert_eq!(
            masked(&column("date", true, None), &MaskSpec::Year, Some(&[36])),
            "MAKEDATE(GREATEST(YEAR(`c```), YEAR(UTC_DATE()) - 90), 1)"
        );
        let partial = masked(&column("varchar(12)", true, None), &MaskSpec::Partial { keep: 4 }, Some(&[36]));
        assert!(partial.contains("RIGHT(`c```, 4)"));
        let hash = masked(&column("varchar(12)", true, None), &MaskSpec::Hash, Some(&[36]));
        assert_eq!(hash, "CAST('***' AS CHAR(12))");
    }
}
