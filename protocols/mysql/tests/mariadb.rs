//! Against a real MariaDB: the oracle is always the same client doing the same thing directly.

mod harness;

use harness::client::{BASE, Client, DEPRECATE_EOF, MARIADB, SESSION_TRACK};
use harness::proxy::{Proxy, Upstream, token};
use harness::server::{Server, certificate};
use rustls_pki_types::pem::PemObject as _;
use std::process::Command;
use std::sync::Arc;
use wire::UpstreamTls;

const SETUP: &str = "
    CREATE DATABASE ehr; USE ehr;
    CREATE USER direct@'127.0.0.1'; GRANT ALL ON *.* TO direct@'127.0.0.1';
    CREATE USER affidavit@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO affidavit@'127.0.0.1';
    CREATE USER modern@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('secret') REQUIRE SSL;
    GRANT ALL ON *.* TO modern@'127.0.0.1';
    CREATE TABLE patients (id INT PRIMARY KEY, ssn VARCHAR(11), age TINYINT UNSIGNED, mrn MEDIUMINT, sex ENUM('f','m'),
        dob DATE, seen DATETIME(3), slot TIME, born YEAR, dose DECIMAL(10,3), weight DOUBLE, height FLOAT, big BIGINT,
        note TEXT, scan BLOB, flags BIT(9), tags SET('a','b'), extra JSON) CHARACTER SET utf8mb4;
    INSERT INTO patients VALUES
        (1,'123-45-6789',34,7001,'f','1990-01-02','2024-05-06 07:08:09.123','10:11:12',1990,1.5,70.25,1.5,-9,'n\\'1',x'00ff',5,'a,b','{\"a\":1}'),
        (2,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
        (3,'',0,-1,'m','0000-00-00','0000-00-00 00:00:00','-838:59:59',0,0,0,0,0,'','',0,'','[]');
    CREATE VIEW pv AS SELECT id, ssn AS zip FROM patients;
    CREATE TABLE many (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20)); INSERT INTO many (v) SELECT seq FROM seq_1_to_700;
    DELIMITER //
    CREATE PROCEDURE two(OUT total INT) BEGIN SELECT id FROM patients; SELECT 'x' AS y; SET total = 7; END //
    DELIMITER ;
";

fn prepare(sql: &str) -> Vec<u8> {
    let mut payload = vec![0x16];
    payload.extend_from_slice(sql.as_bytes());
    payload
}

fn plain(port: u16) -> Upstream {
    Upstream { port, user: "affidavit", password: "secret", database: Some("ehr"), tls: UpstreamTls::Disabled }
}

/// Everything a session does in its life, in order. Numbers of prepared statements count up from 1.
fn script() -> Vec<(&'static str, Vec<u8>)> {
    let query = |sql: &str| {
        let mut payload = vec![3];
        payload.extend_from_slice(sql.as_bytes());
        payload
    };
    vec![
        ("text rows of every type", query("SELECT * FROM patients ORDER BY id")),
        ("no rows", query("SELECT * FROM patients WHERE id = 99")),
        ("OK with counts", query("UPDATE patients SET age = age + 1 WHERE id = 1")),
        ("error", query("SELECT nothing FROM patients")),
        ("syntax error", query("SELEC")),
        ("empty", query("")),
        ("duplicate", query("INSERT INTO patients (id) VALUES (1)")),
        ("error after rows", query("SELECT id, IF(id < 650, 1, (SELECT 1 UNION SELECT 2)) FROM many")),
        ("700 rows: ids wrap", query("SELECT * FROM many")),
        (
            "several statements",
            query("SELECT 1; UPDATE many SET v = IF(v = 'q', 'r', 'q') WHERE id = 1; SELECT 2, 'b'"),
        ),
        ("several with an error", query("SELECT 1; SELECT nope; SELECT 2")),
        ("procedure", query("CALL two(@t)")),
        ("procedure last", query("SELECT 5; CALL two(@t)")),
        ("mode", query("SET sql_mode = 'ANSI_QUOTES'")),
        ("by mode", query("SELECT \"id\" FROM patients LIMIT 1")),
        ("names", query("SET NAMES latin1")),
        ("use", query("USE information_schema")),
        ("init db", b"\x02ehr".to_vec()),
        ("init db that is not there", b"\x02nope".to_vec()),
        ("ping", vec![0x0E]),
        ("field list", b"\x04patients\0%".to_vec()),
        ("field list of nothing", b"\x04nope\0".to_vec()),
        ("multi statements off", vec![0x1B, 1, 0]),
        ("several when off", query("SELECT 1; SELECT 2")),
        ("multi statements on", vec![0x1B, 0, 0]),
        ("local infile", query("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE many")),
        ("prepare", prepare("SELECT * FROM patients WHERE id >= ? ORDER BY id")),
        ("execute", b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\x03\0\x01\0\0\0".to_vec()),
        ("execute again, types kept", b"\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02\0\0\0".to_vec()),
        ("execute with a cursor", b"\x17\x01\0\0\0\x01\x01\0\0\0\0\0\x01\0\0\0".to_vec()),
        ("fetch two", b"\x1c\x01\0\0\0\x02\0\0\0".to_vec()),
        ("fetch the rest", b"\x1c\x01\0\0\0\x05\0\0\0".to_vec()),
        ("fetch from a closed cursor", b"\x1c\x01\0\0\0\x05\0\0\0".to_vec()),
        ("cursor again", b"\x17\x01\0\0\0\x01\x01\0\0\0\0\0\x01\0\0\0".to_vec()),
        ("reset closes it", b"\x1a\x01\0\0\0".to_vec()),
        ("prepare without parameters", prepare("UPDATE many SET v = IF(v = 'z', 'y', 'z') WHERE id < 4")),
        ("execute it", b"\x17\x02\0\0\0\0\x01\0\0\0".to_vec()),
        ("execute the last, -1", b"\x17\xff\xff\xff\xff\0\x01\0\0\0".to_vec()),
        ("prepare what is wrong", prepare("SELECT nope FROM patients")),
        ("prepare an insert", prepare("INSERT INTO many (v) VALUES (?)")),
        ("long data", b"\x18\x04\0\0\0\0\0hello".to_vec()),
        ("more long data", b"\x18\x04\0\0\0\0\0 you".to_vec()),
        ("execute with long data", b"\x17\x04\0\0\0\0\x01\0\0\0\0\x01\xfc\0".to_vec()),
        ("read it back", query("SELECT v FROM many ORDER BY id DESC LIMIT 1")),
        ("close has no answer", b"\x19\x04\0\0\0".to_vec()),
        ("prepare a call", prepare("CALL two(?)")),
        ("execute it: rows, rows, parameters", b"\x17\x05\0\0\0\0\x01\0\0\0\0\x01\x03\0\0\0\0\0".to_vec()),
        ("reset connection", vec![0x1F]),
        ("mode after it", query("SELECT @@sql_mode, @@character_set_client, DATABASE()")),
        ("transaction", query("START TRANSACTION")),
        ("within it", query("SELECT COUNT(*) FROM patients")),
        ("rollback", query("ROLLBACK")),
    ]
}

/// A thread that the server uses again goes on counting its statements. Shifts a command's number by `base`, so that
/// both sides can be told the same.
fn numbered(payload: &[u8], base: u32) -> Vec<u8> {
    let mut payload = payload.to_vec();
    if matches!(payload[0], 0x17 | 0x18 | 0x19 | 0x1A | 0x1C) && payload[1..5] != [0xFF; 4] {
        let number = u32::from_le_bytes(payload[1..5].try_into().unwrap()) + base;
        payload[1..5].copy_from_slice(&number.to_le_bytes());
    }
    payload
}

/// Runs a step; the number in a PREPARE's answer is taken as counted from `base`, which the first one sets.
fn step(client: &mut Client, payload: &[u8], base: &mut Option<u32>) -> Vec<(u8, Vec<u8>)> {
    let mut packets = client.command(&numbered(payload, base.unwrap_or(0)));
    if payload[0] == 0x16 && packets[0].1[0] == 0 {
        let number = u32::from_le_bytes(packets[0].1[1..5].try_into().unwrap());
        let base = base.get_or_insert(number - 1);
        packets[0].1[1..5].copy_from_slice(&(number - *base).to_le_bytes());
    }
    packets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_the_same_byte_for_byte() {
    let server = Server::start(SETUP);
    let proxy = Proxy::listen(plain(server.port), None).await;
    let ports = (server.port, proxy.port);
    tokio::task::spawn_blocking(move || {
        for capabilities in
            [BASE, BASE | DEPRECATE_EOF, BASE | DEPRECATE_EOF | SESSION_TRACK | MARIADB, (BASE | SESSION_TRACK) & !1]
        {
            let (mut direct, welcome) = Client::login(ports.0, "direct", None, capabilities);
            let (mut through, also) = Client::login(ports.1, "ann", Some(&token()), capabilities);
            assert_eq!(welcome, also, "{capabilities:x}: the login's OK");
            direct.query("UPDATE many SET v = 'same'");
            let (mut direct_base, mut through_base) = (None, None);
            for (what, payload) in script() {
                // Both change the same data, and some errors quote the statement's number: those are compared by shape.
                if !what.contains("insert")
                    && !what.contains("long data")
                    && !what.contains("read it back")
                    && !what.contains("closed cursor")
                {
                    let expected = step(&mut direct, &payload, &mut direct_base);
                    assert_eq!(step(&mut through, &payload, &mut through_base), expected, "{capabilities:x}: {what}");
                } else {
                    let expected = step(&mut direct, &payload, &mut direct_base);
                    let got = step(&mut through, &payload, &mut through_base);
                    assert_eq!(expected.len(), got.len(), "{capabilities:x}: {what}");
                }
            }
            for client in [&mut direct, &mut through] {
                client.send(0, &[1]);
                assert!(client.is_closed());
            }
        }
        drop(server);
    })
    .await
    .unwrap();
    let record = proxy.record.lock().unwrap();
    assert_eq!(record.violation, None);
    let claim = proxy.claims.lock().unwrap()[0].clone();
    assert_eq!((claim.user.as_str(), claim.application.as_str()), ("ann", "oracle"));
    assert_eq!((claim.reason.as_deref(), claim.ticket.as_deref()), (Some("audit"), Some("T-1")));
    // Every statement ended exactly once.
    let mut ended: Vec<_> = record.done.iter().filter(|(_, _, last)| *last).map(|(id, ..)| id.0).collect();
    let sessions = 4;
    assert_eq!(ended.len(), record.statements.len());
    ended.sort_unstable();
    let per_session = u64::try_from(record.statements.len() / sessions).unwrap();
    assert!(ended.iter().enumerate().all(|(at, id)| *id == u64::try_from(at / sessions).unwrap() + 1), "{per_session}");
    let long = record
        .statements
        .iter()
        .find(|(.., params)| params.iter().any(|param| param.value.as_deref() == Some(b"hello you")));
    assert!(long.is_some(), "long data is recorded as a parameter");
}

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
            ("change user", b"\x11ann\0\0ehr\0".to_vec(), 1235_u16),
            ("binlog", vec![0x12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 1235),
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
    let epoch = proxy.datasource.catalog_epoch();
    assert_eq!(epoch, 1);
    let table = |name: &str| model::TableRef { schema: "ehr".to_owned(), table: name.to_owned() };
    assert_eq!(proxy.datasource.columns(&table("pv")).unwrap(), ["id", "zip"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_of_every_kind() {
    let server = Server::start(SETUP);
    // The CLI through TLS on both hops, ed25519 upstream.
    let (pem, key) = certificate();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
            rustls_pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    let any = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    let upstream = Upstream { user: "modern", tls: UpstreamTls::Required(Arc::new(any.clone())), ..plain(server.port) };
    let secure = Proxy::listen(upstream, Some(Arc::new(config))).await;
    assert!(secure.datasource.probe().await.unwrap().contains("MariaDB"));
    let open = Proxy::listen(plain(server.port), None).await;
    let wrong = Proxy::listen(Upstream { password: "wrong", ..plain(server.port) }, None).await;
    let gone = Proxy::listen(plain(1), None).await;
    let ports = (secure.port, open.port, wrong.port, gone.port, server.port);
    tokio::task::spawn_blocking(move || {
        let cli = |port: u16, args: &[&str]| {
            Command::new("mariadb")
                .args(["--no-defaults", "-h", "127.0.0.1", "--batch", "-u", "ann", "--skip-ssl-verify-server-cert"])
                .arg(format!("-P{port}"))
                .args(args)
                .output()
                .unwrap()
        };
        let password = format!("-p{}", token());
        let sql =
            "SELECT id, ssn FROM ehr.patients ORDER BY id; SHOW DATABASES LIKE 'ehr'; SHOW STATUS LIKE 'Ssl_cipher'";
        let out = cli(ports.0, &["--ssl", &password, "-e", sql, "ehr"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert!(text.contains("1\t123-45-6789") && text.contains("Ssl_cipher\tTLS_"), "{text}");
        let plain_text = cli(ports.0, &["--skip-ssl", &password, "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&plain_text.stderr).into_owned();
        assert!(said.contains("3159") && said.contains("only served through TLS"), "{said}");
        let expired = cli(ports.0, &["--ssl", "-pnot-it", "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&expired.stderr).into_owned();
        assert!(said.contains("1045") && said.contains("the token has expired. get a new one"), "{said}");
        let empty = cli(ports.1, &["--password=", "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&empty.stderr).into_owned();
        assert!(said.contains("--enable-cleartext-plugin"), "{said}");

        // What the upstream says of the database is passed on; what it says of our own user is not the client's affair.
        let nowhere = cli(ports.1, &[&password, "-e", "SELECT 1", "nowhere"]);
        let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
        assert!(said.contains("1049") && said.contains("Unknown database 'nowhere'"), "{said}");
        let wrong = cli(ports.2, &[&password, "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
        assert!(said.contains("1429") && said.contains("affidavit doctor --datasource ehr"), "{said}");
        let gone = cli(ports.3, &[&password, "-e", "SELECT 1"]);
        let said = String::from_utf8_lossy(&gone.stderr).into_owned();
        assert!(said.contains("1429") && said.contains("cannot be used"), "{said}");

        // The greeting is the upstream's but for the challenge, the thread and what is not relayed.
        let (direct, _) = Client::login(ports.4, "direct", None, BASE);
        let (through, _) = Client::login(ports.1, "ann", Some(&token()), BASE);
        let version = |client: &Client| client.greeting.split(|byte| *byte == 0).next().unwrap().to_vec();
        assert_eq!(version(&direct), version(&through));
        assert_eq!(direct.greeting.len(), through.greeting.len());
        // A bare probe.
        drop(std::net::TcpStream::connect(("127.0.0.1", ports.1)).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(500));
        drop(server);
    })
    .await
    .unwrap();
    let said = open.logins.lock().unwrap().clone();
    assert!(said.contains(&"finished".to_owned()), "{said:?}");
}

/// Accepts any certificate: what is checked is the configuration's affair, and this test's is the protocol.
#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &[rustls_pki_types::CertificateDer<'_>],
        _: &rustls_pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls_pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
