//! The state between two segments, as a file: what recovery starts from.

use super::state::{Owner, ResultState, Running, Session, State};
use super::stream::RowStream;
use crate::journal::codec::{Put, Take, Undecodable};
use crate::record::{Columns, Edition, Intent};
use crate::table::Table;
use model::{SessionId, StatementId};
use std::collections::BTreeMap;

const MAGIC: &[u8; 8] = b"AFFDVC03";
/// What the editions before began with.
const SECOND: &[u8; 8] = b"AFFDVC02";
const FIRST: &[u8; 8] = b"AFFDVC01";

/// Writes the state. Rows of running statements must have been committed ([`super::Assembler::end`]).
pub(crate) fn write_carry(state: &State) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.count(state.chains.len());
    for (table, (count, head)) in &state.chains {
        out.str(table.name());
        out.u64(*count);
        out.extend_from_slice(head);
    }
    out.u8(u8::from(state.policy.is_some()));
    if let Some((version, since)) = &state.policy {
        out.extend_from_slice(version);
        out.i64(*since);
    }
    out.count(state.sessions.len());
    for (id, session) in &state.sessions {
        out.extend_from_slice(id);
        out.u64(session.seq);
        out.extend_from_slice(&session.head);
        session.owner.write(&mut out);
        out.u64(session.statements);
        out.u64(session.rows);
        out.u64(session.bytes);
        out.count(session.running.len());
        session.running.values().for_each(|running| write_running(running, id, &mut out));
    }
    out
}

fn write_running(running: &Running, session: &[u8; 16], out: &mut Vec<u8>) {
    running.intent.write(out);
    out.i64(running.sent);
    out.opt_u64(running.first_row.map(i64::cast_unsigned));
    out.u64(running.rows);
    out.u64(running.bytes);
    out.extend_from_slice(&running.commit);
    out.strs(&running.tags);
    out.opt_u64(running.affected);
    out.count(running.results.len());
    for (number, result) in &running.results {
        let columns = Columns {
            session: SessionId(*session),
            statement: StatementId(running.intent.statement.0),
            result: *number,
            columns: result.columns.clone(),
        };
        columns.write(out);
        out.strs(&result.names);
        out.u64(result.rows);
        result.stream.write(out);
    }
}

/// Reads the state back.
pub(crate) fn read_carry(bytes: &[u8]) -> Result<State, Undecodable> {
    let mut take = Take(bytes);
    let take = &mut take;
    let edition = match &take.array::<8>()? {
        MAGIC => Edition::Third,
        SECOND => Edition::Second,
        FIRST => Edition::First,
        _ => return Err(Undecodable("it is not a carry file of this version")),
    };
    let chains = take.list(|take| {
        let table = Table::by_name(&take.string()?).ok_or(Undecodable("unknown table"))?;
        Ok((table, (take.u64()?, take.array()?)))
    })?;
    let policy = take.opt(|take| Ok((take.array()?, take.i64()?)))?;
    let sessions = take.list(|take| {
        let id = take.array()?;
        let session = Session {
            seq: take.u64()?,
            head: take.array()?,
            owner: if edition >= Edition::Second { Owner::read(take)? } else { Owner::default() },
            statements: take.u64()?,
            rows: take.u64()?,
            bytes: take.u64()?,
            running: take
                .list(|take| read_running(take, edition))?
                .into_iter()
                .map(|running| (running.intent.statement.0, running))
                .collect(),
        };
        Ok((id, session))
    })?;
    if !take.0.is_empty() {
        return Err(Undecodable("it goes on behind its end"));
    }
    Ok(State { sessions: sessions.into_iter().collect(), chains: chains.into_iter().collect(), policy })
}

fn read_running(take: &mut Take<'_>, edition: Edition) -> Result<Running, Undecodable> {
    let intent = Intent::read(take, edition)?;
    let (sent, first_row) = (take.i64()?, take.opt(Take::i64)?);
    let (rows, bytes, commit) = (take.u64()?, take.u64()?, take.array()?);
    let (tags, affected) = (take.list(Take::string)?, take.opt(Take::u64)?);
    let results = take.list(|take| {
        let columns = Columns::read(take, edition)?;
        let names = take.list(Take::string)?;
        let rows = take.u64()?;
        let stream = RowStream::read(take)?;
        let raw = columns.columns.iter().map(|column| column.plan.raw).collect();
        Ok((columns.result, ResultState { columns: columns.columns, names, raw, stream, rows }))
    })?;
    let results: BTreeMap<u32, ResultState> = results.into_iter().collect();
    Ok(Running { intent, sent, first_row, rows, bytes, commit, part: None, results, tags, affected })
}
