//! The SQL of the second lock: two roles that the proxy's account may take, of which one has no SELECT on protected columns,
//! and the views through which it sees masks that are computed from values. It can be run twice, and after every change of
//! policy or tables. Rights change statement by statement: while it runs, statements of clients may be refused.

use super::grants::{Grant, Object};
use super::lock::{mark, mask_views};
use super::{Account, Asker, database, identifier, is_system, literal};
use crate::own_query::QueryError;
use model::{Guarded, TableRef};
use sql::{Catalog, RelationKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use wire::{LockNames, LockPlan, NamedRelation};

/// What ALL PRIVILEGES on a database is, short of SELECT.
const ALL: [&str; 17] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "REFERENCES",
    "INDEX",
    "ALTER",
    "CREATE TEMPORARY TABLES",
    "LOCK TABLES",
    "EXECUTE",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
    "TRIGGER",
];
/// What a server says of a view that nobody can read: its definer is gone (to whoever may not know that: access denied), or
/// what it shows is.
const UNREADABLE: [u16; 4] = [1045, 1356, 1449, 1462];
/// The least that applications need, beside reading.
const LEAST: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "SHOW VIEW", "CREATE TEMPORARY TABLES"];

/// Writes it for the roles of `role`, by what the account that asks may now, its roles included.
pub(crate) async fn lock_sql(
    asker: &mut Asker<'_>,
    role: &str,
    plan: &LockPlan,
    relations: &[NamedRelation],
    catalog: &Catalog,
    mariadb: bool,
) -> Result<String, QueryError> {
    let account = if role.contains('@') {
        Account::read(role)
    } else {
        Account { user: role.to_owned(), host: asker.account.host.clone() }
    };
    let names = LockNames::of(&account.user);
    let [masked, wire] = [&names.masked, &names.wire].map(|name| literal(name));
    let owner = format!("{}@'localhost'", literal(&names.owner));
    let user = account.quoted();
    let mut out = format!(
        "-- The second lock of {user}: {} may not read what policy protects, {} may.\n\
         -- Run it as an administrator, and again when rules or tables change. Nothing of it is undone when it stops half way:\n\
         -- run this text again then, since what the roles hold is not all that the account may. A client that asks for the\n\
         -- account's rights is told those of the role.\n\
         CREATE ROLE IF NOT EXISTS {masked}, {wire};\nCREATE USER IF NOT EXISTS {owner} ACCOUNT LOCK;\n",
        names.masked, names.wire
    );
    for name in [&masked, &wire, &owner] {
        let _ = writeln!(out, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM {name};");
    }
    let _ = writeln!(out, "GRANT {masked} TO {wire};");
    let held = held(asker, plan.least);
    let unreadable = unreadable(asker, relations, catalog).await?;
    let guarded: BTreeMap<_, &Guarded> = plan.guarded.iter().map(|own| (&own.table, own)).collect();
    let databases: BTreeSet<&str> =
        relations.iter().map(|(table, _)| table.schema.as_str()).chain(held.keys().map(String::as_str)).collect();
    for name in databases.into_iter().filter(|name| !is_system(name) && **name != *names.views) {
        let Some((reads, writes)) = held.get(name).or_else(|| held.get("")) else { continue };
        let _ = writeln!(out, "\n-- Database {name}.");
        if !writes.is_empty() {
            let _ = writeln!(out, "GRANT {} ON {}.* TO {masked};", writes.join(", "), database(name));
        }
        if !reads {
            continue;
        }
        let _ = writeln!(out, "GRANT SELECT ON {}.* TO {wire};", database(name));
        if !guarded.keys().any(|table| table.schema == name) {
            let _ = writeln!(out, "GRANT SELECT ON {}.* TO {masked};", database(name));
            continue;
        }
        for (table, _) in relations.iter().filter(|(table, _)| table.schema == name) {
            let full = format!("{}.{}", identifier(&table.schema), identifier(&table.table));
            if let Some(why) = unreadable.get(table) {
                let _ = writeln!(out, "-- Left out: view {full}, which nobody can read ({why}).");
                continue;
            }
            match guarded.get(table) {
                None => drop(writeln!(out, "GRANT SELECT ON {full} TO {masked};")),
                Some(own) => {
                    let list = |hidden| own.named(hidden).map(identifier).collect::<Vec<_>>().join(", ");
                    let (open, hidden) = (list(false), list(true));
                    let select = if open.is_empty() { String::new() } else { format!("SELECT ({open}), ") };
                    // A right that reads nothing keeps the columns' names and types in sight.
                    let _ = writeln!(out, "GRANT {select}REFERENCES ({hidden}) ON {full} TO {masked};");
                }
            }
        }
    }
    views(&names, &owner, plan, (catalog, &unreadable), &mut out)?;
    let of = if mariadb { "FOR" } else { "TO" };
    let _ = writeln!(
        out,
        "\n-- The account has what its roles have, and nothing else. MariaDB takes roles back with all else, so they come last.\n\
         REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user};\nGRANT {masked} TO {user};\nGRANT {wire} TO {user};\n\
         SET DEFAULT ROLE {masked} {of} {user};"
    );
    Ok(out)
}

/// What the account may in each database: whether it reads, and what else. Under the empty name: in all.
fn held(asker: &Asker<'_>, least: bool) -> BTreeMap<String, (bool, Vec<&'static str>)> {
    let mut held: BTreeMap<String, (bool, Vec<&'static str>)> = BTreeMap::new();
    for grant in &asker.grants {
        let Grant::Privileges { privileges, on, .. } = grant else { continue };
        let name = match on {
            Object::Everything => "",
            Object::Database(name) | Object::Table(name, _) => name,
            Object::Routine(_) => continue,
        };
        let has = |wanted: &str| privileges.iter().any(|one| one == wanted || one == "ALL PRIVILEGES");
        let (reads, writes) = held.entry(name.to_owned()).or_default();
        *reads |= has("SELECT");
        if matches!(on, Object::Table(..)) {
            continue;
        }
        let known = if least { LEAST.as_slice() } else { ALL.as_slice() };
        writes.extend(known.iter().filter(|one| has(one)));
        writes.sort_unstable();
        writes.dedup();
    }
    held.retain(|_, (reads, writes)| *reads || !writes.is_empty());
    held
}

/// The views that nobody can read, with the reason of each. The server gives nobody rights on their columns.
async fn unreadable<'r>(
    asker: &mut Asker<'_>,
    relations: &'r [NamedRelation],
    catalog: &Catalog,
) -> Result<BTreeMap<&'r TableRef, String>, QueryError> {
    let mut found = BTreeMap::new();
    let is_view = |table| catalog.relation(table).is_some_and(|relation| relation.kind == RelationKind::View);
    for (table, _) in relations.iter().filter(|(table, _)| is_view(table)) {
        let text = format!("SELECT * FROM {}.{}", identifier(&table.schema), identifier(&table.table));
        match asker.ask(&format!("PREPARE affidavit FROM {}", literal(&text))).await {
            Err(QueryError::Server(code, _)) if UNREADABLE.contains(&code) => {
                let why = match code {
                    1356 => "what it reads is gone, or not for its definer to read",
                    1462 => "it reads itself",
                    _ => "its definer is gone",
                };
                found.insert(table, format!("{code}: {why}"));
            }
            Err(QueryError::Server(..)) | Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn views(
    names: &LockNames,
    owner: &str,
    plan: &LockPlan,
    (catalog, unreadable): (&Catalog, &BTreeMap<&TableRef, String>),
    out: &mut String,
) -> Result<(), QueryError> {
    let masked = literal(&names.masked);
    let schema = identifier(&names.views);
    let _ = writeln!(
        out,
        "\n-- Masks that are computed from values, with the rights of their owner.\nCREATE DATABASE IF NOT EXISTS {schema};\n\
         GRANT SELECT ON {}.* TO {masked};",
        database(&names.views)
    );
    for guarded in plan.guarded.iter().filter(|own| !unreadable.contains_key(&own.table)) {
        for view in mask_views(names, guarded, catalog)? {
            let name = format!("{schema}.{}", identifier(&view.name.table));
            let table = format!("{}.{}", identifier(&guarded.table.schema), identifier(&guarded.table.table));
            let query = view.query.strip_prefix("SELECT ").unwrap_or(&view.query);
            let _ = writeln!(
                out,
                "GRANT SELECT ON {table} TO {owner};\n\
                 CREATE OR REPLACE DEFINER = {owner} SQL SECURITY DEFINER VIEW {name} AS\n    SELECT 1 AS {}, {query};",
                identifier(&mark(&view))
            );
        }
    }
    Ok(())
}
