//! Definitions: views and tables, which may be filled from a query, and changes of tables.

use super::{Rows, Seat, Walk};
use crate::mysql::queries::{Lowered, unsupported};
use model::Placement;
use sqlparser::ast::{
    CheckConstraint, ColumnDef, ColumnOption, ColumnOptionDef, CreateIndex, CreateTable, CreateTableLike,
    CreateTableLikeKind, CreateView, Expr, ForeignKeyConstraint, FullTextOrSpatialConstraint, HiveDistributionStyle,
    IndexColumn, IndexConstraint, ObjectName, ObjectType, OrderByExpr, PrimaryKeyConstraint, RenameTable, Statement,
    TableConstraint, Truncate, TruncateTableTarget, UniqueConstraint, ViewColumnDef,
};

impl Walk<'_> {
    /// Walks over a definition; false for a statement that is none of those read here.
    pub(super) fn definition(&mut self, statement: &Statement) -> Lowered<bool> {
        match statement {
            Statement::CreateView(view) => self.create_view(view)?,
            Statement::CreateTable(create) => self.create_table(create)?,
            Statement::AlterTable(alter) => self.alter_table(alter)?,
            Statement::CreateIndex(index) => self.create_index(index)?,
            Statement::Truncate(truncate) => {
                let Truncate {
                    table_names,
                    partitions,
                    table: _,
                    if_exists: _,
                    identity: _,
                    cascade: _,
                    on_cluster: None,
                } = truncate
                else {
                    return unsupported("a TRUNCATE", truncate);
                };
                if partitions.is_some() {
                    return unsupported("a TRUNCATE", truncate);
                }
                for target in table_names {
                    let TruncateTableTarget { name, only: _, has_asterisk: _ } = target;
                    self.relation(name, Placement::Named, None)?;
                }
            }
            Statement::Drop {
                object_type: ObjectType::Table | ObjectType::View,
                if_exists: _,
                names,
                cascade: _,
                restrict: _,
                purge: _,
                temporary: _,
                table: None,
            } => self.all_named(names)?,
            Statement::OptimizeTable { name, .. } => self.relation(name, Placement::Named, None)?,
            Statement::RenameTable(renames) => {
                for RenameTable { old_name, new_name } in renames {
                    self.relation(old_name, Placement::Named, None)?;
                    self.made(new_name)?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn all_named(&mut self, names: &[ObjectName]) -> Lowered<()> {
        names.iter().try_for_each(|name| self.relation(name, Placement::Named, None))
    }

    /// A name that need not be there yet.
    pub(super) fn made(&mut self, name: &ObjectName) -> Lowered<()> {
        self.parts(name).map(drop)
    }

    fn create_view(&mut self, view: &CreateView) -> Lowered<()> {
        let CreateView {
            or_alter: false,
            or_replace: _,
            materialized: false,
            secure: _,
            name,
            name_before_not_exists: _,
            columns,
            query,
            options: _,
            cluster_by,
            comment: None,
            with_no_schema_binding: false,
            if_not_exists: _,
            temporary: _,
            copy_grants: false,
            to: None,
            params: _,
        } = view
        else {
            return unsupported("a view", view);
        };
        if !cluster_by.is_empty() {
            return unsupported("a view", view);
        }
        self.made(name)?;
        for column in columns {
            let ViewColumnDef { name, data_type: None, options: None } = column else {
                return unsupported("a view", view);
            };
            self.see(name);
        }
        self.query(query, Rows::Apart(Seat::other("CREATE VIEW")))
    }

    fn create_table(&mut self, create: &CreateTable) -> Lowered<()> {
        // What other databases put into a table's definition is not in this list.
        let CreateTable {
            or_replace: _,
            temporary: _,
            unlogged: false,
            external: false,
            dynamic: false,
            global: None,
            if_not_exists: _,
            transient: false,
            volatile: false,
            iceberg: false,
            snapshot: false,
            name,
            columns,
            constraints,
            hive_distribution: HiveDistributionStyle::NONE,
            hive_formats: _,
            table_options: _,
            file_format: None,
            location: None,
            query,
            without_rowid: false,
            like,
            clone: None,
            version: None,
            comment: _,
            on_commit: None,
            on_cluster: None,
            primary_key: None,
            order_by: None,
            partition_by: None,
            cluster_by: None,
            clustered_by: None,
            inherits: None,
            partition_of: None,
            for_values: None,
            strict: false,
            copy_grants: false,
            enable_schema_evolution: None,
            change_tracking: None,
            data_retention_time_in_days: None,
            max_data_extension_time_in_days: None,
            default_ddl_collation: None,
            with_aggregation_policy: None,
            with_row_access_policy: None,
            with_storage_lifecycle_policy: None,
            with_tags: None,
            external_volume: None,
            with_connection: None,
            base_location: None,
            catalog: None,
            catalog_sync: None,
            storage_serialization_policy: None,
            target_lag: None,
            warehouse: None,
            refresh_mode: None,
            initialize: None,
            require_user: false,
            diststyle: None,
            distkey: None,
            sortkey: None,
            backup: None,
            multiset: None,
            fallback: None,
            with_data: None,
        } = create
        else {
            return unsupported("a CREATE TABLE", create);
        };
        self.made(name)?;
        columns.iter().try_for_each(|column| self.column_definition(column))?;
        constraints.iter().try_for_each(|constraint| self.table_constraint(constraint))?;
        if let Some(CreateTableLikeKind::Parenthesized(like) | CreateTableLikeKind::Plain(like)) = like {
            let CreateTableLike { name, defaults: None } = like else {
                return unsupported("a CREATE TABLE", create);
            };
            // Its shape is taken over, none of its rows.
            self.relation(name, Placement::Named, None)?;
        }
        match query {
            None => Ok(()),
            Some(query) => self.query(query, Rows::Apart(Seat::other("CREATE TABLE … SELECT"))),
        }
    }

    pub(super) fn column_definition(&mut self, column: &ColumnDef) -> Lowered<()> {
        let ColumnDef { name, data_type: _, options } = column;
        self.see(name);
        for option in options {
            let ColumnOptionDef { name, option } = option;
            self.see_all(name);
            self.column_option(option)?;
        }
        Ok(())
    }

    pub(super) fn column_option(&mut self, option: &ColumnOption) -> Lowered<()> {
        match option {
            ColumnOption::Null
            | ColumnOption::NotNull
            | ColumnOption::Comment(_)
            | ColumnOption::DialectSpecific(_)
            | ColumnOption::Invisible => Ok(()),
            ColumnOption::CharacterSet(name) | ColumnOption::Collation(name) => self.parts(name).map(drop),
            ColumnOption::Default(expr) | ColumnOption::OnUpdate(expr) => self.expr(expr, Seat::other("DEFAULT")),
            ColumnOption::Generated {
                generated_as: _,
                sequence_options: None,
                generation_expr,
                generation_expr_mode: _,
                generated_keyword: _,
            } => self.list(generation_expr, Seat::other("a generated column")),
            ColumnOption::PrimaryKey(key) => self.primary_key(key),
            ColumnOption::Unique(key) => self.unique(key),
            ColumnOption::ForeignKey(key) => self.foreign_key(key),
            ColumnOption::Check(check) => self.check(check),
            other => unsupported("a column's option", other),
        }
    }

    pub(super) fn table_constraint(&mut self, constraint: &TableConstraint) -> Lowered<()> {
        match constraint {
            TableConstraint::PrimaryKey(key) => self.primary_key(key),
            TableConstraint::Unique(key) => self.unique(key),
            TableConstraint::ForeignKey(key) => self.foreign_key(key),
            TableConstraint::Check(check) => self.check(check),
            TableConstraint::Index(index) => {
                let IndexConstraint { display_as_key: _, name, index_type: _, columns, index_options: _ } = index;
                self.see_all(name);
                self.indexed(columns)
            }
            TableConstraint::FulltextOrSpatial(index) => {
                let FullTextOrSpatialConstraint { fulltext: _, index_type_display: _, opt_index_name, columns } = index;
                self.see_all(opt_index_name);
                self.indexed(columns)
            }
            other => unsupported("a constraint", other),
        }
    }

    fn primary_key(&mut self, key: &PrimaryKeyConstraint) -> Lowered<()> {
        let PrimaryKeyConstraint {
            name,
            index_name,
            index_type: _,
            columns,
            include,
            index_options: _,
            characteristics: _,
        } = key;
        self.see_all(name.iter().chain(index_name).chain(include));
        self.indexed(columns)
    }

    fn unique(&mut self, key: &UniqueConstraint) -> Lowered<()> {
        let UniqueConstraint {
            name,
            index_name,
            index_type_display: _,
            index_type: _,
            columns,
            include,
            index_options: _,
            characteristics: _,
            nulls_distinct: _,
        } = key;
        self.see_all(name.iter().chain(index_name).chain(include));
        self.indexed(columns)
    }

    fn foreign_key(&mut self, key: &ForeignKeyConstraint) -> Lowered<()> {
        let ForeignKeyConstraint {
            name,
            index_name,
            columns,
            foreign_table,
            referred_columns,
            on_delete: _,
            on_update: _,
            match_kind: _,
            characteristics: _,
        } = key;
        self.see_all(name.iter().chain(index_name).chain(columns).chain(referred_columns));
        // The server compares with its rows, and may copy them on their change.
        self.relation(foreign_table, Placement::Fixed("a foreign key".to_owned()), None)?;
        for column in referred_columns {
            self.column(std::slice::from_ref(column), Seat::other("a foreign key").context());
        }
        Ok(())
    }

    fn check(&mut self, check: &CheckConstraint) -> Lowered<()> {
        let CheckConstraint { name, expr, no_inherit: _, enforced: _ } = check;
        self.see_all(name);
        self.expr(expr, Seat::other("CHECK"))
    }

    fn indexed(&mut self, columns: &[IndexColumn]) -> Lowered<()> {
        for column in columns {
            let IndexColumn { column: OrderByExpr { expr, options: _, with_fill: None }, operator_class: None } =
                column
            else {
                return unsupported("an index", column);
            };
            // `name(10)`, the first characters of a column, looks like a call.
            match expr {
                Expr::Function(function) => self.parts(&function.name).map(drop)?,
                expr => self.expr(expr, Seat::other("an index"))?,
            }
        }
        Ok(())
    }

    fn create_index(&mut self, index: &CreateIndex) -> Lowered<()> {
        let CreateIndex {
            name,
            table_name,
            using: _,
            columns,
            unique: _,
            concurrently: false,
            r#async: false,
            if_not_exists: _,
            include,
            nulls_distinct: None,
            with,
            predicate: None,
            index_options: _,
            alter_options: _,
        } = index
        else {
            return unsupported("an index", index);
        };
        if !with.is_empty() || !include.is_empty() {
            return unsupported("an index", index);
        }
        if let Some(name) = name {
            self.parts(name)?;
        }
        self.relation(table_name, Placement::Named, None)?;
        self.indexed(columns)
    }
}
