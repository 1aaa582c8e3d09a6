"""The ground that attacks run on: servers, a proxy with the twins' rules, and what is put right before and after."""

import os
import re
import subprocess
import time

from fleet.__main__ import describe
from fleet.needs import MARIADB, postgres
from fleet.paths import TESTDATA
from fleet.proxy import Proxy
from fleet.state import peek

from .attacks import HERE
from .runner import ENGINES, Door
from .sweep import Canaries
from .transcript import OIDS, Names, comparable, first_difference, oids_of, tokens_of

PATIENTS = 1000
AGAIN = 4  # what answers by chance may do so alike twice
FULL = os.environ.get("AFFIDAVIT_FULL") == "1"
SERVERS = {"postgres": "postgres15", "mysql": "mariadb"}
# Those that are run in short, or at length: of another make or version than the first of their engine.
OTHERS = {} if os.environ.get("AFFIDAVIT_SKIP_SID") == "1" else {"postgres18": "postgres", "mysql": "mysql"}
ENGINE_OF = {server: engine for engine, server in SERVERS.items()} | OTHERS
# In the order of the primary key, as they were loaded: so that neither twin shows the traces of earlier updates.
TABLES = ("patients", "encounters", "medications", "clinical_notes", "providers", "analytics.departments", "vault")


def loaded(engine):
    """Names of the tables, views and sequences that a hospital is loaded with; those of the first schema without its name."""
    text = (TESTDATA / f"hospital/schema-{engine}.sql").read_text()
    return re.findall(r"^CREATE (?:OR REPLACE |ALGORITHM = \w+ )?(?:TABLE|VIEW|SEQUENCE) ([\w.]+)", text, re.MULTILINE)


def servers(*others):
    """The running fleet with both engines, and with these of OTHERS; nothing is started twice."""
    subprocess.run([TESTDATA / "servers", "start", "idp", *SERVERS.values(), *others, "--patients", str(PATIENTS)], check=True)
    return describe(peek())


class Ground:
    """Both twins of one engine behind one proxy."""

    def __init__(self, engine, fleet, mint, home, rules=None, tokens=True, second_lock=None, server=None):
        self.engine, self.server = engine, server or SERVERS[engine]
        self.databases = ("hospital", "hospital_twin")
        self.entry, self.mint = fleet["servers"][self.server], mint
        self.proxy = Proxy(home, fleet, [self.server], rules=rules or [HERE / "twin.toml"], second_lock=second_lock)
        self.tidy()
        self.proxy.start()
        self.minted = 0.0
        self.names = []
        self.canaries = [Canaries(PATIENTS, variant) for variant in (0, 1)]
        known = {}
        for door in self.doors() if tokens else ():
            known |= tokens_of(door)
        for database in self.databases:
            oids = oids_of(self.admin(OIDS, database)) if engine == "postgres" else {}
            self.names.append(Names(known, oids))

    def doors(self):
        """Into either twin, as an analyst: sees what an agent sees, and no rule denies schema changes."""
        if time.monotonic() - self.minted > 1800:
            self.token, self.minted = self.mint.token(sub="ana", groups=["analysts"]), time.monotonic()
        return [
            Door(self.engine, self.proxy.ports[self.server + suffix], self.token, database=database)
            for suffix, database in zip(("", "_twin"), self.databases, strict=True)
        ]

    def admin(self, text, database):
        """SQL straight at the server as its administrator."""
        users = self.entry["users"]
        if self.engine == "postgres":
            command = [postgres("psql"), "-XAtqc", text]
            environment = {
                "PGHOST": "127.0.0.1", "PGPORT": str(self.entry["port"]), "PGUSER": "postgres", "PGPASSWORD": users["postgres"],
                "PGDATABASE": database, "PGSSLMODE": "require",
            }
        else:
            command = [MARIADB, "--no-defaults", f"--socket={self.entry['socket']}", f"--ssl-ca={self.entry['ca_file']}", "--user=root", "-N", "-e", text, database]
            environment = {"MYSQL_PWD": users["root"]}
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, f"{text}: {done.stderr}"
        return done.stdout

    def tidy(self):
        """Remove what attacks may have left, and put the rows back in their order."""
        kept = ", ".join(f"'{name}'" for name in loaded(self.engine))
        for database in self.databases:
            if self.engine == "postgres":
                left = self.admin(
                    "SELECT format('DROP %s IF EXISTS %s CASCADE;', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' "
                    "WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, c.oid::regclass) "
                    "FROM pg_class c WHERE relnamespace IN ('public'::regnamespace, 'analytics'::regnamespace) "
                    f"AND relkind IN ('r', 'v', 'm', 'p', 'f', 'S') AND c.oid::regclass::text NOT IN ({kept}) "
                    "AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass "
                    "AND d.deptype IN ('e', 'a', 'i'))", database,
                )
                order = "".join(f"CLUSTER {table} USING {table.split('.')[-1]}_pkey; ANALYZE {table}; " for table in TABLES)
                # A sequence keeps what was put into it: of a test that shows what the database itself says, too.
                for text in (left, "DELETE FROM analytics.scratch WHERE id >= 60000; DELETE FROM uq; SELECT setval('s', 1, false)", *order.split("; ")):
                    if text.strip():
                        self.admin(text, database)
            else:
                left = self.admin(
                    "SELECT CONCAT('DROP ', IF(table_type = 'VIEW', 'VIEW', IF(table_type = 'SEQUENCE', 'SEQUENCE', 'TABLE')), "
                    "' IF EXISTS `', table_schema, '`.`', table_name, '`;') FROM information_schema.tables "
                    f"WHERE table_schema IN ('{database}', 'analytics') "
                    f"AND CONCAT(IF(table_schema = 'analytics', 'analytics.', ''), table_name) NOT IN ({kept})", database,
                )
                self.admin("SET foreign_key_checks = 0; " + left + "DELETE FROM analytics.scratch WHERE id >= 60000; DELETE FROM uq;", database)

    def compare(self, statements, mode):
        """Run both twins: (what differs or None, leaks, the two runs)."""
        runs, leaks, seen = [], [], []
        for door, names, canaries in zip(self.doors(), self.names, self.canaries, strict=True):
            run = door.run(statements, mode)
            runs.append(run)
            leaks += door.leaks(run, canaries)
            seen.append(comparable(self.engine, run, names, statements))
        return (None if seen[0] == seen[1] else first_difference(*seen)), leaks, runs

    def is_restless(self, statements, mode):
        """Whether the same twin answers otherwise another time: clocks, counters and sizes, not values."""
        door, other = self.doors()
        first, *others = (comparable(self.engine, door.run(statements, mode), self.names[0], statements) for _ in range(AGAIN))
        # What it leaves behind, it has to leave in both: the next attack meets it.
        for _ in range(AGAIN):
            other.run(statements, mode)
        return any(one != first for one in others)

    def modes(self):
        """How statements are sent: the plain way first."""
        return ENGINES[self.engine].MODES

    def stop(self):
        """Stop the proxy, which has to have lived through it."""
        lived = self.proxy.alive()
        code = self.proxy.stop()
        self.tidy()
        assert lived and code == 0, self.proxy.log.read_text(errors="replace")[-3000:]
