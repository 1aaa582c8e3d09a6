//! The plan for a statement's result: which column passes, which is transformed, which is redacted.

use super::scene::Scene;
use model::{ColumnMask, Lineage, MaskSpec, OutputColumn, OutputPlan, Outputs};

/// The plan for one statement.
pub(super) fn plan(scene: &Scene<'_>) -> OutputPlan {
    let doubt = scene.opaque.map(str::to_owned).or_else(|| scene.protected_table().map(ToString::to_string));
    let covered = |output: &OutputColumn| match &output.lineage {
        Lineage::Bare(column) => scene.rule_for(column).is_some(),
        Lineage::Derived(columns) => columns.iter().any(|column| scene.rule_for(column).is_some()),
        Lineage::Unknown(_) => false,
    };
    match (&scene.part.outputs, doubt) {
        (Outputs::None, None) => OutputPlan::Untouched,
        // It returns no rows; if some come all the same, they do not fit the plan, and the session ends.
        (Outputs::None, Some(_)) => OutputPlan::Columns(Vec::new()),
        (Outputs::Unknown(_), None) => OutputPlan::Untouched,
        (Outputs::Unknown(reason), Some(what)) => OutputPlan::RedactAll(format!("{reason}, and {what} is involved")),
        (Outputs::Known(columns), None) if !columns.iter().any(covered) => OutputPlan::Untouched,
        (Outputs::Known(columns), doubt) => {
            OutputPlan::Columns(columns.iter().map(|output| column(scene, output, doubt.is_some())).collect())
        }
    }
}

/// The plan for a statement of the wire class: what is computed hangs on protected columns in ways that their rules allow
/// and no more, so only bare columns are masked.
pub(super) fn plan_wire(scene: &Scene<'_>) -> OutputPlan {
    match plan(scene) {
        OutputPlan::Columns(masks) => {
            let Outputs::Known(columns) = &scene.part.outputs else { return OutputPlan::Columns(masks) };
            let one = |(mask, output): (ColumnMask, &OutputColumn)| match &output.lineage {
                Lineage::Derived(_) => ColumnMask { mask: None, rule: None, source: None },
                Lineage::Bare(_) | Lineage::Unknown(_) => mask,
            };
            OutputPlan::Columns(masks.into_iter().zip(columns).map(one).collect())
        }
        other => other,
    }
}

fn column<'a>(scene: &Scene<'a>, output: &'a OutputColumn, doubt: bool) -> ColumnMask {
    match &output.lineage {
        Lineage::Bare(source) => scene.mask(source),
        Lineage::Derived(sources) => match sources.iter().find_map(|source| scene.hiding(source)) {
            Some(rule) => redact(rule.name.clone()),
            None => exempt(scene, sources),
        },
        Lineage::Unknown(reason) if doubt => redact(format!("unproven origin: {reason}")),
        Lineage::Unknown(_) => ColumnMask { mask: None, rule: None, source: None },
    }
}

/// Computed from columns of which none is hidden from this identity: it passes, under the exemption's name if one holds.
fn exempt<'a>(scene: &Scene<'a>, sources: &'a [model::ColumnRef]) -> ColumnMask {
    let rule = sources.iter().find_map(|source| scene.rule_for(source)).map(|rule| rule.name.clone());
    ColumnMask { mask: rule.is_some().then_some(MaskSpec::Keep), rule, source: None }
}

fn redact(rule: String) -> ColumnMask {
    ColumnMask { mask: Some(MaskSpec::Redact), rule: Some(rule), source: None }
}
