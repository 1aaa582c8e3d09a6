"""Rules about what a statement does and reads, against those who go around them: by EXPLAIN ANALYZE, COPY, WITH, MERGE, PREPARE, by
conditions that are always true. Each attack ends in a refusal, and what the rules leave alone is answered."""

from pathlib import Path

import psycopg
import pymysql
import pytest
from conftest import MYSQL_SERVERS, TESTDATA
from desk import connector

RULES = Path(__file__).parent / "rules.toml"
ENGINES = ["postgres15", *MYSQL_SERVERS]
ALLOWED = [
    "SELECT id FROM encounters WHERE id = 3",
    "SELECT id FROM encounters WHERE patient_id IN (1, 2, 3) AND notes LIKE '%'",
    "SELECT e.id FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id = 1",
    "SELECT id FROM patients WHERE id < 5",
    "SELECT count(*) FROM analytics.icd10",
]


@pytest.fixture(scope="module")
def proxy(mysql_fleet, tmp_path_factory):
    from fleet.proxy import Proxy

    running = Proxy(tmp_path_factory.mktemp("rules"), mysql_fleet, ENGINES, rules=[TESTDATA / "policies/hospital.toml", RULES]).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def attacks(server):
    """The attacks of both engines and of this one."""
    engine = "postgres" if server.startswith("postgres") else "mysql"
    files = [TESTDATA / f"attacks/rules-{name}.txt" for name in ("both", engine)]
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def run(connection, attack):
    """Every statement of it; the first refusal ends it."""
    with connection.cursor() as cursor:
        for statement in attack.split(" ;; "):
            if statement.startswith("COPY"):
                with cursor.copy(statement) as copy:
                    list(copy)
                continue
            cursor.execute(statement)
            if cursor.description is not None:
                cursor.fetchall()


@pytest.mark.parametrize("server", ENGINES)
def test_rules_stop_what_they_say_they_stop(server, proxy, agent_token):
    connect = connector(proxy, server, agent_token)
    passed = []
    for attack in attacks(server):
        with connect() as connection:
            try:
                run(connection, attack)
                passed.append(attack)
            except (psycopg.Error, pymysql.Error):
                pass
    assert not passed, "\n".join(passed)


@pytest.mark.parametrize("server", ENGINES)
def test_what_rules_leave_alone_is_answered(server, proxy, agent_token):
    with connector(proxy, server, agent_token)() as connection:
        for statement in ALLOWED:
            run(connection, statement)
