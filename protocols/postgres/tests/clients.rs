//! Real clients against a real server through the adapter: pgbench in its three protocols, psql's cursors and copies.

// A panic is how a test reports.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use model::StatementId;
use std::collections::HashMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use support::relay::{Rules, Seen, serve};
use support::server::{Server, bin};
use support::{TOKEN, TestDesk, datasource, spec};
use wire::UpstreamTls;

const HBA: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(bin().join(program));
    command
        .env("PGPASSWORD", TOKEN)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", "ann")
        .env("PGDATABASE", "ehr");
    command
}

async fn run(mut command: Command, input: &'static str) -> (bool, String, String) {
    let work = move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        std::io::Write::write_all(&mut child.stdin.take().expect("a pipe"), input.as_bytes()).expect("it reads");
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        (output.status.success(), text(output.stdout), text(output.stderr))
    };
    tokio::task::spawn_blocking(work).await.expect("it ends")
}

/// Every statement has exactly one last answer, and nothing was out of order.
fn check(seen: &Mutex<Seen>) {
    let mut seen = seen.lock().unwrap();
    assert!(seen.errors.is_empty(), "{:?}", seen.errors);
    assert_eq!(seen.unanswered, 0);
    // Numbers begin anew with each session.
    let mut sent: HashMap<StatementId, usize> = HashMap::new();
    seen.statements.drain(..).for_each(|(id, _)| *sent.entry(id).or_default() += 1);
    seen.done.drain(..).filter(|(_, _, last)| *last).for_each(|(id, _, _)| *sent.entry(id).or_default() -= 1);
    assert!(sent.values().all(|count| *count == 0), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbench_and_psql() {
    let server = Server::start(HBA, None);
    let mut init = Command::new(bin().join("pgbench"));
    init.args(["-i", "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", &server.port.to_string(), "postgres"]);
    let (ok, _, err) = run(init, "").await;
    assert!(ok, "{err}");
    server.sql("CREATE TABLE people (id int, ssn text, note text)");
    let desk = Arc::new(TestDesk::new(datasource(spec(server.port, "postgres", None, UpstreamTls::Disabled))));
    let masks = |column: &model::Column| column.name == "ssn";
    let (port, seen) = serve(desk, Rules { masks: Box::new(masks), ..Rules::default() }).await;

    for mode in ["simple", "extended", "prepared"] {
        for script in ["-S", "-N"] {
            let mut bench = client("pgbench", port);
            bench.args(["-n", "-c", "2", "-t", "50", "-M", mode, script]);
            let (ok, out, err) = run(bench, "").await;
            assert!(ok && out.contains("100/100"), "{mode} {script}: {out} {err} {:?}", seen.lock().unwrap().errors);
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    check(&seen);

    let mut psql = client("psql", port);
    psql.args(["-X", "-At", "-v", "ON_ERROR_STOP=1"]);
    let script = "\
        COPY people FROM STDIN;\n1\t123-45-0001\tone\n2\t\\N\ttw\\to\n\\.\n\
        COPY people FROM STDIN CSV;\n3,123-45-0003,\"a,\nb\"\n\\.\n\
        \\set FETCH_COUNT 2\n\
        SELECT id, ssn FROM people ORDER BY id;\n\
        \\unset FETCH_COUNT\n\
        BEGIN; DECLARE c CURSOR FOR SELECT ssn FROM people ORDER BY id;\nFETCH 1 FROM c;\nCOMMIT;\n\
        COPY people TO STDOUT (FORMAT csv, HEADER);\n\
        PREPARE p AS SELECT ssn FROM people WHERE id = $1;\nEXECUTE p (3);\nDEALLOCATE p;\n\
        SET search_path = pg_catalog;\nSELECT count(*) FROM public.people;\nRESET ALL;\n\
        SELECT 1 \\; SELECT 2;\n\
        LISTEN ch;\nNOTIFY ch, 'x';\n\
        DO $$ BEGIN RAISE NOTICE 'hello'; END $$;\n\
        \\dt\n";
    let (ok, out, err) = run(psql, script).await;
    assert!(ok, "{out}\n{err}\n{:?}", seen.lock().unwrap().errors);
    for line in ["1|***", "2|", "3|***", "id,ssn,note", "1,***,one", "public|people|table|postgres"] {
        assert!(out.lines().any(|found| found == line), "{line} in {out}");
    }
    assert!(!out.contains("123-45"), "{out}");
    assert!(err.contains("hello"), "{err}");
    check(&seen);

    let mut dump = client("pg_dump", port);
    dump.args(["-t", "pgbench_branches"]);
    let (ok, out, err) = run(dump, "").await;
    assert!(ok && out.contains("CREATE TABLE public.pgbench_branches"), "{err} {:?}", seen.lock().unwrap().errors);
    check(&seen);
}
