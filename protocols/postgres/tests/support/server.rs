//! A private PostgreSQL server for a test: own data directory, free port, loopback only, stopped by pid at the end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Where the server's and client's programs are: `PG_BIN`, else the newest of Debian's.
pub fn bin() -> PathBuf {
    if let Some(dir) = std::env::var_os("PG_BIN") {
        return dir.into();
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("install the Debian package postgresql");
    let mut versions: Vec<_> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    versions.sort();
    versions.pop().expect("install the Debian package postgresql")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// PostgreSQL does not run as root.
fn as_owner(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// A running server.
pub struct Server {
    pub port: u16,
    dir: tempfile::TempDir,
    child: Child,
}

impl Server {
    /// Starts a server whose pg_hba.conf is `hba`, with TLS when there is a certificate and key (PEM).
    pub fn start(hba: &str, tls: Option<(&str, &str)>) -> Self {
        let dir = tempfile::Builder::new().prefix("affidavit-pg").tempdir_in("/tmp").expect("a temporary directory");
        let data = dir.path().join("data");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(dir.path()));
        }
        run(as_owner(&bin().join("initdb"))
            .args(["-N", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"])
            .arg("-D")
            .arg(&data));
        std::fs::write(data.join("pg_hba.conf"), hba).expect("pg_hba.conf");
        let port = free_port();
        let mut settings = vec![
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", dir.path().display()),
            "fsync=off".to_owned(),
            "shared_buffers=16MB".to_owned(),
        ];
        if let Some((cert, key)) = tls {
            std::fs::write(data.join("server.crt"), cert).expect("certificate");
            std::fs::write(data.join("server.key"), key).expect("key");
            run(Command::new("chmod").arg("600").arg(data.join("server.key")));
            if is_root() {
                run(Command::new("chown").arg("postgres").arg(data.join("server.key")));
            }
            settings.push("ssl=on".to_owned());
        }
        let mut command = as_owner(&bin().join("postgres"));
        command.arg("-D").arg(&data);
        for setting in &settings {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(dir.path().join("log")).expect("a log");
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("postgres starts");
        let server = Self { port, dir, child };
        server.wait();
        server
    }

    fn wait(&self) {
        let begun = Instant::now();
        while !self.psql("SELECT 1").status.success() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(120), "the server does not come up:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs SQL as the superuser over the socket, which every pg_hba.conf here trusts.
    pub fn psql(&self, sql: &str) -> Output {
        Command::new(bin().join("psql"))
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres", "-c", sql])
            .arg("-h")
            .arg(self.dir.path())
            .args(["-p", &self.port.to_string()])
            .output()
            .expect("psql runs")
    }

    /// As [`Server::psql`], and it must work.
    pub fn sql(&self, sql: &str) -> String {
        let output = self.psql(sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(self.dir.path().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = Command::new("kill").args(["-INT", pid]).status();
        }
        let _ = self.child.wait();
    }
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

fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
