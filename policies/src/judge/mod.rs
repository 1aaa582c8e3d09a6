//! Judge: the verdict on a statement, from its facts.
//!
//! In order: a text that could not be parsed, `[[deny]]`, what the built-in rules forbid (opaque constructs, unprovable
//! COPY, protected data flowing out, forbidden predicates), `[[approve]]`, and then the plan for each output column.

mod class;
mod conditions;
mod flows;
mod outputs;
mod predicates;
mod scene;

use crate::Policy;
use crate::glob::Names;
use crate::rule::Guard;
use class::Fate;
use model::{
    ApprovalNeed, Class, Decision, Facts, Identity, MaskSpec, OutputPlan, Part, Placement, Refusal, RefusalKind, Role,
    SourceMask, Substitution, TableRef, Timestamp, Verdict,
};
pub use predicates::PredicateRuling;
use scene::Scene;
use std::sync::Arc;

/// Answers which columns a table has.
pub trait Schema {
    /// The columns of a table or view in order, `None` if the catalog does not know it. Then it counts as protected
    /// wherever a pattern could match one of its columns.
    fn columns(&self, table: &TableRef) -> Option<Vec<String>>;
}

/// A statement to be judged, and everything a rule may ask about it.
pub struct Question<'a> {
    /// Who asks, proven.
    pub identity: &'a Identity,
    /// What the client calls itself (`application_name`, `program_name`), unproven.
    pub client_app: &'a str,
    /// The datasource's configured name.
    pub datasource: &'a str,
    /// How names compare there.
    pub names: Names,
    /// The statement's text, for rules with `matches`.
    pub sql: &'a [u8],
    /// What the statement does.
    pub facts: &'a Facts,
    /// The catalog.
    pub schema: &'a dyn Schema,
    /// The time, for rules with hours and days.
    pub now: Timestamp,
    /// The three-digit ZIP areas of few people, for masks that are computed by the server ([`crate::Keys::small_areas`]).
    pub small_areas: &'a [u16],
    /// The planner's estimate of rows, where [`Policy::wants_estimate`] asked for one. `None` counts as too many.
    pub estimated_rows: Option<u64>,
}

/// What speaks against a statement. Refusals win over holds.
enum Objection<'a> {
    Refuse(Refusal),
    Hold(&'a Guard),
    /// A protected column's `predicates = "approve"`, by its rule's name.
    HoldPredicate(String),
}

impl Policy {
    /// Judges a statement.
    #[must_use]
    pub fn judge(&self, question: &Question<'_>) -> Verdict {
        if let Some(reason) = &question.facts.unparsed {
            return self.judge_unparsed(question, reason);
        }
        let scenes: Vec<Scene<'_>> = question.facts.parts.iter().map(|part| Scene::new(self, question, part)).collect();
        let fates: Vec<Fate> = scenes.iter().map(class::classify).collect();
        let judged = || scenes.iter().zip(&fates);
        let guard_messages = judged().any(|(scene, fate)| guards_messages(scene, fate));
        let (decision, rule) = match self.objection(question, &scenes, &fates) {
            None => (Decision::Allow, None),
            Some(Objection::Refuse(refusal)) => {
                let rule = refusal.rule.clone();
                (Decision::Deny(refusal), rule)
            }
            Some(Objection::Hold(guard)) => (Decision::Hold(need(guard)), Some(guard.name.clone())),
            Some(Objection::HoldPredicate(rule)) => self.hold_predicate(rule),
        };
        let outputs: Vec<OutputPlan> = judged().map(|(scene, fate)| planned(scene, fate)).collect();
        let class = class_of(&fates, &outputs, guard_messages, question.small_areas);
        let role = self.role(question.identity, &class, judged());
        let recorded = self.recorded(question, &scenes, &outputs);
        Verdict { decision, rule, policy: self.version(), outputs, recorded, guard_messages, class, role }
    }

    /// The role whose rights the statement needs. Whoever is exempt from a mask reads what others may not, and what such a
    /// session has made of it. A row that is changed as it is stored is read as it is stored, whatever else was replaced.
    fn role<'a>(
        &self,
        identity: &Identity,
        class: &Class,
        mut judged: impl Iterator<Item = (&'a Scene<'a>, &'a Fate)>,
    ) -> Role {
        match class {
            // What names protected relations and none of their protected columns.
            Class::Wire if !self.exempts(identity) && judged.all(|(_, fate)| matches!(fate, Fate::Open)) => {
                Role::Masked
            }
            Class::Wire => Role::Wire,
            Class::Untouched if self.exempts(identity) => Role::Wire,
            Class::Untouched => Role::Masked,
            Class::AtSource(_) if judged.any(|(scene, _)| changes_rows(scene) && scene.is_delicate()) => Role::Wire,
            Class::AtSource(_) => Role::Masked,
        }
    }

    /// The plans for the record, where an exemption makes them other than the client's: what one person may see is not to
    /// lie in a file that others read.
    fn recorded(&self, question: &Question<'_>, scenes: &[Scene<'_>], outputs: &[OutputPlan]) -> Vec<OutputPlan> {
        if !self.exempts(question.identity) {
            return Vec::new();
        }
        let plan = |((part, scene), output): ((&Part, &Scene<'_>), &OutputPlan)| {
            let unexempted = Scene::unexempted(self, question, part);
            if scene.is_exempted(&unexempted) { outputs::plan(&unexempted) } else { output.clone() }
        };
        let recorded: Vec<OutputPlan> = question.facts.parts.iter().zip(scenes).zip(outputs).map(plan).collect();
        if recorded == outputs { Vec::new() } else { recorded }
    }

    /// What the policy says of each condition, join, ordering and grouping of a statement: for people who ask why.
    #[must_use]
    pub fn predicate_rulings(&self, question: &Question<'_>) -> Vec<PredicateRuling> {
        let parts = question.facts.parts.iter().enumerate();
        parts.flat_map(|(index, part)| predicates::rulings(index, &Scene::new(self, question, part))).collect()
    }

    /// Whether the verdict needs the planner's estimate of rows: a rule with `rows_over` matches in all else.
    #[must_use]
    pub fn wants_estimate(&self, question: &Question<'_>) -> bool {
        let sized = || self.guards().filter(|guard| guard.when.rows_over.is_some());
        if question.facts.unparsed.is_some() || sized().next().is_none() {
            return false;
        }
        question.facts.parts.iter().any(|part| {
            let scene = Scene::new(self, question, part);
            sized().any(|guard| conditions::matches(guard, &scene, question, true))
        })
    }

    fn objection<'a>(&'a self, question: &Question<'_>, scenes: &[Scene<'a>], fates: &[Fate]) -> Option<Objection<'a>> {
        for guard in &self.rules.denials {
            if scenes.iter().any(|scene| conditions::matches(guard, scene, question, false)) {
                return Some(Objection::Refuse(denial(guard)));
            }
        }
        let mut held = None;
        for (scene, fate) in scenes.iter().zip(fates) {
            let objection = match fate {
                Fate::Refused(refusal) => Some(Objection::Refuse(refusal.clone())),
                Fate::AtSource(..) => flows::of_masks(scene).map(Objection::Refuse),
                Fate::WireOnceApproved(rule) => flows::refusal(scene).map_or_else(
                    || Some(Objection::HoldPredicate(rule.clone())),
                    |refusal| Some(Objection::Refuse(refusal)),
                ),
                Fate::Wire | Fate::Open | Fate::Untouched => flows::refusal(scene).map(Objection::Refuse),
                Fate::ByLineage => {
                    flows::refusal(scene).map(Objection::Refuse).or_else(|| predicates::objection(scene))
                }
            };
            match objection {
                Some(Objection::Refuse(refusal)) => return Some(Objection::Refuse(refusal)),
                Some(objection) => held = held.or(Some(objection)),
                None => {}
            }
        }
        let matching = |guard: &&Guard| scenes.iter().any(|scene| conditions::matches(guard, scene, question, false));
        // Where several rules hold a statement, the one that asks for most people decides, then the first.
        let strictest = self
            .rules
            .approvals
            .iter()
            .filter(matching)
            .rev()
            .max_by_key(|guard| guard.approvers.as_ref().map_or(0, |approvers| approvers.count));
        strictest.map(Objection::Hold).or(held)
    }

    /// A column's `predicates = "approve"` uses the approvers of the first `[[approve]]` rule; without one nobody could
    /// agree, so it is refused.
    fn hold_predicate(&self, rule: String) -> (Decision, Option<String>) {
        match self.rules.approvals.first() {
            Some(guard) => (Decision::Hold(ApprovalNeed { rule: rule.clone(), ..need(guard) }), Some(rule)),
            None => {
                let refusal = Refusal::new(
                    RefusalKind::NeedsApproval,
                    format!("rule {rule:?} wants approval for this condition, but the policy names no approvers"),
                )
                .hint("compare the column with = to a literal or parameter, or add an [[approve]] rule")
                .rule(rule.clone());
                (Decision::Deny(refusal), Some(rule))
            }
        }
    }

    /// Of a text that could not be parsed nothing is known, so it passes only where no rule could have minded.
    fn judge_unparsed(&self, question: &Question<'_>, reason: &str) -> Verdict {
        let protected = self.protects(question.datasource, question.names);
        let minded = self.guards().find(|guard| conditions::could_match(guard, question));
        let decision = if protected || minded.is_some() {
            // A plain syntax error is worded as the database words it: drivers and people know that text.
            let message = if reason.starts_with("syntax error") {
                reason.to_owned()
            } else {
                format!("Affidavit could not read this statement, so it cannot tell what it touches: {reason}")
            };
            let hint = "check its syntax, or write it in plainer SQL; Affidavit reads every statement before the database does";
            Decision::Deny(Refusal::new(RefusalKind::NotUnderstood, message).hint(hint))
        } else {
            Decision::Allow
        };
        let outputs = vec![if protected { OutputPlan::RedactAll(reason.to_owned()) } else { OutputPlan::Untouched }];
        let rule = minded.filter(|_| !protected).map(|guard| guard.name.clone());
        Verdict {
            decision,
            rule,
            policy: self.version(),
            outputs,
            recorded: Vec::new(),
            guard_messages: protected,
            class: model::Class::Wire,
            role: model::Role::Wire,
        }
    }
}

/// Over masks nothing is left that a message could tell, but for a row that is changed as it is stored.
fn guards_messages(scene: &Scene<'_>, fate: &Fate) -> bool {
    match fate {
        Fate::AtSource(..) => changes_rows(scene),
        _ => scene.is_delicate(),
    }
}

fn changes_rows(scene: &Scene<'_>) -> bool {
    scene.part.sources.iter().any(|source| source.placement == Placement::Target)
}

fn planned(scene: &Scene<'_>, fate: &Fate) -> OutputPlan {
    match fate {
        Fate::AtSource(..) if !changes_rows(scene) => OutputPlan::Untouched,
        Fate::Wire | Fate::Open | Fate::WireOnceApproved(_) => outputs::plan_wire(scene),
        _ => outputs::plan(scene),
    }
}

/// The class of a text: that of the part which asks for most.
fn class_of(fates: &[Fate], outputs: &[OutputPlan], guard_messages: bool, small_areas: &[u16]) -> Class {
    let masked = |fate: &Fate| match fate {
        Fate::AtSource(masks, _) => masks.clone(),
        _ => Vec::<SourceMask>::new(),
    };
    let because = fates.iter().find_map(|fate| match fate {
        Fate::AtSource(_, because) => Some(because.clone()),
        _ => None,
    });
    match because {
        Some(because) => {
            let parts: Vec<Vec<SourceMask>> = fates.iter().map(masked).collect();
            let mut masks = parts.iter().flatten().flat_map(|source| &source.columns);
            let areas =
                if masks.any(|(_, mask)| *mask == Some(MaskSpec::Zip3)) { small_areas.to_vec() } else { Vec::new() };
            Class::AtSource(Arc::new(Substitution { parts, because, small_areas: areas }))
        }
        None if guard_messages || outputs.iter().any(|plan| *plan != OutputPlan::Untouched) => Class::Wire,
        None => Class::Untouched,
    }
}

fn denial(guard: &Guard) -> Refusal {
    let refusal = Refusal::new(RefusalKind::Denied, format!("rule {:?} denies this statement", guard.name))
        .rule(guard.name.clone());
    match &guard.hint {
        Some(hint) => refusal.hint(hint.clone()),
        None => refusal.hint("ask whoever keeps the policy, and name this rule"),
    }
}

fn need(guard: &Guard) -> ApprovalNeed {
    let rule = guard.name.clone();
    match &guard.approvers {
        Some(approvers) => ApprovalNeed {
            rule,
            approver_groups: approvers.groups.clone(),
            count: approvers.count,
            valid_for_seconds: approvers.valid_for_seconds,
            window: approvers.window,
            break_glass: approvers.break_glass,
            escalation: approvers.escalation.clone(),
        },
        None => ApprovalNeed { rule, count: 1, ..ApprovalNeed::default() },
    }
}

#[cfg(test)]
mod class_tests;
#[cfg(test)]
mod tests;
