//! Against a real MariaDB: masked rows, refusals, KILL, rows beyond 16 MiB, and what would be recorded.

mod harness;

use harness::client::{BASE, Client, DEPRECATE_EOF};
use harness::proxy::{Proxy, token};
use harness::script::{SETUP, plain, prepare};
use harness::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masking_refusing_and_the_catalog() {
    let server = Server::start(SETUP);
    let proxy = Proxy::listen(plain(server.port), None).await;
    {
        let mut plan = proxy.plan.lock().unwrap();
        plan.masked = ["ssn", "age", "mrn", "note", "big", "dob"].map(str::to_owned).to_vec();
        plan.refused = ["SELECT 'no'".to_owned(), "INSERT INTO many (id, v) VALUES (?, ?)".to_owned()].to_vec();
        plan.guarded = true;
    }
    let port = proxy.port;
    let direct_port = server.port;
    tokio::task::spawn_blocking(move || {
        let flags = BASE | DEPRECATE_EOF;
        let (mut direct, _) = Client::login(direct_port, "direct", None, flags);
        let (mut through, _) = Client::login(port, "ann", Some(&token()), flags);
        // Text and binary rows are what the server would send, had it the masked values.
        let masked = "SELECT id, IF(ssn IS NULL, NULL, '***') AS ssn, IF(age IS NULL, NULL, 0) AS age, NULL AS dob, \
                      IF(note IS NULL, NULL, '***') AS note, sex, seen FROM patients ORDER BY id";
        let raw = "SELECT id, ssn, age, dob, note, sex, seen FROM patients ORDER BY id";
        let rows = |packets: Vec<(u8, Vec<u8>)>| packets[8..packets.len() - 1].to_vec();
        assert_eq!(rows(through.query(raw)), rows(direct.query(masked)));
        // The same shape in the binary protocol needs the same types, so it is compared with a table of masked values.
        direct.query("CREATE DATABASE twin");
        direct.query("CREATE TABLE twin.patients LIKE ehr.patients");
        direct.query("SET sql_mode = ''");
        direct.query(
            "INSERT INTO twin.patients SELECT id, IF(ssn IS NULL, NULL, '***'), IF(age IS NULL, NULL, 0), \
             IF(mrn IS NULL, NULL, 0), sex, NULL, seen, slot, born, dose, weight, height, IF(big IS NULL, NULL, 0), \
             IF(note IS NULL, NULL, '***'), scan, flags, tags, extra FROM ehr.patients",
        );
        direct.query("USE twin");
        let binary = prepare("SELECT * FROM patients ORDER BY id");
        let execute = b"\x17\x01\0\0\0\0\x01\0\0\0";
        direct.command(&binary);
        through.command(&binary);
        let (expected, got) = (direct.command(execute), through.command(execute));
        assert_eq!(expected.len(), got.len());
        assert_eq!(expected[19..], got[19..], "binary rows and their end");

        // A refusal answers at once, in sequence, and changes nothing.
        let refused = through.query("SELECT 'no'");
        assert_eq!(refused, [(1, b"\xff\x76\x04#42000not today. ask tomorrow".to_vec())]);
        assert_eq!(through.query("SELECT 1").len(), 4);
        // An error that quotes a value is replaced, one that does not is not.
        let duplicate = through.query("INSERT INTO patients (id) VALUES (1)");
        assert_eq!(
            duplicate,
            [(1, b"\xff\x26\x04#23000Duplicate entry for a unique key (value withheld by Affidavit)".to_vec())]
        );
        let unknown = through.query("SELECT nope FROM patients");
        assert!(unknown[0].1.ends_with(b"Unknown column 'nope' in 'SELECT'"), "{unknown:?}");

        // A refused EXECUTE took its types and long data with it, as far as the client knows.
        through.command(&prepare("INSERT INTO many (id, v) VALUES (?, ?)"));
        let unknown = through.command(b"\x17\x02\0\0\0\0\x01\0\0\0\0\x01\x03\0\xfd\0\x01\0\0\0\x01a");
        assert!(unknown[0].1.starts_with(b"\xff\xdb\x04#HY000Unknown prepared statement"), "{unknown:?}");

        for (what, payload, code) in [
            ("binlog", vec![0x12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 1235_u16),
            ("register replica", vec![0x15, 0, 0, 0, 0], 1235),
            ("shutdown", vec![0x08, 0], 1235),
            ("debug", vec![0x0D], 1235),
            ("process list", vec![0x0A], 1235),
            ("COM_MULTI", vec![0xFE, 1, 0, 0, 0x0E], 1235),
            ("kill a stranger", b"\x03KILL 1".to_vec(), 1044),
            ("kill a stranger by command", vec![0x0C, 1, 0, 0, 0], 1044),
            ("kill in disguise", b"\x03SELECT 1; KILL 1".to_vec(), 1235),
            ("prepare a kill", b"\x16KILL 1".to_vec(), 1235),
            ("unknown statement", b"\x17\x63\0\0\0\0\x01\0\0\0".to_vec(), 1243),
        ] {
            let answer = through.command(&payload);
            assert_eq!(answer.len(), 1, "{what}");
            assert_eq!((answer[0].0, answer[0].1[0]), (1, 0xFF), "{what}");
            assert_eq!(u16::from_le_bytes([answer[0].1[1], answer[0].1[2]]), code, "{what}");
        }

        // Who changes the user shows the token again; another one changes nothing.
        for (credential, first) in [("another", 0xFF), (token().as_str(), 0x00)] {
            through.query("SET @kept = 1");
            through.send(0, b"\x11ann\0\0ehr\0\x2d\0mysql_native_password\0\0");
            let (sequence, switch) = through.packet();
            assert_eq!((sequence, switch.as_slice()), (1, &b"\xfemysql_clear_password\0"[..]));
            through.send(2, format!("{credential}\0").as_bytes());
            let (sequence, answer) = through.packet();
            assert_eq!((sequence, answer[0]), (3, first), "{}", String::from_utf8_lossy(&answer));
            let kept = through.query("SELECT @kept IS NULL");
            assert_eq!(kept[2].1, if first == 0 { b"\x011" } else { b"\x010" }, "{kept:?}");
        }

        // One's own other session may be ended; its thread is the upstream's.
        let (mut other, _) = Client::login(port, "ann", Some(&token()), flags);
        let (mut stranger, _) = Client::login(port, "bob", Some(&token()), flags);
        let thread = |client: &Client| {
            let at = client.greeting.iter().position(|byte| *byte == 0).unwrap() + 1;
            u32::from_le_bytes(client.greeting[at..at + 4].try_into().unwrap())
        };
        assert_eq!(stranger.query(&format!("KILL QUERY {}", thread(&other)))[0].1[0], 0xFF);
        assert_eq!(through.query(&format!("KILL {}", thread(&other)))[0].1[0], 0x00);
        assert!(other.is_closed() || other.is_closed());

        // What is defined is known to the next text that touches a table.
        through.query("CREATE OR REPLACE VIEW pv AS SELECT id AS zip, sex AS id FROM patients");
        through.query("SELECT zip, id FROM pv");

        // So is what a procedure does now.
        through.query("CREATE PROCEDURE q() SELECT 1 AS one");
        assert_eq!(through.query("CALL q()").len(), 5);
        through.query("CREATE OR REPLACE PROCEDURE q() SELECT UPPER(ssn) AS ssn FROM patients");
        assert_eq!(through.query("CALL q()").len(), 7);

        // A row beyond 16 MiB, relayed and masked.
        let big = "SELECT REPEAT('x', 17000000) AS a, 1 AS b";
        assert_eq!(direct.query(big), through.query(big));
        let shrunk = through.query("SELECT CAST(REPEAT('x', 17000000) AS CHAR) AS ssn, 1 AS b");
        assert_eq!(shrunk[3], (4, b"\x03***\x011".to_vec()));
        assert_eq!(shrunk[4].0, 5, "the packet after a row that became shorter follows in sequence");
        direct.query("SET NAMES utf8mb4");
        drop(server);
    })
    .await
    .unwrap();

    let record = proxy.record.lock().unwrap();
    let raw = b"123-45-6789";
    for (rows, _) in record.rows.values() {
        assert!(!rows.windows(raw.len()).any(|window| window == raw), "a raw value in the journal");
    }
    let ids = |sql: &str| record.statements.iter().find(|(.., text, _)| text == sql).unwrap().0;
    let id = ids("SELECT id, ssn, age, dob, note, sex, seen FROM patients ORDER BY id");
    let (rows, count) = &record.rows[&(id, 0)];
    assert_eq!(*count, 3);
    assert!(
        rows.starts_with(
            b"D\0\0\0\x42\0\x07\0\0\0\x011\0\0\0\x03***\0\0\0\x010\xff\xff\xff\xff\0\0\0\x03***\0\0\0\x01f"
        ),
        "{rows:?}"
    );
    let announced: Vec<_> =
        record.columns[&(id, 0)].iter().map(|c| c.announced.as_ref().unwrap().to_string()).collect();
    assert_eq!(announced[1], "ehr.patients.ssn");
    assert!(proxy.datasource.catalog_epoch() > 1);
    let lineage = proxy.datasource.analyse("SELECT id FROM ehr.pv");
    assert!(format!("{:?}", lineage.parts[0].outputs).contains("sex"), "{:?}", lineage.parts);
    assert!(lineage.unknown_relations.is_empty());
    let calls =
        |sql: &str| record.facts.iter().filter(|(text, _)| text == sql).map(|(_, facts)| facts.clone()).collect();
    let [before, after]: [std::sync::Arc<model::Facts>; 2] = Vec::try_into(calls("CALL q()")).unwrap();
    assert!(before.parts[0].tables.is_empty() && before.parts[0].opaque.is_empty(), "{before:?}");
    assert_eq!(after.parts[0].tables[0].table.to_string(), "ehr.patients", "not what it was before");
    let table = |name: &str| model::TableRef { schema: "ehr".to_owned(), table: name.to_owned() };
    assert_eq!(proxy.datasource.columns(&table("pv")).unwrap(), ["zip", "id"]);
}
