//! Whether a `[[deny]]` or `[[approve]]` rule speaks of a statement.
//!
//! What the analysis could not bound counts as touching any table and column: a rule is not escaped by hiding what it
//! asks about inside a routine.

use super::Question;
use super::scene::Scene;
use crate::rule::{Guard, any_column, any_table};
use crate::when::When;
use crate::who::any_matches;

/// Whether all conditions hold. With `sized`, `rows_over` is taken to hold: the question is whether it matters.
pub(super) fn matches(guard: &Guard, scene: &Scene<'_>, question: &Question<'_>, sized: bool) -> bool {
    let when = &guard.when;
    could_match(guard, question)
        && (when.verbs.is_empty() || when.verbs.iter().any(|verb| verb.matches(scene.part.verb)))
        && touches(when, scene, question)
        && when.unfiltered.is_none_or(|asked| asked != scene.part.filtered)
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
        && when.matches.as_ref().is_none_or(|regex| regex.is_match(&String::from_utf8_lossy(question.sql)))
}

fn touches(when: &When, scene: &Scene<'_>, question: &Question<'_>) -> bool {
    let (datasource, names) = (question.datasource, question.names);
    let anywhere = scene.part.opaque.iter().any(|opaque| opaque.reaches_data);
    let table = || scene.tables.iter().any(|involved| any_table(&when.tables, datasource, involved.table, names));
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
        && (when.columns.is_empty() || anywhere || column() || hidden_column())
        && (when.classifications.is_empty() || anywhere || classified())
        && (when.predicates.is_empty() || anywhere || predicate())
        && when.protected.is_none_or(|asked| asked == scene.is_delicate())
}
