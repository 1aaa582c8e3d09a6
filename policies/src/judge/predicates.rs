//! What conditions, joins, orderings and groupings may do with protected columns: each tells something of the values
//! through which rows come back, and in which order.

use super::Objection;
use super::scene::Scene;
use crate::rule::{MaskRule, Predicates};
use model::{ColumnRef, MaskSpec, PredicateUse, Refusal, RefusalKind, Usage};

/// What a policy says of one use of a column in a condition, join, ordering or grouping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredicateRuling {
    /// The statement in the text, from 0.
    pub part: usize,
    /// The column and how it is used.
    pub used: PredicateUse,
    /// The rule that hides the column, with what it allows (`equals`); `None` where none does.
    pub rule: Option<(String, &'static str)>,
    /// Whether the use may pass without anybody's approval.
    pub allowed: bool,
}

/// The ruling on each use.
pub(super) fn rulings(part: usize, scene: &Scene<'_>) -> Vec<PredicateRuling> {
    let of = |used: &PredicateUse| {
        let rule = scene.hiding(&used.column);
        PredicateRuling {
            part,
            used: used.clone(),
            rule: rule.map(|rule| (rule.name.clone(), rule.predicates.as_str())),
            allowed: rule.is_none_or(|rule| allows(scene, rule, used)),
        }
    };
    scene.part.predicates.iter().map(of).collect()
}

fn allows(scene: &Scene<'_>, rule: &MaskRule, used: &PredicateUse) -> bool {
    match rule.predicates {
        Predicates::Any => true,
        Predicates::Deny => false,
        Predicates::Equals | Predicates::Approve => match used.usage {
            Usage::Equality => true,
            Usage::Join => joins_within_domain(scene, rule),
            Usage::Comparison | Usage::Order | Usage::Group => false,
        },
    }
}

/// The first objection, a refusal before a hold.
pub(super) fn objection<'a>(scene: &Scene<'a>) -> Option<Objection<'a>> {
    let mut held = None;
    for used in &scene.part.predicates {
        let Some(rule) = scene.hiding(&used.column) else { continue };
        if allows(scene, rule, used) {
            continue;
        }
        if rule.predicates != Predicates::Approve {
            return Some(Objection::Refuse(refusal(used, rule)));
        }
        held = held.or_else(|| Some(Objection::HoldPredicate(rule.name.clone())));
    }
    held
}

/// A join may pass when it compares tokens of one domain: nothing is learnt that the tokens would not show. The facts
/// do not pair the columns of a join, so every joined column of the statement must be of that domain.
fn joins_within_domain(scene: &Scene<'_>, rule: &MaskRule) -> bool {
    let MaskSpec::Token { domain, .. } = &rule.spec else { return false };
    let mut joined: Vec<&ColumnRef> = Vec::new();
    for used in scene.part.predicates.iter().filter(|used| used.usage == Usage::Join) {
        let same = scene.hiding(&used.column).is_some_and(|other| match &other.spec {
            MaskSpec::Token { domain: other, .. } => other == domain,
            _ => false,
        });
        if !same {
            return false;
        }
        joined.push(&used.column);
    }
    joined.len() >= 2 || joined.len() == 1 && scene.tables.len() == 1
}

fn refusal(used: &PredicateUse, rule: &MaskRule) -> Refusal {
    let (column, name) = (&used.column, rule.name.as_str());
    let how = match used.usage {
        Usage::Equality => "compares",
        Usage::Join => "joins on",
        Usage::Comparison => "filters by more than equality on",
        Usage::Order => "orders by",
        Usage::Group => "groups by",
    };
    let hint = if rule.predicates == Predicates::Deny {
        "leave it out of conditions, joins, orderings and groupings; the rule allows none".to_owned()
    } else {
        format!("{} may be compared with = to a literal or parameter, and nothing else", column.column)
    };
    Refusal::new(RefusalKind::Denied, format!("the statement {how} {column}, which rule {name:?} protects"))
        .hint(hint)
        .rule(name.to_owned())
}
