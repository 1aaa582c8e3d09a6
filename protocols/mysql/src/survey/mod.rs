//! The survey of an upstream: what the proxy's user could do beyond its work, what the server writes down, and what
//! there is to protect. Everything is read with the rights of that user.

mod columns;
mod grants;
mod hardening;
mod lock;
mod lock_sql;
mod objects;
mod rights;
mod settings;

use crate::link::Link;
use crate::message::capability::Capabilities;
use crate::own_query::{QueryError, TextRow, run};
use grants::Grant;
use wire::{Finding, LockNames};

pub(crate) use columns::{columns, sample};
pub(crate) use hardening::hardening;
pub(crate) use lock::examine_lock;
pub(crate) use lock_sql::lock_sql;

/// The user that the proxy logs in as, and how to ask for it.
pub(crate) struct Asker<'a> {
    pub(crate) link: &'a mut Link,
    pub(crate) capabilities: Capabilities,
    /// `user@host` of the account that the server took us for.
    pub(crate) account: Account,
    pub(crate) grants: Vec<Grant>,
}

/// An account of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) host: String,
}

impl Account {
    /// From what `CURRENT_USER()` says: the host is what follows the last `@`.
    fn read(text: &str) -> Self {
        let (user, host) = text.rsplit_once('@').unwrap_or((text, "%"));
        Self { user: user.to_owned(), host: host.to_owned() }
    }

    /// As SQL names it.
    fn quoted(&self) -> String {
        format!("{}@{}", literal(&self.user), literal(&self.host))
    }
}

impl<'a> Asker<'a> {
    /// Finds out who asks.
    pub(crate) async fn new(link: &'a mut Link, capabilities: Capabilities) -> Result<Self, QueryError> {
        let who = run(link, "SELECT CURRENT_USER()", capabilities).await?;
        let account = Account::read(who.first().map(|row| text(row, 0)).unwrap_or_default());
        let shown = run(link, "SHOW GRANTS", capabilities).await?;
        let grants = shown.iter().filter_map(|row| Grant::read(text(row, 0))).collect();
        Ok(Self { link, capabilities, account, grants })
    }

    /// To hold the roles of the second lock is meant. What they carry is among the grants, as the session has taken one.
    pub(crate) fn leave_out(&mut self, lock: &LockNames) {
        let meant = |role: &str| {
            let name = role.split('@').next().unwrap_or_default().trim().trim_matches(['`', '"', '\'']);
            name == lock.masked || name == lock.wire
        };
        self.grants.retain(|grant| !matches!(grant, Grant::Role(roles) if roles.split(',').all(meant)));
    }

    /// The rows of a query.
    async fn ask(&mut self, sql: &str) -> Result<Vec<TextRow>, QueryError> {
        run(self.link, sql, self.capabilities).await
    }

    /// The rows of a query that the user may have no right to ask; `None` then.
    async fn ask_if_allowed(&mut self, sql: &str) -> Result<Option<Vec<TextRow>>, QueryError> {
        match self.ask(sql).await {
            Ok(rows) => Ok(Some(rows)),
            Err(QueryError::Server(..)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Everything that should be otherwise.
pub(crate) async fn findings(asker: &mut Asker<'_>) -> Result<Vec<Finding>, QueryError> {
    let mut found = rights::rights(&asker.account, &asker.grants);
    found.extend(objects::objects(asker).await?);
    found.extend(settings::settings(asker).await?);
    Ok(found)
}

/// The engines' own databases.
const SYSTEM: &str = "('mysql', 'information_schema', 'performance_schema', 'sys')";

/// Whether a database is one of them.
pub(crate) fn is_system(database: &str) -> bool {
    ["mysql", "information_schema", "performance_schema", "sys"].iter().any(|own| own.eq_ignore_ascii_case(database))
}

fn text(row: &[Option<String>], at: usize) -> &str {
    row.get(at).and_then(|cell| cell.as_deref()).unwrap_or_default()
}

/// A few of many names, for a sentence.
fn some(names: &[String]) -> String {
    let shown = names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A database in GRANT and REVOKE, where `_` and `%` are patterns unless escaped.
fn database(name: &str) -> String {
    identifier(&name.replace('\\', "\\\\").replace('_', "\\_").replace('%', "\\%"))
}

/// A string constant that reads the same under every sql_mode.
fn literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if doubled.contains('\\') { format!("x'{}'", hex(value)) } else { format!("'{doubled}'") }
}

fn hex(value: &str) -> String {
    value.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_names_and_values_are_quoted() {
        assert_eq!(Account::read("affidavit@10.0.0.%").quoted(), "'affidavit'@'10.0.0.%'");
        assert_eq!(Account::read("o'neil@home@localhost").quoted(), "'o''neil@home'@'localhost'");
        assert_eq!(database("my_ehr"), "`my\\_ehr`");
        assert_eq!(identifier("a`b"), "`a``b`");
    }
}
