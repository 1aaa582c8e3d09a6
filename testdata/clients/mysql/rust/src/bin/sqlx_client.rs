//! sqlx: binary protocol throughout (it prepares what it runs), text protocol for raw SQL, transactions, a pool. Prints
//! the same transcript as the other clients.

use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow, MySqlSslMode};
use sqlx::{Column as _, Connection as _, Executor as _, MySqlConnection, Row as _, TypeInfo as _, ValueRef as _};
use std::env::var;

/// A cell as JSON: text as text, bytes as hex, NULL as null.
fn cell(row: &MySqlRow, at: usize) -> Result<Value, sqlx::Error> {
    let raw = row.try_get_raw(at)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    let name = raw.type_info().name().to_owned();
    Ok(match name.as_str() {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" => {
            json!(row.try_get_unchecked::<i64, _>(at)?)
        }
        "TINYINT UNSIGNED" | "SMALLINT UNSIGNED" | "INT UNSIGNED" | "BIGINT UNSIGNED" | "YEAR" | "BIT" => {
            json!(row.try_get_unchecked::<u64, _>(at)?.to_string())
        }
        "FLOAT" => json!(format!("{:?}", row.try_get_unchecked::<f32, _>(at)?)),
        "DOUBLE" => json!(format!("{:?}", row.try_get_unchecked::<f64, _>(at)?)),
        _ => match row.try_get_unchecked::<&[u8], _>(at) {
            Ok(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(_) => json!({ "hex": hex::encode(bytes) }),
            },
            Err(error) => return Err(error),
        },
    })
}

fn cells(rows: &[MySqlRow]) -> Result<Value, sqlx::Error> {
    let row = |row: &MySqlRow| (0..row.columns().len()).map(|at| cell(row, at)).collect::<Result<Vec<Value>, _>>();
    let rows: Vec<Vec<Value>> = rows.iter().map(row).collect::<Result<_, _>>()?;
    Ok(json!(rows))
}

fn table(rows: &[MySqlRow]) -> Result<Value, sqlx::Error> {
    let columns: Vec<&str> =
        rows.first().map(|row| row.columns().iter().map(|column| column.name()).collect()).unwrap_or_default();
    Ok(json!({ "columns": columns, "rows": cells(rows)? }))
}

fn emit(name: &str, result: Result<Value, sqlx::Error>) {
    let result = result.unwrap_or_else(|error| match error.as_database_error() {
        Some(error) => json!({ "error": [error.code(), error.message()] }),
        None => json!({ "error": error.to_string() }),
    });
    println!("{}", json!({ "step": name, "result": result }));
}

type Answer = Result<Value, sqlx::Error>;

async fn types(conn: &mut MySqlConnection) -> Answer {
    let rows = sqlx::query(
        "SELECT id, v_bool, v_utiny, v_small, v_medium, v_uint, v_big, v_ubig, v_float, v_double, v_char, v_varchar, v_text, \
         v_long, v_binary, v_varbinary, v_blob, v_enum, v_set, v_latin FROM analytics.type_zoo WHERE id <> 2 ORDER BY id",
    )
    .fetch_all(conn)
    .await?;
    table(&rows)
}

async fn lookups(conn: &mut MySqlConnection) -> Answer {
    let mut all = Vec::new();
    for code in ["I10", "O80", "no", "I10"] {
        let found =
            sqlx::query("SELECT title FROM analytics.icd10 WHERE code = ?").bind(code).fetch_all(&mut *conn).await?;
        all.push(cells(&found)?);
    }
    Ok(json!(all))
}

async fn transaction(conn: &mut MySqlConnection) -> Answer {
    let mut transaction = conn.begin().await?;
    let done = sqlx::query("INSERT INTO analytics.scratch (id, label, amount) VALUES (?, ?, 1.5)")
        .bind(4000)
        .bind("sqlx'\\")
        .execute(&mut *transaction)
        .await?;
    let seen = sqlx::query("SELECT label FROM analytics.scratch WHERE id = 4000").fetch_all(&mut *transaction).await?;
    let seen = cells(&seen)?;
    transaction.rollback().await?;
    let left = sqlx::query("SELECT count(*) FROM analytics.scratch WHERE id = 4000").fetch_all(conn).await?;
    Ok(json!([done.rows_affected(), seen, cells(&left)?]))
}

async fn streamed(conn: &mut MySqlConnection) -> Answer {
    let mut rows = sqlx::query("SELECT occupied FROM analytics.bed_census ORDER BY day, department_id").fetch(conn);
    let (mut sum, mut count) = (0_i64, 0_i64);
    while let Some(row) = rows.try_next().await? {
        sum += row.try_get_unchecked::<i64, _>(0)? * (count % 97);
        count += 1;
    }
    Ok(json!([count, sum]))
}

async fn several(conn: &mut MySqlConnection) -> Answer {
    let rows = conn.fetch_all(sqlx::raw_sql("SELECT 1; SELECT 2; SELECT 'three'")).await?;
    cells(&rows)
}

async fn failing(conn: &mut MySqlConnection, sql: &'static str) -> Answer {
    let rows = sqlx::query(sql).fetch_all(conn).await?;
    cells(&rows)
}

async fn masked(conn: &mut MySqlConnection) -> Answer {
    let rows = sqlx::query(
        "SELECT id, mrn, ssn, full_name, sex, phone, email, zip, account_no, portal_id, photo, insured, notes \
         FROM patients WHERE id <= ? ORDER BY id",
    )
    .bind(20)
    .fetch_all(conn)
    .await?;
    table(&rows)
}

async fn pooled(options: MySqlConnectOptions) -> Answer {
    let pool = MySqlPoolOptions::new().max_connections(3).connect_with(options).await?;
    let mut all = Vec::new();
    for _ in 0..5 {
        let rows = sqlx::query("SELECT count(*) FROM analytics.departments").fetch_all(&pool).await?;
        all.push(cells(&rows)?);
    }
    pool.close().await;
    Ok(json!(all))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ca = var("TARGET_CA").unwrap_or_default();
    let options = MySqlConnectOptions::new()
        .host(&var("TARGET_HOST")?)
        .port(var("TARGET_PORT")?.parse()?)
        .username(&var("TARGET_USER")?)
        .password(&var("TARGET_PASSWORD")?)
        .database(&var("TARGET_DATABASE")?)
        .enable_cleartext_plugin(true);
    let options = if ca.is_empty() {
        options.ssl_mode(MySqlSslMode::Disabled)
    } else {
        options.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca(ca)
    };
    let mut conn = MySqlConnection::connect_with(&options).await?;
    emit("types", types(&mut conn).await);
    emit("lookups", lookups(&mut conn).await);
    emit("transaction", transaction(&mut conn).await);
    emit("streamed", streamed(&mut conn).await);
    emit("several statements", several(&mut conn).await);
    for bad in ["SELEC", "SELECT * FROM analytics.nope", "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"] {
        emit(&format!("error: {bad}"), failing(&mut conn, bad).await);
    }
    emit("after errors", failing(&mut conn, "SELECT 'fine'").await);
    emit("masked", masked(&mut conn).await);
    conn.ping().await?;
    conn.close().await?;
    emit("a pool", pooled(options).await);
    emit("closed", Ok(json!(true)));
    Ok(())
}
