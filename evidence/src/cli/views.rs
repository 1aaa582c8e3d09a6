//! `evidence views`: SQL for those who look at the record with DuckDB or Spark.

use super::Place;
use super::output;
use crate::error::StoreError;
use crate::table::Table;
use clap::{Args, ValueEnum};
use std::process::ExitCode;

#[derive(Args)]
pub(super) struct Views {
    #[command(flatten)]
    place: Place,
    /// For which engine.
    #[arg(long, value_enum, default_value = "duckdb")]
    engine: Engine,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// DuckDB.
    Duckdb,
    /// Spark SQL.
    Spark,
}

impl Views {
    pub(super) fn run(self) -> Result<ExitCode, StoreError> {
        let folder = self.place.folder()?;
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        output::lines(&sql(&folder.display().to_string().replace('\'', "''"), self.engine));
        Ok(ExitCode::SUCCESS)
    }
}

fn sql(folder: &str, engine: Engine) -> String {
    let mut out = format!("-- Views over the Affidavit store in {folder}. Tables without records yet have no view.\n");
    for table in Table::ALL {
        let name = table.name();
        if !std::path::Path::new(&format!("{folder}/{name}")).is_dir() {
            continue;
        }
        out.push_str(&match engine {
            Engine::Duckdb => format!(
                "CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet('{folder}/{name}/*/*.parquet', hive_partitioning = true);\n"
            ),
            Engine::Spark => format!("CREATE OR REPLACE TEMPORARY VIEW {name} USING parquet OPTIONS (path '{folder}/{name}');\n"),
        });
    }
    if std::path::Path::new(&format!("{folder}/rows")).is_dir() {
        out.push_str(match engine {
            Engine::Duckdb => "-- cell(columns, \"values\", 'name'): a cell of a row by its column's name; the first, when names repeat.\nCREATE OR REPLACE MACRO cell(columns, vals, name) AS vals[list_position(columns, name)];\n",
            Engine::Spark => "CREATE OR REPLACE TEMPORARY FUNCTION cell(columns ARRAY<STRING>, vals ARRAY<STRING>, name STRING) RETURNS STRING RETURN element_at(vals, CAST(NULLIF(array_position(columns, name), 0) AS INT));\n",
        });
    }
    if std::path::Path::new(&format!("{folder}/statements")).is_dir() {
        out.push_str(&datastore_activity(engine));
    }
    if std::path::Path::new(&format!("{folder}/sessions")).is_dir() {
        out.push_str(&authentication(engine));
    }
    out
}

fn view(engine: Engine) -> &'static str {
    match engine {
        Engine::Duckdb => "CREATE OR REPLACE VIEW",
        Engine::Spark => "CREATE OR REPLACE TEMPORARY VIEW",
    }
}

fn millis(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Duckdb => format!("epoch_ms({column})"),
        Engine::Spark => format!("unix_millis({column})"),
    }
}

/// OCSF Datastore Activity, <https://schema.ocsf.io/classes/datastore_activity>.
fn datastore_activity(engine: Engine) -> String {
    let (view, time, start, end) =
        (view(engine), millis(engine, "s.ts"), millis(engine, "s.sent"), millis(engine, "s.\"end\""));
    let text = format!(
        r#"{view} ocsf_datastore_activity AS
SELECT 6005 AS class_uid, 6 AS category_uid, 'Datastore Activity' AS class_name,
  CASE WHEN s.command LIKE '%select%' THEN 4 WHEN s.command LIKE '%copy-out%' THEN 1 WHEN s.command LIKE '%update%' THEN 2
       WHEN s.command LIKE '%delete%' OR s.command LIKE '%truncate%' THEN 7 WHEN s.command LIKE '%insert%' OR s.command LIKE '%copy-in%' THEN 5
       ELSE 99 END AS activity_id,
  600500 + CASE WHEN s.command LIKE '%select%' THEN 4 WHEN s.command LIKE '%copy-out%' THEN 1 WHEN s.command LIKE '%update%' THEN 2
       WHEN s.command LIKE '%delete%' OR s.command LIKE '%truncate%' THEN 7 WHEN s.command LIKE '%insert%' OR s.command LIKE '%copy-in%' THEN 5
       ELSE 99 END AS type_uid,
  {time} AS "time", {start} AS start_time, {end} AS end_time,
  CASE WHEN s.decision IN ('deny', 'hold') THEN 3 ELSE 1 END AS severity_id,
  CASE WHEN s.status = 'completed' THEN 1 ELSE 2 END AS status_id, s.status AS status, s.error_code AS status_code,
  o.user_id AS actor_user_uid, o.user_email AS actor_user_email, s.session_id AS actor_session_uid,
  o.server AS database_name, o.protocol AS database_type, s.sql_normalized AS query_info_query_string,
  s.fingerprint AS query_info_uid, s.bytes_out AS query_info_bytes, s.row_count AS query_result_count, s.rule AS policy_name,
  s.policy_version AS policy_uid, o.client_addr AS src_endpoint, 'Affidavit' AS metadata_product_name, '1.6.0' AS metadata_version
FROM statements s LEFT JOIN sessions o ON o.session_id = s.session_id AND o.event = 'open';
"#
    );
    quoted(engine, text)
}

/// OCSF Authentication, <https://schema.ocsf.io/classes/authentication>.
fn authentication(engine: Engine) -> String {
    let (view, time) = (view(engine), millis(engine, "ts"));
    let text = format!(
        r#"{view} ocsf_authentication AS
SELECT 3002 AS class_uid, 3 AS category_uid, 'Authentication' AS class_name,
  CASE event WHEN 'close' THEN 2 ELSE 1 END AS activity_id, 300200 + CASE event WHEN 'close' THEN 2 ELSE 1 END AS type_uid,
  {time} AS "time", CASE event WHEN 'denied' THEN 3 ELSE 1 END AS severity_id,
  CASE event WHEN 'denied' THEN 2 ELSE 1 END AS status_id, close_reason AS status_detail,
  user_id AS user_uid, user_email AS user_email_addr, issuer AS user_domain, auth_method AS auth_protocol,
  session_id AS session_uid, client_addr AS src_endpoint, server AS dst_endpoint, tls_version AS tls_version,
  'Affidavit' AS metadata_product_name, '1.6.0' AS metadata_version
FROM sessions;
"#
    );
    quoted(engine, text)
}

/// Spark quotes names with backticks.
fn quoted(engine: Engine, text: String) -> String {
    if engine == Engine::Spark { text.replace('"', "`") } else { text }
}
