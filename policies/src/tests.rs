//! What several modules' tests share: an identity, a catalog, facts.

use crate::{Names, Policy, Question, Schema};
use model::{
    Access, AuthMethod, ColumnRef, Facts, Identity, Lineage, OutputColumn, Outputs, Part, Reach, TableRead, TableRef,
    TableUse, Timestamp, Verb, Verdict,
};

pub(crate) fn identity(subject: &str, groups: &[&str]) -> Identity {
    Identity {
        issuer: "https://login.example.org".to_owned(),
        subject: subject.to_owned(),
        name: None,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        expires: Timestamp(i64::MAX),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    }
}

/// `patients(id, ssn, mrn, dob, notes)`, `claims(id, mrn, amount)`, `wards(id, name)`.
pub(crate) struct Hospital;

impl Schema for Hospital {
    fn columns(&self, table: &TableRef) -> Option<Vec<String>> {
        let columns: &[&str] = match table.table.as_str() {
            "patients" => &["id", "ssn", "mrn", "dob", "notes"],
            "claims" => &["id", "mrn", "amount"],
            "wards" => &["id", "name"],
            _ => return None,
        };
        Some(columns.iter().map(|column| (*column).to_owned()).collect())
    }
}

pub(crate) fn policy(text: &str) -> Policy {
    match Policy::parse(&[("test.toml".to_owned(), text.to_owned())]) {
        Ok(policy) => policy,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

pub(crate) fn column(path: &str) -> ColumnRef {
    let (table, column) = path.split_once('.').unwrap();
    ColumnRef { schema: "public".to_owned(), table: table.to_owned(), column: column.to_owned() }
}

pub(crate) fn bare(path: &str) -> OutputColumn {
    OutputColumn { name: None, lineage: Lineage::Bare(column(path)) }
}

pub(crate) fn derived(paths: &[&str]) -> OutputColumn {
    OutputColumn { name: None, lineage: Lineage::Derived(paths.iter().map(|path| column(path)).collect()) }
}

pub(crate) fn part(verb: Verb, tables: &[&str], outputs: Outputs) -> Part {
    let access = if verb == Verb::Select { Access::Read } else { Access::Write };
    let table = |name: &&str| TableUse {
        table: TableRef { schema: "public".to_owned(), table: (*name).to_owned() },
        access,
        reach: Reach::Direct,
    };
    let read = |name: &&str| TableRead {
        table: TableRef { schema: "public".to_owned(), table: (*name).to_owned() },
        bound: Vec::new(),
        unique: None,
    };
    Part {
        verb,
        tables: tables.iter().map(table).collect(),
        outputs,
        predicates: Vec::new(),
        writes: Vec::new(),
        calls: Vec::new(),
        opaque: Vec::new(),
        settings: Vec::new(),
        kin: Vec::new(),
        sources: Vec::new(),
        uses: None,
        verbs: vec![verb],
        reads: tables.iter().map(read).collect(),
        filtered: false,
        limited: false,
    }
}

pub(crate) fn select(tables: &[&str], outputs: Vec<OutputColumn>) -> Part {
    part(Verb::Select, tables, Outputs::Known(outputs))
}

pub(crate) fn facts(parts: Vec<Part>) -> Facts {
    Facts {
        parts,
        unparsed: None,
        normalized: String::new(),
        fingerprint: String::new(),
        unknown_relations: Vec::new(),
        catalog_epoch: 1,
    }
}

/// A question whose time is Wednesday 2025-01-01 00:00 UTC.
pub(crate) fn question<'a>(identity: &'a Identity, facts: &'a Facts) -> Question<'a> {
    Question {
        small_areas: &[36, 59],
        identity,
        client_app: "psql",
        datasource: "ehr",
        names: Names::Exact,
        sql: b"SELECT 1",
        facts,
        schema: &Hospital,
        now: Timestamp::from_unix_seconds(1_735_689_600),
        estimated_rows: None,
    }
}

pub(crate) fn judge(policy: &Policy, groups: &[&str], parts: Vec<Part>) -> Verdict {
    let (who, facts) = (identity("agent", groups), facts(parts));
    policy.judge(&question(&who, &facts))
}
