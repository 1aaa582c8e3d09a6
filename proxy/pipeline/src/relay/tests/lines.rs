//! A protocol as small as one can be, to drive the relay in tests: each side sends lines.
//!
//! Client: `Q <table> <column>` asks, `H` is housekeeping, `X` says goodbye. Upstream: `C <column>` announces one column
//! of table `public.people`, `R <value>` is a row, `E <text>` an error that quotes data, `D` the end.

use model::{
    Access, Class, Column, ColumnRef, Encoding, Facts, Kind, Lineage, Outcome, OutputColumn, Outputs, Part, Phase,
    Reach, Refusal, Repr, Role, RowLayout, ServerMessage, Severity, Statement, StatementId, Status, TableUse, Verb,
};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use wire::{Answer, CellAnswer, CellMasker, Conversation, Request, RowBatch, Splice, Step, Upkeep, Violation};

/// See the module.
#[derive(Default)]
pub(super) struct Lines {
    count: u64,
    due: VecDeque<StatementId>,
    columns: Option<Arc<[Column]>>,
}

fn line(input: &[u8]) -> Option<(&[u8], usize)> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    Some((&input[..end], end + 1))
}

fn people(column: &str) -> ColumnRef {
    ColumnRef { schema: "public".to_owned(), table: "people".to_owned(), column: column.to_owned() }
}

fn facts(column: &str) -> Facts {
    let part = Part {
        verb: Verb::Select,
        tables: vec![TableUse { table: people(column).table(), access: Access::Read, reach: Reach::Direct }],
        outputs: Outputs::Known(vec![OutputColumn {
            name: Some(column.to_owned()),
            lineage: Lineage::Bare(people(column)),
        }]),
        predicates: Vec::new(),
        writes: Vec::new(),
        calls: Vec::new(),
        opaque: Vec::new(),
        settings: Vec::new(),
        kin: Vec::new(),
        sources: Vec::new(),
        uses: None,
        verbs: Vec::new(),
        reads: Vec::new(),
        filtered: false,
        limited: false,
    };
    Facts {
        parts: vec![part],
        unparsed: None,
        normalized: format!("select {column} from people"),
        fingerprint: "0123456789abcdef".to_owned(),
        unknown_relations: Vec::new(),
        catalog_epoch: 1,
    }
}

fn failed(code: &str, status: Status) -> Outcome {
    Outcome { status, tag: String::new(), affected: None, error_code: Some(code.to_owned()) }
}

impl Conversation for Lines {
    fn request<'a>(&mut self, input: &'a [u8]) -> Result<Step<Request<'a>>, Violation> {
        let Some((text, consumed)) = line(input) else { return Ok(Step::Need(1)) };
        let item = match text.first() {
            Some(b'Q') => {
                self.count += 1;
                let sql = String::from_utf8_lossy(&text[2..]).into_owned();
                Request::Statement(Box::new(Statement {
                    id: StatementId(self.count),
                    phase: Phase::Simple,
                    facts: Arc::new(facts(&sql)),
                    sql: sql.into_bytes().into(),
                    params: Vec::new(),
                    prepared: None,
                    sent: None,
                    role: None,
                    wire: input[..consumed].to_vec().into(),
                }))
            }
            Some(b'H') => Request::Forward(Upkeep::Step, Cow::Borrowed(&input[..consumed])),
            Some(b'X') => Request::Terminate(&input[..consumed]),
            _ => return Err(Violation("an unknown line".to_owned())),
        };
        Ok(Step::Got { consumed, item })
    }

    fn answer<'a>(&mut self, input: &'a [u8]) -> Result<Step<Answer<'a>>, Violation> {
        let Some((text, consumed)) = line(input) else { return Ok(Step::Need(1)) };
        let wire = Cow::Borrowed(&input[..consumed]);
        let statement = *self.due.front().ok_or_else(|| Violation("an answer to nothing".to_owned()))?;
        let item = match text.first() {
            Some(b'C') => {
                let name = String::from_utf8_lossy(&text[2..]).into_owned();
                let columns: Arc<[Column]> = vec![Column {
                    announced: Some(people(&name)),
                    name,
                    type_name: "text".to_owned(),
                    repr: Repr { kind: Kind::Text, encoding: Encoding::PostgresText },
                    nullable: Some(true),
                    max_chars: None,
                }]
                .into();
                self.columns = Some(columns.clone());
                Answer::Columns { statement, result: 0, columns, wire }
            }
            Some(b'R') => Answer::Rows(RowBatch {
                statement,
                result: 0,
                columns: self.columns.clone().ok_or_else(|| Violation("a row without columns".to_owned()))?,
                rows: 1,
                wire: &input[..consumed],
                layout: RowLayout::Framed,
            }),
            Some(b'E') => {
                self.due.pop_front();
                let message = ServerMessage {
                    severity: Severity::Error,
                    code: "22P02".to_owned(),
                    may_quote_data: true,
                    denied: false,
                };
                let outcome = failed("22P02", Status::Failed);
                Answer::Done { statement, outcome, message: Some(message), last: true, wire }
            }
            _ => {
                self.due.pop_front();
                let outcome =
                    Outcome { status: Status::Completed, tag: "SELECT".to_owned(), affected: None, error_code: None };
                Answer::Done { statement, outcome, message: None, last: true, wire }
            }
        };
        Ok(Step::Got { consumed, item })
    }

    /// An adapter that is wrong about what it was asked.
    fn settle_class(&mut self, statement: &mut Statement, _class: &Class, _role: Role) -> Result<(), Refusal> {
        if statement.sql.starts_with(b"other ") {
            statement.wire = b"Q secret\n".to_vec().into();
        }
        Ok(())
    }

    fn permit(&mut self, statement: &Statement, _before: &mut Vec<u8>, _after: &mut Vec<u8>) {
        self.due.push_back(statement.id);
    }

    fn refuse(&mut self, _statement: &Statement, refusal: &Refusal, _upstream: &mut Vec<u8>, client: &mut Vec<u8>) {
        client.extend_from_slice(format!("refused: {}\n", refusal.message).as_bytes());
    }

    fn whole_rows(&mut self, _statement: StatementId) {}

    fn splice(&mut self, batch: &RowBatch<'_>, masker: &mut dyn CellMasker, out: &mut Splice) -> Result<(), Violation> {
        let cell = &batch.wire[2..batch.wire.len() - 1];
        let mut masked = Vec::new();
        match masker.mask(0, Some(cell), &mut masked) {
            CellAnswer::Keep => masked = cell.to_vec(),
            CellAnswer::Null => masked = b"NULL".to_vec(),
            CellAnswer::Replaced => {}
        }
        out.wire = [b"R ", masked.as_slice(), b"\n"].concat();
        out.journal = framed(&masked);
        Ok(())
    }

    fn journal_rows(&mut self, batch: &RowBatch<'_>, out: &mut Vec<u8>) -> Result<Option<()>, Violation> {
        *out = framed(&batch.wire[2..batch.wire.len() - 1]);
        Ok(Some(()))
    }

    fn template(&mut self, message: &ServerMessage, _wire: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        out.extend_from_slice(format!("E {} withheld\n", message.code).as_bytes());
        Ok(())
    }

    fn notice(&mut self, text: &str, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(format!("notice: {text}\n").as_bytes());
        true
    }

    fn farewell(&mut self, refusal: &Refusal, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("farewell: {}\n", refusal.message).as_bytes());
    }

    fn goodbye(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"X\n");
    }

    fn unanswered(&self) -> Vec<StatementId> {
        self.due.iter().copied().collect()
    }

    fn reanalyse(&mut self, _statement: &mut Statement) {}
}

/// One row of one cell, in the journal's framed layout.
fn framed(cell: &[u8]) -> Vec<u8> {
    let length = u32::try_from(cell.len()).unwrap();
    [&b"D"[..], &(length + 10).to_be_bytes(), &1_u16.to_be_bytes(), &length.to_be_bytes(), cell].concat()
}
