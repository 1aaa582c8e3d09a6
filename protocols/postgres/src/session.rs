//! The settings of a session that change what its texts mean, and whether they are known at the moment.
//!
//! `standard_conforming_strings` and `client_encoding` are reported by the server whenever they change; `search_path` is
//! reported from version 18 on, and the current role never. So after anything that may have changed one of them
//! (SET, set_config, a transaction's end, a routine whose body is not known) they count as unknown, and are asked for,
//! by a query of ours whose answer the client does not see, before the next text is looked at.

use model::{Facts, Part, Verb};
use sql::Settings;

/// What asks for what the server does not report. SHOW takes no snapshot, so it disturbs no transaction.
pub(crate) const QUESTIONS: [&str; 2] = ["SHOW search_path", "SHOW role"];

/// The settings of a session.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Settings,
    /// The path as the server prints it: `"$user", public`.
    path: String,
    /// The role that was SET, or `none`.
    role: String,
    user: String,
    /// The role changes with each statement's class: `$user` on a path means no schema.
    roles: bool,
    /// Grows with every change.
    version: u64,
    /// Whether path and role are known.
    known: bool,
    /// Whether something since the last question may have changed them.
    doubted: bool,
    /// Whether the last question came to nothing, so that asking again is of no use for now.
    unanswerable: bool,
    /// Whether a change since a transaction's begin may be undone by its end.
    undoable: bool,
    /// Something has run that may have made relations which only this session sees.
    defines: bool,
    /// Whether such relations are in doubt.
    unsure: bool,
}

/// Version as a number: `15.18 (Debian…)` is 150018, `18beta1` is 180000.
pub(crate) fn server_version(text: &str) -> u32 {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    major.saturating_mul(10_000).saturating_add(minor.min(9_999))
}

/// The settings of a session that changed none.
pub(crate) fn default_settings(user: &str, version: u32) -> Settings {
    Settings { search_path: resolve("\"$user\", public", user), server_version: version, ..Settings::default() }
}

/// The schemas that a search path means, implicit ones included.
fn resolve(path: &str, user: &str) -> Vec<String> {
    let mut schemas: Vec<String> = Vec::new();
    for name in split(path) {
        match name.as_str() {
            "$user" if user.is_empty() => {}
            "$user" => schemas.push(user.to_owned()),
            _ => schemas.push(name),
        }
    }
    if !schemas.iter().any(|schema| schema == "pg_catalog") {
        schemas.insert(0, "pg_catalog".to_owned());
    }
    if !schemas.iter().any(|schema| schema == "pg_temp") {
        schemas.insert(0, "pg_temp".to_owned());
    }
    schemas
}

/// The identifiers of a comma-separated list, quotes resolved. The server prints it, so it is well formed.
fn split(list: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted, mut chars) = (Vec::new(), String::new(), false, list.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            c if quoted || !c.is_whitespace() => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

/// Encodings in which every byte below 0x80 is itself, wherever it stands: by what they are, in any of the server's
/// spellings. Any other, known or not, is not one of them.
pub(crate) fn ascii_safe(encoding: &str) -> bool {
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let families = ["latin", "iso8859", "windows125", "win125"];
    let of_family = |family: &&str| {
        plain
            .strip_prefix(*family)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let listed = [
        "utf8",
        "unicode",
        "sqlascii",
        "win",
        "win866",
        "win874",
        "windows866",
        "windows874",
        "alt",
        "abc",
        "tcvn",
        "tcvn5712",
        "vscii",
        "koi8",
        "koi8r",
        "koi8u",
        "eucjp",
        "euccn",
        "euckr",
        "euctw",
        "eucjis2004",
    ];
    listed.contains(&plain.as_str()) || families.iter().any(of_family)
}

/// Whether a setting is one of those kept here, by any of its names (`SET NAMES`, `SET SCHEMA`, `RESET ALL`).
fn concerns(setting: &str) -> bool {
    ["search_path", "role", "authorization", "all", "schema", "names", "client_encoding", "conforming_strings"]
        .iter()
        .any(|word| setting.contains(word))
}

/// Whether a statement of the session kind changes names, locks or subscriptions and no setting.
fn about_names(sql: &[u8]) -> bool {
    let text = sql.trim_ascii_start();
    let word = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let word = text.get(..word).unwrap_or_default().to_ascii_lowercase();
    let words: [&[u8]; 9] =
        [b"declare", b"close", b"move", b"prepare", b"deallocate", b"listen", b"unlisten", b"notify", b"lock"];
    words.contains(&word.as_slice())
}

impl Session {
    /// A session of which nothing was reported yet.
    pub(crate) fn new(user: &str) -> Self {
        Self {
            settings: Settings { search_path: Vec::new(), plain_settings: true, ..Settings::default() },
            path: String::new(),
            role: String::new(),
            user: user.to_owned(),
            roles: false,
            version: 1,
            known: false,
            doubted: true,
            unanswerable: false,
            undoable: false,
            defines: false,
            unsure: false,
        }
    }

    /// Takes in a parameter that the server reports.
    pub(crate) fn report(&mut self, name: &str, value: &str) {
        let before = self.settings.clone();
        match name {
            "standard_conforming_strings" => self.settings.standard_conforming_strings = value == "on",
            "client_encoding" => self.settings.ascii_safe_encoding = ascii_safe(value),
            "server_version" => self.settings.server_version = server_version(value),
            "session_authorization" => value.clone_into(&mut self.user),
            "search_path" => value.clone_into(&mut self.path),
            _ => return,
        }
        if self.settings != before {
            self.version = self.version.saturating_add(1);
        }
        self.resolve();
    }

    /// Takes in the answers to [`QUESTIONS`].
    pub(crate) fn refreshed(&mut self, path: &str, role: &str) {
        path.clone_into(&mut self.path);
        role.clone_into(&mut self.role);
        self.known = true;
        self.resolve();
    }

    /// From now on the role is another from statement to statement.
    pub(crate) fn takes_roles(&mut self) {
        self.roles = true;
        self.resolve();
    }

    fn resolve(&mut self) {
        let user = if self.roles {
            ""
        } else if self.role.is_empty() || self.role == "none" {
            self.user.as_str()
        } else {
            self.role.as_str()
        };
        let resolved = resolve(&self.path, user);
        if self.settings.search_path != resolved {
            self.settings.search_path = resolved;
            self.version = self.version.saturating_add(1);
        }
    }

    /// What texts mean now, or `None` while that is not known.
    pub(crate) fn settings(&self) -> Option<&Settings> {
        (self.known && !self.doubted).then_some(&self.settings)
    }

    /// What texts may mean while path and role are not known: nothing that is not qualified has a meaning. What the server
    /// reports by itself is known all the same when nothing is on its way (`at_rest`) that it has not answered; else strings
    /// have no meaning either. The analysis then proves little, which is the point.
    pub(crate) fn unknown(&self, at_rest: bool) -> Settings {
        Settings {
            search_path: Vec::new(),
            standard_conforming_strings: at_rest && self.settings.standard_conforming_strings,
            ascii_safe_encoding: at_rest && self.settings.ascii_safe_encoding,
            plain_settings: false,
            ..self.settings.clone()
        }
    }

    /// Whether every byte below 0x80 is a character in the encoding that the server last reported.
    pub(crate) fn encoding_is_safe(&self) -> bool {
        self.settings.ascii_safe_encoding
    }

    /// Grows with every change of the settings.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Whether the settings must be asked for before the next text.
    pub(crate) fn must_ask(&self) -> bool {
        (self.doubted || !self.known) && !self.unanswerable
    }

    /// Whether the session's own relations must be asked for before the next text that names any.
    pub(crate) fn must_ask_relations(&self) -> bool {
        self.unsure && !self.unanswerable
    }

    /// Whether it is known which relations the session sees.
    pub(crate) fn is_sure(&self) -> bool {
        !self.unsure
    }

    /// Something is on its way that may make, change or drop relations.
    pub(crate) fn define(&mut self) {
        (self.defines, self.unsure, self.undoable, self.unanswerable) = (true, true, true, false);
    }

    /// The session's own relations are others than before.
    pub(crate) fn relations_changed(&mut self) {
        self.version = self.version.saturating_add(1);
    }

    /// Something has run that may have stored anything in a custom setting.
    pub(crate) fn settings_hold_anything(&mut self) {
        if self.settings.plain_settings {
            self.settings.plain_settings = false;
            self.version = self.version.saturating_add(1);
        }
    }

    /// The question failed (the transaction is in a failed state, say).
    pub(crate) fn unanswered(&mut self) {
        self.unanswerable = true;
    }

    /// Something that may change the settings is on its way to the server.
    pub(crate) fn doubt(&mut self) {
        self.doubted = true;
        self.undoable = true;
        self.unanswerable = false;
        self.unsure |= self.defines;
    }

    /// The question is on its way, the one for relations too if `relations`.
    pub(crate) fn asked(&mut self, relations: bool) {
        self.doubted = false;
        self.known = false;
        self.unsure &= !relations;
    }

    /// Whether a statement may change the settings.
    pub(crate) fn may_change(&self, facts: &Facts, sql: &[u8]) -> bool {
        let contents = |part: &Part| {
            !part.settings.is_empty() || !part.opaque.is_empty() || part.calls.iter().any(|call| !call.pure)
        };
        facts.unparsed.is_some()
            || facts.parts.iter().any(|part| match part.verb {
                Verb::Transaction => self.undoable,
                Verb::Set => part.settings.is_empty() || part.settings.iter().any(|change| concerns(&change.name)),
                Verb::Call | Verb::Other => true,
                // DISCARD and LOAD are among these.
                Verb::Session => facts.parts.len() > 1 || !about_names(sql) || contents(part),
                _ => contents(part),
            })
    }

    /// A transaction is over: nothing is left that its end could undo.
    pub(crate) fn transaction_over(&mut self) {
        if !self.doubted && !self.unsure {
            self.undoable = false;
        }
        self.unanswerable = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(server_version("15.18 (Debian 15.18-0+deb12u1)"), 150_018);
        assert_eq!(server_version("18beta1"), 180_000);
        assert_eq!(server_version(""), 0);
    }

    #[test]
    fn a_path_is_resolved_with_its_implicit_schemas() {
        assert_eq!(resolve("\"$user\", public", "ann"), ["pg_temp", "pg_catalog", "ann", "public"]);
        assert_eq!(resolve("public, pg_catalog, pg_temp", "ann"), ["public", "pg_catalog", "pg_temp"]);
        assert_eq!(resolve("\"a,b\", \"q\"\"q\"", "x"), ["pg_temp", "pg_catalog", "a,b", "q\"q"]);
        assert_eq!(resolve("\"\"", "x"), ["pg_temp", "pg_catalog"]);
    }

    #[test]
    fn settings_are_unknown_until_asked_for_and_while_in_doubt() {
        let mut session = Session::new("ann");
        assert!(session.settings().is_none());
        session.asked(false);
        session.refreshed("public", "none");
        assert_eq!(session.settings().map(|s| s.search_path.len()), Some(3));
        session.doubt();
        assert!(session.settings().is_none());
        session.asked(false);
        assert!(session.settings().is_none(), "asked is not answered");
        session.refreshed("\"$user\"", "bob");
        assert_eq!(session.settings().map(|s| s.search_path.clone()).unwrap(), ["pg_temp", "pg_catalog", "bob"]);
        let unknown = session.unknown(false);
        assert!(unknown.search_path.is_empty() && !unknown.standard_conforming_strings);
        let unknown = session.unknown(true);
        assert!(unknown.search_path.is_empty() && unknown.standard_conforming_strings, "the server reports that one");
    }

    #[test]
    fn encodings() {
        assert!(ascii_safe("UTF8") && ascii_safe("LATIN1") && ascii_safe("EUC_JP") && ascii_safe("SQL_ASCII"));
        assert!(
            ascii_safe("ISO_8859_5") && ascii_safe("windows-1252") && ascii_safe("unicode") && ascii_safe("koi8-r")
        );
        for other in
            ["SJIS", "gbk", "BIG5", "WIN932", "Shift_JIS", "windows932", "WIN949", "mskanji", "utf16", "latin", ""]
        {
            assert!(!ascii_safe(other), "{other}");
        }
    }
}
