"""Where a client connects to, and running the client scripts there."""

import json
import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from fleet import install, needs
from fleet.paths import TESTDATA, VENV

CLIENTS = TESTDATA / "clients"


@dataclass(frozen=True)
class Place:
    """A database to log in to; `ca` is set where TLS is wanted."""

    port: int
    user: str
    password: str
    database: str = "hospital"
    ca: str | None = None
    compress: bool = False

    def variables(self):
        """What the client scripts read. The certificate names localhost and 127.0.0.1."""
        return {
            "TARGET_HOST": "localhost" if self.ca else "127.0.0.1", "TARGET_PORT": str(self.port), "TARGET_USER": self.user,
            "TARGET_PASSWORD": self.password, "TARGET_DATABASE": self.database, "TARGET_CA": str(self.ca or ""),
            "TARGET_COMPRESS": "1" if self.compress else "",
        }

    def psql(self, text, *flags, timeout=60):
        """Run SQL by psql: the completed process, its output as text."""
        environment = os.environ | {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password,
            "PGDATABASE": self.database, "PGSSLMODE": "verify-full" if self.ca else "disable",
            "PGSSLROOTCERT": str(self.ca or ""), "PGCONNECT_TIMEOUT": "20",
        }
        return subprocess.run(
            [needs.postgres("psql"), "-X", "-A", "-t", *flags, "-c", text],
            env=environment, capture_output=True, text=True, timeout=timeout,
        )

    def one(self, text):
        """The answer of one statement that has to succeed."""
        done = self.psql(text, "-q")
        assert done.returncode == 0, f"{text}: {done.stderr}"
        return done.stdout.rstrip("\n")

    def on(self, **changes):
        """The same place with something changed."""
        return replace(self, **changes)


def command(client):
    """The command line of a client script, by its path below clients/."""
    script = CLIENTS / client
    if not script.suffix:
        return [script]
    if script.suffix == ".py":
        return [VENV / "bin/python", script]
    if script.suffix == ".mjs":
        return [install.node(), script]
    jar, driver = (needs.POSTGRES_JDBC, "jdbc-postgres") if "postgres" in client else (needs.MARIADB_JDBC, "jdbc-mariadb")
    needs.have("java", driver)
    return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jar, script]


def transcript(client, place, timeout=240):
    """Run a client script to its end: its steps as {name: result}, in order."""
    done = subprocess.run(
        command(client), env=os.environ | place.variables(), capture_output=True, text=True, timeout=timeout, cwd=Path("/")
    )
    steps = {}
    for line in done.stdout.splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            raise AssertionError(f"{client} printed something else than steps: {line[:300]}") from None
        steps[record["step"]] = record["result"]
    assert done.returncode == 0, f"{client} ended with {done.returncode} after {list(steps)[-1:]}\n{done.stderr[-3000:]}"
    return steps
