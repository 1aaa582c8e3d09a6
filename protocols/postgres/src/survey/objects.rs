//! Objects that act with other rights than their caller's, or reach outside the database: routines, extensions, foreign
//! servers and tables, event triggers.

use super::{Me, firsts, flag, identifier, some, text};
use crate::link::Link;
use std::io;
use wire::{Finding, Severity};

/// Extensions whose routines reach other servers, files, or what other sessions do.
/// <https://www.postgresql.org/docs/current/contrib.html>
const REACHING: [(&str, Severity, &str); 17] = [
    ("dblink", Severity::High, "it runs SQL over a connection of its own, past the proxy"),
    ("adminpack", Severity::High, "it reads and writes files of the server"),
    ("http", Severity::High, "it sends what it is given to any web server"),
    ("pg_net", Severity::High, "it sends what it is given to any web server"),
    ("aws_s3", Severity::High, "it copies query results to object stores"),
    ("aws_lambda", Severity::High, "it sends what it is given to functions elsewhere"),
    ("pg_background", Severity::High, "it runs SQL in a session of its own, past the proxy"),
    ("pg_cron", Severity::High, "it runs SQL later, past the proxy"),
    ("plproxy", Severity::High, "it runs SQL on other servers, past the proxy"),
    ("pageinspect", Severity::High, "it reads raw pages of tables"),
    ("xml2", Severity::Medium, "its functions take SQL as text"),
    ("tablefunc", Severity::Medium, "its functions take SQL as text"),
    ("pg_stat_statements", Severity::Medium, "it shows the texts of everybody's statements"),
    ("pg_walinspect", Severity::High, "it reads the log of all changes"),
    ("lo", Severity::Low, "it handles large objects, which no column rule covers"),
    ("pgrowlocks", Severity::Low, "it tells what other sessions are working on"),
    ("amcheck", Severity::Low, "it reads indexes of every table"),
];

/// Routines that run with other rights, in languages that are not confined, or of extensions that reach outside.
pub(super) async fn routines(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let role = me.quoted();
    let mut found = Vec::new();
    for row in &link.query(&definers(me, true)).await? {
        let (routine, kind, owner) = (text(row, 0), text(row, 1), text(row, 2));
        let path = if flag(row, 3) { "" } else { ", and it sets no search_path of its own" };
        found.push(Finding {
            severity: Severity::High,
            check: "definer-routine",
            what: format!("{kind} {routine} runs with the rights of {owner}, and the proxy's user may call it{path}"),
            why: "what it reads is not what the rules and grants say: its result has no columns that could be masked",
            fix: vec![revoke(kind, routine, &role)],
        });
    }
    let rows = link.query(&unconfined(me)).await?;
    for row in rows.iter().filter(|row| text(row, 3).is_empty()) {
        let (routine, kind, language) = (text(row, 0), text(row, 1), text(row, 2));
        found.push(Finding {
            severity: Severity::High,
            check: "untrusted-language",
            what: format!("{kind} {routine} is written in {language}, and the proxy's user may call it"),
            why: "code in an untrusted language runs as the server itself: files, programs, network",
            fix: vec![revoke(kind, routine, &role)],
        });
    }
    for (extension, severity, why) in REACHING {
        let callable: Vec<_> = rows.iter().filter(|row| text(row, 3) == extension).collect();
        if callable.is_empty() {
            continue;
        }
        let names: Vec<String> = callable.iter().map(|row| text(row, 0).to_owned()).collect();
        found.push(Finding {
            severity,
            check: "extension",
            what: format!("the proxy's user {} may call extension {extension}: {}", me.name, some(&names)),
            why,
            fix: callable.iter().map(|row| revoke(text(row, 1), text(row, 0), &role)).collect(),
        });
    }
    Ok(found)
}

/// SECURITY DEFINER routines, those of others only or all. Trigger functions cannot be called.
pub(super) fn definers(me: &Me, of_others: bool) -> String {
    format!(
        "SELECT p.oid::pg_catalog.regprocedure, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, r.rolname, \
         COALESCE(EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) c WHERE c LIKE 'search_path=%'), false) \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         JOIN pg_catalog.pg_roles r ON r.oid = p.proowner WHERE p.prosecdef AND p.oid >= 16384 AND {} \
         AND p.prorettype NOT IN ('trigger'::pg_catalog.regtype, 'event_trigger'::pg_catalog.regtype) AND {} ORDER BY 1",
        if of_others { format!("r.rolname <> {}", super::literal(&me.name)) } else { "true".to_owned() },
        me.callable
    )
}

/// Routines in languages that are not confined, with the extension that brought them. The language `internal` is the
/// server's own.
pub(super) fn unconfined(me: &Me) -> String {
    format!(
        "SELECT p.oid::pg_catalog.regprocedure, CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, l.lanname, e.extname \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
         JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
         LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid \
         AND d.deptype = 'e' LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid \
         WHERE p.oid >= 16384 AND (NOT l.lanpltrusted AND l.lanname <> 'internal' OR e.extname IS NOT NULL) \
         AND p.prorettype NOT IN ('trigger'::pg_catalog.regtype, 'event_trigger'::pg_catalog.regtype, \
         'language_handler'::pg_catalog.regtype, 'fdw_handler'::pg_catalog.regtype) AND {} ORDER BY 1",
        me.callable
    )
}

/// Whether an extension's routines should not be called through the proxy.
pub(super) fn reaches(extension: &str) -> bool {
    REACHING.iter().any(|(name, ..)| *name == extension)
}

/// Takes the right to call a routine from everybody who has it without being named.
pub(super) fn revoke(kind: &str, routine: &str, role: &str) -> String {
    format!("REVOKE EXECUTE ON {kind} {routine} FROM PUBLIC, {role};")
}

/// Tables whose rows are elsewhere, and servers that such tables may be made of.
pub(super) async fn foreign(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let role = me.quoted();
    let mut found = Vec::new();
    let tables = firsts(
        &link
            .query(
                "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind = 'f' AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
                 AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY 1",
            )
            .await?,
    );
    if !tables.is_empty() {
        found.push(Finding {
            severity: Severity::Medium,
            check: "foreign-table",
            what: format!("the proxy's user {} may read foreign tables: {}", me.name, some(&tables)),
            why: "their rows are of another table or file, whose rules do not hold here; only rules that name these tables do",
            fix: tables.iter().map(|table| format!("REVOKE ALL ON {table} FROM PUBLIC, {role};")).collect(),
        });
    }
    let servers = firsts(
        &link
            .query(
                "SELECT s.srvname FROM pg_catalog.pg_foreign_server s WHERE pg_catalog.has_server_privilege(s.oid, 'USAGE') ORDER BY 1",
            )
            .await?,
    );
    if !servers.is_empty() {
        found.push(Finding {
            severity: Severity::Medium,
            check: "foreign-server",
            what: format!("the proxy's user {} may use foreign server {}", me.name, some(&servers)),
            why: "with it come tables that no rule knows",
            fix: servers
                .iter()
                .map(|server| format!("REVOKE USAGE ON FOREIGN SERVER {} FROM PUBLIC, {role};", identifier(server)))
                .collect(),
        });
    }
    let wrappers = firsts(
        &link
            .query(
                "SELECT w.fdwname FROM pg_catalog.pg_foreign_data_wrapper w \
                 WHERE pg_catalog.has_foreign_data_wrapper_privilege(w.oid, 'USAGE') ORDER BY 1",
            )
            .await?,
    );
    if !wrappers.is_empty() {
        found.push(Finding {
            severity: Severity::High,
            check: "foreign-wrapper",
            what: format!("the proxy's user {} may use foreign data wrapper {}", me.name, some(&wrappers)),
            why: "with it come servers, and with these other databases or files of this one",
            fix: wrappers
                .iter()
                .map(|name| format!("REVOKE USAGE ON FOREIGN DATA WRAPPER {} FROM PUBLIC, {role};", identifier(name)))
                .collect(),
        });
    }
    Ok(found)
}

/// Code that runs when the schema changes.
pub(super) async fn event_triggers(link: &mut Link) -> io::Result<Vec<Finding>> {
    let rows = link
        .query(
            "SELECT t.evtname, t.evtevent, t.evtfoid::pg_catalog.regproc FROM pg_catalog.pg_event_trigger t \
             WHERE t.evtenabled <> 'D' ORDER BY 1",
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| Finding {
            severity: Severity::Low,
            check: "event-trigger",
            what: format!("event trigger {} runs {} on {}", text(row, 0), text(row, 2), text(row, 1)),
            why: "a change of the schema that the rules let through also does what this routine does",
            fix: vec![format!(
                "-- read the routine; if it is not needed: DROP EVENT TRIGGER {};",
                identifier(text(row, 0))
            )],
        })
        .collect())
}
