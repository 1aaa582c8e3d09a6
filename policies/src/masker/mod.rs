//! Masker: one column's mask, compiled for its kind, encoding and limits. Masks one cell at a time, without allocating.

mod json;
mod limit;
mod redaction;

use crate::Keys;
use crate::transform::Transform;
use limit::Limit;
use model::codec::{DateTime, Element, Value, rebuild_binary_array, rebuild_text_array};
use model::{Column, Encoding, Kind, MaskSpec, Repr};
use redaction::Redaction;

/// What a masked cell became. The bytes, if any, were appended to the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellAnswer {
    /// Unchanged.
    Keep,
    /// NULL.
    Null,
    /// The bytes that were appended.
    Replaced,
}

/// The column cannot be masked: its type is unknown and it may not be NULL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "column {column:?} of type {type_name} has no value to stand for a masked one, and may not be NULL; leave it out"
)]
pub struct Unmaskable {
    /// The column's name in the result.
    pub column: String,
    /// Its type as the engine calls it.
    pub type_name: String,
}

enum Action {
    Keep,
    /// The same for every cell, NULL included: a redacted column says nothing, not even which cells were NULL.
    Redact,
    /// Redacts what is not NULL: the fallback of transforms that do not serve the kind.
    RedactValues,
    Transform(Box<Transform>),
}

/// Masks the cells of one column of one result.
pub struct Masker {
    repr: Repr,
    action: Action,
    redaction: Redaction,
    limit: Limit,
    /// Elements of arrays, unescaped and masked.
    scratch: (Vec<u8>, Vec<u8>),
    /// Leaves of JSON, unescaped and masked.
    leaves: (String, Vec<u8>),
}

impl Masker {
    /// Compiles a mask for a column as the upstream announced it. A mask that cannot serve the column's kind redacts.
    ///
    /// # Errors
    /// [`Unmaskable`]: not even a redaction is possible.
    pub fn compile(mask: &MaskSpec, column: &Column, keys: &Keys) -> Result<Self, Unmaskable> {
        let unmaskable = || Unmaskable { column: column.name.clone(), type_name: column.type_name.clone() };
        let redaction = Redaction::new(column, *mask == MaskSpec::Null);
        let action = match mask {
            MaskSpec::Keep => Action::Keep,
            MaskSpec::Redact | MaskSpec::Null => Action::Redact,
            spec => match Transform::new(spec, keys) {
                Some(transform) if transform.serves(&column.repr.kind) => Action::Transform(Box::new(transform)),
                _ => Action::RedactValues,
            },
        };
        if !matches!(action, Action::Keep) && !redaction.is_possible() {
            return Err(unmaskable());
        }
        Ok(Self {
            repr: column.repr.clone(),
            action,
            redaction,
            limit: Limit::new(column),
            scratch: Default::default(),
            leaves: Default::default(),
        })
    }

    /// Masks one cell, `None` being NULL. Appends the replacement, in the cell's own encoding, to `out`.
    pub fn apply(&mut self, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
        let transform = match (&self.action, cell) {
            (Action::Keep, _) => return CellAnswer::Keep,
            (Action::Redact, cell) => return self.redaction.apply(cell, out),
            (Action::RedactValues, Some(cell)) => return self.redaction.apply(Some(cell), out),
            (_, None) => return CellAnswer::Keep,
            (Action::Transform(transform), Some(_)) => transform,
        };
        let Some(cell) = cell else { return CellAnswer::Keep };
        let start = out.len();
        let leaves = &mut self.leaves;
        let done = match &self.repr.kind {
            Kind::Array { element, .. } => {
                array(transform, element, self.repr.encoding, cell, &mut self.scratch, leaves, out)
            }
            _ => scalar(transform, &self.repr, &self.limit, cell, leaves, out),
        };
        if done.is_some() {
            return CellAnswer::Replaced;
        }
        // Not what its type promised, or beyond what the transform serves.
        out.truncate(start);
        self.redaction.apply(Some(cell), out)
    }
}

/// Masks a value that is not an array. `None` when it must be redacted; `out` may then have been begun.
fn scalar(
    transform: &Transform,
    repr: &Repr,
    limit: &Limit,
    cell: &[u8],
    leaves: &mut (String, Vec<u8>),
    out: &mut Vec<u8>,
) -> Option<()> {
    let masked = match (repr.decode(cell)?, &repr.kind) {
        (Value::Text(text), Kind::Json | Kind::Jsonb) => {
            if repr.kind == Kind::Jsonb && repr.encoding == Encoding::PostgresBinary {
                out.push(1);
            }
            return json::mask(transform, text, leaves, out);
        }
        (Value::Text(text), Kind::Char) => {
            return limit.within(out, |out| transform.text(text.trim_end_matches(' '), out));
        }
        (Value::Text(text), Kind::Text) => return limit.within(out, |out| transform.text(text, out)),
        (Value::Int(value), Kind::Int { bytes, signed }) => Value::Int(transform.int(value, *bytes, *signed)?),
        (Value::Int(0), Kind::Year) => Value::Int(0),
        (Value::Int(value), Kind::Year) => Value::Int(transform.int(value, 2, false)?),
        (Value::Decimal(value), _) => Value::Decimal(transform.decimal(value)?),
        (Value::Date(value), _) => Value::Date(transform.date(value)?),
        (Value::DateTime(value), _) => {
            let date = transform.date(value.date)?;
            if date == value.date && date.is_zero() {
                Value::DateTime(value)
            } else {
                Value::DateTime(DateTime { date, micros: 0, offset: value.offset })
            }
        }
        (Value::Infinity(after), _) if matches!(transform, Transform::Year { .. }) => Value::Infinity(after),
        (Value::Uuid(value), _) => Value::Uuid(transform.uuid(value)?),
        _ => return None,
    };
    repr.encode(&masked, out).ok()
}

/// Masks every element of an array.
fn array(
    transform: &Transform,
    element: &Kind,
    encoding: Encoding,
    cell: &[u8],
    scratch: &mut (Vec<u8>, Vec<u8>),
    leaves: &mut (String, Vec<u8>),
    out: &mut Vec<u8>,
) -> Option<()> {
    // The kind is cloned per cell, not per element; scalar kinds hold no heap.
    let repr = Repr { kind: element.clone(), encoding };
    let mut failed = false;
    let mut each = |bytes: &[u8], out: &mut Vec<u8>| {
        let at = out.len();
        if scalar(transform, &repr, &Limit::NONE, bytes, leaves, out).is_none() {
            out.truncate(at);
            failed = true;
            return Element::Null;
        }
        Element::Replaced
    };
    match encoding {
        Encoding::PostgresBinary => rebuild_binary_array(cell, out, &mut each)?,
        Encoding::PostgresText => rebuild_text_array(std::str::from_utf8(cell).ok()?, scratch, out, &mut each)?,
        Encoding::MysqlText | Encoding::MysqlBinary => return None,
    }
    (!failed).then_some(())
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
