//! The columns of a relation that a text names, each with those whose rules apply to it.

use super::Tracer;
use crate::{Relation, RelationKind};
use model::{Access, ColumnRef, SourceColumn, TableRef};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Tracer<'_> {
    /// The visible columns of a relation in the order of the catalog. A view's are worked out from its definition, and of
    /// what that says nothing is noted in the draft.
    pub(crate) fn named_columns(&mut self, relation: &Relation) -> Arc<[SourceColumn]> {
        let draft = std::mem::take(&mut self.draft);
        let worked_out = self.relation_columns(relation, false, Access::Read);
        let shown = std::mem::replace(&mut self.draft, draft).into_shown();
        let stored = relation.kind != RelationKind::Sequence;
        let columns = relation.columns.iter().enumerate().map(|(index, own)| {
            let TableRef { schema, table } = relation.name.clone();
            let itself = ColumnRef { schema, table, column: own.name.clone() };
            let taint = worked_out.get(index).map(|column| &column.taint);
            let mut same = BTreeSet::from([itself.clone()]);
            let mut computed_from = BTreeSet::new();
            if let Some(taint) = taint {
                match &taint.bare {
                    Some(base) => {
                        let base = ColumnRef::clone(base);
                        same.extend(shown.iter().filter(|(from, _)| *from == base).map(|(_, view)| view.clone()));
                        same.insert(base);
                    }
                    None if stored => computed_from.extend(taint.columns()),
                    None => {}
                }
            }
            let kin: Vec<ColumnRef> = same.iter().flat_map(|column| self.catalog.kin(column)).collect();
            same.extend(kin);
            computed_from.remove(&itself);
            SourceColumn {
                name: own.name.clone(),
                type_name: own.type_name.clone(),
                nullable: own.nullable,
                same: same.into_iter().collect(),
                computed_from: computed_from.into_iter().collect(),
                unknown: taint.is_none_or(|taint| taint.unknown.is_some()),
            }
        });
        columns.collect()
    }
}
