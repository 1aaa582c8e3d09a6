//! The SQL of a user with the least rights that the proxy needs. It can be run twice, and on a user that exists: rights
//! to insert, update and delete stay as they are, because applications may need them; everything else goes.

use super::objects::{definers, reaches, revoke, unconfined};
use super::settings::{QUIET, set};
use super::{Me, firsts, identifier, literal, text};
use crate::link::Link;
use std::fmt::Write as _;
use std::io;

const TABLES: &str = "SELECT pg_catalog.quote_ident(n.nspname), c.oid::pg_catalog.regclass, c.relkind \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition AND n.nspname !~ '^pg_' \
    AND n.nspname <> 'information_schema' AND pg_catalog.has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2";

/// Writes it for `role`, by default the configured user; but a superuser is left alone, and another role proposed.
pub(crate) async fn hardening(link: &mut Link, me: &Me, role: Option<&str>) -> io::Result<String> {
    let own = if me.name == "affidavit" { "affidavit_proxy" } else { "affidavit" };
    let name = role.unwrap_or(if me.superuser { own } else { &me.name });
    let role = identifier(name);
    let mut out = format!(
        "-- The least that Affidavit's user {name} needs in database {}. Run it there as a superuser; it may be run again.\n",
        me.database
    );
    if me.superuser && name != me.name {
        let _ = writeln!(out, "-- {} is a superuser and stays as it is: configure user = {name:?} instead.", me.name);
    }
    let _ = write!(
        out,
        "\nDO $affidavit$ BEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {}) THEN\n        \
         CREATE ROLE {role};\n    END IF;\nEND $affidavit$;\n\
         -- A new role has no password, so nobody can log in by one. psql's \\password {role} sets it without leaving it in a log.\n\
         ALTER ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n",
        literal(name)
    );
    if name == me.name {
        past(link, me, &role, &mut out).await?;
    }
    let _ = writeln!(out, "\n-- What it would otherwise leave in the server's log.");
    for (setting, _, _, quiet) in QUIET.iter().filter(|(name, ..)| !name.contains('.')) {
        let _ = writeln!(out, "{}", set(&role, setting, quiet));
    }
    closed(link, me, &role, &mut out).await?;
    grants(link, me, &role, &mut out).await?;
    Ok(out)
}

/// What the user has gathered: memberships, ownership.
async fn past(link: &mut Link, me: &Me, role: &str, out: &mut String) -> io::Result<()> {
    let memberships = firsts(
        &link
            .query(
                "SELECT d.rolname FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles u ON u.oid = m.member \
                 JOIN pg_catalog.pg_roles d ON d.oid = m.roleid WHERE u.rolname = current_user ORDER BY 1",
            )
            .await?,
    );
    for membership in memberships {
        let _ = writeln!(out, "REVOKE {} FROM {role};", identifier(&membership));
    }
    let owns = link
        .query(
            "SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = current_user AND (\
             EXISTS (SELECT FROM pg_catalog.pg_class WHERE relowner = r.oid) \
             OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proowner = r.oid) \
             OR EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspowner = r.oid) \
             OR EXISTS (SELECT FROM pg_catalog.pg_database WHERE datdba = r.oid))",
        )
        .await?;
    if !me.superuser && !owns.is_empty() {
        match super::rights::heir(link).await? {
            Some(heir) => {
                let _ = writeln!(
                    out,
                    "-- It owns objects here. They change hands; what it may do with them follows below."
                );
                let _ = writeln!(out, "REASSIGN OWNED BY {role} TO {};", identifier(&heir));
            }
            None => {
                let _ = writeln!(out, "-- It owns objects here: REASSIGN OWNED BY {role} TO another role.");
            }
        }
    }
    Ok(())
}

/// What is open to everybody, and need not be to the proxy.
async fn closed(link: &mut Link, me: &Me, role: &str, out: &mut String) -> io::Result<()> {
    let schemas = firsts(
        &link
            .query(
                "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' \
                 AND nspname <> 'information_schema' ORDER BY 1",
            )
            .await?,
    );
    let _ = writeln!(
        out,
        "\n-- Nothing of its own making. Whoever did create objects by the grant to PUBLIC needs one of their own."
    );
    let _ = writeln!(out, "REVOKE CREATE ON DATABASE {} FROM PUBLIC, {role};", identifier(&me.database));
    for schema in &schemas {
        let _ = writeln!(out, "REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, {role};");
    }
    let mut routines: Vec<String> = Vec::new();
    for row in &link.query(&definers(me, false)).await? {
        routines.push(revoke(text(row, 1), text(row, 0), role));
    }
    for row in &link.query(&unconfined(me)).await? {
        let extension = text(row, 3);
        if extension.is_empty() || reaches(extension) {
            routines.push(revoke(text(row, 1), text(row, 0), role));
        }
    }
    routines.dedup();
    if !routines.is_empty() {
        let _ = writeln!(
            out,
            "\n-- Routines that run with other rights or reach outside. Whoever called them by the grant to PUBLIC needs one of \
             their own."
        );
        out.push_str(&routines.join("\n"));
        out.push('\n');
    }
    for finding in
        super::rights::privileges(link, me).await?.into_iter().chain(super::objects::foreign(link, me).await?)
    {
        // The rest of what privileges and foreign objects ask for, where the user is the one that is hardened.
        if !me.superuser && !matches!(finding.check, "owner" | "create-in-schema" | "create-in-database") {
            let _ = writeln!(out, "\n-- {}.", finding.what);
            out.push_str(&finding.fix.join("\n").replace(&me.quoted(), role));
            out.push('\n');
        }
    }
    Ok(())
}

/// What it needs.
async fn grants(link: &mut Link, me: &Me, role: &str, out: &mut String) -> io::Result<()> {
    let rows = link.query(TABLES).await?;
    let _ = writeln!(
        out,
        "\n-- Its work: reading what there is now. Grant SELECT on tables that come later when rules cover them."
    );
    let _ = writeln!(out, "GRANT CONNECT ON DATABASE {} TO {role};", identifier(&me.database));
    let mut schemas: Vec<&str> = rows.iter().map(|row| text(row, 0)).collect();
    schemas.dedup();
    for schema in schemas {
        let of = |kinds: &[&str]| -> Vec<&str> {
            let here = rows.iter().filter(|row| text(row, 0) == schema && kinds.contains(&text(row, 2)));
            here.map(|row| text(row, 1)).collect()
        };
        let _ = writeln!(out, "GRANT USAGE ON SCHEMA {schema} TO {role};");
        let _ = writeln!(out, "GRANT SELECT ON {} TO {role};", of(&["r", "p", "v", "m"]).join(", "));
        let written = of(&["r", "p"]);
        if !written.is_empty() {
            let _ = writeln!(
                out,
                "-- Where applications write: GRANT INSERT, UPDATE, DELETE ON {} TO {role};",
                written.join(", ")
            );
        }
    }
    Ok(())
}
