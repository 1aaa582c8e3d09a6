//! The SQL of the second lock: two roles that the proxy's account may take, of which one has no SELECT on protected columns,
//! and the views through which it sees masks that are computed from values. It can be run twice, and after every change of
//! policy or tables; what is in force in between stays so until it commits.

use super::{Me, firsts, flag, identifier, literal, text};
use crate::link::Link;
use model::Guarded;
use sql::{Catalog, Dialect, MaskView};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io;
use wire::{LockNames, LockPlan};

/// Relations that the account may read or write, with what it may; those that its roles made stay theirs.
fn relations(names: &LockNames) -> String {
    let own = [&names.masked, &names.wire, &names.owner].map(|name| literal(name)).join(", ");
    format!(
        "SELECT n.nspname, c.relname, pg_catalog.has_table_privilege(c.oid, 'SELECT'), \
         pg_catalog.has_table_privilege(c.oid, 'INSERT'), pg_catalog.has_table_privilege(c.oid, 'UPDATE'), \
         pg_catalog.has_table_privilege(c.oid, 'DELETE'), pg_catalog.array_to_string(ARRAY(\
         SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 \
         AND NOT a.attisdropped AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') ORDER BY a.attnum), pg_catalog.chr(1)) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_roles o ON o.oid = c.relowner \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' \
         AND n.nspname NOT IN ('information_schema', {}) AND o.rolname NOT IN ({own}) \
         AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE') ORDER BY 1, 2",
        literal(&names.views)
    )
}

/// The schemas of users, as SQL names them.
const SCHEMAS: &str = "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' \
    AND nspname <> 'information_schema' ORDER BY 1";

/// What an account may of other objects, by the text of a grant.
const OTHER: [&str; 4] = [
    "SELECT pg_catalog.format('GRANT %s ON SCHEMA %I', CASE WHEN pg_catalog.has_schema_privilege(oid, 'CREATE') \
     THEN 'USAGE, CREATE' ELSE 'USAGE' END, nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' \
     AND nspname <> 'information_schema' AND pg_catalog.has_schema_privilege(oid, 'USAGE') ORDER BY 1",
    "SELECT pg_catalog.format('GRANT %s ON DATABASE %I', x.privilege, pg_catalog.current_database()) \
     FROM (VALUES ('CREATE'), ('TEMPORARY')) x(privilege) \
     WHERE pg_catalog.has_database_privilege(pg_catalog.current_database(), x.privilege) ORDER BY 1",
    "SELECT pg_catalog.format('GRANT %s ON SEQUENCE %s', x.privilege, c.oid::pg_catalog.regclass) \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     CROSS JOIN (VALUES ('USAGE'), ('SELECT'), ('UPDATE')) x(privilege) WHERE c.relkind = 'S' AND n.nspname !~ '^pg_' \
     AND pg_catalog.has_sequence_privilege(c.oid, x.privilege) ORDER BY 1",
    "SELECT pg_catalog.format('GRANT EXECUTE ON ROUTINE %s', p.oid::pg_catalog.regprocedure) \
     FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace \
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
     AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') \
     AND NOT pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY 1",
];

/// Writes it for the roles of `account`, by what the account may now.
pub(crate) async fn lock_sql(link: &mut Link, me: &Me, account: &str, plan: &LockPlan) -> io::Result<String> {
    let names = LockNames::of(account);
    let [masked, wire, owner, views] =
        [&names.masked, &names.wire, &names.owner, &names.views].map(|name| identifier(name));
    let mut out = format!(
        "-- The second lock of {account} in database {}: {} may not read what policy protects, {} may.\n\
         -- Run it there as a superuser, and again when rules or tables change. A client that asks for its name\n\
         -- (current_user) is told the role's.\nBEGIN;\n",
        me.database, names.masked, names.wire
    );
    for name in [&names.masked, &names.wire, &names.owner] {
        let _ = write!(
            out,
            "DO $affidavit$ BEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {}) THEN\n        \
             CREATE ROLE {};\n    END IF;\nEND $affidavit$;\n\
             ALTER ROLE {1} NOLOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;\n",
            literal(name),
            identifier(name)
        );
    }
    let _ = writeln!(out, "GRANT {masked} TO {wire};\nGRANT {masked}, {wire} TO {};", identifier(account));
    // Not granted to anybody: what is done with its rights is what its views say.
    let _ = writeln!(out, "REVOKE {owner} FROM {masked}, {wire}, {};", identifier(account));
    others(link, &masked, plan.least, &mut out).await?;
    let updated = tables(link, &names, plan, &mut out).await?;
    row_security(link, account, &[&masked, &wire, &owner], &mut out).await?;
    let _ = writeln!(
        out,
        "\n-- Masks that are computed from values, with the rights of their owner.\n\
         CREATE SCHEMA IF NOT EXISTS {views};\nALTER SCHEMA {views} OWNER TO {owner};\n\
         REVOKE ALL ON SCHEMA {views} FROM PUBLIC;\nGRANT USAGE ON SCHEMA {views} TO {masked};"
    );
    for guarded in &plan.guarded {
        let schema = identifier(&guarded.table.schema);
        let table = format!("{schema}.{}", identifier(&guarded.table.table));
        // Locking reads lock through the view, for whoever may lock the table.
        let may = if updated.contains(&table) { "SELECT, UPDATE" } else { "SELECT" };
        for view in mask_views(&names, guarded)? {
            let name = format!("{views}.{}", identifier(&view.name.table));
            let _ = writeln!(
                out,
                "GRANT USAGE ON SCHEMA {schema} TO {owner};\nGRANT {may} ON {table} TO {owner};\n\
                 DROP VIEW IF EXISTS {name};\nCREATE VIEW {name} AS\n    {};\n\
                 ALTER VIEW {name} OWNER TO {owner};\nGRANT {may} ON {name} TO {masked};\nCOMMENT ON VIEW {name} IS {};",
                view.query,
                literal(&comment(&view))
            );
        }
    }
    out.push_str("COMMIT;\n");
    Ok(out)
}

/// The views of a relation.
pub(super) fn mask_views(names: &LockNames, guarded: &Guarded) -> io::Result<Vec<MaskView>> {
    sql::mask_views(Dialect::Postgres, &names.views, guarded, &Catalog::default()).map_err(io::Error::other)
}

/// What tells a view from one of another policy.
pub(super) fn comment(view: &MaskView) -> String {
    format!("affidavit {}", view.fingerprint())
}

async fn others(link: &mut Link, masked: &str, least: bool, out: &mut String) -> io::Result<()> {
    out.push_str("\n-- What the account may of everything but tables.\n");
    if least {
        for schema in firsts(&link.query(SCHEMAS).await?) {
            let _ = writeln!(out, "REVOKE CREATE ON SCHEMA {schema} FROM {masked};");
        }
    }
    for question in OTHER {
        for grant in firsts(&link.query(question).await?) {
            // The least is to make nothing of its own but what a session forgets.
            if least && grant.starts_with("GRANT CREATE ON DATABASE") {
                continue;
            }
            let grant =
                if least { grant.replacen("GRANT USAGE, CREATE ON SCHEMA", "GRANT USAGE ON SCHEMA", 1) } else { grant };
            let _ = writeln!(out, "{grant} TO {masked};");
        }
    }
    Ok(())
}

/// Writes the rights on relations; the names of those that the account may update, as SQL has them.
async fn tables(link: &mut Link, names: &LockNames, plan: &LockPlan, out: &mut String) -> io::Result<HashSet<String>> {
    let (masked, wire) = (identifier(&names.masked), identifier(&names.wire));
    let rows = link.query(&relations(names)).await?;
    let guarded: HashMap<(&str, &str), &Guarded> =
        plan.guarded.iter().map(|own| ((own.table.schema.as_str(), own.table.table.as_str()), own)).collect();
    let mut plain: BTreeMap<String, Vec<String>> = BTreeMap::new();
    out.push_str("\n-- Tables and views without protected columns, as the account may use them.\n");
    for row in &rows {
        if guarded.contains_key(&(text(row, 0), text(row, 1))) {
            continue;
        }
        let held: Vec<String> = held(row, 2).collect();
        if !held.is_empty() {
            plain.entry(held.join(", ")).or_default().push(name_of(row));
        }
        let readable: Vec<String> = readable(row).map(identifier).collect();
        if !flag(row, 2) && !readable.is_empty() {
            let _ = writeln!(out, "GRANT SELECT ({}) ON {} TO {masked};", readable.join(", "), name_of(row));
        }
    }
    for (held, tables) in plain {
        let _ = writeln!(out, "GRANT {held} ON {} TO {masked};", tables.join(", "));
    }
    for row in &rows {
        let Some(own) = guarded.get(&(text(row, 0), text(row, 1))) else { continue };
        let name = name_of(row);
        let hidden: Vec<String> = own.named(true).map(identifier).collect();
        let hides = |column: &&str| own.named(true).any(|hidden| hidden == *column);
        let open: Vec<String> = readable(row).filter(|column| !hides(column)).map(identifier).collect();
        let readable: Vec<String> = readable(row).map(identifier).collect();
        let _ = writeln!(
            out,
            "\n-- {}.{}: protected {}.\nREVOKE SELECT ON {name} FROM PUBLIC, {masked};",
            text(row, 0),
            text(row, 1),
            hidden.join(", ")
        );
        if !open.is_empty() {
            let _ = writeln!(out, "GRANT SELECT ({}) ON {name} TO {masked};", open.join(", "));
        }
        let written: Vec<String> = held(row, 3).collect();
        if !written.is_empty() {
            let _ = writeln!(out, "GRANT {} ON {name} TO {masked};", written.join(", "));
        }
        if flag(row, 2) {
            let _ = writeln!(out, "GRANT SELECT ON {name} TO {wire};");
        } else if !readable.is_empty() {
            let _ = writeln!(out, "GRANT SELECT ({}) ON {name} TO {wire};", readable.join(", "));
        }
    }
    Ok(rows.iter().filter(|row| flag(row, 4)).map(|row| name_of(row)).collect())
}

/// The columns that the account may read.
fn readable(row: &[Option<String>]) -> impl Iterator<Item = &str> {
    text(row, 6).split('\u{1}').filter(|column| !column.is_empty())
}

fn name_of(row: &[Option<String>]) -> String {
    format!("{}.{}", identifier(text(row, 0)), identifier(text(row, 1)))
}

/// The privileges of a row of [`relations`], from this column on.
fn held(row: &[Option<String>], from: usize) -> impl Iterator<Item = String> + '_ {
    let all = [(2, "SELECT"), (3, "INSERT"), (4, "UPDATE"), (5, "DELETE")];
    all.into_iter().filter(move |(at, _)| *at >= from && flag(row, *at)).map(|(_, name)| name.to_owned())
}

/// Policies of rows that hold for the account hold for its roles.
async fn row_security(link: &mut Link, account: &str, roles: &[&String], out: &mut String) -> io::Result<()> {
    let rows = link
        .query(&format!(
            "SELECT pg_catalog.format('ALTER POLICY %I ON %s TO %s', p.polname, p.polrelid::pg_catalog.regclass, \
             pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles r \
             WHERE r.oid = ANY (p.polroles) ORDER BY 1), ', ')) FROM pg_catalog.pg_policy p \
             JOIN pg_catalog.pg_roles u ON u.oid = ANY (p.polroles) WHERE u.rolname = {} ORDER BY 1",
            literal(account)
        ))
        .await?;
    for policy in firsts(&rows) {
        let added: Vec<&String> =
            roles.iter().copied().filter(|role| !policy.contains(role.trim_matches('"'))).collect();
        let all: Vec<&str> = std::iter::once(policy.as_str()).chain(added.iter().map(|role| role.as_str())).collect();
        if !added.is_empty() {
            let _ = writeln!(out, "{};", all.join(", "));
        }
    }
    Ok(())
}
