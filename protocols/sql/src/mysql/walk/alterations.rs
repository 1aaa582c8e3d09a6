//! Changes of tables.

use super::{Seat, Walk};
use crate::mysql::queries::{Lowered, unsupported};
use model::Placement;
use sqlparser::ast::{AlterColumnOperation, AlterTable, AlterTableOperation, RenameTableNameKind};

impl Walk<'_> {
    pub(super) fn alter_table(&mut self, alter: &AlterTable) -> Lowered<()> {
        let AlterTable {
            name,
            if_exists: _,
            only: false,
            operations,
            location: None,
            on_cluster: None,
            table_type: None,
            end_token: _,
        } = alter
        else {
            return unsupported("an ALTER TABLE", alter);
        };
        self.relation(name, Placement::Named, None)?;
        operations.iter().try_for_each(|operation| self.alteration(operation))
    }

    fn alteration(&mut self, operation: &AlterTableOperation) -> Lowered<()> {
        match operation {
            AlterTableOperation::AddColumn { column_keyword: _, if_not_exists: _, column_def, column_position: _ } => {
                self.column_definition(column_def)
            }
            AlterTableOperation::AddConstraint { constraint, not_valid: _ } => self.table_constraint(constraint),
            AlterTableOperation::DropColumn { has_column_keyword: _, column_names, if_exists: _, drop_behavior: _ } => {
                self.see_all(column_names);
                Ok(())
            }
            AlterTableOperation::DropConstraint { if_exists: _, name, drop_behavior: _ }
            | AlterTableOperation::DropForeignKey { name, drop_behavior: _ }
            | AlterTableOperation::DropIndex { name } => {
                self.see(name);
                Ok(())
            }
            AlterTableOperation::RenameColumn { old_column_name, new_column_name } => {
                self.see_all([old_column_name, new_column_name]);
                Ok(())
            }
            AlterTableOperation::ChangeColumn { old_name, new_name, data_type: _, options, column_position: _ } => {
                self.see_all([old_name, new_name]);
                options.iter().try_for_each(|option| self.column_option(option))
            }
            AlterTableOperation::ModifyColumn { col_name, data_type: _, options, column_position: _ } => {
                self.see(col_name);
                options.iter().try_for_each(|option| self.column_option(option))
            }
            AlterTableOperation::AlterColumn { column_name, op } => {
                self.see(column_name);
                match op {
                    AlterColumnOperation::SetDefault { value } => self.expr(value, Seat::other("DEFAULT")),
                    AlterColumnOperation::DropDefault => Ok(()),
                    _ => unsupported("an ALTER TABLE", operation),
                }
            }
            AlterTableOperation::RenameTable { table_name } => {
                let (RenameTableNameKind::As(name) | RenameTableNameKind::To(name)) = table_name;
                self.made(name)
            }
            AlterTableOperation::DropPrimaryKey { drop_behavior: _ }
            | AlterTableOperation::Algorithm { equals: _, algorithm: _ }
            | AlterTableOperation::Lock { equals: _, lock: _ }
            | AlterTableOperation::AutoIncrement { equals: _, value: _ } => Ok(()),
            other => unsupported("an ALTER TABLE", other),
        }
    }
}
