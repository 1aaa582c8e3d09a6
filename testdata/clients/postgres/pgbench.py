"""pgbench: all three query modes, against its own tables; prints what was processed and what failed, not how fast."""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/..", f"{HERE}/../.."]
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit  # noqa: E402

from fleet.needs import postgres  # noqa: E402

PGBENCH = postgres("pgbench")
ENVIRONMENT = os.environ | {
    "PGHOST": HOST, "PGPORT": str(PORT), "PGUSER": USER, "PGPASSWORD": PASSWORD, "PGDATABASE": DATABASE,
    "PGSSLMODE": "verify-full" if CA else "disable", "PGSSLROOTCERT": CA or "",
}


def pgbench(name, *flags):
    """One run: exit code, transactions processed and failed, and complaints."""
    done = subprocess.run([PGBENCH, *flags], env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    kept = re.findall(r"number of (?:transactions actually processed|failed transactions): .*", done.stdout)
    complaints = [line for line in done.stderr.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
    emit(name, {"exit": done.returncode, "kept": kept, "complaints": complaints})


for mode in ("simple", "extended", "prepared"):
    pgbench(f"select only, {mode}", "-n", "-S", "-M", mode, "-c", "4", "-t", "200")
    pgbench(f"tpcb-like, {mode}", "-n", "-M", mode, "-c", "4", "-t", "50")
