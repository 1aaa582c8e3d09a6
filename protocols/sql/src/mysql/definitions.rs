//! Definitions: views and tables out of queries are followed, plain ones named, the rest is opaque.

use super::gate::{self, Token};
use super::maintenance;
use super::queries::{Lower, Lowered, relation, unsupported};
use super::source::Source;
use super::statements::Ended;
use super::walk::{Walked, walk};
use crate::lineage::{Env, Taint, Tracer};
use model::{Access, ColumnRef, Verb};
use sqlparser::ast::{self, ObjectType, Statement};

/// Definitions: views and tables out of queries are followed, plain ones named, the rest is opaque.
pub(super) fn define(source: &Source, tracer: &mut Tracer<'_>) -> Ended {
    match defined(source, tracer) {
        Ok((verb, walked)) => Ended { walked, ..Ended::quiet(verb) },
        Err(why) => {
            tracer.draft.opaque(&format!("a definition that is not analysed: {why}"), true);
            Ended::quiet(Verb::Ddl)
        }
    }
}

/// Table options that let a table read what another one, a file or another server holds.
fn reaches_elsewhere(text: &str) -> Option<&'static str> {
    const OWN_STORAGE: [&str; 5] = ["INNODB", "MYISAM", "ARIA", "MEMORY", "HEAP"];
    let tokens = gate::tokens(text);
    let word = |token: &Token<'_>| match token {
        Token::Word(word) => word.to_ascii_uppercase(),
        _ => String::new(),
    };
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        let equals = matches!(next, Some(Token::Symbol("=")));
        match word(token).as_str() {
            "CONNECTION" => return Some("a table with CONNECTION"),
            "UNION" if equals => return Some("a table with UNION ="),
            "DIRECTORY" => return Some("a table in a directory of its own"),
            "ENGINE" if equals || matches!(next, Some(Token::Word(_))) => {
                let named = tokens.get(if equals { at + 2 } else { at + 1 });
                let known = named.is_some_and(|named| match named {
                    Token::Word(name) | Token::Quoted(name) | Token::Text(name) => {
                        OWN_STORAGE.contains(&name.to_ascii_uppercase().as_str())
                    }
                    Token::Symbol(_) => false,
                });
                if !known {
                    return Some("a table of an engine that may read elsewhere");
                }
            }
            _ => {}
        }
    }
    None
}

fn defined(source: &Source, tracer: &mut Tracer<'_>) -> Lowered<(Verb, Option<(Walked, Source)>)> {
    if let Some(what) = reaches_elsewhere(&source.text) {
        return Err(what.to_owned());
    }
    // The parser does not know the attribute, and nothing hangs on it; it is reserved, so it is no name.
    let (statement, source) = gate::parse(&maintenance::without(source, "ZEROFILL"))?;
    let walked = walk(&statement, &source, tracer.case_sensitive)?.map(|walked| (walked, source));
    match &statement {
        Statement::CreateView(view) => {
            let names: Vec<String> = view.columns.iter().map(|column| column.name.value.clone()).collect();
            stored_as(&view.name, &names, &view.query, tracer)?;
        }
        Statement::CreateTable(create) => {
            let named = relation(&create.name)?;
            if let Some(like) = &create.like {
                let (ast::CreateTableLikeKind::Parenthesized(like) | ast::CreateTableLikeKind::Plain(like)) = like;
                tracer.touch(&relation(&like.name)?, Access::Read);
            }
            match (&create.query, &create.like) {
                (Some(query), None) => {
                    tracer.draft.does(Verb::Insert);
                    stored_as(&create.name, &[], query, tracer)?;
                }
                (None, like) => {
                    let table = tracer.make(&named, create.temporary);
                    if like.is_none() && !create.if_not_exists {
                        let columns = create.columns.iter().map(|column| column.name.value.clone());
                        tracer.draft.fresh = Some(crate::sequence::fresh(table, columns));
                    }
                }
                _ => return unsupported("a CREATE TABLE", create),
            }
        }
        Statement::AlterTable(alter) => {
            tracer.touch(&relation(&alter.name)?, Access::Define);
            for operation in &alter.operations {
                if let ast::AlterTableOperation::RenameTable { table_name } = operation {
                    let (ast::RenameTableNameKind::As(new) | ast::RenameTableNameKind::To(new)) = table_name;
                    tracer.make(&relation(new)?, false);
                }
            }
        }
        Statement::Truncate(truncate) => {
            for table in &truncate.table_names {
                let table = relation(&table.name)?;
                tracer.touch(&table, Access::Write);
                tracer.note_whole(&table);
            }
            return Ok((Verb::Truncate, walked));
        }
        Statement::RenameTable(renames) => {
            for ast::RenameTable { old_name, new_name } in renames {
                tracer.touch(&relation(old_name)?, Access::Define);
                tracer.make(&relation(new_name)?, false);
            }
        }
        Statement::Drop { object_type: ObjectType::Table | ObjectType::View, names, .. } => {
            for name in names {
                let name = relation(name)?;
                if !matches!(tracer.find(&name), crate::lineage::Found::Missing) {
                    tracer.touch(&name, Access::Define);
                }
            }
        }
        Statement::Drop { .. } | Statement::CreateDatabase { .. } => {}
        Statement::CreateIndex(index) => tracer.touch(&relation(&index.table_name)?, Access::Define),
        Statement::OptimizeTable { name, .. } => tracer.touch(&relation(name)?, Access::Define),
        other => return unsupported("a definition", other),
    }
    Ok((Verb::Ddl, walked))
}

fn stored_as(name: &ast::ObjectName, names: &[String], query: &ast::Query, tracer: &mut Tracer<'_>) -> Lowered<()> {
    let lowered = Lower::default().query(query)?;
    let rows = tracer.query(&lowered, &Env::EMPTY);
    let table = tracer.make(&relation(name)?, false);
    let reference = |column: &str| ColumnRef {
        schema: table.schema.clone(),
        table: table.table.clone(),
        column: column.to_owned(),
    };
    if let Some(why) = &rows.open {
        tracer.draft.write(Some(reference("*")), &Taint::unknown(why.as_str()));
    }
    for (index, column) in rows.columns.iter().enumerate() {
        let name = names.get(index).cloned().or_else(|| column.name.clone()).unwrap_or_else(|| "?".to_owned());
        tracer.draft.write(Some(reference(&name)), &column.taint);
    }
    Ok(())
}
