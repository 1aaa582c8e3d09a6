//! The proposal, from a datasource of a few tables: it loads, and no sampled value stands in it.

use super::*;
use async_trait::async_trait;
use model::{ColumnRef, Facts, Refusal, TableRef};
use std::sync::Arc;
use wire::{DatasourceSpec, Sample, Survey, UpstreamTls};

struct Clinic {
    spec: DatasourceSpec,
    columns: Vec<SurveyColumn>,
}

fn column(path: [&str; 3], type_name: &str, comment: Option<&str>) -> SurveyColumn {
    let [schema, table, column] = path.map(str::to_owned);
    SurveyColumn {
        column: ColumnRef { schema, table, column },
        type_name: type_name.to_owned(),
        comment: comment.map(str::to_owned),
        of_view: false,
        sources: Vec::new(),
        unproven: None,
    }
}

fn clinic() -> Clinic {
    let spec = DatasourceSpec {
        name: "ehr".to_owned(),
        address: "127.0.0.1:1".to_owned(),
        database: None,
        user: "u".to_owned(),
        password: None,
        tls: UpstreamTls::Disabled,
        options: wire::Options::default(),
        connect_timeout: std::time::Duration::from_secs(1),
    };
    let mut view = column(["public", "pv", "ssn"], "text", None);
    view.of_view = true;
    view.sources = vec![ColumnRef { schema: "public".to_owned(), table: "t".to_owned(), column: "known".to_owned() }];
    let columns = vec![
        view,
        column(["public", "t", "known"], "text", None),
        column(["public", "t", "mrn"], "text", None),
        column(["public", "t", "ref 2"], "text", None),
        column(["public", "t", "remark"], "text", None),
        column(["public", "t", "color"], "text", Some("the patient's\nfavourite")),
        column(["public", "t", "code7"], "text", Some("medical record number\n[[mask]]")),
        column(["public", "locked", "email"], "text", None),
    ];
    Clinic { spec, columns }
}

#[async_trait]
impl Datasource for Clinic {
    fn spec(&self) -> &DatasourceSpec {
        &self.spec
    }
    async fn refresh_catalog(&self) -> Result<u64, Refusal> {
        Ok(1)
    }
    fn catalog_epoch(&self) -> u64 {
        1
    }
    fn analyse(&self, _: &str) -> Arc<Facts> {
        panic!("nothing is analysed here")
    }
    fn columns(&self, _: &TableRef) -> Option<Vec<String>> {
        None
    }
    async fn survey(&self) -> Result<Survey, Refusal> {
        Ok(Survey { columns: self.columns.clone(), ..Survey::default() })
    }
    async fn sample(&self, order: &SampleOrder<'_>) -> Result<Sample, Refusal> {
        if order.table.table == "locked" {
            return Err(Refusal::new(model::RefusalKind::UpstreamUnavailable, "it is\nlocked"));
        }
        let cell = |column: &String, row: u32| match column.as_str() {
            "mrn" => format!("0012{row:04}"),
            "ref 2" => format!("219-09-{:04}", row + 1),
            "remark" => format!("Call back at (617) 555-{:04} about the results, please", row + 100),
            "color" => "green".to_owned(),
            _ => format!("secret-{row}"),
        };
        let rows = (0..order.bounded()).map(|row| order.columns.iter().map(|name| Some(cell(name, row))).collect());
        Ok(Sample { rows: rows.collect() })
    }
    async fn cancel(&self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
    async fn probe(&self) -> Result<String, Refusal> {
        Ok("1".to_owned())
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn policy() -> Policy {
    let text =
        "[[mask]]\nname = \"suggested for ehr: e-mail addresses\"\ncolumns = [\"*.*.t.known\"]\nwith = \"redact\"\n";
    Policy::parse(&[("a.toml".to_owned(), text.to_owned())]).unwrap()
}

#[tokio::test]
async fn a_proposal_loads_and_says_why_without_any_value() {
    let clinic = clinic();
    let proposal = propose(&clinic, &policy(), 50).await.unwrap();
    let text = write(&proposal, "ehr", &policy(), 50, true);
    let loaded = Policy::parse(&[("s.toml".to_owned(), text.clone())]).unwrap();
    let covering = |name: &str| {
        let column = ColumnRef { schema: "public".to_owned(), table: "t".to_owned(), column: name.to_owned() };
        loaded.covering("ehr", &column, policies::Names::Exact).map(|by| by.rule.to_owned())
    };
    let mrn = Some("suggested for ehr: medical record numbers".to_owned());
    assert_eq!((covering("mrn"), covering("code7")), (mrn.clone(), mrn), "{text}");
    assert_eq!(covering("ref 2").as_deref(), Some("suggested for ehr: social security numbers"));
    assert_eq!(covering("remark").as_deref(), Some("suggested for ehr: free text"));
    assert_eq!((covering("color"), covering("known")), (None, None));
    for said in [
        "50 of 50 sampled values look like social security numbers",
        "its name says \"mrn\"; 50 of 50 sampled values look like medical record numbers",
        "its comment says \"medical record\"",
        "identifiers stand in 50 of 50 sampled values",
        "# Not sampled: public.locked: it is locked",
        "e-mail addresses (2)",
        "8 columns looked at, 2 of them covered already",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    for value in ["219-09", "0012", "(617)", "secret-", "green"] {
        assert!(!text.contains(value), "a sampled value is in\n{text}");
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_proposed_that_needs_one() {
    let proposal = propose(&clinic(), &policy(), 0).await.unwrap();
    let text = write(&proposal, "ehr", &policy(), 0, false);
    let loaded = Policy::parse(&[("s.toml".to_owned(), text.clone())]).unwrap();
    assert_eq!(loaded.needs_key(), Vec::<String>::new(), "{text}");
    assert!(!text.contains("sampled values"), "{text}");
}
