//! The rules held against a catalog, for people: what a pattern matches, and which rule covers a column.

use crate::Policy;
use crate::file::spec_text;
use crate::glob::{ColumnGlob, Names};
use crate::rule::MaskRule;
use model::ColumnRef;

/// A pattern of a rule that hides columns.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    rule: &'a MaskRule,
    glob: &'a ColumnGlob,
}

impl Pattern<'_> {
    /// The rule's name.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule.name
    }

    /// The file and the line that the rule begins at.
    #[must_use]
    pub fn place(&self) -> (&str, usize) {
        (&self.rule.origin.file, self.rule.origin.line)
    }

    /// As policy files write it.
    #[must_use]
    pub fn text(&self) -> String {
        self.glob.to_string()
    }

    /// Whether it names a table, and not one of the engines' own: such a pattern is meant for something that is there.
    #[must_use]
    pub fn names_a_table(&self) -> bool {
        self.glob.names_a_table()
    }

    /// Whether it could mean columns of the datasource.
    #[must_use]
    pub fn could_mean(&self, datasource: &str, names: Names) -> bool {
        self.glob.could_match([datasource], names)
    }

    /// Whether it matches the column.
    #[must_use]
    pub fn matches(&self, datasource: &str, column: &ColumnRef, names: Names) -> bool {
        self.glob.matches([datasource, &column.schema, &column.table, &column.column], names)
    }
}

/// The rule that covers a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covering<'a> {
    /// Its name.
    pub rule: &'a str,
    /// How it hides the column, as policy files write it; what it finds, for `[[detect]]`.
    pub how: String,
    /// Whether it hides the column from anybody; `keep` does not.
    pub protects: bool,
}

impl Policy {
    /// Every pattern of every rule that hides columns.
    pub fn patterns(&self) -> impl Iterator<Item = Pattern<'_>> {
        self.rules.masks.iter().flat_map(|rule| rule.columns.iter().map(move |glob| Pattern { rule, glob }))
    }

    /// The rule that decides on a column, whoever asks; `None` if none covers it.
    #[must_use]
    pub fn covering(&self, datasource: &str, column: &ColumnRef, names: Names) -> Option<Covering<'_>> {
        let rule = self.rule_for(datasource, column, names)?;
        let how = match &rule.spec {
            model::MaskSpec::Detect { find } => format!("detect {}", find.join(", ")),
            spec => spec_text(spec),
        };
        Some(Covering { rule: &rule.name, how, protects: rule.protects() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_say_what_they_are_meant_for() {
        let text = "[[mask]]\nname = \"m\"\ncolumns = [\"*.*.patients.ssn\", \"*.*.*.ssn\", \"crm.*.p*.x\", \"*.pg_catalog.pg_stats.y\"]\nwith = \"keep\"";
        let policy = Policy::parse(&[("a.toml".to_owned(), text.to_owned())]).unwrap();
        let patterns: Vec<_> = policy.patterns().collect();
        assert_eq!(patterns.iter().map(Pattern::names_a_table).collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!(
            patterns.iter().map(|p| p.could_mean("ehr", Names::Exact)).collect::<Vec<_>>(),
            [true, true, false, true]
        );
        let ssn = ColumnRef { schema: "s".to_owned(), table: "patients".to_owned(), column: "ssn".to_owned() };
        assert!(patterns[0].matches("ehr", &ssn, Names::Exact) && !patterns[2].matches("ehr", &ssn, Names::Exact));
        let covering = policy.covering("ehr", &ssn, Names::Exact).unwrap();
        assert_eq!((covering.rule, covering.how.as_str(), covering.protects), ("m", "\"keep\"", false));
    }
}
