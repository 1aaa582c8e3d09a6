//! The session's settings that change what a text means. They are asked of the server itself: at login, and again before
//! a text is read that follows a statement which may have changed them.

use model::{Facts, Verb};
use sql::{Settings, SqlMode};

/// Asks for the settings. Short of strings and of spaces before parentheses, so that it means the same under every
/// `sql_mode`; LIMIT, so that `sql_select_limit` does not apply; BINARY, so that `character_set_results` does not.
pub(crate) const QUERY: &str = "SELECT CAST(CONVERT(@@sql_mode USING utf8mb4) AS BINARY),\
    CAST(CONVERT(@@character_set_client USING utf8mb4) AS BINARY),\
    CAST(CONVERT(DATABASE() USING utf8mb4) AS BINARY),\
    CAST(@@lower_case_table_names AS BINARY) LIMIT 1";
/// Columns of the answer.
pub(crate) const COLUMNS: usize = 4;

/// Takes over the server's answer. `None` if it is not one.
#[must_use]
pub(crate) fn apply(settings: &mut Settings, cells: &[Option<&[u8]>]) -> Option<()> {
    let [Some(mode), Some(charset), database, Some(folding)] = cells else { return None };
    settings.sql_mode = sql_mode(std::str::from_utf8(mode).ok()?);
    settings.ascii_safe_encoding = ascii_safe(charset);
    settings.utf8 = has(&UTF8, charset);
    settings.sql_mode.foreign_grammar |= !settings.ascii_safe_encoding && !has(&HALF_SAFE, charset);
    settings.case_sensitive_names = *folding == b"0";
    settings.search_path = match database {
        Some(database) => vec![std::str::from_utf8(database).ok()?.to_owned()],
        None => Vec::new(),
    };
    Some(())
}

fn sql_mode(text: &str) -> SqlMode {
    let has = |name: &str| text.split(',').any(|mode| mode.trim().eq_ignore_ascii_case(name));
    SqlMode {
        ansi_quotes: has("ANSI_QUOTES"),
        no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
        pipes_as_concat: has("PIPES_AS_CONCAT"),
        ignore_space: has("IGNORE_SPACE"),
        foreign_grammar: ["ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"].into_iter().any(has),
    }
}

/// Whether every byte below 0x80 is itself in that character set: not so where a second byte may be a backslash or a
/// quote. Unknown sets count as unsafe.
fn ascii_safe(charset: &[u8]) -> bool {
    const SAFE: [&[u8]; 31] = [
        b"utf8mb4",
        b"utf8mb3",
        b"utf8",
        b"ascii",
        b"binary",
        b"latin1",
        b"latin2",
        b"latin5",
        b"latin7",
        b"cp1250",
        b"cp1251",
        b"cp1256",
        b"cp1257",
        b"cp850",
        b"cp852",
        b"cp866",
        b"dec8",
        b"greek",
        b"hebrew",
        b"hp8",
        b"keybcs2",
        b"koi8r",
        b"koi8u",
        b"macce",
        b"macroman",
        b"tis620",
        b"armscii8",
        b"geostd8",
        b"ujis",
        b"euckr",
        b"eucjpms",
    ];
    has(&SAFE, charset)
}

fn has(sets: &[&[u8]], charset: &[u8]) -> bool {
    sets.iter().any(|set| set.eq_ignore_ascii_case(charset))
}

/// UTF-8 under its names.
const UTF8: [&[u8]; 3] = [b"utf8mb4", b"utf8mb3", b"utf8"];

/// Sets in which ASCII is itself as long as no other byte comes before it. In what is in neither list (`swe7`, `utf16`)
/// braces may be letters, and more.
const HALF_SAFE: [&[u8]; 6] = [b"sjis", b"cp932", b"gbk", b"gb18030", b"gb2312", b"big5"];

/// Whether a statement with these facts may leave the settings other than they were. What is opaque may: a text that
/// SQL prepared can be a `USE`.
pub(crate) fn may_change(facts: &Facts) -> bool {
    facts.unparsed.is_some()
        || facts.parts.iter().any(|part| {
            !part.opaque.is_empty()
                || part.verb == Verb::Other
                || part.settings.iter().any(|change| matters(&change.name))
        })
}

/// Takes over what a statement has set, once the server has said OK to it. `None` where only the server can tell: then it is
/// asked.
pub(crate) fn set(settings: &mut Settings, facts: &Facts) -> Option<()> {
    let [part] = facts.parts.as_slice() else { return None };
    // Another grammar may be the character set's doing or that of sql_mode.
    let foreign = settings.sql_mode.foreign_grammar;
    if facts.unparsed.is_some() || !part.opaque.is_empty() || part.verb == Verb::Other || foreign {
        return None;
    }
    let changes = || part.settings.iter().filter(|change| matters(&change.name));
    let known = |change: &model::SettingChange| match (change.name.as_str(), change.value.as_deref()) {
        ("database", Some(name)) => name.is_ascii(),
        ("names", Some(charset)) => ascii_safe(charset.as_bytes()),
        _ => false,
    };
    if !changes().all(known) {
        return None;
    }
    for change in changes() {
        match (change.name.as_str(), &change.value) {
            ("database", Some(name)) => settings.search_path = vec![name.clone()],
            (_, charset) => {
                settings.ascii_safe_encoding = true;
                settings.utf8 = charset.as_ref().is_some_and(|charset| has(&UTF8, charset.as_bytes()));
            }
        }
    }
    Some(())
}

/// Whether a text is cut into the same tokens under every setting: no quotes or escapes that one of them could turn into
/// something else, no operator that could be another.
pub(crate) fn reads_alike(sql: &[u8]) -> bool {
    const LONGEST: usize = 4096;
    sql.len() <= LONGEST && sql.is_ascii() && !sql.iter().any(|byte| matches!(byte, b'"' | b'\\' | b'|'))
}

/// Whether what such a text does depends on no database, and it runs nothing that is not the server's own.
pub(crate) fn is_independent(facts: &Facts) -> bool {
    let own = |part: &model::Part| {
        part.tables.is_empty()
            && (part.opaque.is_empty() || part.verb == Verb::Show)
            && part.calls.iter().all(|call| call.pure)
    };
    facts.unparsed.is_none() && facts.unknown_relations.is_empty() && facts.parts.iter().all(own)
}

/// Texts that mean the same under every setting, and ask for what a question of ours in between would wipe out.
const DIAGNOSTIC: [&str; 6] = [
    "SHOW WARNINGS",
    "SHOW ERRORS",
    "SELECT ROW_COUNT()",
    "SELECT FOUND_ROWS()",
    "SELECT @@warning_count",
    "SELECT @@error_count",
];

/// Whether a text is one of those.
pub(crate) fn is_diagnostic(sql: &[u8]) -> bool {
    let text = sql.trim_ascii();
    let text = text.strip_suffix(b";").unwrap_or(text).trim_ascii_end();
    DIAGNOSTIC.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(text))
}

/// Whether a setting has to do with what a text means. Whatever is not known not to, does.
fn matters(name: &str) -> bool {
    const OTHERS: [&str; 31] = [
        "autocommit",
        "character_set_results",
        "completion_type",
        "foreign_key_checks",
        "group_concat_max_len",
        "innodb_lock_wait_timeout",
        "interactive_timeout",
        "lc_messages",
        "lc_time_names",
        "lock_wait_timeout",
        "max_execution_time",
        "max_statement_time",
        "net_read_timeout",
        "net_write_timeout",
        "optimizer_switch",
        "profiling",
        "sql_auto_is_null",
        "sql_big_selects",
        "sql_notes",
        "sql_safe_updates",
        "sql_select_limit",
        "sql_warnings",
        "time_zone",
        "transaction",
        "transaction_isolation",
        "transaction_read_only",
        "tx_isolation",
        "tx_read_only",
        "unique_checks",
        "wait_timeout",
        "max_allowed_packet",
    ];
    let name = name.trim();
    if name.starts_with('@') && !name.starts_with("@@") {
        return false;
    }
    let bare = name.trim_start_matches('@');
    let bare = bare.strip_prefix("session.").or_else(|| bare.strip_prefix("local.")).unwrap_or(bare);
    !OTHERS.contains(&bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Outputs, Part, SettingChange};

    fn setting(name: &str) -> Facts {
        let part = Part {
            verb: Verb::Set,
            tables: Vec::new(),
            outputs: Outputs::None,
            predicates: Vec::new(),
            writes: Vec::new(),
            calls: Vec::new(),
            opaque: Vec::new(),
            settings: vec![SettingChange { name: name.to_owned(), value: None }],
            kin: Vec::new(),
            sources: Vec::new(),
            uses: None,
            verbs: Vec::new(),
            reads: Vec::new(),
            filtered: true,
            limited: false,
        };
        Facts {
            parts: vec![part],
            unparsed: None,
            normalized: String::new(),
            fingerprint: String::new(),
            unknown_relations: Vec::new(),
            catalog_epoch: 1,
        }
    }

    #[test]
    fn what_cannot_be_excluded_is_asked_again() {
        for name in ["sql_mode", "@@session.sql_mode", "names", "character_set_client", "database", "brand_new"] {
            assert!(may_change(&setting(name)), "{name}");
        }
        for name in ["autocommit", "@@session.autocommit", "time_zone", "transaction", "@mine"] {
            assert!(!may_change(&setting(name)), "{name}");
        }
        assert!(is_diagnostic(b" show Warnings ; ") && is_diagnostic(b"select row_count()"));
        assert!(!is_diagnostic(b"SHOW WARNINGS LIMIT 1") && !is_diagnostic(b"SHOW TABLES"));
        let unparsed = Facts { unparsed: Some("x".to_owned()), parts: Vec::new(), ..setting("autocommit") };
        assert!(may_change(&unparsed));
    }

    #[test]
    fn answers_of_the_server() {
        let mut settings = Settings::default();
        let mode: &[u8] = b"PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE,NO_KEY_OPTIONS";
        apply(&mut settings, &[Some(mode), Some(b"gbk"), Some(b"ehr"), Some(b"1")]).unwrap();
        assert!(!settings.utf8 && !settings.case_sensitive_names);
        assert!(settings.sql_mode.ansi_quotes && settings.sql_mode.foreign_grammar && settings.sql_mode.ignore_space);
        assert!(!settings.sql_mode.no_backslash_escapes && !settings.ascii_safe_encoding);
        assert_eq!(settings.search_path, ["ehr"]);
        apply(&mut settings, &[Some(b""), Some(b"utf8mb4"), None, Some(b"0")]).unwrap();
        assert!(settings.utf8 && settings.case_sensitive_names);
        assert_eq!((settings.sql_mode, settings.ascii_safe_encoding), (SqlMode::default(), true));
        assert!(settings.search_path.is_empty());
        assert!(apply(&mut settings, &[None, None, None, None]).is_none());
        for (charset, foreign) in [(&b"swe7"[..], true), (b"utf16", true), (b"sjis", false), (b"latin1", false)] {
            apply(&mut settings, &[Some(b""), Some(charset), None, Some(b"0")]).unwrap();
            assert_eq!((settings.sql_mode.foreign_grammar, settings.utf8), (foreign, false));
        }
    }
}
