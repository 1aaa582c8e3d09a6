"""A short selection of the drivers' own suites: what passes directly passes through the proxy, with rules on a table that it does
not touch. `make compat` runs all of them, and without rules as well."""

import pytest
from conftest import MYSQL_SERVERS, SERVERS

from suites import all_suites, world
from suites.roster import compare

# Go and Node are left out: what they need is installed for `make compat` only.
CHOSEN = {"psycopg2", "asyncpg", "Django on psycopg", "PostgreSQL's regression files", "mysqlclient", "SQLAlchemy on PyMySQL"}
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("client", sorted(CHOSEN))
def test_a_suite_passes_as_it_does_directly(client, fleet, mysql_fleet):
    (suite,) = [suite for suite in all_suites() if suite.client == client]
    server = SERVERS[0] if suite.engine.startswith("postgres") else MYSQL_SERVERS[0]
    outcomes = {}
    for way in ("direct", "rules elsewhere"):
        with world.place(server, way, mysql_fleet, suite.database) as place:
            outcomes[way] = suite.at(place, suite.short).outcomes
    assert "passed" in outcomes["direct"].values(), f"{client} passes nothing directly"
    found = compare(client, server, "rules elsewhere", outcomes["direct"], outcomes["rules elsewhere"])
    assert not found.wrong, "\n".join(found.wrong)
