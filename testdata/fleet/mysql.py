"""MariaDB as Debian has it (10.11 in Debian 12, 11.8 in Debian 13) and MySQL 9.7 (in the sid tree), with TLS, the hospital, its twin, and a statement log."""

import os
import pwd
import shutil
import signal
import subprocess
import sys

from . import install, needs, tls
from .paths import IS_ROOT, MARK, SID, TESTDATA
from .process import alive, port_for, run, spawn, wait_until

USERS = ("root", "affidavit", "affidavit_locked", "affidavit_native", "affidavit_ed25519", "dba")
GRANTS = """
GRANT ALL ON hospital.* TO {user}; GRANT ALL ON hospital_twin.* TO {user}; GRANT ALL ON analytics.* TO {user};
GRANT ALL ON bench.* TO {user};
"""


class Mysql:
    """One server of the MySQL family; `tree` is the root it is confined to, None for the machine's own."""

    STOP = signal.SIGTERM

    def __init__(self, name, engine, tree=None):
        self.name, self.engine, self.tree = name, engine, tree

    def requirements(self):
        """Debian brings the client used for loading, also for the server in the tree."""
        needs.have("mariadb")
        if self.tree is not None:
            install.sid()

    def owner(self):
        """(uid, gid) that the server runs as. The tree has no user mysql; any that is not root will do."""
        if not IS_ROOT:
            return None
        if self.tree is not None:
            return 65534, 65534
        entry = pwd.getpwnam("mysql")
        return entry.pw_uid, entry.pw_gid

    def home(self, directory):
        """(where it is for us, where it is for the server) of everything the server writes."""
        if self.tree is None:
            return directory / self.name, str(directory / self.name)
        inside = f"/srv/{MARK}/{self.name}"
        return self.tree / inside[1:], inside

    def clean(self, state):
        """Remove what the server wrote."""
        shutil.rmtree(self.home(state.directory)[0], ignore_errors=True)

    def command(self, *line):
        """The command line where the server lives."""
        line = list(map(str, line))
        if self.tree is not None:
            uid, gid = self.owner()
            line = ["chroot", f"--userspec={uid}:{gid}", str(self.tree), *line]
        return line

    def user(self):
        """The (uid, gid) to drop to before exec; chroot does it by itself."""
        return None if self.tree is not None else self.owner()

    def start(self, state, patients):
        """Make the data directory when it is new, start the server, load what is missing."""
        entry = state.servers.get(self.name)
        if not alive(entry):
            self.requirements()
            entry = self.launch(state)
        if entry.get("patients") != patients:
            self.load(entry, patients)
        return entry

    def initialise(self, home, inside, state):
        """An empty data directory with a root account that has a password."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        owner = self.user()
        drop = {"user": owner[0], "group": owner[1], "extra_groups": []} if owner else {}
        first = home / "first.sql"
        if self.engine == "mariadb":
            run(
                ["mariadb-install-db", "--no-defaults", f"--datadir={inside}/data", "--auth-root-authentication-method=normal",
                 "--skip-test-db"],
                what=f"making the data directory of {self.name}", env=environment, cwd=home, **drop,
            )
            first.write_text(
                f"ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('{state.password('root')}');\n"
            )
        else:
            run(
                self.command("/usr/sbin/mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={inside}/data",
                             "--secure-file-priv=NULL", f"--log-error={inside}/initialise.log"),
                what=f"making the data directory of {self.name}", env=environment,
            )
            first.write_text(f"ALTER USER root@localhost IDENTIFIED BY '{state.password('root')}';\n")
        return first

    def launch(self, state):
        """The data directory if need be, then the server on a free port."""
        home, inside = self.home(state.directory)
        owner = self.owner()
        home.mkdir(parents=True, exist_ok=True)
        if owner:
            os.chown(home, *owner)
        fresh = not (home / "data/ibdata1").exists()
        extra = []
        if fresh:
            shutil.rmtree(home / "data", ignore_errors=True)
            first = self.initialise(home, inside, state)
            extra = [f"--init-file={inside}/{first.name}"]
            tls.certificate(state.directory, "server", owner=owner, into=home)
        port = port_for(state.servers.get(self.name))
        line = [
            "/usr/sbin/mysqld" if self.tree else needs.MARIADBD, "--no-defaults", f"--datadir={inside}/data", f"--port={port}",
            "--bind-address=127.0.0.1", f"--socket={inside}/server.sock", f"--pid-file={inside}/server.pid", f"--tmpdir={inside}",
            f"--ssl-cert={inside}/server.crt", f"--ssl-key={inside}/server.key", "--general-log=1",
            f"--general-log-file={inside}/statements.log", "--max-connections=200", "--max-allowed-packet=256M",
            "--innodb-buffer-pool-size=256M", "--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4",
            "--default-time-zone=+00:00", "--performance-schema=OFF", "--skip-name-resolve=0", "--local-infile=1", *extra,
        ]
        if self.tree:
            line += ["--secure-file-priv=NULL", "--mysqlx=OFF", "--skip-log-bin"]
        else:
            line += ["--plugin-load-add=auth_ed25519"]
        started, _ = spawn(
            self.command(*line), log=state.directory / f"{self.name}.log", user=self.user(),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "TZ": "UTC"}, cwd="/",
        )
        entry = {
            "engine": self.engine, "version": needs.version_of(*self.command(line[0], "--version")), **started, "host": "127.0.0.1", "port": port, "socket": str(home / "server.sock"),
            "database": "hospital", "twin_database": "hospital_twin", "bench_database": "bench",
            # MariaDB lets a client check a certificate by this file only when it names the host it asks for.
            "ca_file": str(tls.authority(state.directory)), "statement_log": str(home / "statements.log"),
            "data_dir": str(home / "data"), "users": {user: state.password(user) for user in USERS},
            "patients": None if fresh else state.servers.get(self.name, {}).get("patients"),
        }
        state.servers[self.name] = entry
        wait_until(lambda: self.ready(entry), entry=entry, what=self.name)
        (home / "first.sql").unlink(missing_ok=True)
        return entry

    def client(self, entry, *args):
        """An administrative client; its password is in the environment, not in the process list."""
        return [needs.MARIADB, "--no-defaults", f"--socket={entry['socket']}", f"--ssl-ca={entry['ca_file']}", "--user=root", "--default-character-set=utf8mb4", *args]

    @staticmethod
    def environment(entry):
        """The MariaDB client takes the password from here."""
        return os.environ | {"MYSQL_PWD": entry["users"]["root"]}

    def ready(self, entry):
        """Whether it answers a query."""
        return subprocess.run(
            self.client(entry, "-e", "select 1"), env=self.environment(entry), capture_output=True
        ).returncode == 0

    def sql(self, entry, text, *args):
        """Run SQL as root and stop at the first error."""
        run(self.client(entry, *args), what=f"SQL on {self.name}", input=text, env=self.environment(entry))

    def accounts(self, entry):
        """The proxy's user in every way of logging in that the engine has, and the one who sees everything."""
        secrets = entry["users"]
        if self.engine == "mariadb":
            how = {
                "affidavit": f"IDENTIFIED VIA mysql_native_password USING PASSWORD('{secrets['affidavit']}')",
                "affidavit_locked": f"IDENTIFIED VIA mysql_native_password USING PASSWORD('{secrets['affidavit_locked']}')",
                "affidavit_native": f"IDENTIFIED VIA mysql_native_password USING PASSWORD('{secrets['affidavit_native']}')",
                "affidavit_ed25519": f"IDENTIFIED VIA ed25519 USING PASSWORD('{secrets['affidavit_ed25519']}')",
                "dba": f"IDENTIFIED BY '{secrets['dba']}'",
            }
        else:  # MySQL 9 has caching_sha2_password only
            how = {user: f"IDENTIFIED BY '{secrets[user]}'" for user in ("affidavit", "affidavit_locked", "dba")}
        for user, way in how.items():
            # MariaDB counts rights on databases of every account of the name whose host fits the client's address, not of the
            # account that logged in alone: where rights are taken, there must be one.
            for host in ("%",) if user == "affidavit_locked" else ("127.0.0.1", "localhost"):
                account = f"{user}@'{host}'"
                yield f"DROP USER IF EXISTS {account}; CREATE USER {account} {way};\n"
                if user == "dba":
                    yield f"GRANT SELECT, SHOW VIEW ON *.* TO {account};\n"
                else:
                    yield GRANTS.format(user=account)

    def load(self, entry, patients):
        """Databases and accounts from scratch."""
        install.say(f"{self.name}: loading a hospital of {patients} patients and its twin")
        self.sql(
            entry, "SET GLOBAL general_log = 0;\n" + "".join(
                f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4;\n"
                for name in ("hospital", "hospital_twin", "analytics", "bench")
            ) + "".join(self.accounts(entry)),
        )
        for database, twin in (("hospital", ()), ("hospital_twin", ("--twin",))):
            source = subprocess.Popen(
                [sys.executable, "-m", "hospital", "sql", "--engine", "mysql", "--patients", str(patients), *twin],
                cwd=TESTDATA, stdout=subprocess.PIPE,
            )
            run(self.client(entry, "--max-allowed-packet=256M", database), what=f"loading {database}",
                stdin=source.stdout, env=self.environment(entry))
            source.stdout.close()
            if source.wait() != 0:
                raise SystemExit("fleet: the hospital generator failed")
        self.sql(entry, "SET GLOBAL general_log = 1;\n")
        entry["patients"] = patients


MARIADB = Mysql("mariadb", "mariadb")
MYSQL = Mysql("mysql", "mysql", tree=SID)
