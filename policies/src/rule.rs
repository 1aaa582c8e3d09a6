//! The rules of a policy, read and checked. Their order within a kind is that of the files, sorted by name.

use crate::glob::{ColumnGlob, Names, TableGlob};
use crate::when::When;
use crate::who::Who;
use model::{ColumnRef, Escalation, MaskSpec, TableRef};

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) file: String,
    pub(crate) line: usize,
}

/// What WHERE, JOIN, ORDER BY and GROUP BY may do with a protected column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Predicates {
    /// Compare it with a literal or parameter by equality; join it with a column of the same token domain.
    #[default]
    Equals,
    /// Nothing.
    Deny,
    /// What `equals` allows; anything else needs approval.
    Approve,
    /// Anything.
    Any,
}

impl Predicates {
    pub(crate) const NAMES: [(&'static str, Self); 4] =
        [("equals", Self::Equals), ("deny", Self::Deny), ("approve", Self::Approve), ("any", Self::Any)];

    pub(crate) fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, predicates)| *predicates == self).map_or("", |(name, _)| name)
    }
}

/// `[[mask]]` or `[[detect]]`: how columns are hidden.
#[derive(Clone, Debug)]
pub(crate) struct MaskRule {
    pub(crate) name: String,
    pub(crate) columns: Vec<ColumnGlob>,
    pub(crate) spec: MaskSpec,
    pub(crate) unless: Vec<Who>,
    pub(crate) predicates: Predicates,
    pub(crate) classification: Option<String>,
    pub(crate) origin: Origin,
}

impl MaskRule {
    pub(crate) fn covers(&self, datasource: &str, column: &ColumnRef, names: Names) -> bool {
        let path = [datasource, &column.schema, &column.table, &column.column];
        self.columns.iter().any(|glob| glob.matches(path, names))
    }

    /// Whether some column of the table could be covered.
    pub(crate) fn could_cover(&self, datasource: &str, table: &TableRef, names: Names) -> bool {
        self.columns.iter().any(|glob| glob.could_match([datasource, &table.schema, &table.table], names))
    }

    /// `keep` exempts; everything else protects.
    pub(crate) fn protects(&self) -> bool {
        self.spec != MaskSpec::Keep
    }

    pub(crate) fn is_detect(&self) -> bool {
        matches!(self.spec, MaskSpec::Detect { .. })
    }
}

/// Who may decide on held statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Approvers {
    pub(crate) groups: Vec<String>,
    pub(crate) count: u32,
    pub(crate) valid_for_seconds: u64,
    /// An approver may open a window for every statement of the fingerprint.
    pub(crate) window: bool,
    pub(crate) break_glass: bool,
    pub(crate) escalation: Option<Escalation>,
}

/// `[[deny]]` (no approvers) or `[[approve]]`.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) unless: Vec<Who>,
    /// What the refused person should do instead.
    pub(crate) hint: Option<String>,
    pub(crate) approvers: Option<Approvers>,
    pub(crate) origin: Origin,
}

/// Whether any pattern matches the table.
pub(crate) fn any_table(globs: &[TableGlob], datasource: &str, table: &TableRef, names: Names) -> bool {
    globs.iter().any(|glob| glob.matches([datasource, &table.schema, &table.table], names))
}

/// Whether any pattern matches the column.
pub(crate) fn any_column(globs: &[ColumnGlob], datasource: &str, column: &ColumnRef, names: Names) -> bool {
    let path = [datasource, &column.schema, &column.table, &column.column];
    globs.iter().any(|glob| glob.matches(path, names))
}
