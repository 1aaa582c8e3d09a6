//! What no rule can allow: rows that could not be masked, and protected data stored where nobody would mask it.

use super::scene::Scene;
use crate::rule::MaskRule;
use model::{Lineage, MaskSpec, Outputs, Refusal, RefusalKind, Verb, WriteFlow};

/// Why the statement may not run, if it may not.
pub(super) fn refusal(scene: &Scene<'_>) -> Option<Refusal> {
    opaque(scene).or_else(|| copy_out(scene)).or_else(|| scene.part.writes.iter().find_map(|flow| copied(scene, flow)))
}

/// The same for a statement that sees masks: what it copies are masks, but for columns that are hidden from others and not
/// from this identity.
pub(super) fn of_masks(scene: &Scene<'_>) -> Option<Refusal> {
    let raw = |flow: &&WriteFlow| !flow.sources.iter().any(|source| scene.hiding(source).is_some());
    scene.part.writes.iter().filter(raw).find_map(|flow| copied(scene, flow))
}

/// A construct that could reach protected tables. Where it only produces rows, these are redacted; where it could also
/// act (a routine, a block, a write), it is refused, because nothing would show what it did.
fn opaque(scene: &Scene<'_>) -> Option<Refusal> {
    let what = scene.opaque?;
    // A SET has no rows to redact: what it stores in a variable would be read later.
    let only_rows = matches!(scene.part.verb, Verb::Select | Verb::Show | Verb::Explain);
    if only_rows && scene.part.calls.iter().all(|call| call.pure) {
        return None;
    }
    let refusal = Refusal::new(
        RefusalKind::NotUnderstood,
        format!("Affidavit cannot tell what {what} reaches, and this datasource holds protected data"),
    );
    Some(refusal.hint("write the statement without it, naming the tables it needs"))
}

/// COPY sends rows without saying what its columns are: each must be proven beforehand.
fn copy_out(scene: &Scene<'_>) -> Option<Refusal> {
    if scene.part.verb != Verb::CopyOut {
        return None;
    }
    let table = scene.protected_table().map(ToString::to_string).or_else(|| scene.opaque.map(str::to_owned))?;
    let reason = match &scene.part.outputs {
        Outputs::Unknown(reason) => reason,
        Outputs::Known(columns) => columns.iter().find_map(|column| match &column.lineage {
            Lineage::Unknown(reason) => Some(reason),
            Lineage::Bare(_) | Lineage::Derived(_) => None,
        })?,
        Outputs::None => return None,
    };
    let refusal = Refusal::new(
        RefusalKind::NotUnderstood,
        format!("COPY reads {table}, which holds protected data, and its columns could not be worked out: {reason}"),
    );
    Some(refusal.hint("name the columns: COPY (SELECT a, b FROM t) TO STDOUT"))
}

/// Protected data that would be stored where it is not protected. Whoever is exempt from a mask is not exempt here:
/// others would read the copy.
fn copied<'a>(scene: &Scene<'a>, flow: &'a WriteFlow) -> Option<Refusal> {
    let kept_safe = flow.target.as_ref().and_then(|target| scene.protecting(target));
    let (source, rule) = flow.sources.iter().find_map(|source| {
        let rule = scene.protecting(source)?;
        (!kept_safe.is_some_and(|target| is_as_safe(target, rule))).then_some((source, rule))
    })?;
    let into = match &flow.target {
        Some(target) if kept_safe.is_some() => format!("{target}, where it is masked less"),
        Some(target) => format!("{target}, where it is not masked"),
        None => "a variable, file or object that is not masked".to_owned(),
    };
    let refusal =
        Refusal::new(RefusalKind::Denied, format!("this would copy {source}, which is protected, into {into}"));
    let hint = match &flow.target {
        Some(target) => format!("leave {} out, or have a [[mask]] rule cover {target} too", source.column),
        None => format!("leave {} out", source.column),
    };
    Some(refusal.hint(hint).rule(rule.name.clone()))
}

/// Whether a value protected by `source` is hidden no less under `target`: the same transform, or one that keeps
/// nothing of the value, for no more people.
fn is_as_safe(target: &MaskRule, source: &MaskRule) -> bool {
    let hides_all = matches!(
        target.spec,
        MaskSpec::Redact | MaskSpec::Null | MaskSpec::Token { .. } | MaskSpec::Hash | MaskSpec::FakeName
    );
    let exempts_no_more = target.unless.iter().all(|who| source.unless.contains(who));
    (hides_all || target.spec == source.spec) && exempts_no_more
}
