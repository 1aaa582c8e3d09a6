//! Objects that act with other rights than their caller's, read other tables under a name of their own, or hide what they
//! read.

use super::grants::may_execute;
use super::{Asker, SYSTEM, identifier, some, text};
use crate::own_query::QueryError;
use wire::{Finding, Severity};

/// Engines whose tables have no rows of their own, or have them elsewhere.
const ELSEWHERE: &str = "('mrg_myisam', 'mrg_isam', 'federated', 'connect', 'spider', 's3', 'sphinx', 'oqgraph')";

/// Findings about routines, tables, views, events and loaded functions.
pub(super) async fn objects(asker: &mut Asker<'_>) -> Result<Vec<Finding>, QueryError> {
    let user = asker.account.quoted();
    let mut found = Vec::new();
    let routines = asker
        .ask(&format!(
            "SELECT routine_type, routine_schema, routine_name, definer FROM information_schema.routines \
             WHERE security_type = 'DEFINER' AND definer <> CURRENT_USER() AND lower(routine_schema) NOT IN {SYSTEM} \
             ORDER BY 2, 3"
        ))
        .await?;
    let callable = routines.iter().filter(|row| may_execute(&asker.grants, text(row, 1), text(row, 2)));
    for row in callable {
        let name = format!("{}.{}", identifier(text(row, 1)), identifier(text(row, 2)));
        let kind = text(row, 0);
        found.push(Finding {
            severity: Severity::High,
            check: "definer-routine",
            what: format!(
                "{} {name} runs with the rights of {}, and the proxy's user may call it",
                kind.to_lowercase(),
                text(row, 3)
            ),
            why: "what it reads is not what the rules and grants say: its result has no columns that could be masked",
            fix: vec![
                format!("REVOKE EXECUTE ON {kind} {name} FROM {user};"),
                format!(
                    "-- where EXECUTE is held on the whole database: REVOKE EXECUTE ON {}.* FROM {user};",
                    super::database(text(row, 1))
                ),
            ],
        });
    }
    let tables = asker
        .ask(&format!(
            "SELECT table_schema, table_name, engine FROM information_schema.tables WHERE lower(engine) IN {ELSEWHERE} \
             AND lower(table_schema) NOT IN {SYSTEM} ORDER BY 1, 2"
        ))
        .await?;
    for row in &tables {
        let name = format!("{}.{}", identifier(text(row, 0)), identifier(text(row, 1)));
        found.push(Finding {
            severity: Severity::High,
            check: "table-elsewhere",
            what: format!("table {name} has engine {}: its rows are those of other tables or servers", text(row, 2)),
            why: "rules that name the columns of those tables do not hold for it",
            fix: vec![format!("-- move it to a database that the proxy's user may not read: ALTER TABLE {name} RENAME `elsewhere`.{};", identifier(text(row, 1)))],
        });
    }
    let hidden: Vec<String> = asker
        .ask(&format!(
            "SELECT table_schema, table_name FROM information_schema.views WHERE coalesce(view_definition, '') = '' \
             AND lower(table_schema) NOT IN {SYSTEM} ORDER BY 1, 2"
        ))
        .await?
        .iter()
        .map(|row| format!("{}.{}", identifier(text(row, 0)), identifier(text(row, 1))))
        .collect();
    if !hidden.is_empty() {
        found.push(Finding {
            severity: Severity::Medium,
            check: "hidden-view",
            what: format!("the proxy's user {user} may not see what these views read: {}", some(&hidden)),
            why: "what comes through them is refused or redacted, because it could be anything",
            fix: hidden.iter().map(|view| format!("GRANT SHOW VIEW ON {view} TO {user};")).collect(),
        });
    }
    let loaded: Vec<String> = asker
        .ask_if_allowed("SELECT name FROM mysql.func ORDER BY name")
        .await?
        .unwrap_or_default()
        .iter()
        .map(|row| text(row, 0).to_owned())
        .collect();
    if !loaded.is_empty() {
        found.push(Finding {
            severity: Severity::High,
            check: "loaded-function",
            what: format!("functions were loaded from libraries, which everybody may call: {}", some(&loaded)),
            why: "they run as the server itself: files, programs, network",
            fix: loaded.iter().map(|name| format!("DROP FUNCTION {};", identifier(name))).collect(),
        });
    }
    let events: Vec<String> = asker
        .ask(&format!(
            "SELECT event_schema, event_name FROM information_schema.events WHERE definer <> CURRENT_USER() \
             AND lower(event_schema) NOT IN {SYSTEM} ORDER BY 1, 2"
        ))
        .await?
        .iter()
        .map(|row| format!("{}.{}", identifier(text(row, 0)), identifier(text(row, 1))))
        .collect();
    if !events.is_empty() {
        found.push(Finding {
            severity: Severity::Low,
            check: "event",
            what: format!("the proxy's user {user} may change events of others: {}", some(&events)),
            why: "an event runs later, past the proxy",
            fix: vec![format!("-- take the EVENT privilege from {user} in these databases")],
        });
    }
    Ok(found)
}
