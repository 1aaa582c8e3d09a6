//! Comparisons of the wire grammar: a column with constants, or with another column. A positive list.

use super::tree::{Branch, Tree};
use super::walk::{Ctx, Walk};
use model::{ColumnUse, Compared, UseContext};
use pg_query::protobuf::{AExprKind, BoolExprType};

/// Constants in one IN list.
const LONGEST_LIST: usize = 1_000;

impl Walk<'_, '_> {
    /// The conjuncts of a condition.
    pub(super) fn conjuncts(&mut self, condition: &Tree, what: &'static str) {
        match condition.branch() {
            Some(and) if and.kind == "BoolExpr" && and.number("boolop") == i64::from(BoolExprType::AndExpr as i32) => {
                for (field, value) in and.fields() {
                    match field {
                        "args" => value.list().iter().for_each(|conjunct| self.conjuncts(conjunct, what)),
                        _ => self.any(value, Ctx::Condition(what)),
                    }
                }
            }
            Some(test) if test.kind == "AExpr" && self.equality(test) => {}
            _ => self.any(condition, Ctx::Condition(what)),
        }
    }

    /// `column = constant`, `column IN (constants)`, `column = ANY (array)`, `column = column`; false where it is none of them.
    fn equality(&mut self, test: &Branch) -> bool {
        let known = ["kind", "name", "lexpr", "rexpr", "location", "rexpr_list_start", "rexpr_list_end"];
        let plain = test.fields().all(|(field, _)| known.contains(&field));
        if !plain || test.names("name").as_deref() != Some(&["="]) || self.tracer.catalog.has_user_operator("=") {
            return false;
        }
        let (Some(left), Some(right)) = (test.get("lexpr"), test.get("rexpr")) else { return false };
        let kind = test.number("kind");
        if kind == i64::from(AExprKind::AexprIn as i32) {
            let items = match right.branch() {
                Some(list) if list.kind == "List" => list.list("items"),
                _ => return false,
            };
            let constants: Option<Vec<Compared>> = items.iter().map(constant).collect();
            return self.one_of(left, constants);
        }
        if kind == i64::from(AExprKind::AexprOpAny as i32) {
            return self.one_of(left, elements(right));
        }
        if kind != i64::from(AExprKind::AexprOp as i32) {
            return false;
        }
        match (plain_column(left), plain_column(right), constant(left), constant(right)) {
            (Some(left), Some(right), ..) => {
                self.joins = self.joins.saturating_add(1);
                let context = UseContext::Join(self.joins);
                self.column_use(left, context.clone());
                self.column_use(right, context);
            }
            (Some(column), None, _, Some(compared)) | (None, Some(column), Some(compared), _) => {
                self.column_use(column, UseContext::Equals(compared));
            }
            _ => return false,
        }
        true
    }

    /// A column that is compared with each of some constants.
    fn one_of(&mut self, column: &Tree, constants: Option<Vec<Compared>>) -> bool {
        let (Some(column), Some(constants)) = (plain_column(column), constants) else { return false };
        if constants.is_empty() || constants.len() > LONGEST_LIST {
            return false;
        }
        for compared in constants {
            self.use_again(column, UseContext::Equals(compared));
        }
        let _ = self.column(column);
        true
    }

    /// A further use of a column that is counted once.
    pub(super) fn use_again(&mut self, column: &Branch, context: UseContext) {
        let mut path = column.names("fields").unwrap_or_default();
        let name = path.pop().map(str::to_owned);
        let qualifier = path.pop().map(str::to_owned);
        self.note(ColumnUse { qualifier, name, context });
    }
}

/// A column by its name, not a star.
pub(super) fn plain_column(tree: &Tree) -> Option<&Branch> {
    tree.branch().filter(|branch| branch.kind == "ColumnRef").and_then(plain_branch)
}

pub(super) fn plain_branch(column: &Branch) -> Option<&Branch> {
    column.names("fields").filter(|names| !names.is_empty()).map(|_| column)
}

/// The elements of an array of constants, or those of a parameter, which are counted when it is bound. A literal for a whole
/// array is none of them: texts that differ in literals share what is known of them.
fn elements(tree: &Tree) -> Option<Vec<Compared>> {
    let branch = tree.branch()?;
    match branch.kind {
        "ParamRef" => Some(vec![Compared::Elements(u32::try_from(branch.number("number")).ok()?)]),
        "AArrayExpr" => branch.list("elements").iter().map(constant).collect(),
        "TypeCast" => {
            let name = branch.branch("type_name")?;
            let plain = !name.is_set("typmods") && name.list("array_bounds").len() == 1 && is_exact(name)?;
            plain.then(|| branch.get("arg").and_then(elements)).flatten()
        }
        _ => None,
    }
}

/// Whether a type is one whose values equal nothing but themselves.
fn is_exact(name: &Branch) -> Option<bool> {
    let exact = ["text", "varchar", "bpchar", "date", "uuid", "timestamp", "timestamptz", "int2", "int4", "int8"];
    Some(name.names("names")?.last().is_some_and(|name| exact.contains(name)))
}

/// A literal, a parameter, or a cast of one; what it compares as.
fn constant(tree: &Tree) -> Option<Compared> {
    let branch = tree.branch()?;
    match branch.kind {
        "ParamRef" => Some(Compared::Parameter),
        "AConst" => Some(match branch.branch("val").map(|value| value.kind) {
            Some("String") => Compared::Untyped,
            Some("Integer" | "Float") => Compared::Number,
            _ => Compared::OtherLiteral,
        }),
        "TypeCast" => {
            let known = ["arg", "type_name", "location"];
            let name = branch.branch("type_name")?;
            let plain = !name.is_set("typmods") && !name.is_set("array_bounds") && is_exact(name)?;
            let inner = branch.get("arg").and_then(constant)?;
            (plain && branch.fields().all(|(field, _)| known.contains(&field))).then_some(match inner {
                Compared::Untyped | Compared::Parameter => inner,
                _ => Compared::OtherLiteral,
            })
        }
        _ => None,
    }
}
