//! Lineage: works out, on the internal representation, what a statement reads, writes and calls, and where every column
//! of its result comes from.

mod columns;
mod draft;
mod expressions;
mod predicates;
mod queries;
mod reads;
mod relations;
mod routines;
mod scope;
mod source_columns;
mod sources;
mod taint;
mod totality;
mod writes;

pub(crate) use draft::Draft;
pub(crate) use draft::Finished;
pub(crate) use relations::Found;
pub(crate) use routines::{Nature, is_of_large_objects, large_objects};
pub(crate) use scope::{Env, Rows};
pub(crate) use taint::Taint;

use crate::{Catalog, Dialect, Relation, Settings};
use model::{ColumnRef, OutputColumn, Outputs, Usage};
use std::collections::BTreeSet;
use std::sync::Arc;
use taint::Column;

/// Works on one statement.
pub(crate) struct Tracer<'c> {
    pub(crate) dialect: Dialect,
    pub(crate) catalog: &'c Catalog,
    /// Tables that earlier statements of the same text made.
    pub(crate) made: &'c [Relation],
    /// Schemas searched, in order.
    pub(crate) path: Vec<String>,
    /// Custom settings hold nothing of tables.
    pub(crate) plain_settings: bool,
    /// Names of relations and aliases compare by case (MySQL).
    pub(crate) case_sensitive: bool,
    pub(crate) draft: Draft,
    /// How many views deep.
    views: usize,
    items: usize,
    /// Columns that decided about rows since it was last taken.
    influence: BTreeSet<Arc<ColumnRef>>,
}

impl<'c> Tracer<'c> {
    pub(crate) fn new(dialect: Dialect, catalog: &'c Catalog, settings: &Settings) -> Self {
        Self {
            dialect,
            catalog,
            made: &[],
            path: settings.search_path.clone(),
            plain_settings: settings.plain_settings && !catalog.code_sets_settings(),
            case_sensitive: settings.case_sensitive_names,
            draft: Draft::default(),
            views: 0,
            items: 0,
            influence: BTreeSet::new(),
        }
    }

    fn next_item(&mut self) -> usize {
        self.items += 1;
        self.items
    }

    /// Takes work from the text's budget; false when it is spent.
    fn spend(&mut self, cost: usize) -> bool {
        let some = crate::bounds::step(cost);
        if !some {
            self.draft.opaque("a statement of this complexity", true);
        }
        some
    }

    /// Takes memory for a copy of these columns from the text's budget; false when it is spent.
    fn hold(&mut self, columns: &[Column]) -> bool {
        if columns.len() > crate::bounds::MOST_COLUMNS {
            crate::bounds::stop("room for columns (20,000 in one result or FROM list)");
        }
        let units = columns.iter().map(|column| 10 + column.taint.sources.len()).sum();
        let some = crate::bounds::hold(units) && self.spend(columns.len());
        if !some {
            self.draft.opaque("a statement of this complexity", true);
        }
        some
    }

    /// Whether two names of columns, aliases or variables are the same.
    fn same(&self, left: &str, right: &str) -> bool {
        match self.dialect {
            Dialect::Postgres => left == right,
            Dialect::Mysql | Dialect::MariaDb => {
                // What letters beyond ASCII compare with is the server's to say.
                left.eq_ignore_ascii_case(right)
            }
        }
    }

    /// Whether two names of relations, aliases or common table expressions are the same.
    pub(super) fn same_relation(&self, left: &str, right: &str) -> bool {
        match self.dialect {
            Dialect::Postgres => left == right,
            Dialect::Mysql | Dialect::MariaDb if self.case_sensitive => left == right,
            Dialect::Mysql | Dialect::MariaDb => left.to_lowercase() == right.to_lowercase(),
        }
    }

    /// Notes that rows depend on a value.
    fn uses(&mut self, taint: &Taint, usage: Usage) {
        if let Some(why) = &taint.unknown {
            self.draft.unread(&format!("a condition over {why}"));
        }
        for column in &taint.sources {
            self.influence.insert(Arc::clone(column));
            self.draft.predicate(column, usage);
        }
    }

    /// The columns of a result as facts.
    pub(crate) fn outputs(rows: &Rows) -> Outputs {
        if rows.none {
            return Outputs::None;
        }
        if let Some(why) = &rows.open {
            return Outputs::Unknown(why.clone());
        }
        let columns = rows.columns.iter();
        Outputs::Known(
            columns.map(|column| OutputColumn { name: column.name.clone(), lineage: column.taint.lineage() }).collect(),
        )
    }
}
