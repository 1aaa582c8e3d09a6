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

    def outcomes(way):
        with world.place(server, way, fleet, suite.database) as place:
            return suite.at(place, suite.short).outcomes

    direct = outcomes("direct")
    assert "passed" in direct.values(), f"{client} passes nothing directly"
    wrong = compare(client, server, "rules elsewhere", direct, outcomes("rules elsewhere")).wrong
    if wrong:
        # Suites have tests that race, directly too: what differs must differ again.
        again = compare(client, server, "rules elsewhere", direct, outcomes("rules elsewhere")).wrong
        wrong = [one for one in wrong if one in again]
    assert not wrong, "\n".join(wrong)
