//! A private PostgreSQL on loopback, stopped at the end, and as much of a client as `Describe` needs.
//! Messages: <https://www.postgresql.org/docs/15/protocol-message-formats.html>.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a panic is how a test reports")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

pub(crate) struct Server {
    data: tempfile::TempDir,
    port: u16,
    binaries: PathBuf,
}

/// A field of a RowDescription.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) table: u32,
    pub(crate) number: i16,
}

pub(crate) struct Client(TcpStream);

impl Server {
    pub(crate) fn start() -> Self {
        let binaries = std::env::var_os("PG_BINDIR").map_or_else(newest, PathBuf::from);
        let data = tempfile::tempdir().unwrap();
        let port = free_port();
        let server = Self { data, port, binaries };
        if is_root() {
            let path = server.data.path();
            assert!(Command::new("chown").args(["-R", "postgres"]).arg(path).status().unwrap().success());
        }
        let folder = server.data.path().join("d");
        server.tool("initdb", &["-A", "trust", "-U", "postgres", "-N", "-D", folder.to_str().unwrap()]);
        let options =
            format!("-c listen_addresses=127.0.0.1 -c fsync=off -p {port} -k {}", server.data.path().display());
        let log = server.data.path().join("log");
        server.tool(
            "pg_ctl",
            &["-D", folder.to_str().unwrap(), "-o", &options, "-l", log.to_str().unwrap(), "-w", "start"],
        );
        server
    }

    /// Runs a tool of the server, as `postgres` where we are root: the server refuses to run as root.
    fn tool(&self, name: &str, arguments: &[&str]) {
        let tool = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(tool);
            command
        } else {
            Command::new(tool)
        };
        let status = command.args(arguments).current_dir("/").stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{name} failed");
    }

    pub(crate) fn connect(&self) -> Client {
        let mut client = Client(TcpStream::connect(("127.0.0.1", self.port)).unwrap());
        client.0.set_nodelay(true).unwrap();
        let startup = b"\x00\x03\x00\x00user\0postgres\0database\0postgres\0\0";
        let length = u32::try_from(startup.len() + 4).unwrap();
        client.0.write_all(&length.to_be_bytes()).unwrap();
        client.0.write_all(startup).unwrap();
        client.until_ready().unwrap();
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let folder = self.data.path().join("d");
        self.tool("pg_ctl", &["-D", folder.to_str().unwrap(), "-m", "immediate", "-w", "stop"]);
    }
}

/// The programs of the newest PostgreSQL that Debian has put on this machine.
fn newest() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("apt-get install postgresql").flatten();
    let numbers = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    format!("/usr/lib/postgresql/{}/bin", numbers.max().expect("apt-get install postgresql")).into()
}

/// A port that nobody listens on, from below those that Linux gives to outgoing connections: no client of another test
/// takes it before the server does. Tests of one process get different ones.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id().wrapping_mul(37) % 20_000).unwrap_or_default();
    loop {
        let port = 12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

impl Client {
    fn send(&mut self, messages: &[(u8, &[u8])]) {
        let mut bytes = Vec::new();
        for (tag, body) in messages {
            bytes.push(*tag);
            bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            bytes.extend(*body);
        }
        self.0.write_all(&bytes).unwrap();
    }

    /// Messages up to ReadyForQuery, or the text of an error.
    fn until_ready(&mut self) -> Result<Vec<(u8, Vec<u8>)>, String> {
        let mut messages = Vec::new();
        let mut error = None;
        loop {
            let mut head = [0u8; 5];
            self.0.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes(head[1..].try_into().unwrap());
            let mut body = vec![0u8; usize::try_from(length - 4).unwrap()];
            self.0.read_exact(&mut body).unwrap();
            match head[0] {
                b'Z' => return error.map_or(Ok(messages), Err),
                b'E' => error = Some(String::from_utf8_lossy(&body).into_owned()),
                tag => messages.push((tag, body)),
            }
        }
    }

    pub(crate) fn run(&mut self, sql: &str) {
        self.send(&[(b'Q', format!("{sql}\0").as_bytes())]);
        self.until_ready().unwrap();
    }

    /// The cells of a query's rows as text, NULL left empty.
    pub(crate) fn rows(&mut self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        self.send(&[(b'Q', format!("{sql}\0").as_bytes())]);
        let messages = self.until_ready()?;
        Ok(messages.iter().filter(|(tag, _)| *tag == b'D').map(|(_, body)| cells(body)).collect())
    }

    /// The columns that the server announces for a statement.
    pub(crate) fn describe(&mut self, sql: &str) -> Result<Vec<Field>, String> {
        self.send(&[(b'P', format!("\0{sql}\0\0\0").as_bytes()), (b'D', b"S\0"), (b'S', b"")]);
        let messages = self.until_ready()?;
        let Some((_, body)) = messages.iter().find(|(tag, _)| *tag == b'T') else { return Ok(Vec::new()) };
        let mut rest = &body[2..];
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).unwrap();
            let name = String::from_utf8_lossy(&rest[..end]).into_owned();
            let tail = &rest[end + 1..];
            let table = u32::from_be_bytes(tail[..4].try_into().unwrap());
            let number = i16::from_be_bytes(tail[4..6].try_into().unwrap());
            fields.push(Field { name, table, number });
            rest = &tail[18..];
        }
        Ok(fields)
    }

    /// The user's relations by OID: name and columns in order.
    pub(crate) fn relations(&mut self) -> HashMap<u32, (String, Vec<String>)> {
        let sql = "SELECT c.oid, c.relname, string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_class c JOIN pg_attribute a \
                   ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace = 'public'::regnamespace GROUP BY 1, 2";
        let mut relations = HashMap::new();
        for cells in self.rows(sql).unwrap() {
            let columns = cells[2].split(',').map(str::to_owned).collect();
            relations.insert(cells[0].parse().unwrap(), (cells[1].clone(), columns));
        }
        relations
    }
}

/// The cells of a DataRow.
fn cells(body: &[u8]) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = &body[2..];
    while !rest.is_empty() {
        let length = i32::from_be_bytes(rest[..4].try_into().unwrap());
        let length = usize::try_from(length).unwrap_or(0);
        cells.push(String::from_utf8_lossy(&rest[4..4 + length]).into_owned());
        rest = &rest[4 + length..];
    }
    cells
}
