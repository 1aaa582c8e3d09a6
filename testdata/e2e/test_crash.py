"""kill -9 under load: every statement that the server saw is in the evidence, and the store still verifies."""

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections import Counter

import pytest

from fleet.needs import postgres


def seen_by_server(fleet, tag):
    """How often the server's own log has each tagged statement."""
    found = Counter()
    with open(fleet["servers"]["postgres15"]["statement_log"], errors="replace") as log:
        for line in log:
            if tag in line:
                message = json.loads(line)["message"]
                # Not Parse or Bind, which are logged by their durations only.
                if message.startswith(("statement: ", "execute ")):
                    found.update(re.findall(rf"{tag}_\d+", message))
    return found


def in_evidence(proxy, tag):
    """How often the evidence has each."""
    found = Counter()
    for record in proxy.records("statements", "--limit", "10000000"):
        found.update(set(re.findall(rf"{tag}_\d+", str(record))))
    return found


@pytest.mark.parametrize("mode", ["simple", "extended"])
def test_every_statement_survives_kill_9(mode, fresh_proxy, through, fleet, tmp_path):
    proxy = fresh_proxy()
    place = through(proxy)
    tag = f"t{uuid.uuid4().hex[:8]}"
    script = tmp_path / "load.sql"
    # A name of its own for each statement, where no normalisation takes it away.
    script.write_text(f"\\set n random(1, 1000000000)\nSELECT state AS {tag}_:n, ssn FROM patients WHERE id = 7;\n")
    environment = os.environ | {
        "PGHOST": "127.0.0.1", "PGPORT": str(place.port), "PGUSER": "agent", "PGPASSWORD": place.password,
        "PGDATABASE": "hospital", "PGSSLMODE": "disable",
    }
    if mode == "simple":
        line = [postgres("pgbench"), "-n", "-M", "simple", "-c", "4", "-T", "60", "-f", script]
    else:  # pgbench would make :n a parameter
        line = [sys.executable, "-c", EXTENDED, tag]
    load = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(4)
    assert load.poll() is None, load.communicate()[0][-2000:]
    proxy.kill()
    output = load.communicate(timeout=60)[0]
    time.sleep(1)  # the server writes its log when it has noticed
    server = seen_by_server(fleet, tag)
    assert sum(server.values()) > 100, f"the load did not load: {output[-1500:]}"
    proxy.start()
    evidence = in_evidence(proxy, tag)
    missing = server - evidence
    assert not missing, f"{sum(missing.values())} of {sum(server.values())} statements of the server's log are not in the evidence: {list(missing)[:3]}"
    assert place.one("SELECT 'works again'") == "works again"
    assert proxy.stop() == 0
    verified = proxy.verify()
    assert verified.returncode == 0, verified.stdout[-3000:]


# Parse, Bind, Execute and Sync from four connections at once, each statement with a name of its own.
EXTENDED = """
import random, sys, threading
import psycopg
def work():
    with psycopg.connect(user="agent", autocommit=True) as conn:
        while True:
            conn.execute(f"SELECT state AS {sys.argv[1]}_{random.randrange(10**9)}, ssn FROM patients WHERE id = %s", (7,))
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
