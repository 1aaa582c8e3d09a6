//! Whether the roles of the second lock are as policy needs them, as the database says: who may take them, and which
//! columns each may read.

use super::{flag, literal, some, text};
use crate::link::{Link, Rows};
use std::collections::{HashMap, HashSet};
use std::io;
use wire::{LockNames, LockPlan, LockReport};

/// Holds the roles of `account` against `plan`.
pub(crate) async fn examine_lock(link: &mut Link, account: &str, plan: &LockPlan) -> io::Result<LockReport> {
    let names = LockNames::of(account);
    let mut report = LockReport::default();
    if names.masked.len() > 63 {
        report.wrong.push(format!("the name {account} is too long for roles to be named after it"));
        return Ok(report);
    }
    roles(link, &names, &mut report).await?;
    if report.wrong.is_empty() {
        columns(link, &names, plan, &mut report).await?;
        views(link, &names, plan, &mut report).await?;
        schemas(link, &names, &mut report).await?;
    }
    Ok(report)
}

async fn roles(link: &mut Link, names: &LockNames, report: &mut LockReport) -> io::Result<()> {
    let (masked, wire) = (literal(&names.masked), literal(&names.wire));
    // From 16 on a membership says whether the role can be taken.
    let version =
        link.query("SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4 >= 160000").await?;
    let taken = if version.first().is_some_and(|row| flag(row, 0)) { "SET" } else { "MEMBER" };
    let rows = link
        .query(&format!(
            "SELECT r.rolname, r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication, \
             pg_catalog.pg_has_role(current_user, r.oid, '{taken}') \
             FROM pg_catalog.pg_roles r WHERE r.rolname IN ({masked}, {wire})"
        ))
        .await?;
    for name in [&names.masked, &names.wire] {
        match rows.iter().find(|row| text(row, 0) == name) {
            None => report.wrong.push(format!("role {name} does not exist")),
            Some(row) if flag(row, 1) => report.wrong.push(format!("role {name} is above the grants of the database")),
            Some(row) if !flag(row, 2) => report.wrong.push(format!("the account cannot take role {name}")),
            Some(_) => {}
        }
    }
    if !report.wrong.is_empty() {
        return Ok(());
    }
    let rows = link
        .query(&format!(
            "SELECT pg_catalog.pg_has_role({masked}, {wire}, 'MEMBER') OR pg_catalog.pg_has_role({masked}, current_user, 'MEMBER'), \
             pg_catalog.pg_has_role({wire}, {masked}, 'USAGE'), \
             EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname IN ({masked}, {wire}))"
        ))
        .await?;
    let row = rows.first().map(Vec::as_slice).unwrap_or_default();
    if flag(row, 0) {
        report.wrong.push(format!("role {} is a member of the account or of {}", names.masked, names.wire));
    }
    if !flag(row, 1) {
        report.wrong.push(format!("role {} is no member of {}", names.wire, names.masked));
    }
    if flag(row, 2) {
        report.wrong.push(format!(
            "a schema is named like {} or {}: $user on a search path would mean it",
            names.masked, names.wire
        ));
    }
    Ok(())
}

async fn columns(link: &mut Link, names: &LockNames, plan: &LockPlan, report: &mut LockReport) -> io::Result<()> {
    let (masked, wire) = (literal(&names.masked), literal(&names.wire));
    let rows = link
        .query(&format!(
            "SELECT n.nspname, c.relname, a.attname, \
             pg_catalog.has_column_privilege({masked}, c.oid, a.attnum, 'SELECT'), \
             pg_catalog.has_column_privilege({wire}, c.oid, a.attnum, 'SELECT'), \
             pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
             AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', {}) \
             AND NOT pg_catalog.pg_has_role({wire}, c.relowner, 'USAGE') ORDER BY 1, 2, a.attnum",
            literal(&names.views)
        ))
        .await?;
    let hidden: HashSet<(&str, &str, &str)> = plan
        .guarded
        .iter()
        .flat_map(|own| own.named(true).map(|name| (own.table.schema.as_str(), own.table.table.as_str(), name)))
        .collect();
    let (mut shown, mut withheld, mut narrow, mut reads) = (Vec::new(), Vec::new(), Vec::new(), false);
    for row in &rows {
        let (schema, table, column) = (text(row, 0), text(row, 1), text(row, 2));
        let path = || format!("{schema}.{table}.{column}");
        match (hidden.contains(&(schema, table, column)), flag(row, 3), flag(row, 4), flag(row, 5)) {
            (true, true, ..) => shown.push(path()),
            (true, false, false, true) => withheld.push(path()),
            (true, false, true, _) => reads = true,
            (false, false, _, true) => narrow.push(path()),
            _ => {}
        }
    }
    if !shown.is_empty() {
        report.wrong.push(format!("role {} may read {}, which policy protects", names.masked, some(&shown)));
    }
    // What the wire role lacks harms nobody but who needs it: it is said, and is no reason to let nobody in. A role without
    // any such right is one that was not filled.
    if !withheld.is_empty() {
        let into = if reads { &mut report.narrow } else { &mut report.wrong };
        into.push(format!("role {} may not read {}", names.wire, some(&withheld)));
    }
    if !narrow.is_empty() {
        report.narrow.push(format!("role {} may not read {}, which the account may", names.masked, some(&narrow)));
    }
    Ok(())
}

async fn views(link: &mut Link, names: &LockNames, plan: &LockPlan, report: &mut LockReport) -> io::Result<()> {
    let rows: Rows = link
        .query(&format!(
            "SELECT c.relname, pg_catalog.obj_description(c.oid, 'pg_class'), \
             pg_catalog.has_table_privilege({masked}, c.oid, 'SELECT') AND pg_catalog.has_schema_privilege({masked}, n.oid, 'USAGE'), \
             pg_catalog.pg_has_role({wire}, c.relowner, 'USAGE') OR 'security_invoker=true' = ANY (c.reloptions) \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = {} AND c.relkind = 'v'",
            literal(&names.views),
            masked = literal(&names.masked),
            wire = literal(&names.wire),
        ))
        .await?;
    let there: HashMap<&str, &Vec<Option<String>>> = rows.iter().map(|row| (text(row, 0), row)).collect();
    let (mut stale, mut missing) = (Vec::new(), Vec::new());
    for guarded in &plan.guarded {
        for view in super::lock_sql::mask_views(names, guarded)? {
            match there.get(view.name.table.as_str()) {
                None => missing.push(view.name.to_string()),
                Some(row) if text(row, 1) == super::lock_sql::comment(&view) && flag(row, 2) && !flag(row, 3) => {}
                Some(_) => stale.push(view.name.to_string()),
            }
        }
    }
    if !stale.is_empty() {
        report.wrong.push(format!("views that show masks are not as policy needs them: {}", some(&stale)));
    }
    // A client may make a table that a rule covers. What computes with its masks fails, and nothing else has to.
    if !missing.is_empty() {
        report.narrow.push(format!("views that show masks are not there yet: {}", some(&missing)));
    }
    Ok(())
}

async fn schemas(link: &mut Link, names: &LockNames, report: &mut LockReport) -> io::Result<()> {
    let rows = link
        .query(&format!(
            "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' \
             AND pg_catalog.has_schema_privilege(oid, 'USAGE') \
             AND NOT pg_catalog.has_schema_privilege({}, oid, 'USAGE') ORDER BY 1",
            literal(&names.masked)
        ))
        .await?;
    let unreachable = super::firsts(&rows);
    if !unreachable.is_empty() {
        report.narrow.push(format!(
            "role {} may not use schema {}, which the account may",
            names.masked,
            some(&unreachable)
        ));
    }
    Ok(())
}
