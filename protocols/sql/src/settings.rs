//! The session settings that change what a text means.

/// Whose SQL it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    Mysql,
    /// MariaDB.
    MariaDb,
}

/// The parts of MySQL's `sql_mode` that change lexing and parsing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SqlMode {
    /// `"x"` is an identifier.
    pub ansi_quotes: bool,
    /// A backslash is an ordinary character.
    pub no_backslash_escapes: bool,
    /// `||` concatenates.
    pub pipes_as_concat: bool,
    /// White space may stand between a function's name and its parenthesis.
    pub ignore_space: bool,
    /// MariaDB `sql_mode=ORACLE` or `MSSQL`, or a character set in which ASCII's signs are letters: another grammar;
    /// nothing is analysed under it.
    pub foreign_grammar: bool,
}

/// The session settings that change what a text means. Adapters keep them current.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Schemas searched for unqualified names, in order, implicit ones included (PostgreSQL `pg_temp, pg_catalog, …`),
    /// or the current database (MySQL).
    pub search_path: Vec<String>,
    /// PostgreSQL `standard_conforming_strings`.
    pub standard_conforming_strings: bool,
    /// The client's character set is one in which every byte below 0x80 is itself (UTF-8, Latin-1; not SJIS, GBK, BIG5).
    pub ascii_safe_encoding: bool,
    /// The client's character set is UTF-8. In others, bytes above 0x7f may be white space, so MySQL's texts may hold them
    /// within strings only.
    pub utf8: bool,
    /// Names of databases, tables and aliases are compared by their letters' case (MySQL `lower_case_table_names = 0`).
    pub case_sensitive_names: bool,
    /// MySQL `sql_mode`.
    pub sql_mode: SqlMode,
    /// Server version as a number: PostgreSQL `150018`, MySQL `90700`, MariaDB `101100`.
    pub server_version: u32,
    /// Several statements in one text are allowed.
    pub multi_statements: bool,
    /// Custom settings (PostgreSQL, `my.tenant`) hold what configuration and the client put there: nothing has run in the
    /// session that could have stored data of tables in one.
    pub plain_settings: bool,
    /// The schema (MySQL: the database) of the views through which masks that are computed from a value are read, where the
    /// second lock is in force (see [`crate::mask_views`]).
    pub mask_views: Option<std::sync::Arc<str>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            search_path: Vec::new(),
            standard_conforming_strings: true,
            ascii_safe_encoding: true,
            utf8: true,
            case_sensitive_names: true,
            sql_mode: SqlMode::default(),
            server_version: 0,
            multi_statements: true,
            plain_settings: false,
            mask_views: None,
        }
    }
}
