//! The survey of an upstream: what the proxy's user could do beyond its work, what the server writes down, and what
//! there is to protect. Read in one read-only transaction with the rights of that user.

mod columns;
mod hardening;
mod lock;
mod lock_sql;
mod objects;
mod rights;
mod settings;

use crate::link::{Link, Rows};
use std::io;

pub(crate) use columns::{columns, sample};
pub(crate) use hardening::hardening;
pub(crate) use lock::examine_lock;
pub(crate) use lock_sql::lock_sql;
use wire::{Finding, LockNames};

/// Names come fully qualified when nothing is on the path. The time is bounded because a survey is no reason to stand in
/// anybody's way.
const PREPARE: &str = "SET search_path = ''; SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The user that the proxy logs in as.
pub(crate) struct Me {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) database: String,
    pub(crate) version: String,
    /// The roles of the second lock, where the datasource has one: to be a member of them is meant.
    pub(crate) lock: Option<LockNames>,
    /// What `has_function_privilege` is asked about: a superuser may call everything, so only what PUBLIC may says
    /// something.
    callable: &'static str,
}

impl Me {
    /// The quoted name, for SQL.
    fn quoted(&self) -> String {
        identifier(&self.name)
    }
}

/// Begins the transaction and says who asks.
pub(crate) async fn begin(link: &mut Link) -> io::Result<Me> {
    link.query(PREPARE).await?;
    let rows = link
        .query(
            "SELECT r.rolname, r.rolsuper, pg_catalog.current_database(), pg_catalog.current_setting('server_version') \
             FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
        )
        .await?;
    let row = rows.first().ok_or_else(|| io::Error::other("the server does not know the user that it let in"))?;
    let superuser = flag(row, 1);
    Ok(Me {
        name: text(row, 0).to_owned(),
        superuser,
        database: text(row, 2).to_owned(),
        version: text(row, 3).to_owned(),
        lock: None,
        callable: if superuser {
            "pg_catalog.has_function_privilege('public', p.oid, 'EXECUTE')"
        } else {
            "pg_catalog.has_function_privilege(p.oid, 'EXECUTE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
        },
    })
}

/// Everything that should be otherwise.
pub(crate) async fn findings(link: &mut Link, me: &Me) -> io::Result<Vec<Finding>> {
    let mut found = rights::attributes(link, me).await?;
    if !me.superuser {
        found.extend(rights::memberships(link, me).await?);
        found.extend(rights::privileges(link, me).await?);
        found.extend(objects::routines(link, me).await?);
        found.extend(objects::foreign(link, me).await?);
    }
    found.extend(objects::event_triggers(link).await?);
    found.extend(settings::settings(link, me).await?);
    Ok(found)
}

fn text(row: &[Option<String>], at: usize) -> &str {
    row.get(at).and_then(|cell| cell.as_deref()).unwrap_or_default()
}

fn flag(row: &[Option<String>], at: usize) -> bool {
    text(row, at) == "t"
}

/// The first column of every row.
fn firsts(rows: &Rows) -> Vec<String> {
    rows.iter().map(|row| text(row, 0).to_owned()).collect()
}

/// A few of many names, for a sentence.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// An identifier, always quoted, so that no name needs a list of reserved words.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        let names: Vec<String> = (0..7).map(|n| format!("n{n}")).collect();
        assert_eq!(some(&names), "n0, n1, n2, n3, n4 and 2 more");
    }
}
