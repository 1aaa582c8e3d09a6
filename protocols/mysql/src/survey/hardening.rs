//! The SQL of a user with the least rights that the proxy needs. It can be run twice, and on an account that exists:
//! rights to insert, update and delete stay as they are, because applications may need them; everything else goes.

use super::grants::{Grant, Object};
use super::{Account, Asker, SYSTEM, database, is_system, text};
use crate::own_query::QueryError;
use std::fmt::Write as _;

/// Writes it for `role`, by default the configured user; but an administrator is left alone, and another account
/// proposed.
pub(crate) async fn hardening(
    asker: &mut Asker<'_>,
    role: Option<&str>,
    encrypted: bool,
) -> Result<String, QueryError> {
    let me = asker.account.clone();
    let administrator = asker.grants.iter().any(|grant| match grant {
        Grant::Privileges { privileges, on: Object::Everything, .. } => privileges
            .iter()
            .any(|one| matches!(one.as_str(), "ALL PRIVILEGES" | "SUPER" | "CREATE USER" | "SYSTEM_USER")),
        _ => false,
    });
    let own = if me.user == "affidavit" { "affidavit_proxy" } else { "affidavit" };
    let target = match role {
        Some(name) if name.contains('@') => Account::read(name),
        Some(name) => Account { user: name.to_owned(), host: me.host.clone() },
        None if administrator => Account { user: own.to_owned(), host: me.host.clone() },
        None => me.clone(),
    };
    let databases = asker
        .ask(&format!(
            "SELECT DISTINCT table_schema FROM information_schema.tables WHERE lower(table_schema) NOT IN {SYSTEM} ORDER BY 1"
        ))
        .await?;
    let user = target.quoted();
    let mut out =
        format!("-- The least that Affidavit's user {user} needs. Run it as an administrator; it may be run again.\n");
    if administrator && target != me {
        let _ = writeln!(
            out,
            "-- {} is an administrator and stays as it is: configure user = {:?} instead.",
            me.quoted(),
            target.user
        );
    }
    let _ = write!(
        out,
        "\nCREATE USER IF NOT EXISTS {user} ACCOUNT LOCK;\n\
         -- A new account is locked until it has a password: ALTER USER {user} IDENTIFIED BY '…' ACCOUNT UNLOCK;\n"
    );
    let _ = writeln!(
        out,
        "{}",
        if encrypted {
            format!("ALTER USER {user} REQUIRE SSL;")
        } else {
            format!("-- Once the datasource uses TLS: ALTER USER {user} REQUIRE SSL;")
        }
    );
    let _ = writeln!(
        out,
        "-- Accounts of the same name for other hosts lend it their rights on databases; harden or drop them too:\n\
         -- SELECT host FROM mysql.user WHERE user = {};",
        super::literal(&target.user)
    );
    let mut writes = Vec::new();
    if target == me {
        for grant in &asker.grants {
            match grant {
                Grant::Role(role) => {
                    let _ = writeln!(out, "REVOKE {role} FROM {user};");
                }
                Grant::Proxy(as_whom) => {
                    let _ = writeln!(out, "REVOKE PROXY ON {as_whom} FROM {user};");
                }
                Grant::Privileges { privileges, on: Object::Database(name), .. } if !is_system(name) => {
                    writes.push((name.clone(), kept(privileges)));
                }
                Grant::Privileges { .. } => {}
            }
        }
        let _ = writeln!(
            out,
            "\n-- Everything goes, and what its work needs comes back below. Rights on single tables and routines go too.\n\
             REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user};"
        );
    }
    let _ = writeln!(out, "\n-- Its work: reading, and seeing what views read, so that rules hold through them.");
    for row in &databases {
        let name = text(row, 0);
        let _ = writeln!(out, "GRANT SELECT, SHOW VIEW ON {}.* TO {user};", database(name));
        let held = writes.iter().find(|(known, _)| known == name).map(|(_, held)| held.as_slice()).unwrap_or_default();
        if held.is_empty() {
            let _ = writeln!(
                out,
                "-- Where applications write: GRANT INSERT, UPDATE, DELETE ON {}.* TO {user};",
                database(name)
            );
        } else {
            let _ = writeln!(out, "GRANT {} ON {}.* TO {user};", held.join(", "), database(name));
        }
    }
    Ok(out)
}

/// The rights to write rows among these.
fn kept(privileges: &[String]) -> Vec<&'static str> {
    let all = privileges.iter().any(|one| one == "ALL PRIVILEGES");
    ["INSERT", "UPDATE", "DELETE"].into_iter().filter(|kept| all || privileges.iter().any(|one| one == kept)).collect()
}
