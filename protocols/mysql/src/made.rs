//! The temporary tables of one session, which no catalog lists and which hide tables of their names.
//!
//! A table is believed to be there only when the server has said so, over the client's own connection, since anything ran that
//! may have dropped or changed it. To forget one is safe: what lies in it went through the rules when it was written, and
//! the table that it hides is the one judged. To believe in one that is gone would not be.

use model::{Access, Facts, TableRef, Verb};
use sql::{Analyser, Catalog, CatalogColumn, Dialect, Relation, RelationKind};
use std::collections::VecDeque;
use std::sync::Arc;

/// Tables known or asked about at most.
const MOST: usize = 256;

/// What the server is to be asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether this is a temporary table.
    Kind(TableRef),
    /// The columns of a temporary table.
    Columns(TableRef),
}

/// The temporary tables of one session.
#[derive(Default)]
pub(crate) struct Made {
    tables: Vec<Relation>,
    questions: VecDeque<Question>,
    /// Grows with every change.
    version: u64,
    view: Option<View>,
}

struct View {
    epoch: u64,
    version: u64,
    catalog: Arc<Catalog>,
    analyser: Analyser,
}

impl Made {
    /// A statement with these facts is sent.
    pub(crate) fn sent(&mut self, facts: &Facts) {
        let defined = |part: &model::Part| -> Vec<TableRef> {
            let defines = part.tables.iter().filter(|used| used.access == Access::Define);
            defines.map(|used| used.table.clone()).collect()
        };
        let unseen = |part: &model::Part| !part.opaque.is_empty() || matches!(part.verb, Verb::Call | Verb::Other);
        let tables: Vec<TableRef> = facts.parts.iter().flat_map(defined).collect();
        if tables.is_empty() && facts.unparsed.is_none() && !facts.parts.iter().any(unseen) {
            return;
        }
        // Whatever ran, it may be about any of them.
        let known: Vec<TableRef> = self.tables.drain(..).map(|relation| relation.name).collect();
        self.version += 1;
        for table in known.into_iter().chain(tables) {
            let question = Question::Kind(table);
            if self.questions.len() < MOST && !self.questions.contains(&question) {
                self.questions.push_back(question);
            }
        }
    }

    /// The session was reset: it has no temporary tables.
    pub(crate) fn clear(&mut self) {
        *self = Self { version: self.version + 1, ..Self::default() };
    }

    /// What is to be asked before the next text.
    pub(crate) fn question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// Whether there is anything to ask.
    pub(crate) fn in_doubt(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Whether the session has, or had, tables of its own.
    pub(crate) fn is_used(&self) -> bool {
        self.version > 0
    }

    /// The server's answer: its rows, or nothing when it is an error.
    pub(crate) fn told(&mut self, question: Question, rows: Option<Vec<Vec<Option<String>>>>) {
        let Some(rows) = rows else { return };
        match question {
            Question::Kind(table) => {
                let text = rows.first().and_then(|row| row.get(1)).cloned().flatten().unwrap_or_default();
                if text.starts_with("CREATE TEMPORARY TABLE") {
                    self.questions.push_front(Question::Columns(table));
                }
            }
            Question::Columns(table) => {
                let column = |(index, row): (usize, Vec<Option<String>>)| {
                    let mut cells = row.into_iter();
                    Some(CatalogColumn {
                        name: cells.next()??,
                        type_name: cells.next()??,
                        nullable: cells.next()?? == "YES",
                        collation: None,
                        invisible: false,
                        generated_from: Vec::new(),
                        indexes: Vec::new(),
                        number: i16::try_from(index + 1).unwrap_or(i16::MAX),
                    })
                };
                let columns = rows.into_iter().enumerate().filter_map(column).collect();
                self.version += 1;
                self.tables.retain(|relation| relation.name != table);
                if self.tables.len() < MOST {
                    self.tables.push(Relation {
                        name: table,
                        id: 0,
                        kind: RelationKind::Table,
                        columns,
                        definition: None,
                        parents: Vec::new(),
                    });
                }
            }
        }
    }

    /// The catalog as the session sees it, where that is not the one in force.
    pub(crate) fn view(&mut self, base: &Arc<Catalog>, mariadb: bool) -> Option<(&Catalog, &Analyser)> {
        if self.tables.is_empty() || self.in_doubt() {
            return None;
        }
        let fits = |view: &View| view.epoch == base.epoch() && view.version == self.version;
        if !self.view.as_ref().is_some_and(fits) {
            let catalog = Arc::new(base.for_session(self.tables.clone(), None, Vec::new()));
            let dialect = if mariadb { Dialect::MariaDb } else { Dialect::Mysql };
            let analyser = Analyser::for_session(dialect);
            self.view = Some(View { epoch: base.epoch(), version: self.version, catalog, analyser });
        }
        self.view.as_ref().map(|view| (view.catalog.as_ref(), &view.analyser))
    }
}

impl Question {
    /// As SQL; `None` for a name that not every character set of a client spells alike.
    pub(crate) fn sql(&self) -> Option<String> {
        let (what, table) = match self {
            Self::Kind(table) => ("SHOW CREATE TABLE", table),
            Self::Columns(table) => ("SHOW COLUMNS FROM", table),
        };
        let plain = |name: &str| !name.is_empty() && name.is_ascii() && !name.contains(['`', '\\', '\0']);
        (plain(&table.schema) && plain(&table.table)).then(|| format!("{what} `{}`.`{}`", table.schema, table.table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Outputs, Part, Reach, TableUse};

    fn table(name: &str) -> TableRef {
        TableRef { schema: "t".to_owned(), table: name.to_owned() }
    }

    fn defines(name: &str) -> Facts {
        let part = Part {
            verb: Verb::Ddl,
            tables: vec![TableUse { table: table(name), access: Access::Define, reach: Reach::Direct }],
            outputs: Outputs::None,
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
            filtered: true,
            limited: false,
        };
        Facts {
            parts: vec![part],
            unparsed: None,
            normalized: String::new(),
            fingerprint: String::new(),
            unknown_relations: Vec::new(),
            catalog_epoch: 1,
        }
    }

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn only_what_the_server_confirms_is_believed() {
        let (mut made, base) = (Made::default(), Arc::new(Catalog::default()));
        made.sent(&defines("a"));
        assert!(made.in_doubt() && made.view(&base, true).is_none());
        let question = made.question().unwrap();
        assert_eq!(question.sql().as_deref(), Some("SHOW CREATE TABLE `t`.`a`"));
        made.told(question, Some(vec![row(&["a", "CREATE TEMPORARY TABLE `a` (…"])]));
        let question = made.question().unwrap();
        assert_eq!(question, Question::Columns(table("a")));
        made.told(question, Some(vec![row(&["id", "int(11)", "NO"]), row(&["x", "text", "YES"])]));
        let (catalog, _) = made.view(&base, true).unwrap();
        assert_eq!(catalog.relation(&table("a")).map(|relation| relation.columns.len()), Some(2));
        // Another definition puts it in doubt at once.
        made.sent(&defines("b"));
        assert!(made.view(&base, true).is_none());
        for expected in [table("a"), table("b")] {
            let question = made.question().unwrap();
            assert_eq!(question, Question::Kind(expected));
            made.told(question, None);
        }
        assert!(!made.in_doubt() && made.view(&base, true).is_none());
    }

    #[test]
    fn what_is_no_temporary_table_is_none() {
        let mut made = Made::default();
        made.told(Question::Kind(table("a")), Some(vec![row(&["a", "CREATE TABLE `a` (…"])]));
        assert!(!made.in_doubt());
        assert_eq!(Question::Kind(table("a`b")).sql(), None);
        assert_eq!(Question::Kind(table("é")).sql(), None);
    }
}
