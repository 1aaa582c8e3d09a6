//! What cannot fail whatever its operands hold, and which types are the engines' own. Everything else may fail, and whether it
//! does tells something about its operands.

/// Routines that no argument of the right type makes fail.
pub(super) fn never_fails(name: &str) -> bool {
    matches!(
        name,
        "count"
            | "min"
            | "max"
            | "avg"
            | "lower"
            | "upper"
            | "initcap"
            | "length"
            | "char_length"
            | "character_length"
            | "octet_length"
            | "bit_length"
            | "btrim"
            | "ltrim"
            | "rtrim"
            | "concat"
            | "concat_ws"
            | "md5"
            | "sha256"
            | "reverse"
            | "position"
            | "strpos"
            | "replace"
            | "translate"
            | "string_agg"
            | "array_agg"
            | "json_agg"
            | "jsonb_agg"
            | "to_json"
            | "to_jsonb"
            | "row_to_json"
            | "json_build_array"
            | "jsonb_build_array"
            | "array_to_json"
            | "array_to_string"
            | "cardinality"
            | "date_trunc"
            | "date_part"
            | "extract"
            | "to_char"
            | "row_number"
            | "rank"
            | "dense_rank"
            | "percent_rank"
            | "cume_dist"
            | "lag"
            | "lead"
            | "first_value"
            | "last_value"
            | "bool_and"
            | "bool_or"
            | "every"
            | "any_value"
            | "starts_with"
            | "quote_literal"
            | "quote_ident"
            | "quote_nullable"
            | "unnest"
            | "mode"
            | "pg_typeof"
            | "pg_column_size"
            | "num_nulls"
            | "num_nonnulls"
            | "to_tsvector"
            | "ascii"
            | "coalesce"
            | "greatest"
            | "least"
            | "nullif"
            | "regexp_replace"
            | "regexp_like"
            | "regexp_match"
            | "regexp_matches"
            | "regexp_count"
            | "json_array_elements_text"
    )
}

/// Routines that only arguments after the first can make fail.
pub(super) fn fails_only_by_later_arguments(name: &str) -> bool {
    matches!(name, "substring" | "substr" | "left" | "right" | "split_part" | "encode" | "format" | "age")
}

/// Operators that no operand of the right type makes fail.
pub(super) fn never_fails_operator(name: &str) -> bool {
    matches!(
        name,
        "=" | "<>"
            | "!="
            | "<"
            | ">"
            | "<="
            | ">="
            | "||"
            | "~~"
            | "!~~"
            | "~~*"
            | "!~~*"
            | "~"
            | "!~"
            | "~*"
            | "!~*"
            | "->"
            | "->>"
            | "#>"
            | "#>>"
            | "@>"
            | "<@"
            | "&&"
            | "?"
            | "?|"
            | "?&"
            | "@@"
            | "<=>"
    )
}

/// Types to which anything of theirs can be cast without failing.
pub(super) fn casts_never_fail(name: &str) -> bool {
    matches!(name, "text" | "varchar" | "bpchar" | "name")
}

/// Whether a cast to `name` changes nothing about a column of type `own` (as `format_type` prints it).
pub(super) fn same_type(own: &str, name: &str) -> bool {
    let printed = match name {
        "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "bool" => "boolean",
        "float8" => "double precision",
        "float4" => "real",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "varchar" => "character varying",
        other => other,
    };
    own == printed || own == name
}

/// Whether a column's type is one of the engine's own, as `format_type` prints them.
pub(super) fn is_builtin_type(printed: &str) -> bool {
    let base = printed.split(['(', '[']).next().unwrap_or_default().trim();
    matches!(
        base,
        "text"
            | "character varying"
            | "character"
            | "char"
            | "\"char\""
            | "name"
            | "integer"
            | "bigint"
            | "smallint"
            | "numeric"
            | "real"
            | "double precision"
            | "boolean"
            | "date"
            | "bytea"
            | "uuid"
            | "json"
            | "jsonb"
            | "xml"
            | "interval"
            | "inet"
            | "cidr"
            | "macaddr"
            | "macaddr8"
            | "money"
            | "oid"
            | "bit"
            | "bit varying"
            | "point"
            | "line"
            | "lseg"
            | "box"
            | "path"
            | "polygon"
            | "circle"
            | "tsvector"
            | "tsquery"
            | "pg_lsn"
            | "int4"
            | "int8"
            | "int2"
            | "varchar"
            | "bpchar"
            | "bool"
            | "float4"
            | "float8"
            | "timestamp"
            | "timestamptz"
            | "time"
            | "timetz"
    ) || base.starts_with("timestamp")
        || base.starts_with("time ")
        || base.starts_with("reg")
}

/// Whether a column's type compares by number with numbers (MySQL).
pub(super) fn is_number_type(printed: &str) -> bool {
    let printed = printed.to_ascii_lowercase();
    const NUMBERS: [&str; 11] =
        ["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "numeric", "float", "double", "real", "bit"];
    NUMBERS.iter().any(|number| printed.starts_with(number))
}
