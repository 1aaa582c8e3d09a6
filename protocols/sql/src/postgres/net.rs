//! A loose net under the walk: every word of the text that spells a relation must be one that the reading has accounted for, as a
//! relation, a qualifier, or the name of something else that the grammar knows there. A word that stands elsewhere means that the
//! text is read otherwise than it is looked at, and the statement is ambiguous.
//!
//! Names are compared as loosely as any server would: without regard to case, cut to the server's length. Constants count on both
//! sides, for some words of the grammar become constants (`SET x = word`, `EXTRACT(word FROM …)`).

use super::tree::{Branch, Tree};
use crate::Catalog;
use pg_query::protobuf::{KeywordKind, ObjectType, ScanToken, Token};
use std::collections::BTreeMap;

/// Bytes of a name that the server keeps.
const LONGEST_NAME: usize = 63;

/// How often each word that spells a relation occurs.
pub(super) type Spelt = BTreeMap<String, usize>;

/// Adds the names of a statement's tree that spell relations and stand where the reading knows names.
pub(super) fn accounted(tree: &Tree, catalog: &Catalog, into: &mut Spelt) {
    collect(tree, ("", ""), catalog, into);
}

fn collect(tree: &Tree, place: (&'static str, &'static str), catalog: &Catalog, into: &mut Spelt) {
    match tree {
        Tree::Text(text) => {
            if is_known(place) {
                note(text, catalog, into);
            }
        }
        Tree::List(items) => items.iter().for_each(|item| collect(item, place, catalog, into)),
        Tree::Branch(branch) => fields(branch, place, catalog, into),
        Tree::Number(_) | Tree::Flag | Tree::Nothing => {}
    }
}

fn fields(branch: &Branch, place: (&'static str, &'static str), catalog: &Catalog, into: &mut Spelt) {
    for (field, value) in branch.fields() {
        // A list of names is a list of such nodes: what counts is whose list it is.
        let inner = if matches!(branch.kind, "String" | "List") { place } else { (branch.kind, field) };
        let inner = if branch.kind == "AConst" { ("AConst", "val") } else { inner };
        // The new name of a column is none of a relation.
        let columns = i64::from(ObjectType::ObjectColumn as i32);
        let column = branch.kind == "RenameStmt" && field == "newname" && branch.number("rename_type") == columns;
        collect(value, if column { ("RenameStmt", "subname") } else { inner }, catalog, into);
    }
}

/// Where a name may stand: what the walk and the lineage read there, they read as the server does.
fn is_known(place: (&str, &str)) -> bool {
    matches!(
        place,
        ("RangeVar", "catalogname" | "schemaname" | "relname")
            | ("Alias", "aliasname" | "colnames")
            | ("ColumnRef", "fields")
            | ("ResTarget", "name" | "indirection")
            | ("AIndirection", "indirection")
            | ("AConst", "val")
            | ("CommonTableExpr", "ctename" | "aliascolnames")
            | ("CTESearchClause", "search_col_list" | "search_seq_column")
            | ("CTECycleClause", "cycle_col_list" | "cycle_mark_column" | "cycle_path_column")
            | ("FuncCall", "funcname")
            | ("NamedArgExpr" | "XmlExpr" | "ReturningOption" | "JsonArgument", "name" | "value")
            | ("XmlExpr", "arg_names")
            | ("WindowDef", "name" | "refname")
            | ("JoinExpr", "using_clause")
            | ("TypeName", "names")
            | ("CollateClause", "collname")
            | ("RangeTableFuncCol", "colname")
            | ("JsonTableColumn" | "JsonTablePathSpec" | "JsonTable" | "JsonTablePath", "name")
            | ("RangeTableSample", "method")
            | ("CurrentOfExpr", "cursor_name")
            | ("InferClause" | "Constraint" | "AtAlterConstraint", "conname")
            | ("Constraint", "keys" | "including" | "fk_attrs" | "pk_attrs" | "fk_del_set_cols" | "indexname")
            | ("ColumnDef", "colname")
            | ("IndexElem" | "PartitionElem" | "StatsElem", "name")
            | ("IndexStmt", "idxname")
            | ("IntoClause", "col_names")
            | ("ViewStmt", "aliases")
            | ("CopyStmt", "attlist")
            | ("DefElem", "defnamespace" | "defname" | "arg")
            | ("RoleSpec", "rolename")
            | ("AccessPriv", "priv_name" | "cols")
            | ("AlterTableCmd", "name")
            | ("RenameStmt", "subname")
            | ("DropStmt", "objects")
            | ("CommentStmt" | "SecLabelStmt", "object" | "comment" | "label")
            | ("CopyStmt", "filename")
            | ("CreateEnumStmt", "vals")
            | ("AlterEnumStmt", "old_val" | "new_val" | "new_val_neighbor")
            | ("FunctionParameter", "name")
            | ("CreateFunctionStmt", "funcname")
            | ("CreateSchemaStmt", "schemaname")
            | ("CreateStatsStmt", "defnames")
            | ("CreatePolicyStmt" | "AlterPolicyStmt", "policy_name")
            | ("CreateTrigStmt", "trigname" | "columns" | "args")
            | ("TriggerTransition", "name")
            | ("RuleStmt", "rulename")
            | ("VacuumRelation", "va_cols")
            | ("VariableSetStmt" | "VariableShowStmt", "name")
            | ("PrepareStmt" | "ExecuteStmt" | "DeallocateStmt", "name")
            | ("DeclareCursorStmt" | "FetchStmt" | "ClosePortalStmt", "portalname")
            | ("ListenStmt" | "UnlistenStmt" | "NotifyStmt", "conditionname" | "payload")
            | ("TransactionStmt", "savepoint_name" | "gid")
    )
}

fn note(name: &str, catalog: &Catalog, into: &mut Spelt) {
    let name = loosest(name);
    if catalog.spells_relation(&name) {
        *into.entry(name).or_default() += 1;
    }
}

fn loosest(name: &str) -> String {
    let end = (0..=name.len().min(LONGEST_NAME)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
    name.get(..end).unwrap_or_default().to_lowercase()
}

/// The first word of a text that spells a relation more often than the reading has accounted for.
pub(super) fn missed(text: &str, catalog: &Catalog, accounted: &Spelt) -> Result<Option<String>, String> {
    let tokens = pg_query::scan(text).map_err(|error| error.to_string())?.tokens;
    let mut written = Spelt::new();
    for (at, token) in tokens.iter().enumerate() {
        let escape = tokens.get(at + 1).zip(tokens.get(at + 2)).filter(|(own, _)| own.token == Token::Uescape as i32);
        if let Some(name) = word(text, token, escape.map(|(_, escape)| piece(text, escape))) {
            note(&name, catalog, &mut written);
        }
    }
    let more = |(name, count): (String, usize)| (count > accounted.get(&name).copied().unwrap_or(0)).then_some(name);
    Ok(written.into_iter().find_map(more))
}

fn piece<'t>(text: &'t str, token: &ScanToken) -> &'t str {
    let (Ok(start), Ok(end)) = (usize::try_from(token.start), usize::try_from(token.end)) else { return "" };
    text.get(start..end).unwrap_or_default()
}

/// What a token spells, if it is a name or a constant. Bare keywords are the grammar's.
fn word(text: &str, token: &ScanToken, escape: Option<&str>) -> Option<String> {
    let own = piece(text, token);
    let quoted = |own: &str, quote: char| {
        let inner = own.strip_prefix(quote)?.strip_suffix(quote)?;
        let twice: String = [quote, quote].iter().collect();
        Some(inner.replace(&twice, &quote.to_string()))
    };
    match Token::try_from(token.token).ok()? {
        Token::Ident => match quoted(own, '"') {
            Some(inner) => Some(inner),
            None if own.starts_with(['U', 'u']) && own.contains('&') => unescaped(own, '"', escape),
            None if token.keyword_kind == KeywordKind::NoKeyword as i32 => Some(own.to_owned()),
            None => None,
        },
        Token::Uident => unescaped(own, '"', escape),
        Token::Sconst => quoted(own, '\'').or_else(|| {
            // Of an escape string its plain form will do: an escaped one spells something else here and the same in the tree.
            own.strip_prefix(['E', 'e', 'N', 'n']).and_then(|own| quoted(own, '\'')).or_else(|| dollars(own))
        }),
        Token::Usconst => unescaped(own, '\'', escape),
        _ => None,
    }
}

fn dollars(own: &str) -> Option<String> {
    let tag = own.strip_prefix('$')?.split('$').next()?;
    let fence = format!("${tag}$");
    own.strip_prefix(fence.as_str())?.strip_suffix(fence.as_str()).map(str::to_owned)
}

/// `U&"d\0061ta"`, whose escape may be another one.
fn unescaped(own: &str, quote: char, escape: Option<&str>) -> Option<String> {
    let inner = own.get(2..)?.strip_prefix(quote)?.strip_suffix(quote)?;
    let escape = escape.and_then(|text| text.trim_matches('\'').chars().next()).unwrap_or('\\');
    let mut out = String::new();
    let mut rest = inner;
    while let Some(next) = rest.chars().next() {
        rest = rest.get(next.len_utf8()..)?;
        if next != escape {
            out.push(next);
            continue;
        }
        if let Some(behind) = rest.strip_prefix(escape) {
            out.push(escape);
            rest = behind;
            continue;
        }
        let (digits, behind) = match rest.strip_prefix('+') {
            Some(long) => (long.get(..6)?, long.get(6..)?),
            None => (rest.get(..4)?, rest.get(4..)?),
        };
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = behind;
    }
    Some(out.replace(&format!("{quote}{quote}"), &quote.to_string()))
}

/// Whether a call ends, interrupts or looks into a session by its number which is not the caller's: nothing but
/// `pg_backend_pid()` is known to be.
pub(super) fn reaches_other_sessions(name: &str, call: &Branch) -> bool {
    if !matches!(name, "pg_terminate_backend" | "pg_cancel_backend" | "pg_log_backend_memory_contexts") {
        return false;
    }
    let own = |argument: &Tree| {
        argument.branch().is_some_and(|inner| {
            let names = inner.names("funcname").unwrap_or_default();
            let built_in = matches!(names.as_slice(), ["pg_backend_pid"] | ["pg_catalog", "pg_backend_pid"]);
            inner.kind == "FuncCall" && built_in && !inner.is_set("args")
        })
    };
    !call.list("args").first().is_some_and(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_the_server_reads_them() {
        let words = |text: &str| {
            let tokens = pg_query::scan(text).unwrap().tokens;
            let all = (0..tokens.len()).filter_map(|at| {
                let escape =
                    tokens.get(at + 1).filter(|own| own.token == Token::Uescape as i32).and(tokens.get(at + 2));
                word(text, &tokens[at], escape.map(|own| piece(text, own)))
            });
            all.collect::<Vec<_>>().join(",")
        };
        assert_eq!(words("SELECT Patients, \"a\"\"b\", 'x', E'y', $q$z$q$"), "Patients,a\"b,x,y,z");
        assert_eq!(words("SELECT U&\"p\\0061t\", U&\"p!0061t\" UESCAPE '!'"), "pat,pat,!");
        assert_eq!(words("SELECT U&\"\\+000070at\""), "pat");
    }
}
