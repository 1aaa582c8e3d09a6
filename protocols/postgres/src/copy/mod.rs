//! COPY … TO STDOUT: the stream inside its frames, which rows it holds, and masking their cells.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html> (file formats). The server sends one row a frame today, but the
//! protocol does not promise it, so rows are found in the stream and frames are only its packing.

mod binary;
mod csv;
mod options;
mod text;

use crate::catalog::Snapshot;
use crate::conversation::Scratch;
use crate::message::copy::CopyResponse;
use crate::message::{HEAD, close, head};
use crate::state::Live;
use crate::values::encoding;
use model::{Column, Delimited, Facts, Lineage, Outputs, Repr, RowLayout, Verb};
use std::sync::Arc;
use wire::{CellMasker, Splice, Violation};

/// Whether a text may begin a COPY … FROM STDIN. What could not be parsed may.
pub(crate) fn copies_in(facts: &Facts) -> bool {
    facts.unparsed.is_some() || facts.parts.iter().any(|part| part.verb == Verb::CopyIn)
}

/// A text with a COPY … TO STDOUT whose options we cannot read counts as not understood: its rows could not be found.
pub(crate) fn check_options(facts: Arc<Facts>, sql: &[u8], safe_encoding: bool) -> Arc<Facts> {
    if facts.unparsed.is_some() || !facts.parts.iter().any(|part| part.verb == Verb::CopyOut) {
        return facts;
    }
    let copies = facts.parts.iter().enumerate().filter(|(_, part)| part.verb == Verb::CopyOut);
    let read = |(index, _)| options::read(sql, index, facts.parts.len(), safe_encoding);
    match copies.map(read).find_map(Result::err) {
        None => facts,
        Some(why) => {
            let mut facts = Facts::clone(&facts);
            facts.unparsed = Some(format!("the options of COPY are not understood: {why}"));
            Arc::new(facts)
        }
    }
}

/// How the stream is written.
#[derive(Clone, Debug)]
enum Form {
    Text(Delimited),
    Csv(Delimited),
    Binary,
}

/// A COPY … TO STDOUT under way.
#[derive(Debug)]
pub(crate) struct CopyOut {
    form: Form,
    /// The text's own options were not understood; the layout is a guess, so nothing can be masked.
    guessed: bool,
    columns: usize,
    /// The header line or the binary header was seen.
    past_header: bool,
    /// The upstream said that the stream is over.
    pub(crate) done: bool,
}

/// How far whole rows go in some frames.
pub(crate) enum Aligned {
    /// This many bytes of frames, in which this many rows end.
    Rows { taken: usize, rows: u64 },
    /// Not one row ends at a frame's end.
    Nothing,
}

impl CopyOut {
    /// Begins a stream: its form from the answer and the text, its columns from the analysis.
    pub(crate) fn begin(
        response: CopyResponse,
        live: &Live,
        snapshot: &Snapshot,
        safe_encoding: bool,
    ) -> Result<(Self, Arc<[Column]>), Violation> {
        let index = usize::try_from(live.result).unwrap_or(usize::MAX);
        let read = match &live.facts.unparsed {
            None => options::read(&live.sql, index, live.facts.parts.len(), safe_encoding),
            Some(_) => Err("the text was not understood".to_owned()),
        };
        let guessed = read.is_err() && !response.binary;
        let form = match (response.binary, read) {
            (true, _) => Form::Binary,
            (false, Ok(options)) if options.binary => {
                return Err(Violation("the upstream answers COPY in another format than was asked for".to_owned()));
            }
            (false, Ok(options)) if options.delimited.csv => Form::Csv(options.delimited),
            (false, Ok(options)) => Form::Text(options.delimited),
            (false, Err(_)) => Form::Text(options::text_defaults()),
        };
        let columns = columns(response, live.facts.parts.get(index).map(|part| &part.outputs), snapshot);
        let copy = Self { form, guessed, columns: columns.len(), past_header: false, done: false };
        Ok((copy, columns))
    }

    /// How the journal holds the rows.
    pub(crate) fn layout(&self) -> RowLayout {
        match &self.form {
            Form::Text(options) | Form::Csv(options) => RowLayout::Delimited(options.clone()),
            Form::Binary => RowLayout::Framed,
        }
    }

    fn header(&self) -> bool {
        match &self.form {
            Form::Text(options) | Form::Csv(options) => options.header,
            Form::Binary => true,
        }
    }

    /// How many of these frames hold whole rows (all of them, if `whole` is not asked for), and how many rows end there.
    pub(crate) fn align(&mut self, frames: &[u8], lead: usize, whole: bool) -> Result<Aligned, Violation> {
        let header_here = !self.past_header && self.header() && !matches!(self.form, Form::Binary);
        let (mut taken, mut rows, mut ended) = (0, 0u64, 0u64);
        if whole || matches!(self.form, Form::Binary) {
            let mut open = Vec::new();
            let mut at = 0;
            let mut csv = csv::Scan::default();
            while let Some((payload, total)) = payload(frames, at)? {
                at += total;
                let aligned = match &self.form {
                    Form::Text(_) => {
                        ended += memchr::memchr_iter(b'\n', payload).count() as u64;
                        payload.last().is_none_or(|byte| *byte == b'\n')
                    }
                    Form::Csv(options) => {
                        ended += csv.feed(payload, options);
                        csv.between_rows()
                    }
                    Form::Binary => {
                        let past = self.past_header || rows > 0 || taken > 0;
                        let found = if open.is_empty() {
                            binary::count(payload, past, self.columns)?
                        } else {
                            open.extend_from_slice(payload);
                            binary::count(&open, past, self.columns)?
                        };
                        match found {
                            Some(count) => {
                                open.clear();
                                ended += count;
                                true
                            }
                            None => {
                                if open.is_empty() {
                                    open.extend_from_slice(payload);
                                }
                                false
                            }
                        }
                    }
                };
                if aligned {
                    (taken, rows) = (at, ended);
                }
            }
            if taken == 0 {
                return Ok(Aligned::Nothing);
            }
        } else {
            // One frame, one row: what every server does. The count is for the record, nothing is decided by it.
            taken = frames.len();
            rows = u64::from(lead > 0);
            let mut at = lead.min(frames.len());
            if at < lead {
                rows = 0;
            }
            while let Some((_, total)) = payload(frames, at)? {
                at += total;
                rows += 1;
            }
        }
        if header_here && rows > 0 {
            rows -= 1;
        }
        self.past_header = true;
        Ok(Aligned::Rows { taken, rows })
    }

    /// Rebuilds whole rows with masked cells. `first` says that the stream begins here.
    pub(crate) fn splice(
        &self,
        frames: &[u8],
        first: bool,
        masked: &[bool],
        masker: &mut dyn CellMasker,
        scratch: &mut Scratch,
        out: &mut Splice,
    ) -> Result<(), Violation> {
        if self.guessed {
            return Err(Violation("rows of a COPY whose options were not understood cannot be masked".to_owned()));
        }
        let mut header = first && self.header();
        let (mut at, mut scan) = (0, csv::Scan::default());
        let mut joined = std::mem::take(&mut scratch.payload);
        joined.clear();
        while let Some((payload, total)) = payload(frames, at)? {
            at += total;
            let aligned = match &self.form {
                Form::Text(_) => payload.last().is_none_or(|byte| *byte == b'\n'),
                Form::Csv(options) => {
                    scan.feed(payload, options);
                    scan.between_rows()
                }
                Form::Binary if joined.is_empty() => binary::count(payload, !header, self.columns)?.is_some(),
                Form::Binary => false,
            };
            // A row that spans frames goes out in one.
            let rows = if joined.is_empty() && aligned {
                payload
            } else {
                joined.extend_from_slice(payload);
                let complete = match &self.form {
                    Form::Binary => binary::count(&joined, !header, self.columns)?.is_some(),
                    _ => aligned,
                };
                if !complete {
                    continue;
                }
                joined.as_slice()
            };
            let start = out.wire.len();
            out.wire.extend_from_slice(&[b'd', 0, 0, 0, 0]);
            let mut cells =
                Cells { columns: self.columns, masked, masker, cell: &mut scratch.cell, mask: &mut scratch.mask };
            match &self.form {
                Form::Text(options) => text::mask(rows, options, header, &mut cells, &mut out.wire)?,
                Form::Csv(options) => csv::mask(rows, options, header, &mut cells, &mut out.wire)?,
                Form::Binary => binary::mask(rows, header, &mut cells, &mut out.wire, &mut out.journal)?,
            }
            if !matches!(self.form, Form::Binary) {
                out.journal.extend_from_slice(out.wire.get(start + HEAD..).unwrap_or_default());
            }
            close(&mut out.wire, start)?;
            joined.clear();
            header = false;
        }
        let whole = joined.is_empty();
        scratch.payload = joined;
        if whole { Ok(()) } else { Err(Violation("a batch of COPY ends within a row".to_owned())) }
    }

    /// The rows of an unmasked batch as the journal has them. The first `lead` bytes continue a frame.
    pub(crate) fn journal(&self, wire: &[u8], lead: usize, first: bool, out: &mut Vec<u8>) -> Result<(), Violation> {
        if matches!(self.form, Form::Binary) {
            let mut stream = Vec::new();
            let mut at = 0;
            while let Some((payload, total)) = payload(wire, at)? {
                stream.extend_from_slice(payload);
                at += total;
            }
            return binary::journal(&stream, first, self.columns, out);
        }
        let (rest_of_frame, mut frames) = wire.split_at(lead.min(wire.len()));
        out.extend_from_slice(rest_of_frame);
        while let Some((_, total)) = head(frames)? {
            let (frame, after) = frames.split_at(total.min(frames.len()));
            out.extend_from_slice(frame.get(HEAD..).unwrap_or_default());
            frames = after;
        }
        Ok(())
    }
}

/// What masking a row needs.
struct Cells<'a> {
    columns: usize,
    masked: &'a [bool],
    masker: &'a mut dyn CellMasker,
    cell: &'a mut Vec<u8>,
    mask: &'a mut Vec<u8>,
}

impl Cells<'_> {
    fn masks(&self, column: usize) -> bool {
        self.masked.get(column).copied().unwrap_or(false)
    }

    /// A row must have the columns that the plan was made for.
    fn check(&self, found: usize) -> Result<(), Violation> {
        if found == self.columns.max(1) {
            Ok(())
        } else {
            Err(Violation(format!("a row of COPY has {found} cells where {} were expected", self.columns)))
        }
    }
}

/// The payload of the whole frame at `at`, and the frame's size. `None` at the end, or where the last frame is cut.
fn payload(frames: &[u8], at: usize) -> Result<Option<(&[u8], usize)>, Violation> {
    let rest = frames.get(at..).unwrap_or_default();
    match head(rest)? {
        Some((_, total)) => Ok(rest.get(HEAD..total).map(|payload| (payload, total))),
        None => Ok(None),
    }
}

fn columns(response: CopyResponse, outputs: Option<&Outputs>, snapshot: &Snapshot) -> Arc<[Column]> {
    let known = match outputs {
        Some(Outputs::Known(known)) if known.len() == usize::from(response.columns) => known.as_slice(),
        _ => &[],
    };
    let one = |index: u16| {
        let output = known.get(usize::from(index));
        let source = output.and_then(|output| match &output.lineage {
            Lineage::Bare(column) => {
                let relation = snapshot.catalog.relation(&column.table())?;
                relation.columns.iter().find(|candidate| candidate.name == column.column)
            }
            _ => None,
        });
        let (info, max_chars) = snapshot.types.by_name(source.map_or("unknown", |column| &column.type_name));
        Column {
            name: output.and_then(|output| output.name.clone()).unwrap_or_else(|| format!("column{}", index + 1)),
            type_name: info.name,
            repr: Repr { kind: info.kind, encoding: encoding(response.binary) },
            nullable: source.map(|column| column.nullable),
            max_chars,
            announced: None,
        }
    };
    (0..response.columns).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::CellAnswer;

    /// Masks by upper case; NULL stays.
    pub(crate) struct Upper;

    impl CellMasker for Upper {
        fn masks(&self, _column: usize) -> bool {
            true
        }

        fn mask(&mut self, _column: usize, cell: Option<&[u8]>, out: &mut Vec<u8>) -> CellAnswer {
            match cell {
                None => CellAnswer::Keep,
                Some(cell) => {
                    out.extend(cell.iter().map(u8::to_ascii_uppercase));
                    CellAnswer::Replaced
                }
            }
        }
    }

    pub(crate) fn masked_bytes(
        columns: &[bool],
        masker: &mut dyn CellMasker,
        run: impl FnOnce(&mut Cells<'_>, &mut Vec<u8>) -> Result<(), Violation>,
    ) -> Result<Vec<u8>, Violation> {
        let (mut out, mut cell, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        let mut cells = Cells { columns: columns.len(), masked: columns, masker, cell: &mut cell, mask: &mut mask };
        run(&mut cells, &mut out)?;
        Ok(out)
    }

    pub(crate) fn masked(
        columns: &[bool],
        masker: &mut dyn CellMasker,
        run: impl FnOnce(&mut Cells<'_>, &mut Vec<u8>) -> Result<(), Violation>,
    ) -> Result<String, Violation> {
        masked_bytes(columns, masker, run).map(|out| String::from_utf8(out).unwrap())
    }
}
