//! `SHOW GRANTS`, taken apart: which privileges on what. A line may end in a password hash (MariaDB), so lines are read
//! and never shown.
//! <https://dev.mysql.com/doc/refman/9.0/en/show-grants.html>, <https://mariadb.com/kb/en/show-grants/>

/// What a grant is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// `*.*`
    Everything,
    /// `` `db`.* ``, the name unescaped as a pattern would be.
    Database(String),
    /// `` `db`.`table` ``
    Table(String, String),
    /// `FUNCTION`, `PROCEDURE` … and its name, as written.
    Routine(String),
}

/// A line of `SHOW GRANTS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Privileges, upper case, their column lists left out.
    Privileges { privileges: Vec<String>, on: Object, with_grant: bool },
    /// A role, as SQL names it.
    Role(String),
    /// The right to act as another account.
    Proxy(String),
}

impl Grant {
    /// Reads a line; `None` for one that grants nothing (`REVOKE` of partial revokes, `SET DEFAULT ROLE`).
    pub(crate) fn read(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("GRANT ")?;
        let (granted, to) = split(rest, " TO ")?;
        let Some((privileges, on)) = split(granted, " ON ") else { return Some(Self::Role(granted.trim().to_owned())) };
        if privileges == "PROXY" {
            return Some(Self::Proxy(on.trim().to_owned()));
        }
        let privileges = top_level(privileges)
            .iter()
            .map(|one| one.split('(').next().unwrap_or_default().trim().to_ascii_uppercase())
            .filter(|one| !one.is_empty())
            .collect();
        Some(Self::Privileges { privileges, on: object(on.trim()), with_grant: to.contains("WITH GRANT OPTION") })
    }
}

/// Whether these grants may let a routine be called. MariaDB lists routines that nobody lets one call, so the list alone
/// says nothing. What a role or another account lends is not known, and counts as a yes.
pub(crate) fn may_execute(grants: &[Grant], database: &str, routine: &str) -> bool {
    grants.iter().any(|grant| match grant {
        Grant::Role(_) | Grant::Proxy(_) => true,
        Grant::Privileges { privileges, on, .. } => {
            let here = match on {
                Object::Everything => true,
                Object::Database(pattern) => is_like(pattern, database),
                Object::Table(..) => false,
                Object::Routine(name) => name.to_lowercase().contains(&routine.to_lowercase()),
            };
            let execute = |one: &String| matches!(one.as_str(), "EXECUTE" | "ALL PRIVILEGES" | "ALL");
            here && privileges.iter().any(execute)
        }
    })
}

/// Whether a name may match a database pattern. `_` and `%` that were escaped match more than they should, which errs on
/// the safe side.
fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.to_lowercase().chars().collect(), name.to_lowercase().chars().collect());
    // reached[j]: the pattern so far matches the first j characters.
    let mut reached: Vec<bool> = std::iter::once(true).chain(name.iter().map(|_| false)).collect();
    for wanted in pattern {
        let before = reached.clone();
        let at = |j: usize| before.get(j).copied().unwrap_or(false);
        let mut any = false;
        for (j, place) in reached.iter_mut().enumerate() {
            any |= at(j);
            let one = j.checked_sub(1).filter(|j| at(*j)).and_then(|j| name.get(j));
            *place = match wanted {
                '%' => any,
                '_' => one.is_some(),
                literal => one == Some(&literal),
            };
        }
    }
    reached.last().copied().unwrap_or(false)
}

fn object(text: &str) -> Object {
    if text == "*.*" {
        return Object::Everything;
    }
    let parts = split(text, ".").map(|(database, table)| (unquote(database), table));
    match parts {
        Some((database, "*")) => Object::Database(unescape(&database)),
        Some((database, table)) if !text.contains(' ') || text.starts_with(['`', '"']) => {
            Object::Table(database, unquote(table))
        }
        _ => Object::Routine(text.to_owned()),
    }
}

fn unquote(name: &str) -> String {
    for quote in ['`', '"'] {
        if let Some(inner) = name.strip_prefix(quote).and_then(|name| name.strip_suffix(quote)) {
            return inner.replace(&format!("{quote}{quote}"), &quote.to_string());
        }
    }
    name.to_owned()
}

/// `my\_ehr` is the database my_ehr.
fn unescape(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut escaped = false;
    for character in pattern.chars() {
        match character {
            '\\' if !escaped => escaped = true,
            other => {
                out.push(other);
                escaped = false;
            }
        }
    }
    out
}

/// The text before and behind the first `separator` that stands outside quotes and parentheses.
fn split<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let at = outside(text).find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(separator)))?;
    Some((text.get(..at)?, text.get(at.checked_add(separator.len())?..)?))
}

/// The parts between the commas that stand outside quotes and parentheses.
fn top_level(text: &str) -> Vec<&str> {
    let commas: Vec<usize> = outside(text).filter(|at| text.as_bytes().get(*at) == Some(&b',')).collect();
    let mut from = 0;
    let mut parts = Vec::new();
    for at in commas.into_iter().chain([text.len()]) {
        parts.extend(text.get(from..at));
        from = at.saturating_add(1);
    }
    parts
}

/// The positions outside quotes and parentheses. A quote within quotes is doubled, which closes and opens again.
fn outside(text: &str) -> impl Iterator<Item = usize> + '_ {
    let (mut quote, mut depth) = (None, 0_u32);
    text.char_indices().filter_map(move |(at, character)| {
        let free = quote.is_none() && depth == 0;
        match (quote, character) {
            (None, '`' | '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, '(') => depth = depth.saturating_add(1),
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        free.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privileges(names: &[&str], on: Object, with_grant: bool) -> Option<Grant> {
        let privileges = names.iter().map(|name| (*name).to_owned()).collect();
        Some(Grant::Privileges { privileges, on, with_grant })
    }

    #[test]
    fn routines_that_may_be_called() {
        let may = |line: &str| may_execute(&[Grant::read(line).unwrap()], "my_ehr", "peek");
        for line in [
            "GRANT EXECUTE ON `my\\_ehr`.* TO `a`@`h`",
            "GRANT ALL PRIVILEGES ON `my%`.* TO `a`@`h`",
            "GRANT EXECUTE ON *.* TO `a`@`h`",
            "GRANT EXECUTE ON FUNCTION `my_ehr`.`peek` TO `a`@`h`",
            "GRANT `r`@`%` TO `a`@`h`",
        ] {
            assert!(may(line), "{line}");
        }
        for line in [
            "GRANT SELECT, SHOW VIEW ON `my\\_ehr`.* TO `a`@`h`",
            "GRANT EXECUTE ON `other`.* TO `a`@`h`",
            "GRANT EXECUTE ON FUNCTION `my_ehr`.`poke` TO `a`@`h`",
            "GRANT USAGE ON *.* TO `a`@`h`",
        ] {
            assert!(!may(line), "{line}");
        }
        assert!(is_like("%", "") && is_like("a%c_", "abbcd") && !is_like("a_", "a") && !is_like("", "a"));
    }

    #[test]
    fn lines_of_both_engines() {
        let everything = Object::Everything;
        assert_eq!(
            Grant::read(
                "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION"
            ),
            privileges(&["ALL PRIVILEGES"], everything.clone(), true)
        );
        assert_eq!(
            Grant::read("GRANT SELECT, FILE, BINLOG MONITOR ON *.* TO `a`@`%`"),
            privileges(&["SELECT", "FILE", "BINLOG MONITOR"], everything, false)
        );
        assert_eq!(
            Grant::read("GRANT SELECT, SHOW VIEW ON `my\\_ehr`.* TO `a`@`%`"),
            privileges(&["SELECT", "SHOW VIEW"], Object::Database("my_ehr".to_owned()), false)
        );
        assert_eq!(
            Grant::read("GRANT SELECT (`a, b`, `c`), INSERT ON `e TO r`.`pat ON s` TO `a`@`%`"),
            privileges(&["SELECT", "INSERT"], Object::Table("e TO r".to_owned(), "pat ON s".to_owned()), false)
        );
        assert_eq!(
            Grant::read("GRANT EXECUTE ON PROCEDURE `ehr`.`p` TO `a`@`%`"),
            privileges(&["EXECUTE"], Object::Routine("PROCEDURE `ehr`.`p`".to_owned()), false)
        );
        assert_eq!(Grant::read("GRANT `reader`@`%` TO `a`@`%`"), Some(Grant::Role("`reader`@`%`".to_owned())));
        assert_eq!(Grant::read("GRANT PROXY ON ``@`` TO `a`@`%`"), Some(Grant::Proxy("``@``".to_owned())));
        assert_eq!(Grant::read("SET DEFAULT ROLE `r` FOR `a`@`%`"), None);
        assert_eq!(Grant::read("REVOKE SELECT ON `x`.* FROM `a`@`%`"), None);
    }
}
