//! Names of types, as the engine writes them, for columns that come from no table of the catalog.

use crate::message::column::ColumnDefinition;
use crate::values::*;

/// The name of a column's type.
pub(crate) fn type_name(definition: &ColumnDefinition<'_>) -> &'static str {
    let unsigned = definition.flags & UNSIGNED != 0;
    let bytes = definition.collation == BINARY;
    match definition.column_type {
        _ if definition.flags & ENUM_FLAG != 0 => "enum",
        _ if definition.flags & SET_FLAG != 0 => "set",
        TINY if unsigned => "tinyint unsigned",
        TINY => "tinyint",
        SHORT if unsigned => "smallint unsigned",
        SHORT => "smallint",
        INT24 if unsigned => "mediumint unsigned",
        INT24 => "mediumint",
        LONG if unsigned => "int unsigned",
        LONG => "int",
        LONGLONG if unsigned => "bigint unsigned",
        LONGLONG => "bigint",
        FLOAT => "float",
        DOUBLE => "double",
        DECIMAL | NEWDECIMAL => "decimal",
        DATE | NEWDATE => "date",
        TIME => "time",
        TIMESTAMP => "timestamp",
        DATETIME => "datetime",
        YEAR => "year",
        BIT => "bit",
        JSON => "json",
        ENUM => "enum",
        SET => "set",
        NULL => "null",
        VARCHAR | VAR_STRING if bytes => "varbinary",
        VARCHAR | VAR_STRING => "varchar",
        STRING if bytes => "binary",
        STRING => "char",
        TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | BLOB if bytes => "blob",
        TINY_BLOB | MEDIUM_BLOB | LONG_BLOB | BLOB => "text",
        255 => "geometry",
        242 => "vector",
        _ => "unknown",
    }
}
