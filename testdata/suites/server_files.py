"""PostgreSQL's regression files, by psql: what it prints directly is what it has to print through the proxy."""

import re
import shutil
import subprocess
import time

from fleet import needs

from . import runners, sources
from .roster import Suite

PACKAGE = "postgresql-15"
# They ask for what belongs to the machine: tablespaces in folders, other databases, compiled functions of the suite itself.
LEFT_OUT = {"tablespace", "test_setup", "largeobject"}
_printed = {}


def lay(folder):
    """The files, their data, and the order in which they run."""
    source = sources.debian(PACKAGE) / "src/test/regress"
    for part in ("sql", "data", "parallel_schedule"):
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part)
        else:
            shutil.copy(source / part, folder / part)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def order(folder):
    """The names of the files as the schedule has them."""
    schedule = (folder / "parallel_schedule").read_text()
    names = [name for line in re.findall(r"(?m)^test:(.*)$", schedule) for name in line.split()]
    return [name for name in names if name not in LEFT_OUT and (folder / f"sql/{name}.sql").exists()]


def steady(text):
    """Without what differs from run to run: object identifiers, process ids, times."""
    text = re.sub(r"\b(pg_toast(?:_temp)?_|pg_temp_|OID |oid |pid |PID )\d+", r"\1N", text)
    return re.sub(r"(?i)(actual time|Execution Time|Planning Time|Memory)[^\n]*", r"\1", text)


def regression(place, folder, only):
    """One file after the other. The first place prints what the others have to print."""
    environment = {
        "PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY", "PATH": "/usr/bin:/bin", "LC_MESSAGES": "C", "PGOPTIONS": "-c intervalstyle=postgres_verbose",
        "PG_ABS_SRCDIR": str(folder), "PG_LIBDIR": str(folder), "PG_DLSUFFIX": ".so", "PG_ABS_BUILDDIR": str(folder),
    } | place.variables()
    result = runners.Result()
    names = only or order(folder)
    for name in ["test_setup", *names] if (folder / "sql/test_setup.sql").exists() else names:
        begun = time.monotonic()
        try:
            done = subprocess.run(
                [needs.postgres("psql"), "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"],
                stdin=open(folder / f"sql/{name}.sql", "rb"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=folder, timeout=240,
            )
            printed = steady(done.stdout.decode("utf-8", "replace").replace(str(folder), "FOLDER"))
        except subprocess.TimeoutExpired:
            printed = "ended after 240 s"
        result.seconds += time.monotonic() - begun
        first = _printed.setdefault((place.server, name), printed)
        if name == "test_setup":
            continue
        result.outcomes[name] = "passed" if printed == first else "failed"
        if printed != first:
            result.said += difference(name, first, printed)
    return result


def difference(name, first, printed):
    """The first lines that differ, for people."""
    import difflib

    lines = difflib.unified_diff(first.splitlines(), printed.splitlines(), "direct", "through", lineterm="", n=2)
    return f"== {name}\n" + "\n".join(line for line, _ in zip(lines, range(60), strict=False)) + "\n"


SUITES = [
    Suite("PostgreSQL's regression files", "postgres-own", "15", lay, regression,
          short=["boolean", "int4", "text", "numeric", "jsonb", "select", "union", "subselect", "prepare", "portals", "transactions", "copy2", "plpgsql"]),
]
