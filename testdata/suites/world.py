"""Where a suite runs: a database of its own on a real server, reached directly, through a proxy without rules, and through one
whose rules protect a table that the suite does not touch."""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from fleet import roster
from fleet.proxy import Proxy
from fleet.state import peek

from . import HERE

sys.path.insert(0, str(HERE.parent / "idp"))
from mint import Mint  # noqa: E402

DATABASE = "compat"
WAYS = ("direct", "no rules", "rules elsewhere")
# Their administrators: suites make schemas, roles and databases. Some have the name written into them.
ADMINISTRATORS = {"postgres": "postgres", "mariadb": "root", "mysql": "root"}
NEW = {
    "postgres": ("DROP DATABASE IF EXISTS compat WITH (FORCE);\nCREATE DATABASE compat;\n", "CREATE TABLE patients_elsewhere (id int PRIMARY KEY, ssn text);\n"),
    "mysql": ("DROP DATABASE IF EXISTS compat; CREATE DATABASE compat CHARACTER SET utf8mb4;\nDROP DATABASE IF EXISTS elsewhere; CREATE DATABASE elsewhere;\n",
              "CREATE TABLE elsewhere.patients_elsewhere (id int PRIMARY KEY, ssn text);\n"),
}
STRICT = ["strict_names = true"]
# Suites come with hundreds of connections at a time, from one address and one identity.
LIMITS = ["[limits]", "logins_per_address = 2000", "sessions_per_identity = 2000"]
RULES = """
[[mask]]
name = "a table that no suite touches"
columns = ["*.*.patients_elsewhere.*"]
with = "redact"
"""


@dataclass(frozen=True)
class Place:
    """A database to run a suite in. `port` is without TLS, `secure_port` with it, by a certificate of `ca`."""

    way: str
    server: str
    engine: str
    version: str
    port: int
    secure_port: int
    user: str
    password: str
    ca: str
    database: str = DATABASE

    def variables(self):
        """What libpq and drivers modelled on it read."""
        if self.engine != "postgres":
            return {}
        return {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password,
            "PGDATABASE": self.database, "PGSSLMODE": "disable", "PGCONNECT_TIMEOUT": "30",
        }


def fresh(server, name=DATABASE):
    """The suite's database as it is at the beginning of every run. One of another name is taken as it is."""
    entry, one = peek().servers[server], roster.ROSTER[server]
    kind = "postgres" if entry["engine"] == "postgres" else "mysql"
    if kind == "mysql":
        # A server that does not look names up knows the administrator only by this address.
        account, secret = "root@'127.0.0.1'", entry["users"]["root"]
        one.sql(entry, f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{secret}'; GRANT ALL ON *.* TO {account} WITH GRANT OPTION;\n")
    if name != DATABASE:
        one.sql(entry, name, NEW[kind][1].replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        return entry
    for text, database in zip(NEW[kind], ("postgres", DATABASE), strict=True):
        if kind == "postgres":
            one.sql(entry, database, "SET client_min_messages = error;\n" + text)
        else:
            one.sql(entry, text)
    return entry


@contextlib.contextmanager
def place(server, way, fleet, name=DATABASE):
    """One way to the database of a server."""
    entry = fresh(server, name)
    administrator = ADMINISTRATORS[entry["engine"]]
    secret = entry["users"][administrator]
    common = {"way": way, "server": server, "engine": entry["engine"], "version": entry["version"], "user": administrator, "database": name}
    if way == "direct":
        yield Place(**common, port=entry["port"], secure_port=entry["port"], password=secret, ca=entry["ca_file"])
        return
    home = Path(tempfile.mkdtemp(prefix="affidavit-compat-", dir="/var/tmp"))
    rules = home / "rules.toml"
    rules.write_text(RULES if way == "rules elsewhere" else "")
    # To the proxy it is a server with one database, and the administrator as the datasource's user.
    mine = entry | {"users": {"affidavit": secret}, "datasource_user": administrator, "database": name}
    idp = fleet["servers"]["idp"]
    proxy = Proxy(
        home / "proxy", {"servers": {"idp": idp, server: mine}}, [server], rules=[rules],
        extra={"only_database": True, "segment": '{ age = "1h" }', "mysql_datasource_lines": ["local_infile = true"], "postgres_listener_lines": STRICT, "lines": LIMITS},
    ).start()
    try:
        token = Mint(idp["issuer"], idp["keys_file"]).token(exp=int(time.time()) + 6 * 3600)
        yield Place(**common, port=proxy.ports[server], secure_port=proxy.ports[f"{server}_tls"], password=token, ca=str(proxy.ca_file))
    finally:
        proxy.stop()
        if os.environ.get("COMPAT_KEEP"):
            shutil.copy(proxy.log, f"{os.environ['COMPAT_KEEP']}/{server}-{way.replace(' ', '-')}.log")
        shutil.rmtree(home, ignore_errors=True)
