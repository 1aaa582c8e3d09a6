//! Relations that only one session sees: when the server is asked for them, and what becomes of statements that were prepared
//! before.

use super::*;
use crate::made::CELLS;
use model::{Facts, Outputs};

fn row(cells: [&str; CELLS]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned()).filter(|cell| cell != "NULL")).collect()
}

/// A temporary table `patients`, in the server's words.
fn temporary() -> Vec<Vec<Option<String>>> {
    vec![row(["r", "20000", "pg_temp", "patients", "r", "NULL"]), row(["c", "20000", "1", "ssn", "text", "true"])]
}

fn tables(facts: &Facts) -> Vec<String> {
    facts.parts.iter().flat_map(|part| &part.tables).map(|used| used.table.to_string()).collect()
}

impl Script {
    /// The server answers that the session sees these relations, under this path.
    fn sees(&mut self, rows: &[Vec<Option<String>>], path: &str) {
        let session = &mut self.conversation.session;
        session.refreshed(path, "none");
        let path = session.settings().unwrap().search_path.clone();
        if self.conversation.made.told(rows, &path) {
            self.conversation.session.relations_changed();
        }
    }

    fn prepare(&mut self) -> Arc<crate::state::Prepared> {
        self.client(&[p("q", "SELECT ssn FROM patients"), s()]);
        self.conversation.statements.get(&b"q"[..]).cloned().unwrap()
    }
}

#[test]
fn a_temporary_table_is_found_before_the_one_it_hides() {
    let mut script = Script::new();
    assert_eq!(tables(&script.conversation.analyse(b"SELECT ssn FROM patients", None)), ["public.patients"]);
    script.sees(&temporary(), "public");
    assert_eq!(tables(&script.conversation.analyse(b"SELECT ssn FROM patients", None)), ["pg_temp.patients"]);
    // In doubt, an unqualified name means nothing.
    script.conversation.session.define();
    let facts = script.conversation.analyse(b"SELECT ssn FROM patients", None);
    assert!(facts.unparsed.is_some() || !facts.unknown_relations.is_empty(), "{facts:?}");
    script.conversation.session.asked(true);
    script.sees(&[], "public");
    assert_eq!(tables(&script.conversation.analyse(b"SELECT ssn FROM patients", None)), ["public.patients"]);
}

#[test]
fn what_was_prepared_before_a_table_came_to_hide_another_is_unsettled() {
    let mut script = Script::new();
    let prepared = script.prepare();
    assert_eq!(tables(&script.conversation.facts_of(&prepared).0), ["public.patients"]);
    script.sees(&temporary(), "public");
    let (facts, _) = script.conversation.facts_of(&prepared);
    assert!(matches!(facts.parts[0].outputs, Outputs::Unknown(_)), "{facts:?}");
    assert!(facts.parts[0].opaque.iter().any(|opaque| opaque.reaches_data));
    // It stays so, whatever is made and dropped, until the server has looked again under another path.
    script.sees(&[], "public");
    assert!(matches!(script.conversation.facts_of(&prepared).0.parts[0].outputs, Outputs::Unknown(_)));
    script.sees(&[], "public, other");
    assert!(matches!(script.conversation.facts_of(&prepared).0.parts[0].outputs, Outputs::Known(_)));
}

#[test]
fn what_is_prepared_while_names_are_in_doubt_is_unsettled() {
    let mut script = Script::new();
    // Within a segment there is no asking.
    script.conversation.segment_open = true;
    script.conversation.session.define();
    let prepared = script.prepare();
    script.conversation.session.asked(true);
    script.sees(&temporary(), "public");
    let (facts, _) = script.conversation.facts_of(&prepared);
    assert!(matches!(facts.parts[0].outputs, Outputs::Unknown(_)), "{facts:?}");
}
