"""The roles of the second lock, made by what `affidavit doctor --sql` itself prints, as a database's administrator would."""

import os
import subprocess

from . import needs
from .process import Failed

# The proxy's account where the lock is on: the SQL takes an account's own rights on MySQL, and other proxies use the plain one.
ACCOUNT = "affidavit_locked"


def administer(server, database, text):
    """Run SQL as the server's administrator and stop at the first error."""
    if server["engine"] == "postgres":
        environment = os.environ | {
            "PGHOST": server["host"], "PGPORT": str(server["port"]), "PGUSER": "postgres", "PGPASSWORD": server["users"]["postgres"],
            "PGDATABASE": database, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": server["ca_file"],
        }
        line = [needs.postgres("psql"), "-Xqv", "ON_ERROR_STOP=1", "-f", "-"]
    else:
        environment = os.environ | {"MYSQL_PWD": server["users"]["root"]}
        line = [needs.MARIADB, "--no-defaults", f"--socket={server['socket']}", "--user=root", "--default-character-set=utf8mb4"]
    done = subprocess.run(line, input=text, text=True, capture_output=True, env=environment)
    if done.returncode != 0:
        raise Failed(f"the second lock's SQL on {database}: {done.stderr.strip()}")


def sql(proxy, datasource):
    """What `affidavit doctor` prints for the datasource."""
    done = proxy.affidavit("doctor", "--config", proxy.config, "--datasource", datasource, "--sql", "--second-lock")
    if done.returncode != 0:
        raise Failed(f"affidavit doctor --sql: {done.stderr.strip()}")
    return done.stdout


def install(proxy, datasource, server, database):
    """Make the roles of a datasource as its proxy's policy needs them."""
    administer(server, database, sql(proxy, datasource))
