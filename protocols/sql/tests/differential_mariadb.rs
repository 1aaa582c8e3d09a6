//! Values of a real MariaDB against lineage: rows carry marks that name their column, and every mark that comes back must
//! be among the sources that lineage gives. Needs `mariadbd`, `mariadb-install-db` and `mariadb` on the path.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test reports")]

mod generator;
mod hospital;

use affidavit_sql::Dialect;
use hospital::{facts, summary};
use model::{ColumnRef, Lineage, Outputs};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCHEMA: &str = "
    CREATE DATABASE t; USE t;
    CREATE TABLE patients(id int primary key, mrn text, ssn text, full_name text, dob date, phone text, email text, address text,
        zip text, notes text);
    CREATE TABLE encounters(id int primary key, patient_id int, notes text, icd10 text);
    CREATE TABLE orders(id int primary key, item text, total int);
    CREATE VIEW pv AS SELECT id, ssn AS zip FROM patients;
    CREATE ALGORITHM=TEMPTABLE VIEW pvt AS SELECT p.id, p.ssn AS zip FROM patients p;
    CREATE VIEW deep AS SELECT pv.zip, length(pv.zip) AS size FROM pv WHERE pv.id > 3;
    INSERT INTO patients SELECT seq, '<patients.mrn>', '<patients.ssn>', '<patients.full_name>', '1930-01-01', '', '', '',
        '<patients.zip>', '<patients.notes>' FROM seq_1_to_4;
    INSERT INTO encounters SELECT seq, seq, '<encounters.notes>', '<encounters.icd10>' FROM seq_1_to_2;
    INSERT INTO orders SELECT seq, '<orders.item>', seq FROM seq_1_to_2;";

struct Server {
    folder: tempfile::TempDir,
    child: Child,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
        let user: &[&str] = if root { &["--user=mysql"] } else { &[] };
        if root {
            assert!(Command::new("chown").args(["-R", "mysql"]).arg(folder.path()).status().unwrap().success());
        }
        let datadir = format!("--datadir={}", data.display());
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &datadir])
            // A starting server clears its directory for temporary files, another server's included.
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(user)
            .stdout(Stdio::null())
            .status();
        assert!(installed.unwrap().success());
        let child = Command::new("mariadbd")
            .args(["--no-defaults", "--skip-networking", "--innodb-flush-log-at-trx-commit=0", &datadir])
            .arg(format!("--socket={}", folder.path().join("s").display()))
            .arg(format!("--tmpdir={}", folder.path().display()))
            .args(user)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { folder, child };
        let begun = Instant::now();
        while !server
            .client()
            .arg("-e")
            .arg("SELECT 1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
        {
            assert!(begun.elapsed() < Duration::from_secs(120), "MariaDB did not start");
            std::thread::sleep(Duration::from_millis(200));
        }
        server
    }

    fn client(&self) -> Command {
        let mut command = Command::new("mariadb");
        command.args([
            "--no-defaults",
            "--skip-ssl",
            "-uroot",
            "--batch",
            "--force",
            "-N",
            "--default-character-set=utf8mb4",
        ]);
        command.arg(format!("--socket={}", self.folder.path().join("s").display()));
        command
    }

    /// Runs a script; returns what it prints.
    fn run(&self, script: &str) -> String {
        let mut client =
            self.client().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut input = client.stdin.take().unwrap();
        let script = script.to_owned();
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()).unwrap());
        let output = client.wait_with_output().unwrap();
        writer.join().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sources(lineage: &Lineage) -> Option<BTreeSet<String>> {
    let named: Vec<&ColumnRef> = match lineage {
        Lineage::Bare(column) => vec![column],
        Lineage::Derived(columns) => columns.iter().collect(),
        Lineage::Unknown(_) => return None,
    };
    Some(named.into_iter().map(|column| format!("{}.{}", column.table, column.column)).collect())
}

fn marks(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(mark, _)| mark)
}

#[test]
fn no_value_comes_from_a_column_that_its_lineage_does_not_name() {
    let server = Server::start();
    server.run(SCHEMA);
    let queries: Vec<String> = (0..1_500).map(generator::mysql_query).collect();
    let mut script = "USE t; SET max_statement_time = 2; SET sql_select_limit = 60;\n".to_owned();
    for (at, query) in queries.iter().enumerate() {
        script.push_str(&format!("SELECT '=== {at}';\n{query};\n"));
    }
    let mut rows: HashMap<usize, Vec<&str>> = HashMap::new();
    let printed = server.run(&script);
    let mut at = 0;
    for line in printed.lines() {
        match line.strip_prefix("=== ") {
            Some(number) => at = number.parse().unwrap(),
            None => rows.entry(at).or_default().push(line),
        }
    }
    let (mut understood, mut seen) = (0, 0);
    let mut wrong = Vec::new();
    for (at, lines) in &rows {
        let sql = &queries[*at];
        let facts = facts(Dialect::MariaDb, sql);
        let Some(part) = facts.parts.first() else { continue };
        let Outputs::Known(columns) = &part.outputs else { continue };
        understood += 1;
        for line in lines {
            let cells: Vec<&str> = line.split('\t').collect();
            if cells.len() != columns.len() {
                wrong.push(format!("{sql}\n   {} columns, the server has {}", columns.len(), cells.len()));
                break;
            }
            for (cell, column) in cells.iter().zip(columns) {
                let Some(named) = sources(&column.lineage) else { continue };
                for mark in marks(cell) {
                    seen += 1;
                    if !named.contains(&mark.to_lowercase()) {
                        wrong.push(format!("{sql}\n   {mark} is not among {named:?}\n   {}", summary(&facts)));
                    }
                }
            }
        }
    }
    println!(
        "{} statements returned rows, {understood} understood, {seen} marked values came from where they should",
        rows.len()
    );
    wrong.dedup();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(understood > 500 && seen > 3_000, "{understood} understood, {seen} values");
}
