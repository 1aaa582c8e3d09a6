"""Rules that look at how many rows a statement brings into its answer: the planner is asked before the statement is judged."""

import json
from pathlib import Path

import psycopg
import pymysql
import pytest
from conftest import MYSQL_SERVERS, SERVERS, TESTDATA
from desk import connector

from fleet.proxy import Proxy

RULES = [TESTDATA / "policies/hospital.toml", Path(__file__).parent / "estimates.toml"]
SERVED = [*SERVERS, *MYSQL_SERVERS]
REFUSED = (psycopg.Error, pymysql.err.Error)


@pytest.fixture(scope="module")
def proxy(mysql_fleet, tmp_path_factory):
    for server in SERVERS:
        entry = mysql_fleet["servers"][server]
        with psycopg.connect(
            host="127.0.0.1", port=entry["port"], user="affidavit", password=entry["users"]["affidavit"], dbname="hospital", autocommit=True,
        ) as owner:
            owner.execute("ANALYZE")
    running = Proxy(tmp_path_factory.mktemp("estimates"), mysql_fleet, SERVED, rules=RULES).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def rows(proxy, server, token, sql, parameters=()):
    """The rows of a statement, or the words of its refusal."""
    connection = connector(proxy, server, token)()
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()
    except REFUSED as error:
        return str(error)
    finally:
        connection.close()


@pytest.mark.parametrize("server", SERVED)
def test_many_rows_are_refused_and_few_are_not(server, proxy, agent_token):
    assert [row[0] for row in rows(proxy, server, agent_token, "SELECT id FROM encounters WHERE id < 4 ORDER BY id")] == [1, 2, 3]
    for bulk in ("SELECT id FROM encounters", "SELECT count(*) FROM encounters", "SELECT e.id FROM encounters e JOIN encounters f ON f.id = e.id + 1"):
        said = rows(proxy, server, agent_token, bulk)
        assert isinstance(said, str) and "no bulk reads" in said, (bulk, said)
    # Another table is nobody's concern, however large.
    assert not isinstance(rows(proxy, server, agent_token, "SELECT id FROM patients"), str)


@pytest.mark.parametrize("server", SERVERS)
def test_a_limit_counts_and_wrapping_up_does_not_help(server, proxy, agent_token):
    assert len(rows(proxy, server, agent_token, "SELECT id FROM encounters LIMIT 5")) == 5
    for wrapped in (
        "SELECT json_agg(e) FROM encounters e", "SELECT string_agg(id::text, ',') FROM encounters LIMIT 1",
        "SELECT ARRAY(SELECT id FROM encounters)", "SELECT (SELECT max(id) FROM encounters)::text || (SELECT count(*) FROM encounters)",
    ):
        said = rows(proxy, server, agent_token, wrapped)
        assert isinstance(said, str) and "no bulk reads" in said, (wrapped, said)


@pytest.mark.parametrize("server", SERVERS)
def test_it_is_asked_with_the_parameters(server, proxy, agent_token):
    few, many = (rows(proxy, server, agent_token, "SELECT id FROM encounters WHERE id < %s ORDER BY id", (limit,)) for limit in (4, 1_000_000))
    assert [row[0] for row in few] == [1, 2, 3]
    assert "no bulk reads" in many


@pytest.mark.parametrize("server", SERVERS)
def test_what_only_the_session_can_plan_counts_as_many(server, proxy, analyst_token):
    with connector(proxy, server, analyst_token)() as connection:
        connection.execute("CREATE TEMPORARY TABLE small (id integer)")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("SELECT e.id FROM encounters e JOIN small s ON s.id = e.id WHERE e.id < 4")
        assert "no bulk reads" in str(refused.value)


def test_explain_asks_too(proxy, tmp_path):
    claims = tmp_path / "claims.json"
    claims.write_text('{"sub": "agent", "groups": ["ci-agents"]}')
    for sql, few in (("SELECT id FROM encounters WHERE id < 4", True), ("SELECT id FROM encounters", False)):
        said = proxy.affidavit("explain", "--config", proxy.config, "--datasource", "postgres15", "--claims", claims, "--json", "--sql", sql)
        told = json.loads(said.stdout)
        assert (told["verdict"]["decision"] == "allow") is few and (told["estimated_rows"] <= 500) is few, told
