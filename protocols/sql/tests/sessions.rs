//! Statements that run what the session prepared or declared before.

mod hospital;

use affidavit_sql::{Analyser, Dialect, Session};
use hospital::{postgres, postgres_settings, summary};

struct Talk {
    analyser: Analyser,
    session: Session,
}

impl Talk {
    fn new() -> Self {
        Self { analyser: Analyser::new(Dialect::Postgres), session: Session::default() }
    }

    fn judge(&self, sql: &str) -> String {
        summary(&self.analyser.analyse_in(sql.as_bytes(), &postgres(), &postgres_settings(), &self.session))
    }

    fn run(&mut self, sql: &str) {
        self.session.sent(sql.as_bytes());
        self.session.completed(sql.as_bytes(), &postgres_settings());
    }
}

#[test]
fn execute_is_what_was_prepared() {
    let mut talk = Talk::new();
    assert_eq!(talk.judge("EXECUTE q('a')"), "select unknown: prepared statement q | opaque prepared statement q");
    talk.run("PREPARE q (text) AS SELECT zip, ssn FROM patients WHERE mrn = $1");
    assert_eq!(talk.judge("EXECUTE q('a')"), "select zip=patients.zip ssn=patients.ssn | where patients.mrn:Equality");
    talk.run("DEALLOCATE q");
    assert!(talk.judge("EXECUTE q('a')").contains("opaque prepared statement q"));
}

#[test]
fn fetch_is_what_was_declared() {
    let mut talk = Talk::new();
    talk.run("BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM patients");
    assert_eq!(talk.judge("FETCH 10 FROM c"), "select ssn=patients.ssn");
    assert!(talk.judge("FETCH 10 FROM d").contains("opaque cursor d"));
    talk.run("CLOSE ALL");
    assert!(talk.judge("FETCH 10 FROM c").contains("opaque cursor c"));
}

#[test]
fn a_name_that_is_being_redefined_is_forgotten_at_once() {
    let mut talk = Talk::new();
    talk.run("PREPARE q AS SELECT zip FROM patients");
    talk.session.sent(b"DEALLOCATE q; PREPARE q AS SELECT ssn FROM patients");
    assert!(talk.judge("EXECUTE q").contains("opaque prepared statement q"));
    // Within one text the name may change on the way.
    talk.run("PREPARE q AS SELECT zip FROM patients");
    let judged = talk.judge("DEALLOCATE q; PREPARE q AS SELECT ssn FROM patients; EXECUTE q");
    assert!(judged.ends_with("select ssn=patients.ssn"), "{judged}");
}

#[test]
fn discard_forgets_everything() {
    let mut talk = Talk::new();
    talk.run("PREPARE q AS SELECT zip FROM patients");
    talk.run("DISCARD ALL");
    assert!(talk.judge("EXECUTE q").contains("opaque"));
}

#[test]
fn cursors_end_with_their_transaction_and_names_with_the_protocols_use_of_them() {
    for end in ["COMMIT", "ROLLBACK", "END", "ABORT", "ROLLBACK TO x"] {
        let mut talk = Talk::new();
        talk.run("DECLARE c CURSOR FOR SELECT zip FROM patients");
        talk.run("SAVEPOINT x");
        assert_eq!(talk.judge("FETCH c"), "select zip=patients.zip");
        talk.session.sent(end.as_bytes());
        assert!(talk.judge("FETCH c").contains("opaque cursor c"), "{end}");
    }
    let mut talk = Talk::new();
    talk.run("PREPARE q AS SELECT zip FROM patients");
    talk.session.renamed("q");
    assert!(talk.judge("EXECUTE q").contains("opaque"));
}
