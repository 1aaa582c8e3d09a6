"""Masks computed at the source cost no index: the planner pulls a masked projection up, so each shape is planned over the same
indexes as without it. Shown by EXPLAIN, directly and through the proxy; sequential scans are switched off on both sides, since the
tables of the tests are small."""

import re

import pytest
from conftest import SERVERS

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
