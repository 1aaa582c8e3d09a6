//! What the user is and may: role attributes, memberships, privileges on schemas, tables and catalogs.
//! <https://www.postgresql.org/docs/current/role-attributes.html>,
//! <https://www.postgresql.org/docs/current/predefined-roles.html>

use super::{Me, firsts, flag, identifier, some, text};
use crate::link::Link;
use std::io;
use wire::{Finding, Severity};

/// Roles that come with the server, what they give, and how much that matters. Roles of people's own are judged by what
/// they reach.
const PREDEFINED: [(&str, Severity, &str); 14] = [
    ("pg_read_server_files", Severity::High, "it reads files of the server, other databases' among them"),
    ("pg_write_server_files", Severity::High, "it writes files of the server"),
    ("pg_execute_server_program", Severity::High, "it runs programs on the server"),
    ("pg_create_subscription", Severity::High, "it makes the server connect elsewhere and pull data"),
    ("pg_read_all_data", Severity::Medium, "it reads every table, also those that nobody has written rules for yet"),
    ("pg_write_all_data", Severity::Medium, "it writes every table"),
    ("pg_monitor", Severity::Medium, "it sees the texts of everybody's statements, literals included"),
    ("pg_read_all_stats", Severity::Medium, "it sees the texts of everybody's statements, literals included"),
    ("pg_stat_scan_tables", Severity::Medium, "it scans tables that it may not read, for their statistics"),
    ("pg_signal_backend", Severity::Medium, "it ends other users' sessions"),
    ("pg_maintain", Severity::Medium, "it locks and rewrites every table"),
    ("pg_checkpoint", Severity::Low, "it makes the server write everything out"),
    ("pg_read_all_settings", Severity::Low, "it reads settings that are for administrators"),
    ("pg_use_reserved_connections", Severity::Low, "it takes connections that are kept for administrators"),
];

/// SUPERUSER and its lesser kin.
pub(super) async fn attributes(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let rows = link
        .query(
            "SELECT r.rolsuper, r.rolreplication, r.rolcreaterole, r.rolbypassrls, r.rolcreatedb, \
             EXISTS (SELECT FROM pg_catalog.pg_class WHERE relrowsecurity) \
             FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
        )
        .await?;
    let row = rows.first().map(Vec::as_slice).unwrap_or_default();
    let policies = flag(row, 5);
    let every: [(usize, &'static str, Severity, &str, &'static str, &str); 5] = [
        (
            0,
            "superuser",
            Severity::High,
            "is a superuser",
            "a superuser reads and writes files, runs programs and is above every grant: one mistake in the proxy is the whole server",
            "NOSUPERUSER",
        ),
        (
            1,
            "replication",
            Severity::High,
            "may replicate",
            "a replication connection streams every row of every database, unmasked",
            "NOREPLICATION",
        ),
        (
            2,
            "createrole",
            Severity::High,
            "may create roles",
            "it can make itself a member of other roles, or another way in",
            "NOCREATEROLE",
        ),
        (
            3,
            "bypassrls",
            if policies { Severity::High } else { Severity::Medium },
            "bypasses row security",
            "policies that hide rows from users do not hold for what goes through the proxy",
            "NOBYPASSRLS",
        ),
        (
            4,
            "createdb",
            Severity::Medium,
            "may create databases",
            "a copy of a database is outside every rule",
            "NOCREATEDB",
        ),
    ];
    let held =
        every.into_iter().filter(|(at, ..)| if *at == 0 { me.superuser } else { flag(row, *at) && !me.superuser });
    Ok(held
        .map(|(_, check, severity, what, why, without)| Finding {
            severity,
            check,
            what: format!("the proxy's user {} {what}", me.name),
            why,
            fix: vec![format!("ALTER ROLE {} {without};", me.quoted())],
        })
        .collect())
}

/// Roles that it is a member of, with what they reach in turn.
pub(super) async fn memberships(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let rows = link
        .query(
            "SELECT d.rolname, x.rolname, x.rolsuper OR x.rolreplication OR x.rolcreaterole OR x.rolbypassrls \
             FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles u ON u.oid = m.member \
             JOIN pg_catalog.pg_roles d ON d.oid = m.roleid \
             JOIN pg_catalog.pg_roles x ON pg_catalog.pg_has_role(d.oid, x.oid, 'MEMBER') \
             WHERE u.rolname = current_user ORDER BY d.rolname, x.rolname",
        )
        .await?;
    let mut found: Vec<Finding> = Vec::new();
    for row in &rows {
        let (direct, reached) = (text(row, 0), text(row, 1));
        let meant = |name: &str| me.lock.as_ref().is_some_and(|lock| lock.masked == name || lock.wire == name);
        if meant(direct) && meant(reached) {
            continue;
        }
        let predefined = PREDEFINED.iter().find(|(name, ..)| *name == reached);
        let (severity, why) = match predefined {
            Some((_, severity, why)) => (*severity, *why),
            None if flag(row, 2) => (Severity::High, "that role is above the grants that protect the data"),
            None => (Severity::Low, "what that role may, the proxy may, and neither is looked at here"),
        };
        let via = if direct == reached { String::new() } else { format!(", which is a member of {reached}") };
        let finding = Finding {
            severity,
            check: "membership",
            what: format!("the proxy's user {} is a member of {direct}{via}", me.name),
            why,
            fix: vec![format!("REVOKE {} FROM {};", identifier(direct), me.quoted())],
        };
        match found.iter_mut().find(|known| known.fix == finding.fix) {
            Some(known) if known.severity >= severity => {}
            Some(known) => *known = finding,
            None => found.push(finding),
        }
    }
    Ok(found)
}

/// Privileges that its work does not need.
pub(super) async fn privileges(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let mut found = Vec::new();
    let role = me.quoted();
    let owned = firsts(
        &link
            .query(
                "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner \
                 WHERE r.rolname = current_user AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 1",
            )
            .await?,
    );
    if !owned.is_empty() {
        let heir = heir(link).await?;
        found.push(Finding {
            severity: Severity::Medium,
            check: "owner",
            what: format!("the proxy's user {} owns {}", me.name, some(&owned)),
            why: "an owner drops and alters its tables, and its views and routines act with its rights",
            fix: match heir {
                Some(heir) => vec![format!("REASSIGN OWNED BY {role} TO {};", identifier(&heir))],
                None => vec![format!("-- give what {} owns to another role: REASSIGN OWNED BY {role} TO …", me.name)],
            },
        });
    }
    let schemas = firsts(
        &link
            .query(
                "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' \
                 AND nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(oid, 'CREATE') ORDER BY 1",
            )
            .await?,
    );
    if !schemas.is_empty() {
        found.push(Finding {
            severity: Severity::Medium,
            check: "create-in-schema",
            what: format!("the proxy's user {} may create objects in schema {}", me.name, some(&schemas)),
            why: "a table or view that it makes is outside the rules that name columns, and others may come to use it",
            fix: schemas
                .iter()
                .map(|schema| format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role};"))
                .collect(),
        });
    }
    let database =
        link.query("SELECT 1 WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')").await?;
    if !database.is_empty() {
        found.push(Finding {
            severity: Severity::Medium,
            check: "create-in-database",
            what: format!("the proxy's user {} may create schemas in database {}", me.name, me.database),
            why: "what it makes there is outside the rules that name schemas",
            fix: vec![format!("REVOKE CREATE ON DATABASE {} FROM PUBLIC, {role};", identifier(&me.database))],
        });
    }
    let wide = firsts(
        &link
            .query(
                "SELECT c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 JOIN pg_catalog.pg_roles r ON r.oid = c.relowner WHERE c.relkind IN ('r', 'p') AND r.rolname <> current_user \
                 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
                 AND pg_catalog.has_table_privilege(c.oid, 'TRUNCATE, REFERENCES, TRIGGER') ORDER BY 1",
            )
            .await?,
    );
    if !wide.is_empty() {
        found.push(Finding {
            severity: Severity::Medium,
            check: "table-privileges",
            what: format!("the proxy's user {} may truncate, reference or put triggers on {}", me.name, some(&wide)),
            why: "a trigger sees every row that anybody writes, and a foreign key tells which values exist",
            fix: wide
                .iter()
                .map(|table| format!("REVOKE TRUNCATE, REFERENCES, TRIGGER ON {table} FROM PUBLIC, {role};"))
                .collect(),
        });
    }
    found.extend(catalogs(link, me).await?);
    Ok(found)
}

/// Catalogs that only administrators read as the server comes, and functions that touch its files.
async fn catalogs(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let role = me.quoted();
    let mut found = Vec::new();
    let secret = firsts(
        &link
            .query(
                "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace \
                 AND c.relname IN ('pg_authid', 'pg_shadow', 'pg_statistic', 'pg_statistic_ext_data', 'pg_user_mapping', \
                 'pg_largeobject', 'pg_hba_file_rules', 'pg_file_settings') \
                 AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1",
            )
            .await?,
    );
    if !secret.is_empty() {
        found.push(Finding {
            severity: Severity::High,
            check: "catalog-secrets",
            what: format!("the proxy's user {} may read {}", me.name, some(&secret)),
            why: "these hold password hashes, credentials of other servers, or values of every table's columns",
            fix: secret.iter().map(|name| format!("REVOKE SELECT ON pg_catalog.{name} FROM PUBLIC, {role};")).collect(),
        });
    }
    let files = firsts(
        &link
            .query(
                "SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p \
                 WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace \
                 AND p.proname IN ('pg_read_file', 'pg_read_binary_file', 'pg_ls_dir', 'pg_stat_file', 'lo_import', \
                 'lo_export', 'pg_ls_logdir', 'pg_ls_waldir', 'pg_ls_tmpdir', 'pg_ls_archive_statusdir', 'pg_reload_conf', \
                 'pg_rotate_logfile', 'pg_file_write', 'pg_create_restore_point', 'pg_switch_wal', \
                 'pg_create_logical_replication_slot', 'pg_logical_slot_get_changes', 'pg_logical_slot_peek_changes') \
                 AND p.proacl IS NOT NULL AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') ORDER BY 1",
            )
            .await?,
    );
    if !files.is_empty() {
        found.push(Finding {
            severity: Severity::High,
            check: "server-files",
            what: format!("the proxy's user {} may call {}", me.name, some(&files)),
            why: "these reach files and logs of the server, past every table and every rule",
            fix: files
                .iter()
                .map(|routine| format!("REVOKE EXECUTE ON FUNCTION pg_catalog.{routine} FROM PUBLIC, {role};"))
                .collect(),
        });
    }
    Ok(found)
}

/// Who may own what the proxy's user owns now: the database's owner, else the server's first superuser.
pub(super) async fn heir(link: &mut Link) -> io::Result<Option<String>> {
    let rows = link
        .query(
            "SELECT r.rolname FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_database d ON d.datdba = r.oid \
             AND d.datname = pg_catalog.current_database() WHERE r.rolname <> current_user AND (d.oid IS NOT NULL OR r.oid = 10) \
             ORDER BY d.oid IS NULL LIMIT 1",
        )
        .await?;
    Ok(rows.first().map(|row| text(row, 0).to_owned()))
}
