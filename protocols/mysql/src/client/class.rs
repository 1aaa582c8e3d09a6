//! The class of a statement: the text that is sent where protected values are masked at the source, and what a prepared
//! statement may compare its parameters with.

use crate::conversation::{DraftKind, MysqlConversation};
use crate::message::{command, packet};
use bytes::Bytes;
use model::{Class, Compared, Facts, Kind, Param, Phase, Refusal, RefusalKind, Statement, Substitution, UseContext};
use sql::{ComparedParameter, Dialect, Settings};
use std::sync::Arc;

impl MysqlConversation {
    /// See [`wire::Conversation::settle_class`].
    pub(crate) fn classed(&mut self, statement: &mut Statement, class: &Class) -> Result<(), Refusal> {
        if statement.phase == Phase::Execute {
            return self.classed_execute(statement, class);
        }
        let Class::AtSource(substitution) = class else { return Ok(()) };
        let settings = match self.draft.as_ref().map(|draft| &draft.kind) {
            Some(DraftKind::Prepare { settings, .. }) => settings.clone(),
            _ => self.settings.clone(),
        };
        let settings = self.with_views(settings);
        let sent = self.substituted(&statement.sql, &statement.facts, substitution, &settings)?;
        statement.wire = reframed(&statement.wire, &statement.sql, &sent)?;
        if let Some(DraftKind::Prepare { sent: prepared, .. }) = self.draft.as_mut().map(|draft| &mut draft.kind) {
            *prepared = Some(sent.clone());
        }
        statement.sent = Some(sent);
        Ok(())
    }

    /// What runs is what was prepared: it must be what policy asks for now.
    fn classed_execute(&mut self, statement: &mut Statement, class: &Class) -> Result<(), Refusal> {
        let Some(DraftKind::Execute { number, .. }) = self.draft.as_ref().map(|draft| &draft.kind) else {
            return Ok(());
        };
        let Some(entry) = self.prepared.get(*number) else { return Ok(()) };
        let (sent, settings, parameters) = (entry.sent.clone(), entry.settings.clone(), entry.parameters);
        let settings = self.with_views(settings);
        let wanted = match class {
            Class::AtSource(substitution) => {
                Some(self.substituted(&statement.sql, &statement.facts, substitution, &settings)?)
            }
            Class::Untouched | Class::Wire => None,
        };
        if sent != wanted {
            let message = "this statement was prepared under another policy or catalog";
            return Err(Refusal::new(RefusalKind::NotSupported, message).hint("prepare it again"));
        }
        statement.sent = sent;
        if *class == Class::Wire && compares_parameters(&statement.facts) {
            let compared = sql::compared_parameters(self.dialect(), &statement.sql, &statement.facts, &settings)
                .map_err(|why| Refusal::new(RefusalKind::NotUnderstood, why))?;
            own_types(&compared, &statement.params, parameters)?;
        }
        Ok(())
    }

    /// The settings, with the views of the second lock where it is in force.
    fn with_views(&self, settings: Arc<Settings>) -> Arc<Settings> {
        match self.views() {
            None => settings,
            views => Arc::new(Settings { mask_views: views, ..Settings::clone(&settings) }),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        if self.mariadb { Dialect::MariaDb } else { Dialect::Mysql }
    }

    fn substituted(
        &mut self,
        text: &Bytes,
        facts: &Facts,
        substitution: &Arc<Substitution>,
        settings: &Arc<Settings>,
    ) -> Result<Bytes, Refusal> {
        let catalog = self.datasource.catalog();
        let (catalog, analyser) = match self.made.view(&catalog, self.mariadb) {
            Some(own) => own,
            None => (&*catalog, self.datasource.analyser(self.mariadb)),
        };
        let put = analyser.substitute(text, facts, substitution, catalog, settings).map_err(|why| {
            let message =
                format!("the statement cannot be computed over masked values ({}): {why}", substitution.because);
            Refusal::new(RefusalKind::NotSupported, message)
        })?;
        Ok(Bytes::from(put.text))
    }
}

/// The same command with another text.
fn reframed(wire: &Bytes, sql: &Bytes, sent: &Bytes) -> Result<Bytes, Refusal> {
    let cannot =
        || Refusal::new(RefusalKind::LimitReached, "the statement is too long to be computed over masked values");
    let (length, sequence) = packet::header(wire).ok_or_else(cannot)?;
    let payload = wire.get(packet::HEADER..).filter(|payload| payload.len() == length).ok_or_else(cannot)?;
    let before = payload.strip_suffix(&**sql).ok_or_else(cannot)?;
    if !matches!(before.first(), Some(&(command::QUERY | command::STMT_PREPARE))) {
        return Err(cannot());
    }
    if before.len() + sent.len() >= packet::LONGEST {
        return Err(cannot());
    }
    let mut out = Vec::with_capacity(packet::HEADER + before.len() + sent.len());
    let start = packet::begin(&mut out);
    out.extend_from_slice(before);
    out.extend_from_slice(sent);
    packet::finish(&mut out, start, sequence);
    Ok(out.into())
}

fn compares_parameters(facts: &Facts) -> bool {
    let uses = facts.parts.iter().filter_map(|part| part.uses.as_ref()).flat_map(|uses| &uses.uses);
    uses.into_iter().any(|used| used.context == UseContext::Equals(Compared::Parameter))
}

/// A number compared with a text column equals every text that begins with it: parameters must be of the columns' own
/// kind. Bulk executions send the parameters of several rows, one after another.
fn own_types(compared: &[ComparedParameter], params: &[Param], parameters: usize) -> Result<(), Refusal> {
    for (index, param) in params.iter().enumerate() {
        let place = index.checked_rem(parameters).unwrap_or(index);
        for known in compared.iter().filter(|known| known.index == place) {
            let sent = family(&param.repr.kind);
            let fits = |sent: Family, own: Family| sent == own || (sent, own) == (Family::Text, Family::Moment);
            let Some(other) = known.types.iter().find(|own| sent.is_some_and(|sent| !fits(sent, family_of(own))))
            else {
                continue;
            };
            let message = format!(
                "parameter {} is {}, and is compared with the protected column {} of type {other}",
                place + 1,
                sent.map_or("of an unknown kind", Family::as_str),
                known.column
            );
            let hint = "send it in the column's own type: a number equals every text that begins with it";
            return Err(Refusal::new(RefusalKind::Denied, message).hint(hint));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Moment,
}

impl Family {
    fn as_str(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Moment => "a date or time",
        }
    }
}

/// What a parameter compares as; `None` for NULL, which equals nothing.
fn family(kind: &Kind) -> Option<Family> {
    match kind {
        Kind::Bool | Kind::Int { .. } | Kind::Float { .. } | Kind::Decimal | Kind::Bit | Kind::Year => {
            Some(Family::Number)
        }
        Kind::Date | Kind::Timestamp | Kind::TimestampTz | Kind::Time | Kind::TimeTz => Some(Family::Moment),
        Kind::Unknown => None,
        _ => Some(Family::Text),
    }
}

/// What a column compares as. Moments are commonly sent as texts.
fn family_of(type_name: &str) -> Family {
    let end = type_name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(type_name.len());
    match type_name.get(..end).unwrap_or_default().to_ascii_lowercase().as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float" | "double" | "bit" | "year" => {
            Family::Number
        }
        "date" | "datetime" | "timestamp" | "time" => Family::Moment,
        _ => Family::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::parameter::ParamType;
    use crate::values;

    #[test]
    fn a_command_gets_another_text() {
        let mut wire = Vec::new();
        packet::put(&mut wire, 0, b"\x03\0\x01SELECT 1");
        let (sql, sent) = (Bytes::from_static(b"SELECT 1"), Bytes::from_static(b"SELECT 1 + 1"));
        let framed = reframed(&Bytes::from(wire), &sql, &sent).unwrap();
        assert_eq!(&framed[..], b"\x0f\0\0\0\x03\0\x01SELECT 1 + 1");
        let mut other = Vec::new();
        packet::put(&mut other, 0, b"\x02SELECT 1");
        assert!(reframed(&Bytes::from(other), &sql, &sent).is_err(), "not a text");
    }

    #[test]
    fn parameters_are_of_the_columns_kind() {
        let of = |column_type| ParamType { column_type, flags: 0 }.with(Some(b"\0\0\0\0\0\0\0\0"));
        let compared = |type_name: &str| {
            vec![ComparedParameter { index: 1, column: "ssn".to_owned(), types: vec![type_name.to_owned()] }]
        };
        let text = compared("varchar(11)");
        assert!(own_types(&text, &[of(values::LONGLONG), of(values::VAR_STRING)], 2).is_ok());
        let refusal = own_types(&text, &[of(values::VAR_STRING), of(values::LONGLONG)], 2).unwrap_err();
        assert!(refusal.message.contains("a number") && refusal.message.contains("ssn"), "{}", refusal.message);
        assert!(own_types(&text, &[of(values::VAR_STRING), of(values::TIME)], 2).is_err());
        assert!(own_types(&compared("int(11)"), &[of(values::VAR_STRING), of(values::LONGLONG)], 2).is_ok());
    }
}
