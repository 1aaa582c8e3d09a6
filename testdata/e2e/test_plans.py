"""Masks computed at the source cost no index: the planner pulls a masked projection up, so each shape is planned over the same
indexes as without it. Shown by EXPLAIN, directly and through the proxy; sequential scans are switched off on both sides, since the
tables of the tests are small."""

import os
import re
import subprocess

import pytest
from conftest import MYSQL_SERVERS, SERVERS

from fleet.needs import MARIADB
from fleet.proxy import Proxy

# Each computes with a protected column, so each is masked at the source; the columns that it looks up by are not protected.
SHAPES = {
    "a key": "SELECT upper(ssn) FROM patients WHERE id = 3",
    "several keys": "SELECT upper(ssn) FROM patients WHERE id IN (3, 5, 8)",
    "a range, in order": "SELECT lower(full_name) FROM patients WHERE id BETWEEN 5 AND 9 ORDER BY id LIMIT 3",
    "the last ones": "SELECT left(full_name, 1) FROM patients ORDER BY id DESC LIMIT 5",
    "a join by both keys": "SELECT upper(p.ssn), e.icd10 FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id = 3",
    "an outer join": "SELECT p.full_name || '', e.id FROM patients p LEFT JOIN encounters e ON e.patient_id = p.id WHERE p.id < 4",
    "EXISTS": "SELECT upper(p.ssn) FROM patients p WHERE p.id = 3 AND EXISTS (SELECT FROM encounters e WHERE e.patient_id = p.id)",
    "LATERAL": "SELECT upper(p.ssn), x.id FROM patients p, LATERAL (SELECT e.id FROM encounters e WHERE e.patient_id = p.id LIMIT 1) x WHERE p.id < 4",
    "a query in the list": "SELECT e.id, (SELECT upper(p.full_name) FROM patients p WHERE p.id = e.patient_id) FROM encounters e WHERE e.id = 3",
    "a common table": "WITH p AS (SELECT id, upper(ssn) AS s FROM patients) SELECT s FROM p WHERE id = 3",
    "a union": "SELECT upper(ssn) FROM patients WHERE id = 1 UNION ALL SELECT upper(ssn) FROM patients WHERE id = 2",
    "groups": "SELECT state, max(ssn) FROM patients WHERE id < 9 GROUP BY state",
    "another index": "SELECT upper(notes) FROM encounters WHERE admitted > '2030-01-01'",
}
# The same for MySQL and MariaDB, which have no LATERAL in common.
MYSQL_SHAPES = {
    "a key": "SELECT UPPER(ssn) FROM patients WHERE id = 3",
    "several keys": "SELECT UPPER(ssn) FROM patients WHERE id IN (3, 5, 8)",
    "a range, in order": "SELECT LOWER(full_name) FROM patients WHERE id BETWEEN 5 AND 9 ORDER BY id LIMIT 3",
    "the last ones": "SELECT LEFT(full_name, 1) FROM patients ORDER BY id DESC LIMIT 5",
    "a join by both keys": "SELECT UPPER(p.ssn), e.icd10 FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id = 3",
    "an outer join": "SELECT CONCAT(p.full_name, ''), e.id FROM patients p LEFT JOIN encounters e ON e.patient_id = p.id WHERE p.id < 4",
    "EXISTS": "SELECT UPPER(p.ssn) FROM patients p WHERE p.id = 3 AND EXISTS (SELECT 1 FROM encounters e WHERE e.patient_id = p.id)",
    "IN": "SELECT UPPER(p.ssn) FROM patients p WHERE p.id IN (SELECT e.patient_id FROM encounters e WHERE e.id < 4)",
    "a query in the list": "SELECT e.id, (SELECT UPPER(p.full_name) FROM patients p WHERE p.id = e.patient_id) FROM encounters e WHERE e.id = 3",
    "a common table": "WITH p AS (SELECT id, UPPER(ssn) AS s FROM patients) SELECT s FROM p WHERE id = 3",
    "a union": "SELECT UPPER(ssn) FROM patients WHERE id = 1 UNION ALL SELECT UPPER(ssn) FROM patients WHERE id = 2",
    "groups": "SELECT state, MAX(ssn) FROM patients WHERE id < 9 GROUP BY state",
    "another index": "SELECT UPPER(notes) FROM encounters WHERE admitted > '2030-01-01'",
}


@pytest.fixture(scope="module")
def mysql_proxy(mysql_fleet, tmp_path_factory):
    """A proxy before both servers of the family."""
    running = Proxy(tmp_path_factory.mktemp("plans"), mysql_fleet, MYSQL_SERVERS).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def keys(port, ca, user, password, statement):
    """The indexes of a plan of the MySQL family, in order; no table is read whole."""
    done = subprocess.run(
        [MARIADB, "--no-defaults", "--host=127.0.0.1", f"--port={port}", f"--user={user}", f"--ssl-ca={ca}", "-B", "hospital", "-e", f"EXPLAIN FORMAT=TRADITIONAL {statement}"],
        capture_output=True, text=True, env=os.environ | {"MYSQL_PWD": password}, check=True,
    )
    head, *rows = (line.split("\t") for line in done.stdout.splitlines())
    read = [dict(zip(head, row, strict=True)) for row in rows]
    assert not [row for row in read if row["type"] == "ALL" and not row["table"].startswith("<")], done.stdout
    return sorted(row["key"] for row in read if row["key"] != "NULL")


def indexes(place, statement):
    """The indexes of a plan, in order."""
    plan = place.one(f"SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN (COSTS OFF) {statement}")
    assert "Seq Scan" not in plan, plan
    return sorted(re.findall(r"Index (?:Only )?Scan(?: Backward)? using (\w+)", plan))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_keep_their_index(server, shape, proxy, direct, through):
    statement = SHAPES[shape]
    before, behind = indexes(direct(server), statement), indexes(through(proxy, server), statement)
    assert before and before == behind


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("shape", MYSQL_SHAPES)
def test_shapes_keep_their_index_on_mysql(server, shape, mysql_fleet, mysql_proxy, agent_token):
    entry, statement = mysql_fleet["servers"][server], MYSQL_SHAPES[shape]
    before = keys(entry["port"], entry["ca_file"], "affidavit", entry["users"]["affidavit"], statement)
    behind = keys(mysql_proxy.ports[f"{server}_tls"], mysql_proxy.ca_file, "agent", agent_token, statement)
    assert before and before == behind
