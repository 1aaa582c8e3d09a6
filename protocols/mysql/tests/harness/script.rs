//! The life of a session, as commands, and what it takes to compare two.

use super::client::Client;
use super::proxy::{Upstream, token};
use wire::UpstreamTls;

/// The schema of the tests against MariaDB.
pub const SETUP: &str = "
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

pub fn prepare(sql: &str) -> Vec<u8> {
    let mut payload = vec![0x16];
    payload.extend_from_slice(sql.as_bytes());
    payload
}

/// The upstream without TLS.
pub fn plain(port: u16) -> Upstream {
    Upstream {
        port,
        user: "affidavit",
        password: "secret",
        database: Some("ehr"),
        tls: UpstreamTls::Disabled,
        options: wire::Options::default(),
    }
}

/// Everything a session does in its life, in order. Numbers of prepared statements count up from 1.
pub fn script() -> Vec<(&'static str, Vec<u8>)> {
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
        ("prepare an insert for many", prepare("INSERT INTO many (v) VALUES (?)")),
        ("insert in bulk", b"\xfa\x06\0\0\0\x80\0\xfd\0\x00\x01a\x01\x00\x01b".to_vec()),
        ("insert in bulk again, types kept", b"\xfa\x06\0\0\0\0\0\x00\x01c".to_vec()),
        ("how many", query("SELECT COUNT(*) > 700 FROM many")),
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
    if matches!(payload[0], 0x17 | 0x18 | 0x19 | 0x1A | 0x1C | 0xFA) && payload[1..5] != [0xFF; 4] {
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

/// Runs the script on both ports, command by command, and holds the answers against each other. What differs by nature
/// (both change the same data, some errors quote the statement's number) is compared by shape.
pub fn compare(direct_port: u16, proxy_port: u16, capabilities: u64, script: &[(&str, Vec<u8>)]) {
    let (mut direct, welcome) = Client::login(direct_port, "direct", None, capabilities);
    let (mut through, also) = Client::login(proxy_port, "ann", Some(&token()), capabilities);
    assert_eq!(welcome, also, "{capabilities:x}: the login's OK");
    direct.query("UPDATE many SET v = 'same'");
    let (mut direct_base, mut through_base) = (None, None);
    for (what, payload) in script {
        // Both change the same data, and some errors quote the statement's number: those are compared by shape.
        if !what.contains("insert")
            && !what.contains("long data")
            && !what.contains("read it back")
            && !what.contains("closed cursor")
        {
            let expected = step(&mut direct, payload, &mut direct_base);
            assert_eq!(step(&mut through, payload, &mut through_base), expected, "{capabilities:x}: {what}");
        } else {
            let expected = step(&mut direct, payload, &mut direct_base);
            let got = step(&mut through, payload, &mut through_base);
            assert_eq!(expected.len(), got.len(), "{capabilities:x}: {what}");
        }
    }
    for client in [&mut direct, &mut through] {
        client.send(0, &[1]);
        assert!(client.is_closed());
    }
}
