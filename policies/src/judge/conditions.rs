//! Whether a `[[deny]]` or `[[approve]]` rule speaks of a statement.
//!
//! What the analysis could not bound counts as touching any table and column: a rule is not escaped by hiding what it
//! asks about inside a routine.

use super::Question;
use super::scene::Scene;
use crate::glob::TableGlob;
use crate::rule::{Guard, any_column, any_table};
use crate::when::{VerbClass, When};
use crate::who::any_matches;
use model::{Access, Part, TableRead};

/// Whether all conditions hold. With `sized`, `rows_over` is taken to hold: the question is whether it matters.
pub(super) fn matches(guard: &Guard, scene: &Scene<'_>, question: &Question<'_>, sized: bool) -> bool {
    let when = &guard.when;
    could_match(guard, question)
        && (when.verbs.is_empty() || when.verbs.iter().any(|verb| does(*verb, scene.part)))
        && touches(when, scene, question)
        && when.unfiltered.is_none_or(|asked| asked == is_unfiltered(when, scene, question))
        && when.unlimited.is_none_or(|asked| asked != scene.part.limited)
        && (sized || when.rows_over.is_none_or(|limit| question.estimated_rows.is_none_or(|rows| rows > limit)))
}

/// Whether the conditions hold that do not look at what the statement does.
pub(super) fn could_match(guard: &Guard, question: &Question<'_>) -> bool {
    let when = &guard.when;
    let datasource = |pattern: &String| crate::glob::matches(pattern, question.datasource, question.names);
    when.who.matches(question.identity)
        && !any_matches(&guard.unless, question.identity)
        && (when.datasources.is_empty() || when.datasources.iter().any(datasource))
        && when.client_app.as_ref().is_none_or(|regex| regex.is_match(question.client_app))
        && when.window.as_ref().is_none_or(|window| window.contains(question.now))
        && when.matches.as_ref().is_none_or(|regex| {
            // A comment between two words hides them from the text, but not from the text without its comments.
            regex.is_match(&String::from_utf8_lossy(question.sql)) || regex.is_match(&question.facts.normalized)
        })
}

/// Whether the statement does it, by itself or by something within it.
fn does(verb: VerbClass, part: &Part) -> bool {
    verb.matches(part.verb) || part.verbs.iter().any(|within| verb.matches(*within))
}

/// Whether some table that the rule asks about is read without a filter. What cannot be bounded may read all of it.
fn is_unfiltered(when: &When, scene: &Scene<'_>, question: &Question<'_>) -> bool {
    let (datasource, names) = (question.datasource, question.names);
    let everywhere = when.tables.is_empty() && when.reads.is_empty();
    let asked = |read: &TableRead| {
        everywhere
            || any_table(&when.tables, datasource, &read.table, names)
            || any_table(&when.reads, datasource, &read.table, names)
    };
    scene.part.opaque.iter().any(|opaque| opaque.reaches_data)
        || scene.part.reads.iter().any(|read| asked(read) && !when.is_filter(read, datasource, names))
}

fn touches(when: &When, scene: &Scene<'_>, question: &Question<'_>) -> bool {
    let (datasource, names) = (question.datasource, question.names);
    let anywhere = scene.part.opaque.iter().any(|opaque| opaque.reaches_data);
    let table = || scene.tables.iter().any(|involved| any_table(&when.tables, datasource, involved.table, names));
    let used = |globs: &[TableGlob], reading: bool| {
        let mut of_kind = scene.part.tables.iter().filter(|used| (used.access == Access::Read) == reading);
        of_kind.any(|used| any_table(globs, datasource, &used.table, names))
    };
    let column = || scene.columns().any(|column| any_column(&when.columns, datasource, column, names));
    // Unknown columns of a table: the columns asked about may be among them.
    let hidden_column = || {
        let unknown = matches!(scene.part.outputs, model::Outputs::Unknown(_));
        let near = |involved: &super::scene::Involved<'_>| {
            let path = [datasource, involved.table.schema.as_str(), involved.table.table.as_str()];
            when.columns.iter().any(|glob| glob.could_match(path, names))
        };
        unknown && scene.tables.iter().any(near)
    };
    let classified = || {
        let named = |name: &str| when.classifications.iter().any(|asked| asked == name);
        scene.columns().filter_map(|column| scene.rule_for(column)?.classification.as_deref()).any(named)
            || matches!(scene.part.outputs, model::Outputs::Unknown(_))
                && scene.tables.iter().flat_map(|involved| &involved.classifications).any(|name| named(name))
    };
    let predicate = || {
        let asked =
            |used: &model::PredicateUse| when.predicates.contains(&used.usage) && scene.hiding(&used.column).is_some();
        scene.part.predicates.iter().any(asked)
    };
    (when.tables.is_empty() || anywhere || table())
        && (when.reads.is_empty() || anywhere || used(&when.reads, true))
        && (when.writes.is_empty() || anywhere || used(&when.writes, false))
        && (when.columns.is_empty() || anywhere || column() || hidden_column())
        && (when.classifications.is_empty() || anywhere || classified())
        && (when.predicates.is_empty() || anywhere || predicate())
        && when.protected.is_none_or(|asked| asked == scene.is_delicate())
}
