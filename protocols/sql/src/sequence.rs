//! Several statements in one text: the catalog and the settings are those from before the text, so what an earlier statement
//! may do to a name, a later one must not be judged by.

use crate::{Catalog, CatalogColumn, Relation, RelationKind};
use model::{Access, Opaque, Outputs, Part, TableRef};
use std::collections::BTreeSet;

/// Tables that one text may make and name.
const MOST_MADE: usize = 256;

/// What a statement may do to the meaning of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    Nothing,
    /// Relations of these names may be others afterwards.
    Names(Vec<String>),
    /// Names are searched along this path afterwards.
    Path(Vec<String>),
    /// Any relation may be another.
    All,
}

/// What the statements of a text so far may have moved.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    all: bool,
    names: BTreeSet<String>,
    /// Tables that they made, which the next ones may name: when they run, each of those before has succeeded.
    made: Vec<Relation>,
}

/// A table that a statement makes, of these columns and no others.
pub(crate) fn fresh(name: TableRef, columns: impl Iterator<Item = String>) -> Relation {
    let column = |(index, name): (usize, String)| CatalogColumn {
        name,
        // None that anything is concluded from.
        type_name: "?".to_owned(),
        number: i16::try_from(index.saturating_add(1)).unwrap_or(i16::MAX),
        nullable: true,
        collation: None,
        invisible: false,
        generated_from: Vec::new(),
        indexes: Vec::new(),
    };
    let columns = columns.enumerate().map(column).collect();
    Relation { name, id: 0, kind: RelationKind::Table, columns, definition: None, parents: Vec::new() }
}

impl Sequence {
    /// The tables that the statements so far made.
    pub(crate) fn made(&self) -> &[Relation] {
        &self.made
    }

    /// Takes in a table that a statement made, and that moves nothing else; false where its name is not to be relied upon.
    pub(crate) fn note_fresh(&mut self, relation: Relation) -> bool {
        if self.all || self.made.len() >= MOST_MADE || self.names.contains(&relation.name.table.to_lowercase()) {
            return false;
        }
        self.made.push(relation);
        true
    }

    /// Takes in what a statement moves; gives the path that holds from here on, if it is another.
    pub(crate) fn note(&mut self, moved: Moved) -> Option<Vec<String>> {
        match moved {
            Moved::Nothing => {}
            Moved::Names(names) => {
                self.names.extend(names.into_iter().map(|name| name.to_lowercase()));
                self.made.retain(|own| !self.names.contains(&own.name.table.to_lowercase()));
            }
            Moved::All => {
                self.all = true;
                self.made.clear();
            }
            Moved::Path(path) => return Some(path),
        }
        None
    }

    /// Makes a part unknown that names what was moved.
    pub(crate) fn unsettle(&self, part: &mut Part, catalog: &Catalog) {
        // A table that is made means nothing yet.
        let exists = |used: &model::TableUse| {
            used.access != Access::Define || catalog.relation_ignoring_case(&used.table).is_some()
        };
        let moved = part
            .tables
            .iter()
            .any(|used| (self.all && exists(used)) || self.names.contains(&used.table.table.to_lowercase()));
        if !moved {
            return;
        }
        let what = "a name to which an earlier statement of the same text may have given another meaning".to_owned();
        if part.outputs != Outputs::None {
            part.outputs = Outputs::Unknown(what.clone());
        }
        if let Some(uses) = &mut part.uses {
            uses.beyond.push(what.clone());
        }
        part.opaque.push(Opaque { what, reaches_data: true });
    }
}

/// The names of relations that a part makes, changes or drops.
pub(crate) fn defined(part: &Part) -> Moved {
    let defined = part.tables.iter().filter(|used| used.access == Access::Define);
    Moved::Names(defined.map(|used| used.table.table.clone()).collect())
}

/// Whether a part runs something that was not seen.
pub(crate) fn runs_unseen(part: &Part) -> bool {
    matches!(part.verb, model::Verb::Call | model::Verb::Other)
        || (!part.opaque.is_empty() && part.calls.iter().any(|call| !call.pure))
}
