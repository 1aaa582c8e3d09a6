//! Whatever is recorded, in whatever pieces and segments, comes back as it was.

// A test reports by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use evidence::VerifierKey;
use evidence::verify::{Options, verify};
use model::*;
use proptest::prelude::*;
use std::process::Command;
use support::*;

/// One statement: its text, its rows, and where the row stream is cut.
#[derive(Clone, Debug)]
struct Plan {
    sql: String,
    rows: Vec<Vec<Option<String>>>,
    cuts: Vec<prop::sample::Index>,
    seal_between: bool,
    status: Status,
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let cell = prop_oneof![Just(None), "[a-zé\\n,\"'\u{1F600} ]{0,12}".prop_map(Some)];
    let rows = (1usize..4)
        .prop_flat_map(move |width| prop::collection::vec(prop::collection::vec(cell.clone(), width..=width), 0..6));
    let status = prop_oneof![Just(Status::Completed), Just(Status::Failed), Just(Status::Cancelled)];
    let plan = (
        "SELECT [a-zA-Z0-9 '%]{0,30}",
        rows,
        prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        any::<bool>(),
        status,
    )
        .prop_map(|(sql, rows, cuts, seal_between, status)| Plan { sql, rows, cuts, seal_between, status });
    prop::collection::vec(plan, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_recorded_comes_back(plans in plans()) {
        let folder = tempfile::tempdir().unwrap();
        let (recorder, _) = open(config(folder.path()));
        let id = session(&recorder, "agent-1");
        for (at, plan) in plans.iter().enumerate() {
            let number = at as u64 + 1;
            recorder.intent(id, &statement(number, &plan.sql), &verdict(), None).unwrap();
            let width = plan.rows.first().map_or(1, Vec::len);
            let columns: Vec<Column> = (0..width).map(|n| text_column(&format!("c{n}"))).collect();
            recorder.columns(id, StatementId(number), 0, &columns, &[], &[]).unwrap();
            let stream: Vec<u8> = plan
                .rows
                .iter()
                .flat_map(|row| data_row(&row.iter().map(Option::as_deref).collect::<Vec<_>>()))
                .collect();
            let mut cuts: Vec<usize> = plan.cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                recorder.rows(id, StatementId(number), 0, &RowLayout::Framed, 0, &stream[pair[0]..pair[1]]).unwrap();
                if plan.seal_between {
                    recorder.seal_now().unwrap();
                }
            }
            let outcome = Outcome { status: plan.status, ..completed(plan.rows.len() as u64) };
            recorder.done(id, StatementId(number), &outcome, true).unwrap();
        }
        recorder.session_closed(id, "done").unwrap();
        recorder.close().unwrap();

        let key = VerifierKey::parse(&vkey()).unwrap();
        let report = verify(folder.path(), &Options::new(key)).unwrap();
        let failed: Vec<_> = report.failed().collect();
        prop_assert!(report.is_good(), "{failed:?}");
        let shown = Command::new(env!("CARGO_BIN_EXE_evidence"))
            .args(["show", &id.to_string(), "--json", "--store"])
            .arg(folder.path())
            .output()
            .unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        let statements = shown["statements"].as_array().unwrap();
        prop_assert_eq!(statements.len(), plans.len());
        for (statement, plan) in statements.iter().zip(&plans) {
            prop_assert_eq!(statement["sql_text"].as_str().unwrap(), &plan.sql);
            prop_assert_eq!(statement["status"].as_str().unwrap(), plan.status.as_str());
            let rows: Vec<Vec<Option<String>>> = statement["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| serde_json::from_value(row["values"].clone()).unwrap())
                .collect();
            prop_assert_eq!(&rows, &plan.rows);
        }
    }
}
