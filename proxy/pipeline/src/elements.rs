//! Elements: an array that is compared with a protected column (`= ANY($1)`) asks as many questions as it has elements. Like
//! a list in the text it may ask 1,000 at once; how many there are is known when it is bound, so it is counted here.

use crate::mask::Protection;
use model::codec::array_elements;
use model::{Compared, Encoding, Part, Phase, Refusal, RefusalKind, Statement, UseContext};

/// Values that a protected column is compared with in one statement.
const MOST: usize = 1_000;

/// Why a statement may not run with the arrays that it was given.
pub(crate) fn too_many(statement: &Statement, protection: &dyn Protection) -> Option<Refusal> {
    if statement.phase != Phase::Execute {
        return None;
    }
    statement.facts.parts.iter().find_map(|part| {
        let uses = part.uses.as_ref().map(|uses| uses.uses.as_slice()).unwrap_or_default();
        uses.iter().find_map(|used| {
            let UseContext::Equals(Compared::Elements(number)) = used.context else { return None };
            let name = used.name.as_deref()?;
            let count = count(statement, number);
            if count <= MOST || !is_protected(part, name, protection) {
                return None;
            }
            let message = format!("{name} is protected and is compared with {count} values at once");
            Some(Refusal::new(RefusalKind::Denied, message).hint(format!("send at most {MOST} of them at once")))
        })
    })
}

/// How many elements a parameter has. What is no array that can be counted is too many.
fn count(statement: &Statement, number: u32) -> usize {
    let at = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let Some(param) = at.and_then(|at| statement.params.get(at)) else { return usize::MAX };
    let Some(value) = &param.value else { return 0 };
    let binary = matches!(param.repr.encoding, Encoding::PostgresBinary | Encoding::MysqlBinary);
    array_elements(value, binary).unwrap_or(usize::MAX)
}

/// A name that is no column of any relation is one that the text made, of whatever column.
fn is_protected(part: &Part, name: &str, protection: &dyn Protection) -> bool {
    let mut named =
        part.sources.iter().flat_map(|source| source.columns.iter()).filter(|column| column.name == name).peekable();
    if named.peek().is_none() {
        return true;
    }
    let hidden = |column: &model::ColumnRef| protection.mask_of(column).is_some();
    named.any(|column| column.unknown || column.same.iter().chain(&column.computed_from).any(hidden))
}
