//! Which reads are filtered, defined by what filters them: a conjunct that holds for every row that comes back and binds a
//! column to given values, by `=` or IN. Whatever else a condition says may be true of every row, so nothing else counts.

use super::Tracer;
use super::scope::{Item, Namespace};
use super::taint::Taint;
use crate::Dialect;
use crate::ir::Expr;
use model::{BoundColumn, TableRead, TableRef, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// A column of a FROM item.
pub(crate) type Place = (usize, String);

/// What the conditions over one FROM list bind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    /// Columns that equal one of so many values.
    values: Vec<(Place, u32)>,
    /// The second equals the first, wherever rows of its item come back.
    equal: Vec<(Place, Place)>,
}

impl Bindings {
    pub(crate) fn extend(&mut self, other: Self) {
        self.values.extend(other.values);
        self.equal.extend(other.equal);
    }

    /// Keeps what says something about rows of these items: a condition of an outer join limits the side that it may leave
    /// empty, and no other.
    pub(crate) fn about(mut self, items: &BTreeSet<usize>) -> Self {
        self.values.retain(|((item, _), _)| items.contains(item));
        self.equal.retain(|(_, (item, _))| items.contains(item));
        self
    }

    /// Two columns of the same name that a join makes equal.
    pub(crate) fn join(&mut self, left: &Place, right: &Place) {
        self.equal.push((left.clone(), right.clone()));
        self.equal.push((right.clone(), left.clone()));
    }

    /// How many values each column may have.
    fn settled(&self) -> BTreeMap<&Place, u32> {
        let mut settled: BTreeMap<&Place, u32> = BTreeMap::new();
        let mut from: BTreeMap<&Place, Vec<&Place>> = BTreeMap::new();
        for (one, other) in &self.equal {
            from.entry(one).or_default().push(other);
        }
        let mut pending: Vec<(&Place, u32)> = self.values.iter().map(|(place, values)| (place, *values)).collect();
        while let Some((place, values)) = pending.pop() {
            let known = settled.entry(place).or_insert(u32::MAX);
            if values < *known {
                *known = values;
                pending.extend(from.get(place).into_iter().flatten().map(|other| (*other, values)));
            }
        }
        settled
    }
}

impl Tracer<'_> {
    /// What a condition binds among `names`.
    pub(super) fn bindings(&self, condition: &Expr, names: &Namespace) -> Bindings {
        let mut found = Bindings::default();
        let mut conjuncts = vec![condition];
        while let Some(conjunct) = conjuncts.pop() {
            match conjunct {
                Expr::And(items) => conjuncts.extend(items),
                Expr::Equal(left, right) => self.bind_equal(left, right, names, &mut found),
                Expr::In(needle, list) => self.bind_list(needle, list, names, &mut found),
                _ => {}
            }
        }
        found
    }

    fn bind_equal(&self, left: &Expr, right: &Expr, names: &Namespace, found: &mut Bindings) {
        if let (Expr::Row(lefts), Expr::Row(rights)) = (left, right)
            && lefts.len() == rights.len()
        {
            for (left, right) in lefts.iter().zip(rights) {
                self.bind_equal(left, right, names, found);
            }
            return;
        }
        match (self.place(left, names), self.place(right, names)) {
            (Some((one, taint)), None) if self.is_value(right, taint) => found.values.push((one, 1)),
            (None, Some((other, taint))) if self.is_value(left, taint) => found.values.push((other, 1)),
            (Some((one, first)), Some((other, second))) if one.0 != other.0 && self.compare_alike(first, second) => {
                found.join(&one, &other);
            }
            _ => {}
        }
    }

    fn bind_list(&self, needle: &Expr, list: &[Expr], names: &Namespace, found: &mut Bindings) {
        let values = u32::try_from(list.len()).unwrap_or(u32::MAX);
        if let Expr::Row(needles) = needle {
            let rows: Option<Vec<&Vec<Expr>>> = list
                .iter()
                .map(|item| match item {
                    Expr::Row(items) if items.len() == needles.len() => Some(items),
                    _ => None,
                })
                .collect();
            let Some(rows) = rows else { return };
            for (index, needle) in needles.iter().enumerate() {
                let Some((place, taint)) = self.place(needle, names) else { continue };
                if rows.iter().filter_map(|row| row.get(index)).all(|item| self.is_value(item, taint)) {
                    found.values.push((place, values));
                }
            }
            return;
        }
        let Some((place, taint)) = self.place(needle, names) else { return };
        if list.iter().all(|item| self.is_value(item, taint)) {
            found.values.push((place, values));
        }
    }

    /// The column of one of these items that an expression is, and nothing more.
    fn place<'n>(&self, expr: &Expr, names: &'n Namespace) -> Option<(Place, &'n Taint)> {
        let Expr::Column(path) = expr else { return None };
        if !crate::bounds::step(1 + names.columns.len() / 16) {
            return None;
        }
        let named = |own: &Option<String>, name: &str| own.as_deref().is_some_and(|own| self.same(own, name));
        let column = match path.as_slice() {
            [name] => {
                let mut found = names.columns.iter().filter(|column| named(&column.name, name));
                found.next().filter(|_| found.next().is_none() && names.opened().is_none())?
            }
            [.., qualifier, name] => {
                let schema = path.len().checked_sub(3).and_then(|index| path.get(index));
                let fits = |item: &&Item| {
                    named(&item.name, qualifier) && schema.is_none_or(|schema| named(&item.schema, schema))
                };
                let item = names.items.iter().find(fits)?;
                item.columns.iter().find(|column| named(&column.name, name))?
            }
            [] => return None,
        };
        Some(((column.item, column.name.clone()?), &column.taint))
    }

    /// Whether `expr` is a given value that equals at most one value of the column.
    fn is_value(&self, expr: &Expr, column: &Taint) -> bool {
        match expr {
            Expr::Operator { schema: None, name, operands } if matches!(name.as_str(), "-" | "+") => {
                matches!(operands.as_slice(), [one] if self.is_value(one, column))
            }
            // MySQL compares a text with a number by the number at its beginning.
            Expr::Number(_) => column
                .bare
                .as_ref()
                .is_some_and(|column| self.catalog.type_of(column).is_some_and(super::totality::is_number_type)),
            Expr::Cast { operand, schema, name, .. } => {
                let builtin = match schema.as_deref() {
                    Some(schema) => schema == "pg_catalog",
                    None => super::totality::is_builtin_type(name),
                };
                builtin && self.is_value(operand, column)
            }
            other => other.is_constant(),
        }
    }

    /// Whether equality of two columns means that they have the same value.
    fn compare_alike(&self, one: &Taint, other: &Taint) -> bool {
        if self.dialect == Dialect::Postgres {
            return true;
        }
        let number = |taint: &Taint| {
            let kind = taint.bare.as_ref().and_then(|column| self.catalog.type_of(column))?;
            Some(super::totality::is_number_type(kind))
        };
        number(one).is_some_and(|one| number(other) == Some(one))
    }

    /// Notes the reads of a FROM list, with what filters them. `changed` of its tables are there to be changed.
    pub(super) fn note_reads(&mut self, names: &Namespace, changed: usize) {
        if names.items.iter().filter(|item| item.table.is_some()).count() > changed {
            self.draft.does(Verb::Select);
        }
        let settled = names.bindings.settled();
        let reads: Vec<(TableRef, Vec<BoundColumn>)> = names
            .items
            .iter()
            .filter_map(|item| {
                let bound = settled.iter().filter(|((of, _), _)| *of == item.id);
                let bound = bound
                    .map(|((_, column), values)| BoundColumn { column: self.own_name(item, column), values: *values });
                Some((item.table.clone()?, bound.collect()))
            })
            .collect();
        for (table, bound) in reads {
            self.note_read(&table, bound);
        }
    }

    /// The table's name for a column that an alias may have renamed.
    fn own_name(&self, item: &Item, column: &str) -> String {
        let known = item.columns.iter().find(|own| own.name.as_deref() == Some(column));
        let bare = known.and_then(|known| known.taint.bare.as_ref()).filter(|bare| Some(bare.table()) == item.table);
        bare.map_or_else(|| column.to_owned(), |bare| bare.column.clone())
    }

    /// Notes that a statement is about all rows of a table.
    pub(crate) fn note_whole(&mut self, name: &crate::ir::Name) {
        if let super::Found::Relation(relation) = self.find(name) {
            self.note_read(&relation.name, Vec::new());
        }
    }

    /// Notes a read of a table, of those that it inherits from and of those that inherit from it.
    fn note_read(&mut self, table: &TableRef, bound: Vec<BoundColumn>) {
        let unique = self.catalog.unique_columns(table).iter().filter_map(|columns| {
            columns.iter().try_fold(1_u32, |product, column| {
                let values = bound.iter().find(|bound| self.same(&bound.column, column))?.values;
                Some(product.saturating_mul(values))
            })
        });
        let unique = unique.min();
        let mut tables = vec![table.clone()];
        tables.extend(self.catalog.ancestors(table));
        tables.extend(self.catalog.descendants(table));
        for table in tables {
            self.draft.read(TableRead { table, bound: bound.clone(), unique });
        }
    }
}
