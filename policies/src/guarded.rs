//! What the second lock keeps: which columns of a relation somebody is not to see, whoever asks.

use crate::{Names, Policy};
use model::{ColumnRef, Guarded, GuardedColumn, MaskSpec, SourceColumn, TableRef};

impl Policy {
    /// What a database role must not read of a relation, and the masks that may stand there; `None` where nothing of it is
    /// hidden from anybody. The same columns as [`Policy::judge`] hides from who has no exemption. `small_areas` are
    /// [`crate::Keys::small_areas`].
    #[must_use]
    pub fn guarded(
        &self,
        datasource: &str,
        names: Names,
        small_areas: &[u16],
        table: &TableRef,
        columns: &[SourceColumn],
    ) -> Option<Guarded> {
        let hides = |column: &ColumnRef| self.recorded_mask_of(datasource, column, names);
        let own = |column: &SourceColumn| {
            let mut masks: Vec<MaskSpec> = Vec::new();
            for mask in column.same.iter().filter_map(hides) {
                if !masks.contains(&mask) {
                    masks.push(mask);
                }
            }
            let computed = column.computed_from.iter().any(|source| hides(source).is_some());
            let unknown = column.unknown && self.protects(datasource, names);
            GuardedColumn { column: column.clone(), hidden: !masks.is_empty() || computed || unknown, masks }
        };
        let columns: Vec<GuardedColumn> = columns.iter().map(own).collect();
        let areas = columns.iter().flat_map(|own| &own.masks).any(|mask| *mask == MaskSpec::Zip3);
        let small_areas = if areas { small_areas.to_vec() } else { Vec::new() };
        columns.iter().any(|own| own.hidden).then(|| Guarded { table: table.clone(), columns, small_areas })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, same: &[&str], computed_from: &[&str], unknown: bool) -> SourceColumn {
        let of = |name: &&str| ColumnRef {
            schema: "public".to_owned(),
            table: "patients".to_owned(),
            column: (*name).to_owned(),
        };
        SourceColumn {
            name: name.to_owned(),
            type_name: "text".to_owned(),
            nullable: true,
            same: same.iter().map(of).collect(),
            computed_from: computed_from.iter().map(of).collect(),
            unknown,
        }
    }

    #[test]
    fn exemptions_open_no_column_of_the_lock() {
        let text = "[[mask]]\nname = \"ssn\"\ncolumns = [\"*.*.patients.ssn\"]\nwith = \"redact\"\n\
                    unless = [{ groups = [\"doctors\"] }]\n\
                    [[mask]]\nname = \"dob\"\ncolumns = [\"*.*.patients.dob\"]\nwith = \"year\"\n";
        let policy = Policy::parse(&[("p.toml".to_owned(), text.to_owned())]).unwrap();
        let view = TableRef { schema: "public".to_owned(), table: "v".to_owned() };
        let columns = [
            column("id", &["id"], &[], false),
            column("number", &["ssn"], &[], false),
            column("born", &["dob"], &[], false),
            column("both", &["both"], &["ssn", "id"], false),
            column("what", &["what"], &[], true),
        ];
        let guarded = policy.guarded("ehr", Names::Exact, &[36], &view, &columns).unwrap();
        assert_eq!(guarded.named(false).collect::<Vec<_>>(), ["id"]);
        assert_eq!(guarded.columns[2].masks, [MaskSpec::Year]);
        assert!(guarded.small_areas.is_empty(), "no rule shows areas");
        assert!(guarded.columns[3].masks.is_empty() && guarded.columns[4].hidden);
        assert!(policy.guarded("ehr", Names::Exact, &[36], &view, &columns[..1]).is_none());
    }
}
