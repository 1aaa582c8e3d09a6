//! The optimizer's estimate of a statement's rows: EXPLAIN on a connection of the proxy's own, in a read-only transaction.
//!
//! EXPLAIN says how many rows are gone through, not how many come out, so LIMIT and aggregates make no difference to it: an
//! agent cannot get under a limit of rows by wrapping them up.

use crate::link::Link;
use crate::message::capability::Capabilities;
use crate::own_query::{QueryError, TextRow, run};
use model::Statement;
use std::collections::BTreeMap;

/// Asks the optimizer. `sql` is the statement's text, which [`wire::plannable`] has let through. `None` for a statement with
/// parameters: EXPLAIN takes none.
pub(crate) async fn estimate(
    link: &mut Link,
    capabilities: Capabilities,
    mariadb: bool,
    database: Option<&str>,
    sql: &str,
    statement: &Statement,
) -> Result<Option<u64>, QueryError> {
    if !statement.params.is_empty() {
        return Ok(None);
    }
    if let Some(database) = database {
        run(link, &format!("USE `{}`", database.replace('`', "``")), capabilities).await?;
    }
    // A session that has locked its table must not leave connections of ours waiting behind it.
    run(link, "SET SESSION lock_wait_timeout = 1", capabilities).await?;
    run(link, "START TRANSACTION READ ONLY", capabilities).await?;
    // Both have a column of what share of the rows a condition leaves, MariaDB only when asked.
    let how = if mariadb { "EXTENDED" } else { "FORMAT=TRADITIONAL" };
    let plan = run(link, &format!("EXPLAIN {how} {sql}"), capabilities).await?;
    run(link, "ROLLBACK", capabilities).await?;
    Ok(rows_of(&plan))
}

/// The rows of a plan: those of joined tables multiplied, those of separate SELECTs added up. `None` when it has not the
/// columns of a plan (…, rows, filtered, Extra).
fn rows_of(plan: &[TextRow]) -> Option<u64> {
    let mut selects: BTreeMap<&str, f64> = BTreeMap::new();
    for row in plan {
        let [id, .., rows, filtered, _] = row.as_slice() else { return None };
        // The result of a UNION has no number, and nothing but what its parts have.
        let Some(id) = id.as_deref() else { continue };
        let select = selects.entry(id).or_insert(1.0);
        if let Some(rows) = rows {
            let share = filtered.as_deref().map_or(Some(100.0), |share| share.parse::<f64>().ok())?;
            *select *= rows.parse::<f64>().ok()? * share / 100.0;
        }
    }
    if selects.is_empty() {
        return None;
    }
    let total: f64 = selects.values().sum();
    // From a float, which saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rounded = total.ceil().max(0.0) as u64;
    Some(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [Option<&str>; 5]) -> TextRow {
        cells.map(|cell| cell.map(str::to_owned)).to_vec()
    }

    #[test]
    fn joins_multiply_and_selects_add_up() {
        let scan = row([Some("1"), Some("t"), Some("1000"), Some("10.00"), Some("Using where")]);
        assert_eq!(rows_of(std::slice::from_ref(&scan)), Some(100));
        let inner = row([Some("1"), Some("u"), Some("3"), Some("100.00"), None]);
        assert_eq!(rows_of(&[scan.clone(), inner]), Some(300));
        let other = row([Some("2"), Some("v"), Some("50"), None, None]);
        let union = row([None, Some("<union1,2>"), None, None, Some("Using temporary")]);
        assert_eq!(rows_of(&[scan, other, union]), Some(150));
        assert_eq!(rows_of(&[row([Some("1"), None, None, None, Some("Impossible WHERE")])]), Some(1));
    }

    #[test]
    fn what_is_no_plan_is_no_estimate() {
        assert_eq!(rows_of(&[]), None);
        assert_eq!(rows_of(&[vec![Some("1".to_owned())]]), None);
        assert_eq!(rows_of(&[row([Some("1"), None, Some("many"), None, None])]), None);
    }
}
