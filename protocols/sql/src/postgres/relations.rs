//! Relations as the walk meets them: what each is, and what it is doing where it stands.

use super::tree::Branch;
use super::walk::{Ctx, Place, Walk};
use crate::ir::Name;
use crate::lineage::{Found, large_objects};
use crate::systems;
use model::{Placement, SourceUse, UseContext};

impl Walk<'_, '_> {
    /// Large objects are read or written by a call: nothing can stand in for the relation that holds them.
    pub(super) fn large_objects(&mut self) {
        let Found::Relation(relation) = self.tracer.find(&large_objects()) else { return };
        let (table, columns) = (relation.name.clone(), self.tracer.source_columns(relation));
        let alias = table.table.clone();
        let what = "a call of a large object's function".to_owned();
        self.star(Some(alias.clone()), UseContext::Other(what.clone()));
        self.sources.push(SourceUse { table, placement: Placement::Fixed(what), alias, columns });
        self.places.push(Place::default());
    }

    /// A relation: what it is, and what it is doing here.
    pub(super) fn relation(&mut self, range: &Branch, placement: Placement, sampled: bool) {
        self.visit(range);
        let text = |field: &str| Some(range.text(field).to_owned()).filter(|text| !text.is_empty());
        let name = Name { schema: text("schemaname"), name: range.text("relname").to_owned() };
        let alias = range.branch("alias");
        let own = alias.map_or_else(|| name.name.clone(), |alias| alias.text("aliasname").to_owned());
        if let Some(alias) = alias {
            self.generic(alias, Ctx::Other("an alias"));
            self.renames(alias);
        }
        let reads = !matches!(placement, Placement::Named);
        if placement == Placement::From && name.schema.is_none() && self.ctes.contains(&name.name) {
            self.found.derived.push(own);
            return;
        }
        let relation = match self.tracer.find(&name) {
            Found::Relation(relation) => relation,
            Found::System(table) => {
                self.found.derived.push(own);
                return self.carrier(&table, reads);
            }
            // What is made need not exist, and IF EXISTS may name anything.
            Found::Missing if reads => return self.beyond(format!("relation {name}, which the catalog does not know")),
            Found::Missing => return,
        };
        let table = relation.name.clone();
        if systems::is_system_schema(crate::Dialect::Postgres, &table.schema)
            || systems::carries(crate::Dialect::Postgres, &table, None).is_some()
        {
            self.found.derived.push(own);
            return self.carrier(&table, reads);
        }
        let columns = self.tracer.source_columns(relation);
        self.sources.push(SourceUse { table, placement, alias: own, columns });
        self.places.push(Place {
            at: usize::try_from(range.number("location")).unwrap_or(usize::MAX),
            only: !range.is_set("inh"),
            aliased: alias.is_some(),
            sampled,
        });
    }

    /// A relation that is named without its rows, in a place that is not a name of the grammar.
    pub(super) fn named(&mut self, name: &Name) {
        if let Found::Relation(relation) = self.tracer.find(name) {
            let (table, columns) = (relation.name.clone(), self.tracer.source_columns(relation));
            self.sources.push(SourceUse { alias: table.table.clone(), table, placement: Placement::Named, columns });
            self.places.push(Place::default());
        }
    }

    fn carrier(&mut self, table: &model::TableRef, reads: bool) {
        if let (true, Some(why)) = (reads, systems::carries(crate::Dialect::Postgres, table, None)) {
            self.found.carriers.push(format!("{table} ({why})"));
        }
    }

    /// Columns that an alias renames may be any of the relation's.
    pub(super) fn renames(&mut self, alias: &Branch) {
        if !alias.is_set("colnames") {
            return;
        }
        match alias.names("colnames") {
            Some(names) => self.found.any.extend(names.into_iter().map(str::to_owned)),
            None => self.star(None, UseContext::Other("an alias".to_owned())),
        }
        self.found.derived.push(alias.text("aliasname").to_owned());
    }
}
