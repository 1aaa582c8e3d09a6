//! What is known of routines, operators and types: which compute only from their operands, which can fail.

use super::Tracer;
use super::taint::Taint;
use crate::ir::Name;
use crate::{Dialect, Volatility};
use model::Access;
use std::collections::HashMap;
use std::sync::OnceLock;

/// What an engine's own routine may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Computes from its arguments and from structure.
    Pure,
    /// What goes in may come out elsewhere.
    Sink,
}

struct Builtins {
    natures: HashMap<&'static str, Nature>,
    rows: HashMap<&'static str, &'static str>,
}

fn postgres() -> &'static Builtins {
    static BUILTINS: OnceLock<Builtins> = OnceLock::new();
    BUILTINS.get_or_init(|| {
        let mut all = Builtins { natures: HashMap::new(), rows: HashMap::new() };
        for line in include_str!("../postgres/builtins.txt").lines() {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("p"), Some(name), _) => drop(all.natures.insert(name, Nature::Pure)),
                (Some("s"), Some(name), _) => drop(all.natures.insert(name, Nature::Sink)),
                (Some("c"), Some(name), Some(columns)) => drop(all.rows.insert(name, columns)),
                _ => {}
            }
        }
        all
    })
}

/// The columns of an engine's own routine that returns rows.
pub(super) fn row_columns(name: &Name) -> Option<impl Iterator<Item = &'static str>> {
    postgres().rows.get(name.name.as_str()).map(|columns| columns.split(','))
}

/// Routines whose rows have the fields of their argument.
pub(super) fn keeps_rows(name: &str) -> bool {
    matches!(
        name,
        "unnest"
            | "json_populate_record"
            | "json_populate_recordset"
            | "jsonb_populate_record"
            | "jsonb_populate_recordset"
            | "array_agg"
            | "min"
            | "max"
            | "any_value"
            | "first_value"
            | "last_value"
            | "nth_value"
            | "lag"
            | "lead"
    )
}

/// Routines that return rows of a type which only their arguments tell.
pub(super) fn may_return_rows(name: &str) -> bool {
    keeps_rows(name)
        || matches!(name, "json_to_record" | "json_to_recordset" | "jsonb_to_record" | "jsonb_to_recordset")
}

/// Those of large objects' routines that change none.
const ONLY_READS: [&str; 7] = ["lo_close", "lo_get", "lo_lseek", "lo_lseek64", "lo_tell", "lo_tell64", "loread"];

/// Whether a routine (one that is a [`Nature::Sink`]) reads or writes large objects. Rules can name what holds them.
pub(crate) fn is_of_large_objects(name: &str) -> bool {
    name.starts_with("lo_") || matches!(name, "loread" | "lowrite")
}

/// The relation that holds large objects.
pub(crate) fn large_objects() -> Name {
    Name { schema: Some("pg_catalog".to_owned()), name: "pg_largeobject".to_owned() }
}

impl Tracer<'_> {
    /// Notes a call; returns why its result is not known, if so.
    pub(super) fn judge_routine(&mut self, name: &Name, arguments: &Taint, texts: &[Option<String>]) -> Option<String> {
        match self.nature(name) {
            Some(Nature::Pure) => {
                self.draft.call(name.to_string(), true);
                if name.name == "current_setting" {
                    return self.reads_setting(texts);
                }
                None
            }
            Some(Nature::Sink) => {
                self.draft.call(name.to_string(), false);
                if is_of_large_objects(&name.name) {
                    self.touch(&large_objects(), Access::Read);
                    if !ONLY_READS.contains(&name.name.as_str()) {
                        self.touch(&large_objects(), Access::Write);
                    }
                }
                if name.name == "set_config" {
                    self.sets(arguments, texts);
                } else if !arguments.is_constant() {
                    self.draft.write(None, arguments);
                }
                None
            }
            None => {
                self.draft.call(name.to_string(), false);
                let why = format!("routine {name}, which is not known to compute from its arguments alone");
                self.draft.opaque(&why, true);
                // Code of users that may change what it likes.
                if self.catalog.routines(&name.name).iter().any(|routine| routine.volatility == Volatility::Volatile) {
                    self.draft.runs_unseen();
                }
                Some(why)
            }
        }
    }

    fn sets(&mut self, arguments: &Taint, texts: &[Option<String>]) {
        match texts.first() {
            Some(Some(name)) => self.draft.setting(name, texts.get(1).cloned().flatten()),
            _ => self.draft.opaque("set_config of a setting that is computed", true),
        }
        if !arguments.is_constant() {
            self.draft.write(None, arguments);
        }
    }

    /// A setting with a dot in its name may hold anything that was put there by what ran in the session.
    fn reads_setting(&mut self, texts: &[Option<String>]) -> Option<String> {
        match texts.first() {
            Some(Some(name)) if !name.contains('.') => None,
            _ if self.plain_settings => None,
            _ => Some("a custom setting, which may hold any value".to_owned()),
        }
    }

    /// What a routine of that name may do, whichever is called; `None` where that is not known.
    pub(crate) fn nature(&self, name: &Name) -> Option<Nature> {
        if self.dialect != Dialect::Postgres {
            return crate::mysql::nature(self.catalog, name, &self.path);
        }
        let system = |schema: &str| matches!(schema, "pg_catalog" | "information_schema");
        let named = self.catalog.routines(&name.name);
        let visible = |schema: &str| match &name.schema {
            Some(wanted) => wanted == schema,
            None => schema == "pg_temp" || schema == "pg_catalog" || self.path.iter().any(|own| own == schema),
        };
        // Which overload is called depends on types: every one that can be seen must be harmless.
        let mut foreign =
            named.iter().filter(|routine| !system(&routine.schema) && visible(&routine.schema)).peekable();
        let trusted = foreign.peek().is_some()
            && foreign
                .clone()
                .all(|r| r.language == "c" && r.volatility == Volatility::Immutable && !r.security_definer);
        if foreign.peek().is_some() && !trusted {
            return None;
        }
        if name.schema.as_deref().is_none_or(system) {
            if name.name == "current_setting" {
                return Some(Nature::Pure);
            }
            if let Some(nature) = postgres().natures.get(name.name.as_str()) {
                return Some(*nature);
            }
        }
        let own = named.iter().filter(|routine| system(&routine.schema) && visible(&routine.schema));
        let immutable = own.clone().count() > 0
            && own.clone().all(|r| r.builtin && r.volatility == Volatility::Immutable && r.language != "sql");
        (trusted || immutable).then_some(Nature::Pure)
    }

    /// Notes when the failure of a call would tell something.
    pub(super) fn note_failures(&mut self, name: &str, values: &[Taint]) {
        let name = name.to_lowercase();
        let mysql = self.dialect != Dialect::Postgres;
        if super::totality::never_fails(&name) || (mysql && crate::mysql::never_fails(&name)) {
            return;
        }
        let from = usize::from(super::totality::fails_only_by_later_arguments(&name));
        for value in values.iter().skip(from) {
            self.may_fail(value);
        }
    }
}
