//! A private MariaDB: its own data directory, loopback, stopped by its process when dropped.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A running server.
pub struct Server {
    child: Child,
    pub port: u16,
    home: tempfile::TempDir,
}

impl Server {
    /// Starts one and runs `sql` as root.
    pub fn start(sql: &str) -> Self {
        let home = tempfile::Builder::new().prefix("affidavit-mariadb").tempdir().unwrap();
        give_to_server(home.path());
        let data = home.path().join("data");
        let made = as_server("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--tmpdir={}", home.path().display()))
            .arg(format!("--datadir={}", data.display()))
            .output()
            .expect("mariadb-install-db is needed (Debian: mariadb-server)");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (certificate, key) = certificate();
        std::fs::write(home.path().join("server.crt"), certificate).unwrap();
        std::fs::write(home.path().join("server.key"), key).unwrap();
        give_to_server(home.path());
        let port = free_port();
        let child = as_server("mariadbd")
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--plugin-load-add=auth_ed25519", "--skip-log-bin"])
            .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--character-set-server=utf8mb4"])
            .args([
                "--performance-schema=OFF",
                "--skip-name-resolve=0",
                "--max-allowed-packet=64M",
                "--key-buffer-size=1M",
            ])
            .arg(format!("--port={port}"))
            // A starting server clears its directory for temporary files, another server's included.
            .arg(format!("--tmpdir={}", home.path().display()))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", home.path().join("s.sock").display()))
            .arg(format!("--pid-file={}", home.path().join("s.pid").display()))
            .arg(format!("--ssl-cert={}", home.path().join("server.crt").display()))
            .arg(format!("--ssl-key={}", home.path().join("server.key").display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(home.path().join("log")).unwrap())
            .spawn()
            .expect("mariadbd is needed (Debian: mariadb-server)");
        let server = Self { child, port, home };
        let end = Instant::now() + Duration::from_secs(120);
        while !server.cli("root", "SELECT 1").status.success() {
            assert!(Instant::now() < end, "{}", std::fs::read_to_string(server.home.path().join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(100));
        }
        let loaded = server.cli("root", sql);
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        server
    }

    /// Runs `sql` over the socket.
    pub fn cli(&self, user: &str, sql: &str) -> std::process::Output {
        Command::new("mariadb")
            .args(["--no-defaults", "--skip-ssl", "--batch", "--default-character-set=utf8mb4", "-u", user, "-e", sql])
            .arg(format!("--socket={}", self.home.path().join("s.sock").display()))
            .output()
            .expect("the mariadb client is needed (Debian: mariadb-client)")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `runuser` passes signals on to the server that it runs.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
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

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.starts_with(b"0\n"))
}

/// A command as the user that servers run as: they refuse to be root.
fn as_server(program: &str) -> Command {
    if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "mysql", "--", program]);
        command
    } else {
        Command::new(program)
    }
}

fn give_to_server(path: &Path) {
    if is_root() {
        assert!(Command::new("chown").args(["-R", "mysql"]).arg(path).status().unwrap().success());
    }
}

/// A certificate for the loopback address and its key, both PEM.
pub fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
