//! RowDescription, NoData, ParameterDescription: the columns of a result, from whichever message tells them.

use super::unexpected;
use crate::conversation::PostgresConversation;
use crate::message::Frame;
use crate::message::row_description::{Field, parameter_description, row_description};
use crate::state::{Live, Op, Shape};
use crate::values::{encoding, max_chars};
use model::{Column, Encoding, Phase, Repr};
use std::borrow::Cow;
use std::sync::Arc;
use wire::{Answer, Violation};

impl PostgresConversation {
    pub(super) fn description<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let forward = Answer::Forward(Cow::Borrowed(frame.wire));
        match (frame.tag, self.front()) {
            (b't', Some(Op::DescribeStatement(prepared))) => {
                prepared.learnt.lock().params = Some(parameter_description(frame.body)?);
                Ok(forward)
            }
            (b'T' | b'n', Some(Op::DescribeStatement(prepared))) => {
                let prepared = prepared.clone();
                prepared.learnt.lock().shape = match frame.tag {
                    b'T' => Shape::Columns(self.columns(&row_description(frame.body)?)),
                    _ => Shape::NoRows,
                };
                self.ops.pop_front();
                Ok(forward)
            }
            (b'T' | b'n', Some(Op::DescribeCursor)) => {
                self.ops.pop_front();
                Ok(forward)
            }
            (b'T' | b'n', Some(Op::DescribePortal { .. })) => self.portal_description(frame),
            (b'T', Some(Op::Query { id, refused: None, .. })) => {
                let id = *id;
                let columns = self.columns(&row_description(frame.body)?);
                let live = self.find(id).ok_or_else(|| unexpected(b'T', None))?;
                live.shape = Shape::Columns(columns.clone());
                (live.announced, live.begun) = (true, false);
                let result = live.result;
                Ok(Answer::Columns { statement: id, result, columns, wire: Cow::Borrowed(frame.wire) })
            }
            (tag, op) => Err(unexpected(tag, op)),
        }
    }

    fn portal_description<'a>(&mut self, frame: Frame<'a>) -> Result<Answer<'a>, Violation> {
        let Some(Op::DescribePortal { id, own }) = self.ops.pop_front() else {
            return Err(unexpected(frame.tag, None));
        };
        let wire = if own { Cow::Borrowed(&[][..]) } else { Cow::Borrowed(frame.wire) };
        let nothing = if own { Answer::Absorb } else { Answer::Forward(Cow::Borrowed(frame.wire)) };
        let columns = match frame.tag {
            b'T' => Some(self.columns(&row_description(frame.body)?)),
            _ => None,
        };
        let Some(live) = self.find(id) else { return Ok(nothing) };
        let Some(columns) = columns else {
            live.shape = Shape::NoRows;
            learn(live, Shape::NoRows);
            return Ok(nothing);
        };
        learn(live, Shape::Columns(columns.iter().map(in_text).collect()));
        if live.announced {
            // The same columns as before: rows may be under way, and their plan stays.
            return Ok(nothing);
        }
        live.shape = Shape::Columns(columns.clone());
        live.announced = true;
        Ok(Answer::Columns { statement: id, result: live.result, columns, wire })
    }

    fn columns(&self, fields: &[Field<'_>]) -> Arc<[Column]> {
        let snapshot = self.source.snapshot();
        let one = |field: &Field<'_>| {
            let info = snapshot.types.by_oid(field.oid);
            Column {
                name: String::from_utf8_lossy(field.name).into_owned(),
                type_name: info.name,
                repr: Repr { kind: info.kind, encoding: encoding(field.binary) },
                nullable: snapshot.nullable(field.table, field.number),
                max_chars: max_chars(field.oid, field.modifier),
                announced: snapshot.catalog.column_by_id(field.table, field.number),
            }
        };
        fields.iter().map(one).collect()
    }

    /// The columns of a result that the pipeline was not told yet, although they are known from a Describe of the
    /// prepared statement.
    pub(super) fn untold_columns<'a>(live: &mut Live) -> Option<Answer<'a>> {
        match &live.shape {
            Shape::Columns(columns) if !live.announced => {
                live.announced = true;
                Some(Answer::Columns {
                    statement: live.id,
                    result: live.result,
                    columns: columns.clone(),
                    wire: Cow::Borrowed(&[]),
                })
            }
            _ => None,
        }
    }
}

fn in_text(column: &Column) -> Column {
    Column { repr: Repr { kind: column.repr.kind.clone(), encoding: Encoding::PostgresText }, ..column.clone() }
}

/// What a portal's description says of its prepared statement.
fn learn(live: &Live, shape: Shape) {
    if let (Phase::Execute, Some(prepared)) = (live.phase, &live.prepared) {
        prepared.learnt.lock().shape = shape;
    }
}
