"""PostgreSQL as Debian has it (15 in Debian 12, 17 in Debian 13) and 18 (in the sid tree), with TLS, SCRAM, the hospital, its twin, and a statement log."""

import os
import pwd
import shutil
import signal
import subprocess
import sys

from . import install, needs, tls
from .paths import IS_ROOT, MARK, SID, TESTDATA
from .process import alive, port_for, run, spawn, wait_until

SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 200
shared_buffers = 256MB
# The data is made up and made again in seconds: what a crash of the machine would lose does not matter.
fsync = off
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
# Every statement, one JSON object a line: tests hold the evidence against it.
log_statement = 'all'
logging_collector = on
log_destination = 'jsonlog'
log_directory = 'log'
log_filename = 'server'
log_rotation_age = 0
log_rotation_size = 0
"""
HBA = """
local all all scram-sha-256
host all affidavit_md5 127.0.0.1/32 md5
host all all 127.0.0.1/32 scram-sha-256
"""


class Postgres:
    """One PostgreSQL server; `tree` is the root it is confined to, None for the machine's own."""

    def __init__(self, name, version, tree=None):
        self.name, self.version, self.tree = name, version, tree

    def requirements(self):
        """Debian brings the client used for loading, also for the server in the tree."""
        needs.have("postgres")
        if self.tree is not None:
            install.sid()

    STOP = signal.SIGINT  # "fast": does not wait for clients

    def clean(self, state):
        """Remove what the server wrote."""
        shutil.rmtree(self.home(state.directory)[0], ignore_errors=True)

    def owner(self):
        """(uid, gid) that the server runs as; PostgreSQL refuses to be root."""
        if not IS_ROOT:
            return None
        if self.tree is None:
            entry = pwd.getpwnam("postgres")
            return entry.pw_uid, entry.pw_gid
        for line in (self.tree / "etc/passwd").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == "postgres":
                return int(fields[2]), int(fields[3])
        raise LookupError("no user postgres in the sid tree")

    def home(self, directory):
        """(where it is for us, where it is for the server) of everything the server writes."""
        if self.tree is None:
            return directory / self.name, directory / self.name
        inside = f"/srv/{MARK}/{self.name}"
        return self.tree / inside[1:], inside

    def command(self, program, *args):
        """The command line that runs one of the server's programs where the server lives."""
        path = needs.postgres(program) if self.tree is None else f"/usr/lib/postgresql/{self.version}/bin/{program}"
        line = [path, *map(str, args)]
        if self.tree is not None:
            uid, gid = self.owner()
            line = ["chroot", f"--userspec={uid}:{gid}", str(self.tree), *line]
        return line

    def drop(self):
        """Popen options that change to the server's user; chroot does it by itself."""
        owner = self.owner()
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}
        if owner is None or self.tree is not None:
            return {"env": environment}
        return {"user": owner[0], "group": owner[1], "extra_groups": [], "env": environment, "cwd": "/"}

    def start(self, state, patients):
        """Make the cluster when it is new, start it, load what is missing. Does nothing when it is up."""
        entry = state.servers.get(self.name)
        if not alive(entry):
            self.requirements()
            entry = self.launch(state)
        if entry.get("patients") != patients:
            self.load(state, entry, patients)
        return entry

    def launch(self, state):
        """initdb if need be, then the server on a free port."""
        home, inside = self.home(state.directory)
        owner = self.owner()
        home.mkdir(parents=True, exist_ok=True)
        if owner:
            os.chown(home, *owner)
        fresh = not (home / "data/PG_VERSION").exists()
        if fresh:
            secret = home / "password"
            secret.write_text(state.password("postgres"))
            if owner:
                os.chown(secret, *owner)
            run(
                self.command("initdb", "-D", f"{inside}/data", "-U", "postgres", "-A", "scram-sha-256", "--no-sync",
                             f"--pwfile={inside}/password", "--encoding=UTF8", "--locale=C.UTF-8"),
                what=f"initdb of {self.name}", **self.drop(),
            )
            secret.unlink()
            settings = SETTINGS + f"unix_socket_directories = '{inside}'\n"
            if self.tree is not None:
                settings += "dynamic_shared_memory_type = mmap\n"  # the tree has no /dev/shm of its own
            with open(home / "data/postgresql.conf", "a") as out:
                out.write(settings)
            (home / "data/pg_hba.conf").write_text(HBA)
            cert, key = tls.certificate(state.directory, "server", owner=owner, into=home / "data")
        port = port_for(state.servers.get(self.name))
        environment = self.drop()
        user = (environment.pop("user"), environment.pop("group")) if "user" in environment else None
        environment.pop("extra_groups", None)
        started, _ = spawn(
            self.command("postgres", "-D", f"{inside}/data", "-p", port), log=state.directory / f"{self.name}.log",
            user=user, **environment,
        )
        entry = {
            "engine": "postgres", "version": needs.version_of(*self.command("postgres", "--version")), **started, "host": "127.0.0.1", "port": port, "socket_dir": str(home),
            "database": "hospital", "twin_database": "hospital_twin", "bench_database": "bench",
            "ca_file": str(tls.authority(state.directory)), "statement_log": str(home / "data/log/server.json"),
            "data_dir": str(home / "data"),
            "users": {user: state.password(user) for user in ("postgres", "affidavit", "affidavit_md5", "affidavit_locked", "dba")},
            # What is loaded belongs to the cluster, not to this run of it.
            "patients": None if fresh else state.servers.get(self.name, {}).get("patients"),
        }
        state.servers[self.name] = entry
        wait_until(lambda: self.ready(entry), entry=entry, what=self.name)
        return entry

    def ready(self, entry):
        """Whether it answers a query."""
        return subprocess.run(
            [needs.postgres("psql"), "-XAtqc", "select 1"], env=self.environment(entry, "postgres"), capture_output=True
        ).returncode == 0

    @staticmethod
    def environment(entry, database, user="postgres"):
        """libpq's variables for an administrative connection."""
        return os.environ | {
            "PGHOST": entry["host"], "PGPORT": str(entry["port"]), "PGUSER": user, "PGPASSWORD": entry["users"][user],
            "PGDATABASE": database, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": entry["ca_file"], "PGCONNECT_TIMEOUT": "5",
        }

    def sql(self, entry, database, text):
        """Run SQL as the superuser and stop at the first error."""
        run([needs.postgres("psql"), "-Xqv", "ON_ERROR_STOP=1", "-f", "-"], what=f"SQL on {self.name}", input=text,
            env=self.environment(entry, database))

    def load(self, state, entry, patients):
        """Roles and databases from scratch: the hospital, its twin, and an empty one for benchmarks."""
        install.say(f"{self.name}: loading a hospital of {patients} patients and its twin")
        roles = "".join(
            f"SET password_encryption = '{'md5' if user == 'affidavit_md5' else 'scram-sha-256'}';\n"
            f"CREATE ROLE {user} LOGIN PASSWORD '{entry['users'][user]}' {extra};\n"
            for user, extra in (("affidavit", ""), ("affidavit_md5", "IN ROLE affidavit"), ("affidavit_locked", "IN ROLE affidavit"), ("dba", "IN ROLE pg_read_all_data"))
        )
        databases = ("hospital", "hospital_twin", "bench")
        self.sql(
            entry, "postgres",
            "SET client_min_messages = error;\n"
            + "".join(f"DROP DATABASE IF EXISTS {name} WITH (FORCE);\n" for name in databases)
            + "".join(f"DROP ROLE IF EXISTS affidavit_locked{suffix};\n" for suffix in ("_masked", "_wire", "_owner", ""))
            + "DROP ROLE IF EXISTS affidavit_md5; DROP ROLE IF EXISTS dba; DROP ROLE IF EXISTS affidavit;\n" + roles
            + "CREATE DATABASE hospital;\nCREATE DATABASE hospital_twin;\nCREATE DATABASE bench OWNER affidavit;\n"
            # A benchmark measures the server's answers, not its statement log.
            "ALTER DATABASE bench SET log_statement = 'none';\n",
        )
        for database, twin in (("hospital", ()), ("hospital_twin", ("--twin",))):
            environment = self.environment(entry, database) | {"PGOPTIONS": "-c log_statement=none"}
            source = subprocess.Popen(
                [sys.executable, "-m", "hospital", "sql", "--engine", "postgres", "--patients", str(patients), *twin],
                cwd=TESTDATA, stdout=subprocess.PIPE,
            )
            run([needs.postgres("psql"), "-Xqv", "ON_ERROR_STOP=1", "-o", "/dev/null", "-f", "-"], what=f"loading {database}",
                stdin=source.stdout, env=environment)
            source.stdout.close()
            if source.wait() != 0:
                raise SystemExit("fleet: the hospital generator failed")
        entry["patients"] = patients


# The name is that of Debian 12's, which the tests were written with.
POSTGRES15 = Postgres("postgres15", None)
POSTGRES18 = Postgres("postgres18", 18, tree=SID)
