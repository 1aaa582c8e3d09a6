//! One statement with what the policy knows of the tables and columns in it.

use super::Question;
use crate::Policy;
use crate::rule::MaskRule;
use crate::who::any_matches;
use model::{ColumnMask, ColumnRef, Lineage, MaskSpec, Outputs, Part, SourceColumn, TableRef, Verb};

/// A table that the statement touches, and whether it holds something protected.
pub(super) struct Involved<'a> {
    pub(super) table: &'a TableRef,
    /// Hidden from this identity.
    pub(super) protected: bool,
    /// The classifications of its columns.
    pub(super) classifications: Vec<&'a str>,
}

/// One statement of a text, with its policy.
pub(super) struct Scene<'a> {
    pub(super) policy: &'a Policy,
    pub(super) part: &'a Part,
    pub(super) tables: Vec<Involved<'a>>,
    /// What of it could reach tables that are not listed, if anything could.
    pub(super) opaque: Option<&'a str>,
    /// Whom exemptions are held against; nobody is exempt where there is none.
    identity: Option<&'a model::Identity>,
    datasource: &'a str,
    names: crate::Names,
}

impl<'a> Scene<'a> {
    pub(super) fn new(policy: &'a Policy, question: &Question<'a>, part: &'a Part) -> Self {
        Self::of(policy, question, part, Some(question.identity))
    }

    /// The same statement as the record sees it: nobody is exempt from a mask.
    pub(super) fn unexempted(policy: &'a Policy, question: &Question<'a>, part: &'a Part) -> Self {
        Self::of(policy, question, part, None)
    }

    fn of(policy: &'a Policy, question: &Question<'a>, part: &'a Part, identity: Option<&'a model::Identity>) -> Self {
        let mut scene = Self {
            policy,
            part,
            tables: Vec::new(),
            opaque: None,
            identity,
            datasource: question.datasource,
            names: question.names,
        };
        if policy.protects(question.datasource, question.names) && part.uses.is_some() {
            // The engine's own relations that show data of tables: what of them is not proven is redacted, as ever.
            scene.opaque = scene.beyond().or_else(|| part.uses.as_ref()?.carriers.first().map(String::as_str));
        } else if policy.protects(question.datasource, question.names) {
            scene.opaque = part.opaque.iter().find(|opaque| opaque.reaches_data).map(|opaque| opaque.what.as_str());
            if scene.opaque.is_none() && part.verb == Verb::Other {
                scene.opaque = Some(part.opaque.first().map_or("an unknown kind of statement", |opaque| &opaque.what));
            }
        }
        for used in &part.tables {
            if !scene.tables.iter().any(|known| *known.table == used.table) {
                let involved = scene.involve(&used.table, question);
                scene.tables.push(involved);
            }
        }
        scene
    }

    fn involve(&self, table: &'a TableRef, question: &Question<'a>) -> Involved<'a> {
        let rules = &self.policy.rules.masks;
        let near: Vec<&MaskRule> =
            rules.iter().filter(|rule| rule.could_cover(self.datasource, table, self.names)).collect();
        let mut involved = Involved { table, protected: false, classifications: Vec::new() };
        if near.is_empty() {
            return involved;
        }
        let mut deciding: Vec<&MaskRule> = Vec::new();
        match question.schema.columns(table) {
            Some(columns) => {
                let mut path =
                    ColumnRef { schema: table.schema.clone(), table: table.table.clone(), column: String::new() };
                for column in columns {
                    path.column = column;
                    deciding.extend(near.iter().find(|rule| rule.covers(self.datasource, &path, self.names)));
                }
            }
            // Not in the catalog: every rule that could cover a column of it is taken to do so.
            None => deciding = near,
        }
        involved.protected = deciding.iter().any(|rule| self.hides(rule));
        involved.classifications = deciding.iter().filter_map(|rule| rule.classification.as_deref()).collect();
        involved
    }

    /// Whether an exemption lets this identity see more of the statement than `unexempted` does.
    pub(super) fn is_exempted(&self, unexempted: &Self) -> bool {
        self.tables.iter().zip(&unexempted.tables).any(|(mine, full)| mine.protected != full.protected)
            || self.columns().any(|column| self.hiding(column).is_none() && unexempted.hiding(column).is_some())
    }

    /// Whether the rule hides anything from this identity.
    pub(super) fn hides(&self, rule: &MaskRule) -> bool {
        rule.protects() && !self.identity.is_some_and(|identity| any_matches(&rule.unless, identity))
    }

    /// The rules that cover a column: its own, and those of the columns that hold the same values.
    fn rules_for(&self, column: &'a ColumnRef) -> impl Iterator<Item = &'a MaskRule> {
        let own = std::iter::once(column);
        let kin = self.part.kin.iter().filter(move |kin| kin.column == *column).map(|kin| &kin.also);
        own.chain(kin).filter_map(|column| self.policy.rule_for(self.datasource, column, self.names))
    }

    /// The rule that decides on a column: one that hides it from this identity before one that does not.
    pub(super) fn rule_for(&self, column: &'a ColumnRef) -> Option<&'a MaskRule> {
        self.hiding(column).or_else(|| self.rules_for(column).next())
    }

    /// The rule that hides the column from this identity.
    pub(super) fn hiding(&self, column: &'a ColumnRef) -> Option<&'a MaskRule> {
        self.rules_for(column).find(|rule| self.hides(rule))
    }

    /// The rule that hides the column from anybody at all.
    pub(super) fn protecting(&self, column: &'a ColumnRef) -> Option<&'a MaskRule> {
        self.rules_for(column).find(|rule| rule.protects())
    }

    /// What of the statement may reach data that it does not name, where something is protected.
    pub(super) fn beyond(&self) -> Option<&'a str> {
        let uses = self.part.uses.as_ref()?;
        if !self.policy.protects(self.datasource, self.names) {
            return None;
        }
        uses.beyond.first().map(String::as_str)
    }

    /// Whether names compare without regard to case.
    pub(super) fn folds_names(&self) -> bool {
        self.names == crate::Names::Folded
    }

    /// How a column of a named relation is hidden from this identity, and the rule that says so.
    pub(super) fn source_mask(&self, column: &'a SourceColumn) -> Option<(MaskSpec, Option<&'a MaskRule>)> {
        let hides = |column: &ColumnRef| {
            self.policy.rule_for(self.datasource, column, self.names).filter(|rule| self.hides(rule))
        };
        if let Some(rule) = column.same.iter().find_map(hides) {
            return Some((rule.spec.clone(), Some(rule)));
        }
        if let Some(rule) = column.computed_from.iter().find_map(hides) {
            return Some((MaskSpec::Redact, Some(rule)));
        }
        (column.unknown && self.policy.protects(self.datasource, self.names)).then_some((MaskSpec::Redact, None))
    }

    /// What happens to the column if it is returned as it is.
    pub(super) fn mask(&self, column: &'a ColumnRef) -> ColumnMask {
        let rule = self.rule_for(column);
        let mask = rule.map(|rule| if self.hides(rule) { rule.spec.clone() } else { MaskSpec::Keep });
        ColumnMask { mask, rule: rule.map(|rule| rule.name.clone()), source: Some(column.clone()) }
    }

    /// The first table with something that is hidden from this identity.
    pub(super) fn protected_table(&self) -> Option<&'a TableRef> {
        self.tables.iter().find(|involved| involved.protected).map(|involved| involved.table)
    }

    /// Whether protected data may be near: the statement's messages are templates then.
    pub(super) fn is_delicate(&self) -> bool {
        self.opaque.is_some()
            || self.protected_table().is_some()
            || self.columns().any(|column| self.hiding(column).is_some())
    }

    /// Every column that the statement returns, compares or copies.
    pub(super) fn columns(&self) -> impl Iterator<Item = &'a ColumnRef> {
        let part = self.part;
        let outputs = match &part.outputs {
            Outputs::Known(columns) => columns.as_slice(),
            Outputs::None | Outputs::Unknown(_) => &[],
        };
        let returned = outputs.iter().flat_map(|output| match &output.lineage {
            Lineage::Bare(column) => std::slice::from_ref(column),
            Lineage::Derived(columns) => columns.as_slice(),
            Lineage::Unknown(_) => &[],
        });
        let compared = part.predicates.iter().map(|used| &used.column);
        let copied = part.writes.iter().flat_map(|flow| flow.sources.iter().chain(&flow.target));
        returned.chain(compared).chain(copied)
    }
}
