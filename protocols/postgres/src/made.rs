//! Relations that one session sees otherwise than all others: its temporary tables and views, and what its open transaction
//! has made, changed or dropped.
//!
//! Only the server knows what ROLLBACK, ON COMMIT DROP, a failed statement or a savepoint left of them. So nothing is kept
//! by reading the client's statements: after anything that may have made or dropped one, the settings of the session
//! are in doubt (see [`crate::session`]), and with them the server is asked, over the client's own connection, which
//! relations there are. While that is in doubt nothing that is not qualified has a meaning.

use crate::catalog::{relation_kind, text};
use crate::lexer::{Token, tokens};
use model::{Access, Facts, Opaque, Outputs, Reach, TableRef, Verb};
use sql::{Analyser, Catalog, CatalogColumn, Dialect, Relation};
use std::collections::HashSet;
use std::sync::Arc;

/// Asks for them. Every name and operator is qualified: the client chose the search path. Rows: `r` for a relation (OID, schema
/// or `pg_temp`, name, kind, definition), `c` for a column (OID, number, name, type, whether it may be NULL), `p` for a
/// parent (OID, schema, name), `a` for all OIDs of relations, when the transaction has changed something.
///
/// A row of the catalog is of this transaction, or younger, when its `xmin` is not older than the transaction's own
/// identifier: `age` counts back from there, and subtransactions come after it.
pub(crate) const QUESTION: &str = "WITH now AS MATERIALIZED (SELECT pg_catalog.pg_my_temp_schema() AS temp, \
     (pg_catalog.txid_current_if_assigned() IS NOT NULL) AS changed), \
     own AS MATERIALIZED (SELECT c.oid, c.relname, c.relkind, n.nspname, now.temp, c.relnamespace \
     FROM now, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
     WHERE c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}'::pg_catalog.text[]) \
     AND (c.relnamespace OPERATOR(pg_catalog.=) now.temp OR CASE WHEN now.changed \
     AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid THEN pg_catalog.age(c.xmin) OPERATOR(pg_catalog.<=) 0 \
     OR c.oid IN (SELECT attrelid FROM pg_catalog.pg_attribute WHERE pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) 0) \
     OR c.oid IN (SELECT ev_class FROM pg_catalog.pg_rewrite WHERE pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) 0) \
     OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) 0) \
     ELSE false END)) \
     SELECT 'r'::pg_catalog.text, oid::pg_catalog.text, CASE WHEN relnamespace OPERATOR(pg_catalog.=) temp \
     THEN 'pg_temp' ELSE nspname::pg_catalog.text END, relname::pg_catalog.text, relkind::pg_catalog.text, \
     CASE WHEN relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY ('{v,m}'::pg_catalog.text[]) \
     THEN pg_catalog.pg_get_viewdef(oid) END FROM own \
     UNION ALL SELECT 'c', a.attrelid::pg_catalog.text, a.attnum::pg_catalog.text, a.attname::pg_catalog.text, \
     pg_catalog.format_type(a.atttypid, a.atttypmod), (NOT a.attnotnull)::pg_catalog.text \
     FROM own JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) own.oid \
     WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped \
     UNION ALL SELECT 'p', i.inhrelid::pg_catalog.text, CASE WHEN p.relnamespace OPERATOR(pg_catalog.=) own.temp \
     THEN 'pg_temp' ELSE n.nspname::pg_catalog.text END, p.relname::pg_catalog.text, NULL, NULL \
     FROM own JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) own.oid \
     JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) i.inhparent \
     JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.relnamespace \
     UNION ALL SELECT 'a', pg_catalog.string_agg(c.oid::pg_catalog.text, ','), NULL, NULL, NULL, NULL \
     FROM now, pg_catalog.pg_class c WHERE now.changed AND c.oid OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid \
     AND c.relkind::pg_catalog.text OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,f,S}'::pg_catalog.text[]) \
     HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 0";

/// Cells of a row of the answer.
pub(crate) const CELLS: usize = 6;

/// What the session sees otherwise.
#[derive(Debug, Default)]
pub(crate) struct Made {
    relations: Vec<Relation>,
    /// OIDs of all relations that there are, when the open transaction has changed something.
    alive: Option<HashSet<u32>>,
    /// The search path at that time: definitions of views are printed for it.
    path: Vec<String>,
    view: Option<View>,
}

/// The catalog as the session sees it, and an analyser that remembers nothing of others'.
#[derive(Debug)]
struct View {
    epoch: u64,
    catalog: Arc<Catalog>,
    analyser: Analyser,
}

impl Made {
    /// Takes in the server's answer. True when it is another than before.
    pub(crate) fn told(&mut self, rows: &[Vec<Option<String>>], path: &[String]) -> bool {
        let (relations, alive) = read(rows);
        let same = relations == self.relations && alive == self.alive && (relations.is_empty() || path == self.path);
        if !same {
            *self = Self { relations, alive, path: path.to_vec(), view: None };
        }
        !same
    }

    /// The catalog as the session sees it, where that is not the one in force.
    pub(crate) fn view(&mut self, base: &Arc<Catalog>) -> Option<(&Catalog, &Analyser)> {
        if self.relations.is_empty() && self.alive.is_none() {
            return None;
        }
        if self.view.as_ref().is_none_or(|view| view.epoch != base.epoch()) {
            let catalog = base.for_session(self.relations.clone(), self.alive.as_ref(), self.path.clone());
            let analyser = Analyser::for_session(Dialect::Postgres);
            self.view = Some(View { epoch: base.epoch(), catalog: Arc::new(catalog), analyser });
        }
        self.view.as_ref().map(|view| (view.catalog.as_ref(), &view.analyser))
    }
}

fn read(rows: &[Vec<Option<String>>]) -> (Vec<Relation>, Option<HashSet<u32>>) {
    let mut relations: Vec<Relation> = Vec::new();
    let mut alive = None;
    let of = |kind: &'static str| rows.iter().filter(move |row| text(row, 0) == kind);
    let id = |row: &[Option<String>]| text(row, 1).parse::<u32>().ok();
    for row in of("r") {
        relations.push(Relation {
            name: TableRef { schema: text(row, 2).to_owned(), table: text(row, 3).to_owned() },
            id: id(row).unwrap_or(0),
            kind: relation_kind(text(row, 4)),
            columns: Vec::new(),
            definition: row.get(5).cloned().flatten(),
            parents: Vec::new(),
        });
    }
    relations.sort_by_key(|relation| relation.id);
    for row in of("c") {
        let (Some(id), Ok(number)) = (id(row), text(row, 2).parse()) else { continue };
        if let Some(relation) = find(&mut relations, id) {
            let (name, type_name) = (text(row, 3).to_owned(), text(row, 4).to_owned());
            relation.columns.push(CatalogColumn {
                name,
                type_name,
                number,
                nullable: text(row, 5) == "true",
                collation: None,
                invisible: false,
                generated_from: Vec::new(),
                indexes: Vec::new(),
            });
        }
    }
    for row in of("p") {
        if let Some(relation) = id(row).and_then(|id| find(&mut relations, id)) {
            relation.parents.push(TableRef { schema: text(row, 2).to_owned(), table: text(row, 3).to_owned() });
        }
    }
    for relation in &mut relations {
        relation.columns.sort_by_key(|column| column.number);
    }
    for row in of("a") {
        alive = Some(text(row, 1).split(',').filter_map(|oid| oid.parse().ok()).collect());
    }
    (relations, alive)
}

fn find(relations: &mut [Relation], id: u32) -> Option<&mut Relation> {
    let at = relations.binary_search_by_key(&id, |relation| relation.id).ok()?;
    relations.get_mut(at)
}

/// Whether a statement may make, change or drop relations, or run something that does.
pub(crate) fn defines(facts: &Facts) -> bool {
    facts.unparsed.is_some()
        || facts.parts.iter().any(|part| {
            matches!(part.verb, Verb::Ddl | Verb::Call | Verb::Other)
                || part.tables.iter().any(|table| table.access == Access::Define)
                || (!part.opaque.is_empty() && part.calls.iter().any(|call| !call.pure))
        })
}

/// Whether an analysis found the same relations behind the names of a text as one before it. What that did not know may be
/// known now.
pub(crate) fn names_the_same(before: &Facts, now: &Facts) -> bool {
    let named = |facts: &Facts| -> HashSet<TableRef> {
        let used = facts.parts.iter().flat_map(|part| &part.tables);
        used.filter(|used| used.reach == Reach::Direct).map(|used| used.table.clone()).collect()
    };
    let (then, since) = (named(before), named(now));
    let missed = before.unknown_relations.iter().any(|name| !name.starts_with('('));
    before.unparsed == now.unparsed && (then == since || (missed && then.is_subset(&since)))
}

/// The facts of a prepared statement whose names have come to mean other relations since it was prepared: the server may
/// run it with the old ones or with the new ones.
pub(crate) fn unsettled(facts: &Facts) -> Facts {
    let what = "a prepared statement whose names have come to mean other relations since: prepare it again".to_owned();
    let mut facts = facts.clone();
    for part in &mut facts.parts {
        if part.outputs != Outputs::None {
            part.outputs = Outputs::Unknown(what.clone());
        }
        if let Some(uses) = &mut part.uses {
            uses.beyond.push(what.clone());
        }
        part.opaque.push(Opaque { what: what.clone(), reaches_data: true });
    }
    facts
}

/// Whether a text only begins, ends or configures a transaction or the session, so that it needs to know no relation: asking
/// before it would take a snapshot that it is about to configure.
pub(crate) fn configures(sql: &[u8]) -> bool {
    const WORDS: [&str; 14] = [
        "begin",
        "start",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint",
        "release",
        "set",
        "reset",
        "discard",
        "deallocate",
        "listen",
        "unlisten",
    ];
    let Ok(tokens) = tokens(sql) else { return false };
    let ends = |token: &Token| *token == Token::Sign(b';');
    let length = tokens.iter().rposition(|(token, _)| !ends(token)).map_or(0, |at| at.saturating_add(1));
    let one = tokens.get(..length).unwrap_or_default();
    let begins = matches!(one.first(), Some((Token::Word(word), _)) if WORDS.contains(&word.as_str()));
    begins && !one.iter().any(|(token, _)| ends(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sql::RelationKind;

    fn row(cells: [&str; CELLS]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned()).filter(|cell| cell != "NULL")).collect()
    }

    #[test]
    fn the_answer_is_put_together() {
        let rows = [
            row(["c", "900", "2", "b", "text", "true"]),
            row(["r", "900", "pg_temp", "t", "r", "NULL"]),
            row(["c", "900", "1", "a", "integer", "false"]),
            row(["r", "901", "pg_temp", "v", "v", " SELECT t.a FROM t;"]),
            row(["p", "900", "public", "patients", "NULL", "NULL"]),
            row(["a", "900,901,16385", "NULL", "NULL", "NULL", "NULL"]),
        ];
        let mut made = Made::default();
        assert!(made.told(&rows, &["public".to_owned()]));
        assert!(!made.told(&rows, &["public".to_owned()]));
        let names: Vec<_> =
            made.relations[0].columns.iter().map(|column| (column.name.as_str(), column.nullable)).collect();
        assert_eq!(names, [("a", false), ("b", true)]);
        assert_eq!(made.relations[0].parents.len(), 1);
        assert_eq!((made.relations[1].kind, made.alive.as_ref().map(HashSet::len)), (RelationKind::View, Some(3)));
        assert!(made.told(&[], &[]));
        assert!(made.view(&Arc::new(Catalog::default())).is_none());
    }

    #[test]
    fn what_needs_no_relation() {
        assert!(configures(b" BEGIN ISOLATION LEVEL SERIALIZABLE") && configures(b"set local x = 1"));
        for text in ["ROLLBACK;", "/* pool */ rollback ;;", "-- x\nCOMMIT -- y\n; ", "DISCARD ALL", "reset all"] {
            assert!(configures(text.as_bytes()), "{text}");
        }
        assert!(!configures(b"BEGIN; SELECT 1") && !configures(b"SELECT 1") && !configures(b""));
    }
}
