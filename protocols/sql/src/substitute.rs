//! The door to what is put in the place of protected relations, and to what a prepared text compares its parameters with.

use crate::apart::apart;
use crate::bounds::{self, Effort, LARGE_TEXT};
use crate::lift::{self, Keep, Lexis};
use crate::{Catalog, Dialect, Settings, mysql};
use model::{Facts, Substitution};

/// A parameter that a prepared text compares with a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedParameter {
    /// Its place among the parameters.
    pub index: usize,
    /// The column's name.
    pub column: String,
    /// The types of the columns of that name among the relations that the text names.
    pub types: Vec<String>,
}

/// `sql` with its protected relations replaced by their masked projections, as `substitution` says; nothing else of it is
/// changed. `facts` are those that the substitution was decided on.
///
/// # Errors
/// Why the text cannot be substituted, for its author.
pub fn substitute(
    dialect: Dialect,
    sql: &[u8],
    facts: &Facts,
    substitution: &Substitution,
    catalog: &Catalog,
    settings: &Settings,
) -> Result<Vec<u8>, String> {
    match dialect {
        Dialect::Postgres => Err("masking at the source is not known for this engine".to_owned()),
        Dialect::Mysql | Dialect::MariaDb => with_stack(dialect, sql, settings, || {
            mysql::substitute(dialect, sql, &facts.parts, substitution, catalog, settings)
        }),
    }
}

/// The parameters of a prepared text that are compared with columns. Empty for engines that tell parameters' types by
/// themselves.
///
/// # Errors
/// Why the text cannot be read.
pub fn compared_parameters(
    dialect: Dialect,
    sql: &[u8],
    facts: &Facts,
    settings: &Settings,
) -> Result<Vec<ComparedParameter>, String> {
    match dialect {
        Dialect::Postgres => Ok(Vec::new()),
        Dialect::Mysql | Dialect::MariaDb => {
            with_stack(dialect, sql, settings, || mysql::compared(dialect, sql, &facts.parts, settings))
        }
    }
}

/// Parsers recurse and try: a text is read within the same bounds as when it was analysed.
fn with_stack<T: Send>(
    dialect: Dialect,
    sql: &[u8],
    settings: &Settings,
    work: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    let lifted = lift::lift(sql, Lexis::new(dialect, settings), Keep::Nothing);
    if let Some(why) = bounds::exceeded(dialect, &lifted) {
        return Err(why);
    }
    let work = || {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err("the parser failed on this text: rewrite it".to_owned()))
    };
    let bounded = || bounds::within(Effort::Thorough, || bounds::deep(dialect, lifted.nesting, work));
    let done = if sql.len() > LARGE_TEXT { apart(bounded) } else { Some(bounded()) };
    match done {
        Some((_, Some(what))) => Err(format!("the statement needs too much {what}: simplify it or send it in pieces")),
        Some((Some(done), None)) => done,
        Some((None, None)) | None => {
            Err("too many large statements are being read at once: send it again in a moment".to_owned())
        }
    }
}
