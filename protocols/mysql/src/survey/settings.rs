//! Settings of the server that write statements with their literals down, let it read files, or change what texts mean.
//! <https://dev.mysql.com/doc/refman/9.0/en/server-system-variables.html>

use super::{Asker, text};
use crate::own_query::QueryError;
use wire::{Finding, Severity};

const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('general_log', 'slow_query_log', 'log_output', \
    'local_infile', 'secure_file_priv', 'sql_mode', 'server_audit_logging', 'binlog_annotate_row_events', \
    'binlog_rows_query_log_events', 'log_bin', 'event_scheduler', 'skip_grant_tables', 'old_passwords')";

const LOGGED: &str = "literals of statements, which may be identifiers, end up in a file or table that nobody masks";

/// Findings about settings.
pub(super) async fn settings(asker: &mut Asker<'_>) -> Result<Vec<Finding>, QueryError> {
    let rows = asker.ask(VARIABLES).await?;
    let value = |name: &str| rows.iter().find(|row| text(row, 0).eq_ignore_ascii_case(name)).map(|row| text(row, 1));
    Ok(judge(&value))
}

fn judge<'a>(value: &dyn Fn(&str) -> Option<&'a str>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut find = |severity, check, what: String, why, fix: &str| {
        found.push(Finding { severity, check, what, why, fix: vec![fix.to_owned()] });
    };
    let on = |name| value(name).is_some_and(|value| value.eq_ignore_ascii_case("on") || value == "1");
    let to = value("log_output").unwrap_or("FILE");
    if on("general_log") {
        let fix = "SET GLOBAL general_log = OFF; -- and in the server's configuration file";
        find(Severity::Medium, "log-literals", format!("general_log is ON and writes to {to}"), LOGGED, fix);
    }
    if on("slow_query_log") {
        let fix = "SET GLOBAL slow_query_log = OFF; -- and in the server's configuration file";
        find(Severity::Medium, "log-literals", format!("slow_query_log is ON and writes to {to}"), LOGGED, fix);
    }
    if on("server_audit_logging") {
        let fix = "SET GLOBAL server_audit_logging = OFF; -- or guard its file as the record's statement_bodies";
        find(Severity::Medium, "log-literals", "server_audit_logging is ON".to_owned(), LOGGED, fix);
    }
    for name in ["binlog_annotate_row_events", "binlog_rows_query_log_events"] {
        if on("log_bin") && on(name) {
            let fix = format!("SET GLOBAL {name} = OFF; -- and in the server's configuration file");
            find(
                Severity::Low,
                "log-literals",
                format!("{name} is ON: the binary log holds texts of statements"),
                LOGGED,
                &fix,
            );
        }
    }
    if on("local_infile") {
        let why = "LOAD DATA LOCAL lets a server ask for files; through the proxy it needs local_infile = true in the datasource, \
                   elsewhere nobody judges it";
        let fix = "SET GLOBAL local_infile = OFF; -- and in the server's configuration file";
        find(Severity::Low, "local-infile", "local_infile is ON".to_owned(), why, fix);
    }
    if value("secure_file_priv") == Some("") {
        let why = "whoever has FILE reads and writes any file that the server can reach";
        let fix = "-- in the server's configuration file: secure_file_priv = NULL (MariaDB: an empty folder); then restart it";
        find(Severity::Medium, "secure-file-priv", "secure_file_priv is empty".to_owned(), why, fix);
    }
    if on("skip_grant_tables") {
        let fix = "-- restart the server without skip-grant-tables";
        find(
            Severity::High,
            "no-grants",
            "the server checks no privileges".to_owned(),
            "everybody may do everything",
            fix,
        );
    }
    let modes: Vec<&str> = value("sql_mode").unwrap_or_default().split(',').collect();
    if modes.iter().any(|mode| mode.eq_ignore_ascii_case("ORACLE") || mode.eq_ignore_ascii_case("MSSQL")) {
        let why = "texts mean other things under it; what the proxy cannot read it refuses";
        let fix = "SET GLOBAL sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION';";
        find(Severity::Medium, "sql-mode", format!("sql_mode is {}", modes.join(",")), why, fix);
    } else if !modes.iter().any(|mode| mode.to_ascii_uppercase().starts_with("STRICT_")) {
        let why =
            "values that do not fit their column are changed silently, masked ones that are written back among them";
        let fix = "SET GLOBAL sql_mode = CONCAT(@@GLOBAL.sql_mode, ',STRICT_TRANS_TABLES');";
        find(Severity::Low, "sql-mode", "sql_mode is not strict".to_owned(), why, fix);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(settings: &[(&str, &'static str)]) -> Vec<&'static str> {
        let value = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        judge(&value).iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn quiet_servers_are_clean_and_others_are_not() {
        assert!(
            checks(&[("sql_mode", "STRICT_TRANS_TABLES"), ("secure_file_priv", "NULL"), ("general_log", "OFF")])
                .is_empty()
        );
        assert_eq!(
            checks(&[
                ("general_log", "ON"),
                ("local_infile", "ON"),
                ("secure_file_priv", ""),
                ("sql_mode", "ANSI_QUOTES")
            ]),
            ["log-literals", "local-infile", "secure-file-priv", "sql-mode"]
        );
    }
}
