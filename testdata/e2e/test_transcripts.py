"""Each real client, directly and through the proxy: identical results apart from the masks."""

import pytest
from compare import differences
from conftest import SERVERS
from places import transcript

from fleet.needs import postgres

CLIENTS = ["psql.py", "psycopg3.py", "asyncpg_client.py", "sqlalchemy_client.py", "node_pg.mjs", "Jdbc.java"]


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_identical_apart_from_masks(client, server, proxy, direct, through, analyst_token):
    before = transcript(f"postgres/{client}", direct(server))
    after = transcript(f"postgres/{client}", through(proxy, f"{server}_tls", analyst_token))
    wrong = differences(before, after)
    assert not wrong, f"{len(wrong)} of {len(before)} steps differ\n" + "\n".join(wrong)


def test_without_tls_as_well(proxy, direct, through, analyst_token):
    before = transcript("postgres/psycopg3.py", direct())
    after = transcript("postgres/psycopg3.py", through(proxy, "postgres15", analyst_token))
    assert not differences(before, after)


def test_the_comparison_can_fail(direct):
    same = {"plain": {"rows": 1}, "masked x": {"columns": ["id", "ssn"], "rows": [[1, "900-01-0001"]]}}
    assert differences(same, same) == ["masked x: row 0: ssn came unmasked: '900-01-0001'"]
    other = {"plain": {"rows": 2}, "masked x": {"columns": ["id", "ssn"], "rows": [[2, "***"]]}}
    assert len(differences(same, other)) == 2


@pytest.fixture(scope="module")
def pgbench_tables(direct):
    """pgbench's own tables in the bench database."""
    import os
    import subprocess

    place = direct(database="bench")
    environment = os.environ | {
        "PGHOST": "127.0.0.1", "PGPORT": str(place.port), "PGUSER": place.user, "PGPASSWORD": place.password, "PGDATABASE": "bench",
    }
    subprocess.run([postgres("pgbench"), "-i", "-s", "1", "-q"], env=environment, check=True, capture_output=True)
    return place


def test_pgbench(proxy, through, pgbench_tables, analyst_token):
    before = transcript("postgres/pgbench.py", pgbench_tables)
    after = transcript("postgres/pgbench.py", through(proxy, "postgres15_bench", analyst_token, database="bench"))
    assert all(result["exit"] == 0 for result in before.values()), before
    assert not differences(before, after)
