//! What a walk found, held against the catalog: which relations the names are, and what may reach further than names tell.

use super::functions::nature;
use super::source::Source;
use super::walk::{Named, Walked};
use crate::lineage::{Found, Tracer};
use crate::systems;
use model::{ColumnUses, Part, Placement, SourceUse, TableRef, UseContext};
use std::sync::Arc;

/// The relations that a statement names, in the order of the walk, and how it uses columns; `None` for these where the
/// engine's own relations are all that it names and some of them show data: then lineage decides.
///
/// # Errors
/// The statement computes with what the engine's own relations show, or reads them beside stored ones: neither can be masked.
pub(super) fn sources(
    walked: Walked,
    source: &Source,
    tracer: &mut Tracer<'_>,
) -> Result<(Vec<SourceUse>, Option<ColumnUses>), String> {
    let missed = walked.missed(source, |word| tracer.catalog.spells_relation(word)).map(str::to_owned);
    let Walked { sources: named, mut uses, calls, .. } = walked;
    if let Some(word) = missed {
        uses.beyond.push(format!("the name {word}, which stands where no relation was looked for"));
    }
    let mut stored = false;
    let mut carriers = Vec::new();
    let mut invisible = false;
    let mut sources = Vec::with_capacity(named.len());
    for Named { name, placement, alias, .. } in named {
        let (table, columns) = match tracer.find(&name) {
            Found::Relation(relation) if systems::is_system_schema(tracer.dialect, &relation.name.schema) => {
                carriers.push(relation.name.clone());
                (relation.name.clone(), Arc::default())
            }
            Found::Relation(relation) => {
                stored = true;
                invisible |= relation.columns.iter().any(|column| column.invisible);
                (relation.name.clone(), tracer.named_columns(relation))
            }
            Found::System(table) => {
                carriers.push(table.clone());
                (table, Arc::default())
            }
            Found::Missing => {
                if placement != Placement::Named {
                    uses.beyond.push(format!("relation {name}, which the catalog does not know"));
                }
                (TableRef { schema: name.schema.unwrap_or_default(), table: name.name }, Arc::default())
            }
        };
        sources.push(SourceUse { table, placement, alias, columns });
    }
    for call in calls {
        if nature(tracer.catalog, &call, &tracer.path).is_none() {
            uses.beyond.push(format!("function {call}"));
        }
    }
    if invisible {
        // What `*` stands for is the server's to say: over a projection it is what was put there.
        for used in uses.uses.iter_mut().filter(|used| used.name.is_none()) {
            used.context = UseContext::Other("* over a table with invisible columns".to_owned());
        }
    }
    carriers.retain(|table| systems::carries(tracer.dialect, table, None).is_some());
    let Some(first) = carriers.first() else { return Ok((sources, Some(uses))) };
    if stored {
        return Err(format!("{first} is read beside other tables: read the two in statements of their own"));
    }
    if let Some((table, why)) = computed(&uses, &carriers, tracer) {
        return Err(format!(
            "a condition or computation over {table}, which shows {why}: read its columns as they are"
        ));
    }
    Ok((sources, None))
}

/// A relation of the engine's own with whose values the statement does something else than show them.
fn computed<'c>(
    uses: &ColumnUses,
    carriers: &'c [TableRef],
    tracer: &Tracer<'_>,
) -> Option<(&'c TableRef, &'static str)> {
    // What a column is called elsewhere in the statement stands for it.
    let mut aliases: Vec<(&str, &str)> = Vec::new();
    for (used, alias) in &uses.renamed {
        aliases.extend(used.name.as_deref().map(|name| (name, alias.as_str())));
    }
    let carries = |name: &str| {
        let mut names = vec![name];
        let mut at = 0;
        while let Some(own) = names.get(at).copied() {
            at += 1;
            for (from, to) in &aliases {
                if to.eq_ignore_ascii_case(own) && !names.contains(from) {
                    names.push(from);
                }
            }
        }
        let any = uses.any.iter().any(|any| names.iter().any(|own| own.eq_ignore_ascii_case(any)));
        carriers.iter().find_map(|table| {
            let why = names.iter().find_map(|own| systems::carries(tracer.dialect, table, Some(own)));
            why.or_else(|| systems::carries(tracer.dialect, table, None).filter(|_| any)).map(|why| (table, why))
        })
    };
    uses.uses.iter().filter(|used| used.context != UseContext::Output).find_map(|used| match &used.name {
        Some(name) => carries(name),
        None => carriers.iter().find_map(|table| Some((table, systems::carries(tracer.dialect, table, None)?))),
    })
}

impl Walked {
    /// The relations named, in the order of a part's sources.
    pub(super) fn stored(&self, _part: &Part) -> impl Iterator<Item = &Named> {
        self.sources.iter()
    }
}
