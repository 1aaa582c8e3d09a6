//! The engines' own schemas. Most of what they show is structure and passes; some columns carry data of other tables,
//! other sessions' statement texts or values that a session put there.

use crate::Dialect;
use model::TableRef;
use std::collections::HashSet;
use std::sync::OnceLock;

/// Whether a schema belongs to the engine.
pub(crate) fn is_system_schema(dialect: Dialect, schema: &str) -> bool {
    match dialect {
        Dialect::Postgres => matches!(schema, "pg_catalog" | "information_schema" | "pg_toast"),
        Dialect::Mysql | Dialect::MariaDb => ["information_schema", "mysql", "performance_schema", "sys"]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(schema)),
    }
}

/// Whether an unqualified name is that of a relation of `pg_catalog`.
pub(crate) fn is_catalog_relation(name: &str) -> bool {
    static NAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    name.starts_with("pg_")
        && NAMES.get_or_init(|| include_str!("postgres/relations.txt").lines().collect()).contains(name)
}

/// Why a column of a system relation (or, without a column, any of its columns) may carry data.
pub(crate) fn carries(dialect: Dialect, table: &TableRef, column: Option<&str>) -> Option<&'static str> {
    match dialect {
        Dialect::Postgres => postgres(table, column),
        Dialect::Mysql | Dialect::MariaDb => mysql(table, column),
    }
}

fn postgres(table: &TableRef, column: Option<&str>) -> Option<&'static str> {
    const STATISTICS: &str = "planner statistics, which hold values of tables";
    const TEXTS: &str = "texts of statements, which hold literals";
    const SECRETS: &str = "stored credentials";
    let among = |columns: &[&str]| column.is_none_or(|column| columns.contains(&column));
    if matches!(table.table.as_str(), "pg_stat_statements") {
        return among(&["query"]).then_some(TEXTS);
    }
    if table.schema == "pg_toast" {
        return Some("out-of-line values of tables");
    }
    if table.schema != "pg_catalog" {
        return None;
    }
    let (carriers, why): (&[&str], _) = match table.table.as_str() {
        "pg_statistic" => {
            let harmless = ["starelid", "staattnum", "stainherit"];
            return column.is_none_or(|column| !harmless.contains(&column)).then_some(STATISTICS);
        }
        "pg_statistic_ext_data" => return Some(STATISTICS),
        "pg_stats" | "pg_stats_ext" | "pg_stats_ext_exprs" => {
            let harmless = [
                "schemaname",
                "tablename",
                "attname",
                "inherited",
                "statistics_schemaname",
                "statistics_name",
                "statistics_owner",
                "attnames",
                "exprs",
                "kinds",
                "expr",
            ];
            return column.is_none_or(|column| !harmless.contains(&column)).then_some(STATISTICS);
        }
        "pg_stat_activity" => (&["query"], TEXTS),
        "pg_prepared_statements" | "pg_cursors" => (&["statement"], TEXTS),
        "pg_backend_memory_contexts" => (&["ident"], TEXTS),
        "pg_largeobject" => (&["data"], "large objects"),
        "pg_locks" => (&["classid", "objid", "objsubid"], "keys of advisory locks, which sessions choose"),
        "pg_attribute" => (&["attmissingval"], "default values"),
        "pg_authid" => (&["rolpassword"], SECRETS),
        "pg_shadow" => (&["passwd"], SECRETS),
        "pg_subscription" => (&["subconninfo"], SECRETS),
        "pg_stat_wal_receiver" => (&["conninfo"], SECRETS),
        "pg_user_mapping" | "pg_user_mappings" => (&["umoptions"], SECRETS),
        _ => return None,
    };
    // A whole row of pg_attribute is common in introspection and its default values are constants of the schema.
    if column.is_none() && table.table == "pg_attribute" {
        return None;
    }
    among(carriers).then_some(why)
}

fn mysql(table: &TableRef, column: Option<&str>) -> Option<&'static str> {
    let schema = table.schema.to_ascii_lowercase();
    let name = table.table.to_ascii_lowercase();
    let column = column.map(str::to_ascii_lowercase);
    let among = |columns: &[&str]| column.as_deref().is_none_or(|column| columns.contains(&column));
    match schema.as_str() {
        "information_schema" => match name.as_str() {
            "processlist" => among(&["info", "info_binary"]).then_some("texts of statements, which hold literals"),
            "innodb_trx" => among(&["trx_query"]).then_some("texts of statements, which hold literals"),
            "column_statistics" => among(&["histogram"]).then_some("histograms, which hold values of tables"),
            "user_variables" => Some("user variables, which may hold any value"),
            "optimizer_trace" | "query_cache_info" | "profiling" => Some("texts of statements, which hold literals"),
            _ if name.starts_with("innodb_ft_") || name.starts_with("innodb_buffer") || name == "innodb_locks" => {
                Some("storage internals, which hold values of tables")
            }
            _ => None,
        },
        "mysql" => {
            let harmless = name.starts_with("help_") || name.starts_with("time_zone");
            (!harmless).then_some("the engine's own tables, which hold statistics and credentials")
        }
        "performance_schema" => {
            let harmless = ["global_variables", "session_variables", "global_status", "session_status"];
            (!harmless.contains(&name.as_str())).then_some("instrumentation, which holds texts of statements")
        }
        "sys" => (name != "version").then_some("instrumentation, which holds texts of statements"),
        _ => None,
    }
}
