//! What masking costs per cell, detectors per byte of notes, and a verdict per statement.
//!
//! `cargo bench -p affidavit-policies` prints the table. Cells are masked as the pipeline does it: one compiled masker,
//! one reused buffer.

// The macros of criterion expand to undocumented functions; a benchmark may panic.
#![allow(missing_docs, clippy::panic)]

use affidavit_policies::{CellAnswer, Keys, Masker, Names, Policy, Question, Schema};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use model::{
    Access, AuthMethod, Column, ColumnRef, Encoding, Facts, Identity, Kind, Lineage, MaskSpec, OutputColumn, Outputs,
    Part, PredicateUse, Reach, Repr, TableRef, TableUse, Timestamp, Usage, Verb,
};
use std::hint::black_box;

fn column(kind: Kind, encoding: Encoding) -> Column {
    Column {
        name: "c".to_owned(),
        type_name: String::new(),
        repr: Repr { kind, encoding },
        nullable: None,
        max_chars: None,
        announced: None,
    }
}

/// A hundred cells that differ in the two digits at the end; the cell itself, if it does not end so.
fn variants(cell: &[u8]) -> Vec<Vec<u8>> {
    match cell.split_last_chunk::<2>() {
        Some((head, tail)) if tail.iter().all(u8::is_ascii_digit) => {
            (0..100).map(|n| [head, format!("{n:02}").as_bytes()].concat()).collect()
        }
        _ => vec![cell.to_vec()],
    }
}

fn masks(criterion: &mut Criterion) {
    let token = |keep_format| MaskSpec::Token { domain: "d".to_owned(), keep_format };
    let int4 = Kind::Int { bytes: 4, signed: true };
    let array = Kind::Array { element: Box::new(Kind::Text), element_oid: 25 };
    let (text, binary) = (Encoding::PostgresText, Encoding::PostgresBinary);
    let cases: Vec<(&str, MaskSpec, Column, Vec<u8>)> = vec![
        ("redact text", MaskSpec::Redact, column(Kind::Text, text), b"Jane Doe".to_vec()),
        ("partial text", MaskSpec::Partial { keep: 4 }, column(Kind::Text, text), b"(617) 555-0134".to_vec()),
        ("token text", token(false), column(Kind::Text, text), b"MRN0012345678".to_vec()),
        ("token ssn, format kept", token(true), column(Kind::Text, text), b"123-45-6789".to_vec()),
        ("token mrn, format kept", token(true), column(Kind::Text, text), b"MRN0012345678".to_vec()),
        ("token int4 binary", token(false), column(int4.clone(), binary), 1_234_567_i32.to_be_bytes().to_vec()),
        ("token int4 text", token(false), column(int4, text), b"12345678".to_vec()),
        ("year date text", MaskSpec::Year, column(Kind::Date, text), b"1980-05-17".to_vec()),
        ("year date binary", MaskSpec::Year, column(Kind::Date, binary), (-7_169_i32).to_be_bytes().to_vec()),
        ("zip3 text", MaskSpec::Zip3, column(Kind::Text, text), b"94305".to_vec()),
        ("fake_name text", MaskSpec::FakeName, column(Kind::Text, text), b"Jane Doe".to_vec()),
        ("hash text", MaskSpec::Hash, column(Kind::Text, text), b"jane@mail.example".to_vec()),
        ("token text[]", token(false), column(array, text), br#"{Jane,"Jane Doe",NULL}"#.to_vec()),
        (
            "partial jsonb",
            MaskSpec::Partial { keep: 4 },
            column(Kind::Jsonb, text),
            br#"{"kin": "Jane Doe", "n": 7}"#.to_vec(),
        ),
    ];
    let mut group = criterion.benchmark_group("mask a cell");
    for (name, mask, column, cell) in cases {
        let mut masker =
            Masker::compile(&mask, &column, &Keys::new(b"master", "tenant")).unwrap_or_else(|e| panic!("{e}"));
        let mut out = Vec::with_capacity(256);
        assert_eq!(masker.apply(Some(&cell), &mut out), CellAnswer::Replaced);
        // Many values, because the walk of a token is longer for some than for others.
        let cells = variants(&cell);
        let mut next = cells.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                masker.apply(next.next().map(|cell| black_box(cell.as_slice())), &mut out)
            });
        });
    }
    group.finish();
}

const NOTE: &str = "Ada Bagebidu (DOB 1980-05-17, MRN0012345678) admitted for observation. Contact ada@mail.example or \
    (617) 555-0134. Stable overnight, plan unchanged; metformin 500 mg twice daily, BP 120/80, HbA1c 7.2 %. ";

fn detectors(criterion: &mut Criterion) {
    let find = |kinds: &[&str]| MaskSpec::Detect { find: kinds.iter().map(|kind| (*kind).to_owned()).collect() };
    let all: Vec<&str> = affidavit_policies::Scanner::kinds().collect();
    let few = ["ssn", "phone", "email", "mrn", "date", "npi", "mbi"];
    let mut group = criterion.benchmark_group("detect");
    for (name, kinds) in [("seven kinds", &few[..]), ("all kinds", &all[..])] {
        for (length, text) in [("a note", NOTE.to_owned()), ("64 KiB", NOTE.repeat(65_536 / NOTE.len()))] {
            let column = column(Kind::Text, Encoding::PostgresText);
            let keys = Keys::new(b"master", "tenant");
            let mut masker = Masker::compile(&find(kinds), &column, &keys).unwrap_or_else(|e| panic!("{e}"));
            let mut out = Vec::new();
            group.throughput(Throughput::Bytes(u64::try_from(text.len()).unwrap_or(0)));
            group.bench_function(BenchmarkId::new(name, length), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    masker.apply(Some(black_box(text.as_bytes())), &mut out)
                });
            });
        }
    }
    group.finish();
}

struct Hospital;

impl Schema for Hospital {
    fn columns(&self, table: &TableRef) -> Option<Vec<String>> {
        let columns = match table.table.as_str() {
            "patients" => "id mrn ssn full_name dob sex phone email address city state zip mbi account_no notes",
            _ => "id code name beds",
        };
        Some(columns.split(' ').map(str::to_owned).collect())
    }
}

fn facts(table: &str, columns: &[&str]) -> Facts {
    let of =
        |column: &str| ColumnRef { schema: "public".to_owned(), table: table.to_owned(), column: column.to_owned() };
    let part = Part {
        verb: Verb::Select,
        tables: vec![TableUse {
            table: TableRef { schema: "public".to_owned(), table: table.to_owned() },
            access: Access::Read,
            reach: Reach::Direct,
        }],
        outputs: Outputs::Known(
            columns.iter().map(|column| OutputColumn { name: None, lineage: Lineage::Bare(of(column)) }).collect(),
        ),
        predicates: vec![PredicateUse { column: of("id"), usage: Usage::Equality }],
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

fn verdicts(criterion: &mut Criterion) {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let hospital = file("hospital.toml", include_str!("../../testdata/policies/hospital.toml"));
    let safe_harbor = file("safe-harbor.toml", include_str!("../rules/safe-harbor.toml"));
    let identity = Identity {
        issuer: "https://login.example.org".to_owned(),
        subject: "agent".to_owned(),
        name: None,
        groups: vec!["ci-agents".to_owned()],
        expires: Timestamp(i64::MAX),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    };
    let (patients, wards) = (facts("patients", &["id", "mrn", "dob", "state"]), facts("wards", &["id", "name"]));
    let mut group = criterion.benchmark_group("judge");
    for (rules, files) in [("hospital rules", vec![hospital]), ("safe harbor", vec![safe_harbor])] {
        let policy = Policy::parse(&files).unwrap_or_else(|errors| panic!("{errors:?}"));
        for (table, facts) in [("protected table", &patients), ("other table", &wards)] {
            let question = Question {
                small_areas: &[],
                identity: &identity,
                client_app: "psql",
                datasource: "ehr",
                names: Names::Exact,
                sql: b"",
                facts,
                schema: &Hospital,
                now: Timestamp(0),
                estimated_rows: None,
            };
            group.bench_function(BenchmarkId::new(rules, table), |bencher| {
                bencher.iter(|| policy.judge(black_box(&question)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, masks, detectors, verdicts);
criterion_main!(benches);
