//! The planner's estimate of a statement's rows: EXPLAIN on a connection of the proxy's own, in a read-only transaction.
//!
//! An agent must not get under a limit by wrapping its rows up (`SELECT json_agg(t) FROM t` returns one row), so what goes into
//! an aggregate, and what a subquery gives to the answer, counts as well as what comes out at the end.

use crate::link::Link;
use model::Statement;
use serde_json::Value;
use std::io;

/// Planning evaluates functions that call themselves stable: not for long, and nothing that writes.
const PREPARE: &str = "SET statement_timeout = '2s'; SET lock_timeout = '1s'; SET standard_conforming_strings = on; \
    SET plan_cache_mode = force_custom_plan; BEGIN READ ONLY";

/// Largest plan that is read (bytes).
const LONGEST: usize = 16 << 20;
/// Deepest plan that is walked.
const DEEPEST: usize = 200;

/// Asks the planner. `sql` is the statement's text, which [`wire::plannable`] has let through.
///
/// # Errors
/// The connection's, or the server's refusal to plan it.
pub(crate) async fn estimate(link: &mut Link, sql: &str, statement: &Statement) -> io::Result<Option<u64>> {
    link.query(PREPARE).await?;
    let explain = if statement.params.is_empty() {
        format!("EXPLAIN (FORMAT JSON) {sql}")
    } else {
        link.query(&format!("PREPARE affidavit_estimate AS {sql}")).await?;
        format!("EXPLAIN (FORMAT JSON) EXECUTE affidavit_estimate({})", values(statement))
    };
    let rows = link.query(&explain).await?;
    link.query("ROLLBACK").await?;
    let text: Vec<&str> = rows.iter().filter_map(|row| row.first()?.as_deref()).collect();
    Ok(rows_of(&text.join("\n")))
}

/// The parameters as literals of unknown type, which the prepared statement's types give a meaning.
fn values(statement: &Statement) -> String {
    let literal = |param: &model::Param| match &param.value {
        None => "NULL".to_owned(),
        Some(value) => {
            let mut text = String::new();
            param.repr.render(value, &mut text);
            format!("'{}'", text.replace('\'', "''"))
        }
    };
    statement.params.iter().map(literal).collect::<Vec<_>>().join(", ")
}

/// The rows of a plan in JSON: what it returns, or what goes into an aggregate, a change or an answer's subquery, whichever is
/// most. `None` when it is not a plan as PostgreSQL prints them.
fn rows_of(text: &str) -> Option<u64> {
    if text.len() > LONGEST {
        return None;
    }
    let plans: Value = serde_json::from_str(text).ok()?;
    let top = plans.get(0)?.get("Plan")?;
    let mut most = rows(top)?;
    let mut nodes = vec![(top, 0)];
    while let Some((node, depth)) = nodes.pop() {
        if depth > DEEPEST {
            return None;
        }
        let kind = node.get("Node Type")?.as_str()?;
        let gathers = matches!(kind, "Aggregate" | "Group" | "WindowAgg" | "ModifyTable");
        for child in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
            let apart =
                matches!(child.get("Parent Relationship").and_then(Value::as_str), Some("InitPlan" | "SubPlan"));
            if gathers || apart {
                most = most.max(rows(child)?);
            }
            nodes.push((child, depth + 1));
        }
    }
    Some(most)
}

fn rows(node: &Value) -> Option<u64> {
    let rows = node.get("Plan Rows")?;
    // PostgreSQL 18 prints estimates with decimals.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rounded = |rows: f64| rows.ceil().max(0.0) as u64;
    rows.as_u64().or_else(|| rows.as_f64().map(rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_up_counts() {
        let plan = |inner: &str| format!(r#"[{{"Plan": {inner}}}]"#);
        let scan = r#"{"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Plan Rows": 5000}"#;
        assert_eq!(rows_of(&plan(scan)), Some(5000));
        let limited = format!(r#"{{"Node Type": "Limit", "Plan Rows": 10, "Plans": [{scan}]}}"#);
        assert_eq!(rows_of(&plan(&limited)), Some(10), "a limit holds");
        let counted = format!(r#"{{"Node Type": "Aggregate", "Plan Rows": 1, "Plans": [{scan}]}}"#);
        assert_eq!(rows_of(&plan(&counted)), Some(5000), "an aggregate has seen them all");
        let deleted = format!(r#"{{"Node Type": "ModifyTable", "Plan Rows": 0, "Plans": [{scan}]}}"#);
        assert_eq!(rows_of(&plan(&deleted)), Some(5000));
        let array =
            format!(r#"{{"Node Type": "Result", "Plan Rows": 1, "Plans": [{}]}}"#, scan.replace("Outer", "InitPlan"));
        assert_eq!(rows_of(&plan(&array)), Some(5000), "ARRAY(SELECT …)");
        assert_eq!(rows_of(&plan(r#"{"Node Type": "Seq Scan", "Plan Rows": 12.50}"#)), Some(13));
    }

    #[test]
    fn what_is_no_plan_is_no_estimate() {
        for text in ["", "[]", "{}", r#"[{"Plan": {"Node Type": "Seq Scan"}}]"#, r#"[{"Plan": {"Plan Rows": "many"}}]"#]
        {
            assert_eq!(rows_of(text), None, "{text}");
        }
    }
}
