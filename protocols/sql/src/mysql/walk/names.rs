//! Names: which the walk has come by, and what they are used for.

use super::{Named, Qualified, Seat, Walk};
use crate::ir::Name;
use crate::mysql::queries::{Lowered, unsupported};
use model::{ColumnUse, Placement, UseContext};
use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};
use std::ops::Range;

impl Walk<'_> {
    /// Whether two names of relations, aliases or databases are the same to the server.
    pub(super) fn same(&self, left: &str, right: &str) -> bool {
        if self.sensitive { left == right } else { left.to_lowercase() == right.to_lowercase() }
    }

    /// Notes that the walk has come by a name.
    pub(super) fn see<'i>(&mut self, ident: &'i Ident) -> &'i str {
        let Ident { value, quote_style: _, span } = ident;
        self.walked.seen.extend(self.source.offset(*span));
        value
    }

    pub(super) fn see_all<'i>(&mut self, idents: impl IntoIterator<Item = &'i Ident>) {
        for ident in idents {
            self.see(ident);
        }
    }

    /// The parts of a name.
    pub(super) fn parts<'i>(&mut self, name: &'i ObjectName) -> Lowered<Vec<&'i Ident>> {
        let ObjectName(parts) = name;
        let mut idents = Vec::new();
        for part in parts {
            match part {
                ObjectNamePart::Identifier(ident) => {
                    self.see(ident);
                    idents.push(ident);
                }
                ObjectNamePart::Function(_) => return unsupported("a name", name),
            }
        }
        Ok(idents)
    }

    /// The client's bytes from one name to another.
    fn bytes(&self, first: &Ident, last: &Ident) -> Option<Range<usize>> {
        let start = self.source.original(self.source.offset(first.span)?)?.start;
        let end = self.source.original(self.source.offset(last.span)?)?.end;
        (start < end).then_some(start..end)
    }

    /// Notes a stored relation.
    pub(super) fn relation(&mut self, name: &ObjectName, placement: Placement, alias: Option<&str>) -> Lowered<()> {
        let idents = self.parts(name)?;
        let (Some(first), Some(last)) = (idents.first(), idents.last()) else {
            return unsupported("a name", name);
        };
        let schema = match idents.as_slice() {
            [_] => None,
            [schema, _] => Some(schema.value.clone()),
            _ => return unsupported("a name", name),
        };
        let bytes = self.bytes(first, last);
        let own = last.value.clone();
        self.walked.sources.push(Named {
            alias: alias.unwrap_or(&own).to_owned(),
            aliased: alias.is_some(),
            name: Name { schema, name: own },
            placement,
            bytes,
        });
        Ok(())
    }

    /// The column that an expression names and nothing else. Variables and words that stand for values are none.
    pub(super) fn bare<'e>(&self, expr: &'e Expr) -> Option<&'e [Ident]> {
        let idents = match expr {
            Expr::Identifier(ident) => std::slice::from_ref(ident),
            Expr::CompoundIdentifier(idents) => idents.as_slice(),
            _ => return None,
        };
        let first = idents.first()?;
        let variable = first.quote_style.is_none() && first.value.starts_with('@');
        let word = idents.len() == 1 && first.quote_style.is_none() && is_value_word(&first.value);
        (!variable && !word).then_some(idents)
    }

    /// Notes a use of a column.
    pub(super) fn column(&mut self, idents: &[Ident], context: UseContext) -> ColumnUse {
        self.see_all(idents);
        if let [schema, table, _] = idents {
            self.schema_before(schema, table);
        }
        let name = idents.last().map(|ident| ident.value.clone()).unwrap_or_default();
        let qualifier = idents.len().checked_sub(2).and_then(|at| idents.get(at)).map(|ident| ident.value.clone());
        // Such letters compare with plain ones in ways of the server's own.
        if !name.is_ascii() {
            self.any(&name);
        }
        let used = ColumnUse { qualifier, name: Some(name), context };
        self.note(used.clone());
        used
    }

    /// Notes a schema before the name of a relation, where a column of it is named.
    pub(super) fn schema_before(&mut self, schema: &Ident, table: &Ident) {
        if let Some(bytes) = self.bytes(schema, table)
            && let Some(own) = self.source.offset(table.span).and_then(|at| self.source.original(at))
        {
            let schema = bytes.start..own.start;
            self.walked.qualified.push(Qualified { table: table.value.clone(), schema });
        }
    }

    /// Notes a use of all columns, or all of one relation.
    pub(super) fn all_columns(&mut self, qualifier: Option<&str>, context: UseContext) {
        self.note(ColumnUse { qualifier: qualifier.map(str::to_owned), name: None, context });
    }

    fn note(&mut self, used: ColumnUse) {
        // Both sides of a comparison belong together, however often they are written.
        if matches!(used.context, UseContext::Join(_)) || self.known.insert(used.clone()) {
            self.walked.uses.uses.push(used);
        }
    }

    /// A name that may stand for any column.
    pub(super) fn any(&mut self, name: &str) {
        if !self.walked.uses.any.iter().any(|own| own == name) {
            self.walked.uses.any.push(name.to_owned());
        }
    }

    /// An alias of what is not a stored relation.
    pub(super) fn derived(&mut self, alias: &str) {
        if !self.walked.uses.derived.iter().any(|own| own == alias) {
            self.walked.uses.derived.push(alias.to_owned());
        }
    }

    /// An expression that names a column or a word or a variable.
    pub(super) fn identifier(&mut self, expr: &Expr, idents: &[Ident], seat: Seat<'_>) {
        match self.bare(expr) {
            None => self.see_all(idents),
            Some(_) if self.is_proposed(idents) => self.see_all(idents),
            Some(_) => {
                self.column(idents, seat.context());
            }
        }
    }

    /// A column of the row that INSERT … AS alias proposes, within ON DUPLICATE KEY UPDATE: not one that is stored. Should a
    /// stored relation go by that alias, it is taken for that.
    fn is_proposed(&self, idents: &[Ident]) -> bool {
        let (Some(alias), [qualifier, _]) = (&self.inserted, idents) else { return false };
        let stored = self.walked.sources.iter().any(|named| named.alias.to_lowercase() == alias.to_lowercase());
        self.upserting && qualifier.value == *alias && !stored
    }
}

/// Words that stand for a value of the session or the clock, where they are not quoted.
pub(super) fn is_value_word(word: &str) -> bool {
    const WORDS: [&str; 11] = [
        "current_date",
        "current_time",
        "current_timestamp",
        "current_user",
        "localtime",
        "localtimestamp",
        "utc_date",
        "utc_time",
        "utc_timestamp",
        "default",
        "maxvalue",
    ];
    WORDS.iter().any(|own| own.eq_ignore_ascii_case(word))
}
