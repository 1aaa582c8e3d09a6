//! Renaming. Rules name columns, so under another name the same values may not be protected any more: each column that gets
//! another name counts as written there, and is judged like any copy.

use super::names::range;
use crate::RelationKind;
use crate::ir::Name;
use crate::lineage::{Found, Taint, Tracer};
use model::{ColumnRef, TableRef};
use pg_query::protobuf::{AlterObjectSchemaStmt, ObjectType, RangeVar, RenameStmt};

/// Said where it cannot be told which columns get another name.
const RENAMING: &str = "a renaming, after which rules by name protect nothing";

/// Columns that a schema may have to be renamed: a part holds no more writes than a few thousand.
const MOST_COLUMNS: usize = 5_000;

/// `ALTER … RENAME`.
pub(super) fn rename(rename: &RenameStmt, tracer: &mut Tracer<'_>) {
    let kind = ObjectType::try_from(rename.rename_type).unwrap_or(ObjectType::Undefined);
    match (kind, &rename.relation) {
        (
            ObjectType::ObjectTable
            | ObjectType::ObjectView
            | ObjectType::ObjectMatview
            | ObjectType::ObjectForeignTable
            | ObjectType::ObjectIndex
            | ObjectType::ObjectSequence,
            Some(relation),
        ) => moves(relation, tracer, |table| TableRef { table: rename.newname.clone(), ..table.clone() }),
        (ObjectType::ObjectColumn, Some(relation)) => {
            let Some(table) = stored(relation, tracer) else { return };
            // Those that inherit the column follow.
            let heirs = tracer.catalog.descendants(&table);
            for table in std::iter::once(table).chain(heirs) {
                let column = |name: &str| ColumnRef {
                    schema: table.schema.clone(),
                    table: table.table.clone(),
                    column: name.to_owned(),
                };
                flows(column(&rename.subname), column(&rename.newname), tracer);
            }
        }
        (ObjectType::ObjectSchema, _) => {
            let catalog = tracer.catalog;
            let within = || catalog.relations().filter(|relation| relation.name.schema == rename.subname);
            if within().map(|relation| relation.columns.len()).sum::<usize>() > MOST_COLUMNS {
                return tracer.draft.opaque(RENAMING, true);
            }
            for table in within().map(|relation| relation.name.clone()) {
                let to = TableRef { schema: rename.newname.clone(), ..table.clone() };
                all(&table, &to, tracer);
            }
        }
        (ObjectType::ObjectAttribute, _) => tracer.draft.opaque(RENAMING, true),
        // What has no rows: constraints, triggers, roles, types, routines.
        _ => {}
    }
}

/// `ALTER … SET SCHEMA`.
pub(super) fn to_schema(alter: &AlterObjectSchemaStmt, tracer: &mut Tracer<'_>) {
    match &alter.relation {
        Some(relation) => {
            moves(relation, tracer, |table| TableRef { schema: alter.newschema.clone(), ..table.clone() })
        }
        None => tracer.draft.opaque(RENAMING, true),
    }
}

/// All columns of a relation get another name.
fn moves(relation: &RangeVar, tracer: &mut Tracer<'_>, to: impl Fn(&TableRef) -> TableRef) {
    // A relation that is not known was noted as such; an index is none.
    if let Some(table) = stored(relation, tracer) {
        let to = to(&table);
        all(&table, &to, tracer);
    }
}

fn stored(relation: &RangeVar, tracer: &Tracer<'_>) -> Option<TableRef> {
    let name: Name = range(relation);
    match tracer.find(&name) {
        Found::Relation(relation) => Some(relation.name.clone()),
        Found::System(table) => Some(table),
        Found::Missing => None,
    }
}

fn all(from: &TableRef, to: &TableRef, tracer: &mut Tracer<'_>) {
    let Some(relation) = tracer.catalog.relation(from) else { return };
    if relation.kind == RelationKind::Sequence {
        return;
    }
    let names: Vec<String> = relation.columns.iter().map(|column| column.name.clone()).collect();
    for name in names {
        let column = |table: &TableRef| ColumnRef {
            schema: table.schema.clone(),
            table: table.table.clone(),
            column: name.clone(),
        };
        flows(column(from), column(to), tracer);
    }
}

fn flows(from: ColumnRef, to: ColumnRef, tracer: &mut Tracer<'_>) {
    tracer.draft.write(Some(to), &Taint::bare(from));
}
