//! Statements: the intent before the upstream sees it, columns, rows, the end.

use super::Edition;
use crate::journal::codec::{Put, Take, Undecodable};
use model::{
    Access, Column, ColumnMask, Decision, Delimited, MaskSpec, Outcome, PolicyVersion, Repr, RowLayout, SessionId,
    Statement, StatementId, Verdict,
};

/// A statement, before the upstream sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Intent {
    pub(crate) session: SessionId,
    pub(crate) statement: StatementId,
    pub(crate) phase: String,
    pub(crate) prepared: Option<u64>,
    pub(crate) sql: Vec<u8>,
    pub(crate) params: Vec<(Repr, Option<Vec<u8>>)>,
    pub(crate) command: String,
    pub(crate) fingerprint: String,
    pub(crate) normalized: String,
    pub(crate) tables: Vec<String>,
    pub(crate) decision: String,
    pub(crate) rule: Option<String>,
    pub(crate) policy: PolicyVersion,
    pub(crate) approval: Option<String>,
    /// Why it was refused, and what to do next.
    pub(crate) refusal: Option<(String, Option<String>)>,
    /// Columns that decide which rows are returned, in which order and groups, as `schema.table.column`.
    pub(crate) used: Vec<String>,
    /// The text that went to the upstream, where it is not the client's.
    pub(crate) sent_sql: Option<Vec<u8>>,
    /// Where protected values were masked, or `refused`.
    pub(crate) class: Option<String>,
    /// The role of the database under which it ran.
    pub(crate) role: Option<String>,
}

pub(crate) fn intent(
    session: SessionId,
    statement: &Statement,
    verdict: &Verdict,
    approval: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&session.0);
    out.u64(statement.id.0);
    out.str(statement.phase.as_str());
    out.opt_u64(statement.prepared.map(|prepared| prepared.0));
    out.bytes(&statement.sql);
    out.count(statement.params.len());
    for param in &statement.params {
        out.repr(&param.repr);
        out.opt_bytes(param.value.as_deref());
    }
    let facts = &statement.facts;
    command(statement, out);
    out.str(&facts.fingerprint);
    out.str(&facts.normalized);
    tables(statement, out);
    out.str(match (&verdict.decision, approval) {
        (Decision::Allow, _) => "allow",
        (Decision::Deny(_), _) => "deny",
        (Decision::Hold(_), Some(_)) => "approved",
        (Decision::Hold(_), None) => "hold",
    });
    let rule = verdict.rule.as_deref().or(match &verdict.decision {
        Decision::Allow => None,
        Decision::Deny(refusal) => refusal.rule.as_deref(),
        Decision::Hold(need) => Some(need.rule.as_str()),
    });
    out.opt_str(rule);
    out.extend_from_slice(&verdict.policy.0);
    out.opt_str(approval);
    let refusal = if let Decision::Deny(refusal) = &verdict.decision { Some(refusal) } else { None };
    out.opt_str(refusal.map(|refusal| refusal.message.as_str()));
    out.opt_str(refusal.and_then(|refusal| refusal.hint.as_deref()));
    used(statement, out);
    let differs = |sent: &&[u8]| *sent != &*statement.sql;
    out.opt_bytes(statement.sent.as_deref().filter(differs));
    out.opt_str(Some(if refusal.is_some() { "refused" } else { verdict.class.as_str() }));
    out.opt_str(statement.role.map(model::Role::as_str));
}

/// The columns of conditions, joins, orderings and groupings, each once.
fn used(statement: &Statement, out: &mut Vec<u8>) {
    let all = || statement.facts.parts.iter().flat_map(|part| &part.predicates).map(|used| &used.column);
    let distinct = || all().enumerate().filter(|(at, column)| !all().take(*at).any(|before| before == *column));
    out.count(distinct().count());
    for (_, column) in distinct() {
        out.joined(&[&column.schema, ".", &column.table, ".", &column.column]);
    }
}

/// The verbs of all parts, joined by `;` (`select`, `begin;update;commit` as `transaction;update;transaction`).
fn command(statement: &Statement, out: &mut Vec<u8>) {
    let facts = &statement.facts;
    if facts.unparsed.is_some() {
        return out.str("unparsed");
    }
    match facts.parts.as_slice() {
        [] => out.str("empty"),
        [only] => out.str(only.verb.as_str()),
        parts => out.str(&parts.iter().map(|part| part.verb.as_str()).collect::<Vec<_>>().join(";")),
    }
}

/// Tables as `schema.table:read|write|define`; each once, in the order of first use. Written as they are walked: this runs
/// for every statement, and a list of strings would be most of what it costs.
fn tables(statement: &Statement, out: &mut Vec<u8>) {
    let all = || statement.facts.parts.iter().flat_map(|part| &part.tables);
    let distinct = || {
        all().enumerate().filter(|(at, used)| {
            !all().take(*at).any(|before| before.table == used.table && before.access == used.access)
        })
    };
    out.count(distinct().count());
    for (_, used) in distinct() {
        let access = match used.access {
            Access::Read => ":read",
            Access::Write => ":write",
            Access::Define => ":define",
        };
        out.joined(&[&used.table.schema, ".", &used.table.table, access]);
    }
}

impl Intent {
    pub(crate) fn read(take: &mut Take<'_>, edition: Edition) -> Result<Self, Undecodable> {
        let mut intent = Self::read_first(take)?;
        if edition >= Edition::Second {
            let (message, hint) = (take.opt_string()?, take.opt_string()?);
            intent.refusal = message.map(|message| (message, hint));
            intent.used = take.list(Take::string)?;
        }
        if edition >= Edition::Third {
            intent.sent_sql = take.opt(|take| take.bytes().map(<[u8]>::to_vec))?;
            (intent.class, intent.role) = (take.opt_string()?, take.opt_string()?);
        }
        Ok(intent)
    }

    fn read_first(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            session: SessionId(take.array()?),
            statement: StatementId(take.u64()?),
            phase: take.string()?,
            prepared: take.opt(Take::u64)?,
            sql: take.bytes()?.to_vec(),
            params: take.list(|take| Ok((take.repr()?, take.opt(|take| take.bytes().map(<[u8]>::to_vec))?)))?,
            command: take.string()?,
            fingerprint: take.string()?,
            normalized: take.string()?,
            tables: take.list(Take::string)?,
            decision: take.string()?,
            rule: take.opt_string()?,
            policy: PolicyVersion(take.array()?),
            approval: take.opt_string()?,
            refusal: None,
            used: Vec::new(),
            sent_sql: None,
            class: None,
            role: None,
        })
    }

    /// The same bytes that [`intent`] wrote.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.session.0);
        out.u64(self.statement.0);
        out.str(&self.phase);
        out.opt_u64(self.prepared);
        out.bytes(&self.sql);
        out.count(self.params.len());
        for (repr, value) in &self.params {
            out.repr(repr);
            out.opt_bytes(value.as_deref());
        }
        out.str(&self.command);
        out.str(&self.fingerprint);
        out.str(&self.normalized);
        out.strs(&self.tables);
        out.str(&self.decision);
        out.opt_str(self.rule.as_deref());
        out.extend_from_slice(&self.policy.0);
        out.opt_str(self.approval.as_deref());
        out.opt_str(self.refusal.as_ref().map(|refusal| refusal.0.as_str()));
        out.opt_str(self.refusal.as_ref().and_then(|refusal| refusal.1.as_deref()));
        out.strs(&self.used);
        out.opt_bytes(self.sent_sql.as_deref());
        out.opt_str(self.class.as_deref());
        out.opt_str(self.role.as_deref());
    }
}

/// What was planned for a column of a result.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) mask: Option<String>,
    pub(crate) rule: Option<String>,
    /// `schema.table` and column that the values come from, if proven.
    pub(crate) source: Option<(String, String)>,
    /// The client saw the values unmasked: it is exempt from the rule.
    pub(crate) raw: bool,
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResultColumn {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) repr: Repr,
    pub(crate) plan: Plan,
}

/// The columns of a result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Columns {
    pub(crate) session: SessionId,
    pub(crate) statement: StatementId,
    pub(crate) result: u32,
    pub(crate) columns: Vec<ResultColumn>,
}

pub(crate) fn columns(
    session: SessionId,
    statement: StatementId,
    result: u32,
    columns: &[Column],
    plan: &[ColumnMask],
    raw: &[bool],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&session.0);
    out.u64(statement.0);
    out.u32(result);
    out.count(columns.len());
    for (at, column) in columns.iter().enumerate() {
        // As `ResultColumn::write` does, from borrowed parts: this runs for every result.
        let plan = plan.get(at);
        let source = plan.and_then(|plan| plan.source.as_ref());
        out.str(&column.name);
        out.str(&column.type_name);
        out.repr(&column.repr);
        out.opt_str(plan.and_then(|plan| plan.mask.as_ref()).map(mask_name));
        out.opt_str(plan.and_then(|plan| plan.rule.as_deref()));
        out.u8(u8::from(source.is_some()));
        if let Some(source) = source {
            out.joined(&[&source.schema, ".", &source.table]);
        }
        out.opt_str(source.map(|source| source.column.as_str()));
        out.u8(u8::from(raw.get(at).copied().unwrap_or(false)));
    }
}

/// The name of a mask, as policy files write it.
fn mask_name(mask: &MaskSpec) -> &'static str {
    match mask {
        MaskSpec::Redact => "redact",
        MaskSpec::Null => "null",
        MaskSpec::Partial { .. } => "partial",
        MaskSpec::Token { .. } => "token",
        MaskSpec::Year => "year",
        MaskSpec::Zip3 => "zip3",
        MaskSpec::FakeName => "fake_name",
        MaskSpec::Hash => "hash",
        MaskSpec::Keep => "keep",
        MaskSpec::Detect { .. } => "detect",
    }
}

impl ResultColumn {
    fn write(&self, out: &mut Vec<u8>) {
        out.str(&self.name);
        out.str(&self.type_name);
        out.repr(&self.repr);
        out.opt_str(self.plan.mask.as_deref());
        out.opt_str(self.plan.rule.as_deref());
        out.opt_str(self.plan.source.as_ref().map(|source| source.0.as_str()));
        out.opt_str(self.plan.source.as_ref().map(|source| source.1.as_str()));
        out.u8(u8::from(self.plan.raw));
    }

    fn read(take: &mut Take<'_>, edition: Edition) -> Result<Self, Undecodable> {
        Ok(Self {
            name: take.string()?,
            type_name: take.string()?,
            repr: take.repr()?,
            plan: Plan {
                mask: take.opt_string()?,
                rule: take.opt_string()?,
                source: take.opt_string()?.zip(take.opt_string()?),
                raw: edition >= Edition::Second && take.bool()?,
            },
        })
    }
}

impl Columns {
    pub(crate) fn read(take: &mut Take<'_>, edition: Edition) -> Result<Self, Undecodable> {
        Ok(Self {
            session: SessionId(take.array()?),
            statement: StatementId(take.u64()?),
            result: take.u32()?,
            columns: take.list(|take| ResultColumn::read(take, edition))?,
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.session.0);
        out.u64(self.statement.0);
        out.u32(self.result);
        out.count(self.columns.len());
        self.columns.iter().for_each(|column| column.write(out));
    }
}

/// What stands before a piece of a row stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowsHead {
    pub(crate) session: SessionId,
    pub(crate) statement: StatementId,
    pub(crate) result: u32,
    pub(crate) rows: u64,
    pub(crate) layout: RowLayout,
}

pub(crate) fn rows_head(
    session: SessionId,
    statement: StatementId,
    result: u32,
    layout: &RowLayout,
    rows: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&session.0);
    out.u64(statement.0);
    out.u32(result);
    out.u64(rows);
    write_layout(layout, out);
}

pub(crate) fn write_layout(layout: &RowLayout, out: &mut Vec<u8>) {
    match layout {
        RowLayout::Framed => out.u8(0),
        RowLayout::Delimited(delimited) => {
            out.u8(1);
            out.u8(u8::from(delimited.csv) | u8::from(delimited.header) << 1);
            out.extend_from_slice(&[delimited.delimiter, delimited.quote, delimited.escape]);
            out.bytes(&delimited.null);
        }
    }
}

pub(crate) fn read_layout(take: &mut Take<'_>) -> Result<RowLayout, Undecodable> {
    match take.u8()? {
        0 => Ok(RowLayout::Framed),
        1 => {
            let [flags, delimiter, quote, escape] = take.array()?;
            let null = take.bytes()?.to_vec();
            let (csv, header) = (flags & 1 != 0, flags & 2 != 0);
            Ok(RowLayout::Delimited(Delimited { csv, delimiter, quote, escape, null, header }))
        }
        _ => Err(Undecodable("unknown row layout")),
    }
}

impl RowsHead {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            session: SessionId(take.array()?),
            statement: StatementId(take.u64()?),
            result: take.u32()?,
            rows: take.u64()?,
            layout: read_layout(take)?,
        })
    }
}

/// A statement, or one part of it, ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Done {
    pub(crate) session: SessionId,
    pub(crate) statement: StatementId,
    pub(crate) last: bool,
    pub(crate) status: String,
    pub(crate) tag: String,
    pub(crate) affected: Option<u64>,
    pub(crate) error_code: Option<String>,
}

pub(crate) fn done(session: SessionId, statement: StatementId, outcome: &Outcome, last: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&session.0);
    out.u64(statement.0);
    out.u8(u8::from(last));
    out.str(outcome.status.as_str());
    out.str(&outcome.tag);
    out.opt_u64(outcome.affected);
    out.opt_str(outcome.error_code.as_deref());
}

impl Done {
    pub(crate) fn read(take: &mut Take<'_>) -> Result<Self, Undecodable> {
        Ok(Self {
            session: SessionId(take.array()?),
            statement: StatementId(take.u64()?),
            last: take.bool()?,
            status: take.string()?,
            tag: take.string()?,
            affected: take.opt(Take::u64)?,
            error_code: take.opt_string()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ColumnRef, Encoding, Kind};

    /// What the sessions write without building it first is what the sealing reads and writes again.
    #[test]
    fn columns_are_written_as_they_are_read() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            type_name: "text".to_owned(),
            repr: Repr { kind: Kind::Text, encoding: Encoding::PostgresText },
            nullable: None,
            max_chars: None,
            announced: None,
        };
        let masked = ColumnMask {
            mask: Some(MaskSpec::Redact),
            rule: Some("names".to_owned()),
            source: Some(ColumnRef {
                schema: "public".to_owned(),
                table: "patients".to_owned(),
                column: "full_name".to_owned(),
            }),
        };
        let mut written = Vec::new();
        columns(
            SessionId([7; 16]),
            StatementId(3),
            1,
            &[column("who"), column("what")],
            &[masked],
            &[true],
            &mut written,
        );
        let read = Columns::read(&mut Take(&written), Edition::Second).unwrap();
        let [who, what] = read.columns.as_slice() else { panic!("two columns: {read:?}") };
        assert_eq!(
            (who.name.as_str(), who.plan.mask.as_deref(), who.plan.rule.as_deref()),
            ("who", Some("redact"), Some("names"))
        );
        assert_eq!(who.plan.source, Some(("public.patients".to_owned(), "full_name".to_owned())));
        assert_eq!(what.plan, Plan::default());
        assert!(who.plan.raw && !what.plan.raw);
        let mut again = Vec::new();
        read.write(&mut again);
        assert_eq!(again, written);
    }
}
