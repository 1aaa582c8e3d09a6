//! What the user may: global privileges, those on databases, roles, and acting as others.
//! <https://dev.mysql.com/doc/refman/9.0/en/privileges-provided.html>, <https://mariadb.com/kb/en/grant/>

use super::grants::{Grant, Object};
use super::{Account, database, identifier, is_system, some};
use wire::{Finding, Severity};

/// Global privileges that are no more than untidy. Every global privilege that is in neither list counts as high: new
/// versions bring new ones, and none is needed.
const MINOR: [&str; 4] = ["SHOW DATABASES", "LOCK TABLES", "CREATE TEMPORARY TABLES", "SHOW VIEW"];
/// Global privileges that widen what a mistake costs.
const WIDENING: [&str; 10] = [
    "RELOAD",
    "REPLICATION CLIENT",
    "BINLOG MONITOR",
    "SLAVE MONITOR",
    "REPLICA MONITOR",
    "READ_ONLY ADMIN",
    "CREATE TABLESPACE",
    "DELETE HISTORY",
    "XA_RECOVER_ADMIN",
    "SHOW_ROUTINE",
];
/// What its work may need on a database of users.
const WORK: [&str; 9] =
    ["USAGE", "SELECT", "INSERT", "UPDATE", "DELETE", "SHOW VIEW", "LOCK TABLES", "CREATE TEMPORARY TABLES", "EXECUTE"];

/// Findings about the grants.
pub(super) fn rights(account: &Account, grants: &[Grant]) -> Vec<Finding> {
    let mut found = Vec::new();
    for grant in grants {
        match grant {
            Grant::Privileges { privileges, on, with_grant } => {
                found.extend(of_privileges(account, privileges, on));
                if *with_grant {
                    found.push(with_grant_option(account, on));
                }
            }
            Grant::Role(role) => found.push(Finding {
                severity: Severity::Medium,
                check: "membership",
                what: format!("the proxy's user {} holds role {role}", account.quoted()),
                why: "what that role may, the proxy may, and it is not looked at here",
                fix: vec![format!("REVOKE {role} FROM {};", account.quoted())],
            }),
            Grant::Proxy(as_whom) => found.push(Finding {
                severity: Severity::High,
                check: "proxy-account",
                what: format!("the proxy's user {} may act as {as_whom}", account.quoted()),
                why: "what that account may, the proxy may",
                fix: vec![format!("REVOKE PROXY ON {as_whom} FROM {};", account.quoted())],
            }),
        }
    }
    if matches!(account.host.as_str(), "%" | "") {
        found.push(Finding {
            severity: Severity::Low,
            check: "any-host",
            what: format!("the proxy's user {} may log in from any host", account.quoted()),
            why: "its password alone opens the data, from everywhere the server can be reached",
            fix: vec![format!("-- name the proxy's host: RENAME USER {} TO 'affidavit'@'10.0.0.4';", account.quoted())],
        });
    }
    found
}

fn of_privileges(account: &Account, privileges: &[String], on: &Object) -> Vec<Finding> {
    let user = account.quoted();
    let among = |list: &[&str], one: &String| list.contains(&one.as_str());
    let pick = |wanted: &dyn Fn(&String) -> bool| -> Vec<String> {
        privileges.iter().filter(|one| wanted(one)).cloned().collect()
    };
    let revoke = |names: &[String], on: &str| vec![format!("REVOKE {} ON {on} FROM {user};", names.join(", "))];
    let mut found = Vec::new();
    let mut find = |severity, check, names: Vec<String>, place: &str, why, fix: Vec<String>| {
        if !names.is_empty() {
            let what = format!("the proxy's user {user} has {} on {place}", some(&names));
            found.push(Finding { severity, check, what, why, fix });
        }
    };
    match on {
        Object::Everything => {
            let minor = pick(&|one| among(&MINOR, one));
            let widening = pick(&|one| among(&WIDENING, one));
            let high = pick(&|one| one != "USAGE" && !among(&MINOR, one) && !among(&WIDENING, one));
            let why = "on the whole server this reaches the mysql database with its password hashes and statistics, files, \
                       other sessions or other accounts";
            let (fix_high, fix_widening) = (revoke(&high, "*.*"), revoke(&widening, "*.*"));
            let fix_minor = revoke(&minor, "*.*");
            find(Severity::High, "global-privilege", high, "every database", why, fix_high);
            let why = "the user's work does not need it";
            find(Severity::Medium, "global-privilege", widening, "every database", why, fix_widening);
            find(Severity::Low, "global-privilege", minor, "every database", why, fix_minor);
        }
        Object::Database(name) | Object::Table(name, _) if is_system(name) => {
            let held = pick(&|one| one != "USAGE");
            let place = match on {
                Object::Table(_, table) => format!("{}.{}", identifier(name), identifier(table)),
                _ => format!("{}.*", database(name)),
            };
            let why = "the server's own databases hold password hashes, statistics of columns, and texts of statements";
            let fix = revoke(&held, &place);
            find(Severity::High, "system-database", held, &place, why, fix);
        }
        Object::Database(name) | Object::Table(name, _) => {
            let wide = pick(&|one| !among(&WORK, one));
            let place = match on {
                Object::Table(_, table) => format!("{}.{}", identifier(name), identifier(table)),
                _ => format!("{}.*", database(name)),
            };
            let why = "tables, views, triggers, events and routines of its own making are outside the rules that name columns";
            // What ALL PRIVILEGES stands for includes the user's work: that is granted again.
            let all = wide.iter().any(|one| one == "ALL PRIVILEGES");
            let mut fix = revoke(&wide, &place);
            if all {
                fix.push(format!(
                    "GRANT SELECT, SHOW VIEW ON {place} TO {user}; -- INSERT, UPDATE, DELETE where applications write"
                ));
            }
            find(Severity::Medium, "wide-privilege", wide, &place, why, fix);
        }
        Object::Routine(_) => {}
    }
    found
}

fn with_grant_option(account: &Account, on: &Object) -> Finding {
    let place = match on {
        Object::Everything => "*.*".to_owned(),
        Object::Database(name) => format!("{}.*", database(name)),
        Object::Table(name, table) => format!("{}.{}", identifier(name), identifier(table)),
        Object::Routine(routine) => routine.clone(),
    };
    Finding {
        severity: Severity::High,
        check: "grant-option",
        what: format!("the proxy's user {} may pass on its rights on {place}", account.quoted()),
        why: "it could give another account what the proxy alone should have",
        fix: vec![format!("REVOKE GRANT OPTION ON {place} FROM {};", account.quoted())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &[&str]) -> Vec<(Severity, String, String)> {
        let account = Account { user: "a".to_owned(), host: "h".to_owned() };
        let grants: Vec<Grant> = lines.iter().filter_map(|line| Grant::read(line)).collect();
        let shown = |finding: Finding| (finding.severity, finding.check.to_owned(), finding.fix.join(" "));
        rights(&account, &grants).into_iter().map(shown).collect()
    }

    #[test]
    fn each_right_has_its_weight_and_its_remedy() {
        let one = |severity, check: &str, fix: &str| (severity, check.to_owned(), fix.to_owned());
        assert_eq!(
            found(&["GRANT USAGE ON *.* TO `a`@`h`", "GRANT SELECT, SHOW VIEW, INSERT ON `ehr`.* TO `a`@`h`"]),
            []
        );
        assert_eq!(
            found(&["GRANT SHOW DATABASES, FILE, RELOAD, A NEW ADMIN ON *.* TO `a`@`h`"]),
            [
                one(Severity::High, "global-privilege", "REVOKE FILE, A NEW ADMIN ON *.* FROM 'a'@'h';"),
                one(Severity::Medium, "global-privilege", "REVOKE RELOAD ON *.* FROM 'a'@'h';"),
                one(Severity::Low, "global-privilege", "REVOKE SHOW DATABASES ON *.* FROM 'a'@'h';"),
            ]
        );
        assert_eq!(
            found(&["GRANT SELECT ON `mysql`.* TO `a`@`h`"]),
            [one(Severity::High, "system-database", "REVOKE SELECT ON `mysql`.* FROM 'a'@'h';")]
        );
        assert_eq!(
            found(&["GRANT SELECT, TRIGGER ON `my\\_ehr`.* TO `a`@`h` WITH GRANT OPTION"]),
            [
                one(Severity::Medium, "wide-privilege", "REVOKE TRIGGER ON `my\\_ehr`.* FROM 'a'@'h';"),
                one(Severity::High, "grant-option", "REVOKE GRANT OPTION ON `my\\_ehr`.* FROM 'a'@'h';"),
            ]
        );
    }
}
