//! Reading the record: sealed segments, pruned by what their manifests, statistics and bloom filters say, then what is
//! still in the journal.

mod filter;
mod prune;
mod window;

pub(crate) use filter::{Condition, Query};

use crate::assemble::{Assembler, Row, Sink, State, read_carry};
use crate::error::{At, StoreError};
use crate::journal::scan;
use crate::log::{Leaf, Manifest, entries};
use crate::retention::{Ledger, is_pruned};
use crate::sign::parse_checkpoint;
use crate::store::{About, Layout};
use crate::table::{Batches, Record, RowView, Table, Value, each_row};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use zeroize::Zeroizing;

/// A store, open for reading. Reading needs no key and no lock; it does not verify.
pub(crate) struct Archive {
    pub(crate) layout: Layout,
    manifests: Vec<Manifest>,
    pub(crate) body_key: Option<Zeroizing<Vec<u8>>>,
    /// Records of the journal that no segment holds yet.
    unsealed: Vec<Record>,
    /// Part of a store: files may be missing.
    partial: bool,
    /// What the log says of retention.
    pub(crate) ledger: Ledger,
    /// Records that were sealed though no signed head of the journal covered them: first and last.
    unproven: Vec<(i64, i64)>,
    /// What all searches touched so far.
    touched: Mutex<Touched>,
}

/// What a search touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) files: u64,
    pub(crate) files_skipped: u64,
    pub(crate) groups: u64,
    pub(crate) groups_skipped: u64,
}

/// A row of a result, as read back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResultRow {
    pub(crate) statement: i64,
    pub(crate) result_set: i64,
    pub(crate) row_index: i64,
    pub(crate) columns: Vec<String>,
    pub(crate) values: Vec<Option<String>>,
    pub(crate) overflow: Option<String>,
}

impl ResultRow {
    fn of(row: &RowView<'_>) -> Self {
        Self {
            statement: row.statement,
            result_set: row.result_set,
            row_index: row.row_index,
            columns: row.columns().map(|name| name.unwrap_or_default().to_owned()).collect(),
            values: row.values().map(|value| value.map(str::to_owned)).collect(),
            overflow: row.overflow.map(str::to_owned),
        }
    }
}

impl Archive {
    /// Opens a store.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        if !layout.about().exists() && !layout.log().is_dir() {
            return Err(StoreError::Config(format!(
                "{} holds no audit store; name one with --store DIR or --config FILE",
                root.display()
            )));
        }
        let about = About::read(&layout)?;
        // The writer may seal between two looks; what was read then does not fit together, and is read again.
        let mut tries = 0;
        loop {
            let (manifests, ledger, unproven) = manifests(&layout)?;
            match unsealed(&layout, about.as_ref(), manifests.last()) {
                Ok(unsealed) => {
                    let (touched, partial) = (Mutex::default(), false);
                    return Ok(Self {
                        layout,
                        manifests,
                        body_key: None,
                        unsealed,
                        partial,
                        ledger,
                        unproven,
                        touched,
                    });
                }
                Err(error) if tries >= 20 => return Err(error),
                Err(_) => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
            }
        }
    }

    /// Opens the part of a store that a package holds.
    pub(crate) fn open_part(root: &Path) -> Result<Self, StoreError> {
        let layout = Layout::new(root);
        let (manifests, ledger, unproven) = manifests(&layout)?;
        let (unsealed, touched) = (Vec::new(), Mutex::default());
        Ok(Self { layout, manifests, body_key: None, unsealed, partial: true, ledger, unproven, touched })
    }

    /// What is sealed, and nothing else.
    pub(crate) fn open_sealed(root: &Path) -> Result<Self, StoreError> {
        Ok(Self { partial: false, ..Self::open_part(root)? })
    }

    pub(crate) fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// Whether a record was sealed though no signed head of the journal covered it: a kill came before the next one.
    pub(crate) fn is_unproven(&self, record: &Record) -> bool {
        let lsn = record.int("lsn");
        self.unproven.iter().any(|(first, last)| (*first..=*last).contains(&lsn))
    }

    /// Records of a table that are not sealed yet.
    pub(crate) fn unsealed(&self, table: Table) -> usize {
        self.unsealed.iter().filter(|record| record.table == table).count()
    }

    /// What all searches touched so far.
    pub(crate) fn touched(&self) -> Touched {
        *self.touched.lock()
    }

    /// Gives the matching records to `each`, newest segment first, in order within a file, until it says stop.
    pub(crate) fn search(
        &self,
        query: &Query,
        each: &mut dyn FnMut(Record, bool) -> Result<bool, StoreError>,
    ) -> Result<Touched, StoreError> {
        let mut touched = Touched::default();
        for record in self.unsealed.iter().rev() {
            if record.table == query.table && query.matches(record) && !each(record.clone(), true)? {
                return Ok(touched);
            }
        }
        for manifest in self.manifests.iter().rev() {
            for file in manifest.predicate.files.iter().rev().filter(|file| file.table == query.table.name()) {
                if !query.overlaps(file.first_ts, file.last_ts) {
                    touched.files_skipped += 1;
                    self.touched.lock().files_skipped += 1;
                    continue;
                }
                let mut found = Vec::new();
                let batches = self.open_file(query, &file.name, &mut touched)?;
                if let Some(batches) = batches {
                    batches.records(query.table, &mut |record| {
                        if query.matches(&record) {
                            found.push(record);
                        }
                        Ok(())
                    })?;
                }
                for record in found.into_iter().rev() {
                    if !each(record, false)? {
                        return Ok(touched);
                    }
                }
            }
        }
        Ok(touched)
    }

    /// The matching records, oldest first; at most the `limit` newest. The flag says that a record is not sealed yet.
    pub(crate) fn collect(&self, query: &Query, limit: Option<usize>) -> Result<Vec<(Record, bool)>, StoreError> {
        let mut found = Vec::new();
        if limit == Some(0) {
            return Ok(found);
        }
        self.search(query, &mut |record, unsealed| {
            found.push((record, unsealed));
            Ok(limit.is_none_or(|limit| found.len() < limit))
        })?;
        found.reverse();
        Ok(found)
    }

    /// The matching records of one segment, in order.
    pub(crate) fn search_segment(
        &self,
        query: &Query,
        manifest: &Manifest,
        each: &mut dyn FnMut(Record),
    ) -> Result<(), StoreError> {
        for file in manifest.predicate.files.iter().filter(|file| file.table == query.table.name()) {
            if let Some(batches) = self.open_file(query, &file.name, &mut Touched::default())? {
                batches.records(query.table, &mut |record| {
                    if query.matches(&record) {
                        each(record);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// The same store, with only the files of some segments; tables that `always` names keep theirs up to there.
    pub(crate) fn limited(
        &self,
        segments: std::ops::Range<u64>,
        always: impl Fn(Table) -> bool,
        with_bodies: bool,
    ) -> Self {
        let mut manifests = self.manifests.clone();
        for manifest in &mut manifests {
            let number = manifest.predicate.segment;
            manifest.predicate.files.retain(|file| {
                let table = Table::by_name(&file.table);
                (segments.contains(&number) || (number < segments.start && table.is_some_and(&always)))
                    && (with_bodies || table != Some(Table::StatementBodies))
            });
        }
        let layout = self.layout.clone();
        let (body_key, ledger) = (self.body_key.clone(), self.ledger.clone());
        let (unsealed, touched, unproven) = (Vec::new(), Mutex::default(), self.unproven.clone());
        Self { layout, manifests, body_key, unsealed, partial: false, ledger, unproven, touched }
    }

    /// From here on files are read from another folder, where some may be missing.
    pub(crate) fn read_from(&mut self, folder: &Path) {
        self.layout = Layout::new(folder);
        self.partial = true;
    }

    /// Writes the records of a file whose `column` has one of `values` to a file of their own: as many as there are, and no
    /// file when there are none.
    pub(crate) fn cut_file(
        &self,
        table: Table,
        name: &str,
        column: &'static str,
        values: &BTreeSet<String>,
        to: &Path,
    ) -> Result<u64, StoreError> {
        let query = Query::new(table).with(Condition::In(column, values.clone()));
        match self.open_file(&query, name, &mut Touched::default()) {
            Ok(Some(batches)) => batches.cut(table, column, values, to),
            Ok(None) => Ok(0),
            Err(StoreError::Damaged { .. }) if table == Table::StatementBodies && self.body_key.is_none() => {
                Err(StoreError::Config(
                    "the exact texts are encrypted, so those of the chosen sessions cannot be taken out of their files; leave --with-bodies out"
                        .to_owned(),
                ))
            }
            Err(error) => Err(error),
        }
    }

    fn open_file(&self, query: &Query, name: &str, touched: &mut Touched) -> Result<Option<Batches>, StoreError> {
        let path = self.layout.root().join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if self.partial && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path, doing: "opening a Parquet file", source }),
        };
        let key = self.body_key.as_deref().map(Vec::as_slice);
        let key = key.filter(|_| query.table == Table::StatementBodies);
        touched.files += 1;
        let mut counts = *touched;
        let batches = Batches::open(query.table, file, name, key, |builder| {
            let groups = prune::row_groups(query, builder);
            let all = builder.metadata().num_row_groups();
            counts.groups += groups.len() as u64;
            counts.groups_skipped += (all - groups.len()) as u64;
            Some(groups)
        });
        let mut all = self.touched.lock();
        all.files += 1;
        all.groups += counts.groups - touched.groups;
        all.groups_skipped += counts.groups_skipped - touched.groups_skipped;
        *touched = counts;
        batches.map(Some)
    }

    /// The rows of a session's statements, or of one of them, in order.
    pub(crate) fn rows(&self, session: &str, statement: Option<i64>) -> Result<Vec<ResultRow>, StoreError> {
        let mut query = Query::new(Table::Rows).with(Condition::equals("session_id", session));
        if let Some(statement) = statement {
            query = query.with(Condition::Int("statement_id", statement));
        }
        let mut rows = Vec::new();
        let mut touched = Touched::default();
        for manifest in &self.manifests {
            for file in manifest.predicate.files.iter().filter(|file| file.table == Table::Rows.name()) {
                let Some(batches) = self.open_file(&query, &file.name, &mut touched)? else { continue };
                each_row(batches, &mut |row| {
                    if row.session == session && statement.is_none_or(|statement| statement == row.statement) {
                        rows.push(ResultRow::of(row));
                    }
                    Ok(())
                })?;
            }
        }
        rows.extend(
            self.unsealed.iter().filter(|record| query.matches(record) && record.table == Table::Rows).map(row),
        );
        Ok(rows)
    }
}

fn row(record: &Record) -> ResultRow {
    let list = |name: &str| if let Value::Strs(list) = record.get(name) { list.clone() } else { Vec::new() };
    ResultRow {
        statement: record.int("statement_id"),
        result_set: record.int("result_set"),
        row_index: record.int("row_index"),
        columns: list("columns").into_iter().map(Option::unwrap_or_default).collect(),
        values: list("values"),
        overflow: record.get("overflow").as_str().map(str::to_owned),
    }
}

/// Manifests, what the log says of retention, and first and last of the records that it calls unproven.
pub(crate) type Holdings = (Vec<Manifest>, Ledger, Vec<(i64, i64)>);

/// The manifests that the log holds, oldest first, without the files that were pruned; what the log says of that; and which
/// records it calls unproven.
pub(crate) fn manifests(layout: &Layout) -> Result<Holdings, StoreError> {
    let path = layout.log().join("checkpoint");
    let note = match crate::store::read_text(&path) {
        Ok(note) => note,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(source) => return Err(StoreError::Io { path, doing: "reading the log's head", source }),
    };
    let head = parse_checkpoint(&note).map_err(|what| StoreError::damaged(path.display(), what))?;
    let (mut manifests, mut unproven) = (Vec::new(), Vec::new());
    let mut ledger = Ledger::new(&head.origin);
    for (index, entry) in entries(&layout.log(), 0, head.size)? {
        let leaf = Leaf::parse(&entry).map_err(|what| StoreError::damaged(format!("leaf {index} of the log"), what))?;
        ledger.take(index, &leaf.2);
        match leaf.2 {
            Leaf::Segment(manifest) => manifests.push(*manifest),
            Leaf::Other(_, json) => {
                let range = json.get("unproven").cloned().and_then(|range| serde_json::from_value(range).ok());
                unproven.extend::<Option<(i64, i64)>>(range);
            }
            _ => {}
        }
    }
    for manifest in manifests.iter_mut().filter(|m| ledger.pruned.contains(&m.predicate.segment)) {
        manifest.predicate.files.retain(|file| !Table::by_name(&file.table).is_some_and(is_pruned));
    }
    Ok((manifests, ledger, unproven))
}

/// Keeps what is assembled.
#[derive(Default)]
struct Memory(Vec<Record>);

/// Rows that are read from the journal at most: a look at it must not fill the memory.
const UNSEALED_ROWS: usize = 200_000;

impl Sink for Memory {
    fn record(&mut self, record: Record, _: i64) -> Result<(), StoreError> {
        self.0.push(record);
        Ok(())
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        if self.0.len() >= UNSEALED_ROWS {
            return Ok(());
        }
        let values = vec![
            Value::Int(crate::table::SCHEMA_VERSION),
            Value::from(row.lsn),
            Value::Time(row.ts),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::from(row.of.session),
            Value::Int(row.of.statement),
            Value::Int(row.result_set),
            Value::Int(row.row_index),
            Value::Strs(row.columns.iter().cloned().map(Some).collect()),
            Value::Strs(row.values.iter().map(|value| value.map(str::to_owned)).collect()),
            row.overflow.map(str::to_owned).into(),
            row.shown().map_or(Value::Null, |shown| Value::Strs(shown.map(|flag| flag.map(str::to_owned)).collect())),
            row.of.user_id.map(str::to_owned).into(),
            row.of.datasource.map(str::to_owned).into(),
        ];
        self.0.push(Record { table: Table::Rows, values });
        Ok(())
    }
}

/// What the journal holds beyond the last segment. Statements that still run are shown as `running`.
fn unsealed(layout: &Layout, about: Option<&About>, last: Option<&Manifest>) -> Result<Vec<Record>, StoreError> {
    let state = match last {
        None => State::default(),
        Some(manifest) => {
            let path = layout.carry(manifest.predicate.segment);
            let bytes = std::fs::read(&path).at(&path, "reading what was open after the last segment")?;
            read_carry(&bytes).map_err(|error| StoreError::damaged(path.display(), error))?
        }
    };
    let sealed = last.map_or(0, |manifest| manifest.predicate.last_lsn);
    let mut assembler = Assembler::new(state, about.map_or("", |about| about.writer.as_str()));
    let mut memory = Memory::default();
    let mut newest = (sealed, 0);
    scan::read(&layout.journal(), sealed, &mut |kind, lsn, ts, payload| {
        newest = (lsn, ts);
        // Nobody vouches for what lies there: what is no record is not shown, and hides nothing else.
        match assembler.apply(kind, lsn, ts, payload, &mut memory) {
            Err(StoreError::Damaged { place, what }) => tracing::warn!(place, what, "not a record"),
            done => done?,
        }
        Ok(())
    })?;
    assembler.running_now(newest.0, newest.1, &mut memory)?;
    Ok(memory.0)
}
