//! What stands in for a relation whose columns are protected: a subquery over it that shows masks.
//!
//! Every name in it comes from the catalog, quoted and qualified, and every function and operator is `pg_catalog`'s by name,
//! so nothing that a session sets or makes decides what it means. No expression in it fails on any value. It is written in
//! ASCII, whatever the client's encoding.

use crate::mask_views::{MaskView, view, view_column};
use model::{Guarded, MaskSpec, SourceColumn, SourceMask, SourceUse};
use std::fmt::Write as _;

/// The subquery, in parentheses and without an alias. `sample` is a TABLESAMPLE clause of the text; `views` the schema of the
/// views through which masks are read that are computed from a value, where the second lock is in force.
pub(super) fn projection(
    source: &SourceUse,
    mask: &SourceMask,
    only: bool,
    sample: &str,
    views: Option<&str>,
    small_areas: &[u16],
) -> Result<String, String> {
    let table = &source.table;
    let masked = mask.columns.iter().map(|(name, mask)| (name.as_str(), mask.as_ref()));
    if !source.columns.iter().map(|column| column.name.as_str()).eq(masked.clone().map(|(name, _)| name)) {
        return Err(format!("the columns of {table} have changed: send the statement again"));
    }
    let computed = |(column, (_, mask)): (&SourceColumn, (&str, Option<&MaskSpec>))| {
        mask.is_some_and(|mask| computes(mask, column))
    };
    // What is read beside the views must not need the value.
    let areas = if views.is_some() { None } else { Some(small_areas) };
    let through = views.filter(|_| source.columns.iter().zip(masked.clone()).any(computed));
    let from = through.map_or_else(|| table.clone(), |schema| view(schema, table, only));
    let mut text = String::from("(SELECT ");
    for (index, (column, (_, mask))) in source.columns.iter().zip(masked).enumerate() {
        let named = |name: &str| format!("{}.{}", quoted(&from.table), quoted(name));
        let own = named(&column.name);
        let separator = if index == 0 { "" } else { ", " };
        let _ = match mask {
            None | Some(MaskSpec::Keep) => write!(text, "{separator}{own}"),
            Some(mask) => {
                let masked = match through {
                    Some(_) if computes(mask, column) => named(&view_column(&column.name, mask)),
                    _ => masked_as(mask, column, &own, areas),
                };
                write!(text, "{separator}{masked} AS {}", quoted(&column.name))
            }
        };
    }
    if through.is_some() && !sample.is_empty() {
        return Err("TABLESAMPLE over a relation whose masks are computed, which the second lock reads through a view"
            .to_owned());
    }
    let only = if only && through.is_none() { "ONLY " } else { "" };
    let sample = if sample.is_empty() { String::new() } else { format!(" {sample}") };
    let _ = write!(text, " FROM {only}{}.{}{sample})", quoted(&from.schema), quoted(&from.table));
    Ok(text)
}

/// The views of a guarded relation: one of it all, one of its own rows alone.
pub(crate) fn mask_views(schema: &str, guarded: &Guarded) -> Vec<MaskView> {
    let table = &guarded.table;
    let mut shown = Vec::new();
    let mut any = false;
    for own in &guarded.columns {
        let name = format!("{}.{}", quoted(&table.table), quoted(&own.column.name));
        if !own.hidden {
            shown.push(name.clone());
        }
        for mask in own.masks.iter().filter(|mask| computes(mask, &own.column)) {
            any = true;
            let masked = masked_as(mask, &own.column, &name, Some(&guarded.small_areas));
            shown.push(format!("{masked} AS {}", quoted(&view_column(&own.column.name, mask))));
        }
    }
    if !any {
        return Vec::new();
    }
    let of = |only: bool| {
        let from = if only { "ONLY " } else { "" };
        let from = format!("{from}{}.{}", quoted(&table.schema), quoted(&table.table));
        MaskView { name: view(schema, table, only), query: format!("SELECT {} FROM {from}", shown.join(", ")) }
    };
    vec![of(false), of(true)]
}

/// Whether a mask of the column is computed from its value; all others are constants.
fn computes(mask: &MaskSpec, column: &SourceColumn) -> bool {
    let family = Family::of(&column.type_name);
    match mask {
        MaskSpec::Year => matches!(family, Family::Date | Family::Timestamp | Family::TimestampTz),
        MaskSpec::Partial { .. } => matches!(family, Family::Text),
        MaskSpec::Zip3 => {
            let of_number = matches!(column.type_name.as_str(), "integer" | "bigint");
            matches!(family, Family::Text) || matches!(family, Family::Number) && of_number
        }
        _ => false,
    }
}

/// A name in quotes, in ASCII.
pub(super) fn quoted(name: &str) -> String {
    if name.is_ascii() {
        return format!("\"{}\"", name.replace('"', "\"\""));
    }
    let mut text = String::from("U&\"");
    for c in name.chars() {
        let _ = match c {
            '"' => write!(text, "\"\""),
            '\\' => write!(text, "\\\\"),
            c if c.is_ascii() => write!(text, "{c}"),
            c => write!(text, "\\+{:06X}", u32::from(c)),
        };
    }
    text.push('"');
    text
}

fn masked_as(mask: &MaskSpec, column: &SourceColumn, own: &str, small_areas: Option<&[u16]>) -> String {
    let family = Family::of(&column.type_name);
    let declared = declared(&column.type_name);
    let expression = match (mask, &family) {
        (MaskSpec::Null, _) => "NULL".to_owned(),
        (MaskSpec::Year, Family::Date) => year(own, "make_date(", ", 1, 1)"),
        (MaskSpec::Year, Family::Timestamp) => year(own, "make_timestamp(", ", 1, 1, 0, 0, 0)"),
        (MaskSpec::Year, Family::TimestampTz) => year(own, "make_timestamptz(", ", 1, 1, 0, 0, 0)"),
        (MaskSpec::Partial { keep }, Family::Text) => partial(own, *keep),
        (MaskSpec::Zip3, Family::Text) => {
            small_areas.map_or_else(|| family.constant(column).to_owned(), |areas| zip3(own, areas))
        }
        (MaskSpec::Zip3, Family::Number) if matches!(column.type_name.as_str(), "integer" | "bigint") => {
            small_areas.map_or_else(|| family.constant(column).to_owned(), |areas| zip3_of_number(own, areas))
        }
        _ => family.constant(column).to_owned(),
    };
    format!("CAST({expression} AS {declared})")
}

/// The first of January of the year; years of birth of people over 89 are one.
fn year(own: &str, make: &str, rest: &str) -> String {
    let year = format!("CAST(pg_catalog.date_part('year', {own}) AS pg_catalog.int4)");
    let oldest = "(CAST(pg_catalog.date_part('year', CURRENT_DATE) AS pg_catalog.int4) OPERATOR(pg_catalog.-) 90)";
    format!(
        "CASE WHEN {own} IS NULL THEN NULL WHEN NOT pg_catalog.isfinite({own}) THEN {own} \
         WHEN {year} OPERATOR(pg_catalog.<=) {oldest} THEN pg_catalog.{make}{oldest}{rest} \
         ELSE pg_catalog.{make}{year}{rest} END"
    )
}

/// The first three digits of a ZIP code, 000 for areas of few people; what is none is redacted.
fn zip3(own: &str, small_areas: &[u16]) -> String {
    let text = format!("pg_catalog.btrim(CAST({own} AS pg_catalog.text))");
    let first = format!("pg_catalog.\"left\"({text}, 3)");
    let areas: Vec<String> = small_areas.iter().map(|area| format!("'{area:03}'")).collect();
    format!(
        "CASE WHEN {own} IS NULL THEN NULL WHEN {text} OPERATOR(pg_catalog.!~) '^([0-9]{{5}}(-.{{0,4}})?|[0-9]{{9}}-?)$' THEN '***' \
         WHEN {first} OPERATOR(pg_catalog.=) ANY (CAST(ARRAY[{}] AS pg_catalog.text[])) THEN '000' ELSE {first} END",
        areas.join(", ")
    )
}

/// The same of a ZIP code stored as a number, its leading zeros lost.
fn zip3_of_number(own: &str, small_areas: &[u16]) -> String {
    let areas: Vec<String> = small_areas.iter().map(u16::to_string).collect();
    let areas = format!("ANY (CAST(ARRAY[{}] AS pg_catalog.int8[]))", areas.join(", "));
    let own = format!("CAST({own} AS pg_catalog.int8)");
    let of = |unit: u32| {
        let area = format!("({own} OPERATOR(pg_catalog./) {unit})");
        format!("CASE WHEN {area} OPERATOR(pg_catalog.=) {areas} THEN 0 ELSE {area} OPERATOR(pg_catalog.*) {unit} END")
    };
    format!(
        "CASE WHEN {own} IS NULL THEN NULL WHEN {own} OPERATOR(pg_catalog.<) 0 OR {own} OPERATOR(pg_catalog.>) 999999999 THEN 0 \
         WHEN {own} OPERATOR(pg_catalog.<=) 99999 THEN {} ELSE {} END",
        of(100),
        of(1_000_000)
    )
}

fn partial(own: &str, keep: u32) -> String {
    let keep = keep.min(1_000);
    let text = format!("CAST({own} AS pg_catalog.text)");
    let covered = |text: &str| format!("pg_catalog.regexp_replace({text}, '[[:alnum:]]|[^\\x01-\\x7f]', '*', 'g')");
    let length = format!("pg_catalog.length({text})");
    let head = format!("pg_catalog.\"left\"({text}, {length} OPERATOR(pg_catalog.-) {keep})");
    format!(
        "CASE WHEN {own} IS NULL THEN NULL WHEN {length} OPERATOR(pg_catalog.<=) {keep} THEN {} \
         ELSE pg_catalog.concat({}, pg_catalog.\"right\"({text}, {keep})) END",
        covered(&text),
        covered(&head)
    )
}

/// What kind of values a type has, by the name that the catalog gives it.
enum Family {
    Text,
    Number,
    Bool,
    Date,
    Timestamp,
    TimestampTz,
    Fixed(&'static str),
    /// A type of which no value is known but NULL.
    Unknown,
}

impl Family {
    fn of(type_name: &str) -> Self {
        if type_name.ends_with("[]") {
            return Self::Fixed("'{}'");
        }
        let base = type_name.split('(').next().unwrap_or_default().trim();
        let zoned = type_name.ends_with("with time zone");
        match base {
            "text" | "character varying" | "character" | "bpchar" | "name" => Self::Text,
            "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" | "oid" => Self::Number,
            "boolean" => Self::Bool,
            "date" => Self::Date,
            _ if base.starts_with("timestamp") && zoned => Self::TimestampTz,
            _ if base.starts_with("timestamp") => Self::Timestamp,
            _ if base.starts_with("time") && zoned => Self::Fixed("'00:00:00+00'"),
            _ if base.starts_with("time") => Self::Fixed("'00:00:00'"),
            _ if base.starts_with("interval") => Self::Fixed("'00:00:00'"),
            "uuid" => Self::Fixed("'00000000-0000-4000-8000-000000000000'"),
            "json" | "jsonb" => Self::Fixed("'{}'"),
            "bytea" => Self::Fixed("'\\x'"),
            "inet" => Self::Fixed("'0.0.0.0'"),
            "cidr" => Self::Fixed("'0.0.0.0/32'"),
            "macaddr" => Self::Fixed("'00:00:00:00:00:00'"),
            "macaddr8" => Self::Fixed("'00:00:00:00:00:00:00:00'"),
            _ => Self::Unknown,
        }
    }

    /// The constant that masks on the wire have for such a type.
    fn constant(&self, column: &SourceColumn) -> &'static str {
        match self {
            Self::Text => "'***'",
            Self::Number => "0",
            Self::Bool => "false",
            // As on the wire: NULL where the column may hold it.
            Self::Date | Self::Timestamp | Self::TimestampTz if column.nullable => "NULL",
            Self::Date => "'0001-01-01'",
            Self::Timestamp => "'0001-01-01 00:00:00'",
            Self::TimestampTz => "'0001-01-01 00:00:00+00'",
            Self::Fixed(constant) => constant,
            Self::Unknown => "NULL",
        }
    }
}

/// A type as the catalog names it, qualified: `text` alone might mean one that the session made. Names of SQL's own
/// (`integer`, `character varying(20)`) are grammar and mean nothing else.
fn declared(type_name: &str) -> String {
    let end = match type_name.strip_prefix('"') {
        // A quoted name ends at its quote, whatever stands within; a doubled quote is part of it.
        Some(rest) => {
            let closing = rest.replace("\"\"", "__").find('"');
            closing.map(|at| at + 2)
        }
        None => type_name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_'),
    };
    let base = end.map_or(type_name, |at| type_name.get(..at).unwrap_or_default());
    let grammar = ["integer", "bigint", "smallint", "real", "numeric", "boolean", "bit", "character", "double", "time"];
    let is_grammar = grammar.contains(&base) || base.starts_with("timestamp") || base == "interval";
    let qualified = type_name.get(base.len()..).is_some_and(|rest| rest.starts_with('.'));
    if is_grammar || qualified || base.is_empty() { type_name.to_owned() } else { format!("pg_catalog.{type_name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_mean_what_the_catalog_means() {
        for (name, expected) in [
            ("text", "pg_catalog.text"),
            ("text[]", "pg_catalog.text[]"),
            ("character varying(20)", "character varying(20)"),
            ("timestamp(3) with time zone", "timestamp(3) with time zone"),
            ("\"char\"", "pg_catalog.\"char\""),
            ("public.citext", "public.citext"),
            ("\"My Schema\".mood", "\"My Schema\".mood"),
            ("\"a\"\"b\".mood", "\"a\"\"b\".mood"),
            ("date", "pg_catalog.date"),
        ] {
            assert_eq!(declared(name), expected);
        }
    }

    #[test]
    fn names_are_quoted_in_ascii() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted("Größe\\"), "U&\"Gr\\+0000F6\\+0000DFe\\\\\"");
    }
}
