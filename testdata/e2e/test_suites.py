"""A short selection of the drivers' own suites: what passes directly passes through the proxy, with rules on a table that it does
not touch. `make compat` runs all of them, and without rules as well."""

import pytest
from conftest import SERVERS

from suites import all_suites, world
from suites.roster import compare

# Those that say most in little time. Go and Node are left out: what they need is installed for `make compat` only.
CHOSEN = ("asyncpg", "psycopg2")
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("client", CHOSEN)
def test_a_suite_passes_as_it_does_directly(client, fleet):
    (suite,) = [suite for suite in all_suites() if suite.client == client]
    server = SERVERS[0]
    outcomes = {}
    for way in ("direct", "rules elsewhere"):
        with world.place(server, way, fleet, suite.database) as place:
            outcomes[way] = suite.at(place, suite.short).outcomes
    assert "passed" in outcomes["direct"].values(), f"{client} passes nothing directly"
    found = compare(client, server, "rules elsewhere", outcomes["direct"], outcomes["rules elsewhere"])
    assert not found.wrong, "\n".join(found.wrong)
