//! Finds what a name in an expression refers to.

use super::Tracer;
use super::scope::{Env, Item, Namespace, Open};
use super::taint::{Column, Taint};
use crate::Dialect;
use crate::ir::Expr;
use crate::systems;
use model::{ColumnRef, TableRef};

impl Tracer<'_> {
    /// The value of a possibly qualified name.
    pub(super) fn column(&mut self, path: &[String], env: &Env<'_>) -> Taint {
        match path {
            [] => Taint::unknown("an empty name"),
            [name] => self.unqualified(name, env),
            [.., schema, qualifier, name] => self.qualified(Some(schema), qualifier, name, env),
            [qualifier, name] => self.qualified(None, qualifier, name, env),
        }
    }

    fn unqualified(&mut self, name: &str, env: &Env<'_>) -> Taint {
        for level in env.levels() {
            let Some(names) = level.names else { continue };
            crate::bounds::step(names.columns.len() / 16);
            let found: Vec<&Column> =
                names.columns.iter().filter(|c| c.name.as_deref().is_some_and(|n| self.same(n, name))).collect();
            let opened: Vec<&Item> = names.items.iter().filter(|item| item.open.is_some()).collect();
            match (found.as_slice(), opened.as_slice()) {
                ([], []) if self.may_be_unnamed(names, name) => {
                    return Taint::unknown(format!("a column {name}, which may be one of a name that is not known"));
                }
                ([], []) => {
                    if self.dialect == Dialect::Postgres
                        && is_system_column(name)
                        && names.items.iter().any(|i| i.stored)
                    {
                        return Taint::default();
                    }
                }
                ([one], _) => return one.taint.clone(),
                ([], [one]) => {
                    // A whole-row reference to a neighbour takes precedence over nothing that we know of.
                    if let Some(item) =
                        names.items.iter().find(|i| i.name.as_deref().is_some_and(|n| self.same(n, name)))
                    {
                        return self.whole_row(item);
                    }
                    return self.unlisted(one, name);
                }
                (found, opened) => {
                    let mut sum = Taint::all(found.iter().map(|column| &column.taint));
                    for item in opened {
                        sum.absorb(&self.unlisted(item, name));
                    }
                    return sum;
                }
            }
        }
        if self.dialect == Dialect::Postgres {
            for level in env.levels() {
                let items = level.names.map(|names| names.items.as_slice()).unwrap_or_default();
                if let Some(item) = items.iter().find(|item| item.name.as_deref() == Some(name)) {
                    return self.whole_row(item);
                }
            }
        }
        Taint::unknown(format!("a column {name} that the catalog does not know"))
    }

    /// Whether a name that is none of a level's may be one of its columns all the same: MySQL names computed columns by their
    /// text, and compares letters beyond ASCII in ways of its own. Then it is not looked for further out.
    fn may_be_unnamed(&self, names: &Namespace, name: &str) -> bool {
        let open = |column: &Column| column.name.as_deref().is_none_or(|own| !own.is_ascii());
        self.dialect != Dialect::Postgres
            && !names.columns.is_empty()
            && (!name.is_ascii() || names.columns.iter().any(open))
    }

    /// Whether an expression is the name of a FROM item, whose fields the server takes for its columns. The fields of
    /// any other row value are computed.
    pub(super) fn is_item(&self, expr: &Expr, env: &Env<'_>) -> bool {
        let Expr::Column(path) = expr else { return false };
        let [name] = path.as_slice() else { return false };
        let named = |own: &Option<String>| own.as_deref().is_some_and(|own| self.same(own, name));
        let levels = || env.levels().filter_map(|level| level.names);
        !levels().any(|names| names.columns.iter().any(|column| named(&column.name)))
            && levels().any(|names| names.items.iter().any(|item| named(&item.name)))
    }

    /// All columns of an item as one row value.
    pub(super) fn whole_row(&mut self, item: &Item) -> Taint {
        let mut row = Taint::row(item.columns.clone());
        match &item.open {
            Some(Open::System(table)) => {
                if let Some(why) = systems::carries(self.dialect, table, None) {
                    row.unknown = Some(why.into());
                }
            }
            Some(Open::Unknown(why)) => row.unknown = Some(why.as_str().into()),
            Some(Open::Computed(taint)) => row.absorb(taint),
            None => {}
        }
        // A set of single values: the row is the value.
        if let (None, [only]) = (&item.open, item.columns.as_slice())
            && !item.stored
        {
            let mut value = only.taint.clone();
            value.bare = None;
            if value.fields.is_none() {
                value.fields = row.fields;
            }
            return value;
        }
        row
    }

    fn find_item<'e>(&self, schema: Option<&str>, qualifier: &str, env: &'e Env<'e>) -> Option<&'e Item> {
        env.levels().filter_map(|level| level.names).find_map(|names| {
            names.items.iter().find(|item| {
                item.name.as_deref().is_some_and(|name| self.same_relation(name, qualifier))
                    && schema
                        .is_none_or(|schema| item.schema.as_deref().is_some_and(|own| self.same_relation(own, schema)))
            })
        })
    }

    fn qualified(&mut self, schema: Option<&str>, qualifier: &str, name: &str, env: &Env<'_>) -> Taint {
        let Some(item) = self.find_item(schema, qualifier, env) else {
            return Taint::unknown(format!("a column {qualifier}.{name} that the catalog does not know"));
        };
        self.field_of(item, name)
    }

    fn field_of(&mut self, item: &Item, name: &str) -> Taint {
        if let Some(column) = item.columns.iter().find(|c| c.name.as_deref().is_some_and(|n| self.same(n, name))) {
            return column.taint.clone();
        }
        if item.open.is_some() {
            return self.unlisted(item, name);
        }
        if self.dialect == Dialect::Postgres {
            if item.stored && is_system_column(name) {
                return Taint::default();
            }
            // `t.f` is `f(t)` when t has no column f.
            let row = self.whole_row(item);
            return self.functional(name, row);
        }
        Taint::unknown(format!("a column {name} that the catalog does not know"))
    }

    fn unlisted(&mut self, item: &Item, name: &str) -> Taint {
        match &item.open {
            Some(Open::System(table)) => {
                let column =
                    ColumnRef { schema: table.schema.clone(), table: table.table.clone(), column: name.to_owned() };
                system_value(self.dialect, table, column)
            }
            Some(Open::Unknown(why)) => Taint::unknown(why.as_str()),
            Some(Open::Computed(taint)) => taint.clone().computed(),
            None => Taint::unknown(format!("a column {name} that the catalog does not know")),
        }
    }

    /// The columns that `*` or `t.*` stands for, or why that is not known.
    pub(super) fn star(&mut self, path: &[String], env: &Env<'_>) -> Result<Vec<Column>, String> {
        let opened = |item: &Item| match &item.open {
            Some(Open::Unknown(why)) => format!("the columns of {why}"),
            _ => format!("the columns of {}", item.name.as_deref().unwrap_or("a relation")),
        };
        match path {
            [] => {
                let Some(names) = env.names else { return Err("a * without a table".to_owned()) };
                match names.opened() {
                    Some(item) => Err(opened(item)),
                    None => Ok(names.columns.clone()),
                }
            }
            [.., qualifier] => {
                let schema = path.len().checked_sub(2).and_then(|index| path.get(index)).map(String::as_str);
                let Some(item) = self.find_item(schema, qualifier, env) else {
                    return Err(format!("the columns of {qualifier}, which is not in FROM"));
                };
                if item.open.is_some() { Err(opened(item)) } else { Ok(item.columns.clone()) }
            }
        }
    }
}

/// The value of a column of a system relation.
pub(super) fn system_value(dialect: Dialect, table: &TableRef, column: ColumnRef) -> Taint {
    match systems::carries(dialect, table, Some(&column.column)) {
        Some(why) => Taint::unknown(why),
        None => Taint::bare(column),
    }
}

fn is_system_column(name: &str) -> bool {
    matches!(name, "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid")
}
