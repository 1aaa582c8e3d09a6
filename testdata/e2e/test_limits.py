"""Where things end: rows that masking makes too long for one packet, connections that do not log in, and the known limits that
SECURITY.md names under "What is not promised", each shown by what it lets through."""

import socket

import psycopg
import pymysql
import pytest
from conftest import MYSQL_SERVERS

from fleet.proxy import Proxy

HASHED = """
[[mask]]
name = "diagnosis"
columns = ["*.*.icd10.title"]
with = "hash"
"""


@pytest.fixture(scope="module")
def narrow(mysql_fleet, tmp_path_factory):
    """A proxy of which only two connections may be on their way in, and that makes short values long."""
    home = tmp_path_factory.mktemp("limits")
    rules = home / "titles.toml"
    rules.write_text(HASHED)
    running = Proxy(home / "proxy", mysql_fleet, MYSQL_SERVERS, rules=[rules], extra={"lines": ["[limits]", "pending_logins = 2"]}).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_a_row_that_masking_makes_longer_than_a_packet(server, narrow, agent_token):
    length = (1 << 24) - 50  # with the title (41 characters) just short of a packet, with a hash of it beyond
    text = f"SELECT title, REPEAT('x', {length}) FROM analytics.icd10 WHERE code = 'C50.9'; SELECT 7"
    connection = pymysql.connect(
        host="localhost", port=narrow.ports[f"{server}_tls"], user="agent", password=agent_token, database="hospital",
        ssl={"ca": str(narrow.ca_file)}, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, max_allowed_packet=1 << 26,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(text)
        ((title, filling),) = cursor.fetchall()
        assert len(title) == 64 and filling == "x" * length
        assert cursor.nextset() and cursor.fetchall() == ((7,),)
        cursor.execute("SELECT 8")
        assert cursor.fetchall() == ((8,),)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_only_so_many_connections_wait_to_log_in(server, narrow):
    def open_one():
        peer = socket.create_connection(("127.0.0.1", narrow.ports[server]), 10)
        return peer, peer.recv(512)

    waiting = [open_one() for _ in range(2)]
    try:
        assert all(greeting[4:5] == b"\x0a" for _, greeting in waiting), waiting
        turned_away, told = open_one()
        turned_away.close()
        assert told[4:7] == b"\xff\x10\x04" and b"pending_logins" in told, f"a third is told 1040: {told}"
    finally:
        for peer, _ in waiting:
            peer.close()


def connect(place):
    """The driver that most Python applications use."""
    return psycopg.connect(host="127.0.0.1", port=place.port, user=place.user, password=place.password, dbname=place.database, autocommit=True)


def test_known_limit_what_the_owners_trigger_copies_is_shown(proxy, direct, through):
    with connect(direct()) as owner:
        owner.execute("CREATE TABLE limit_notes (id integer PRIMARY KEY, patient integer, remark text)")
        try:
            owner.execute(
                "CREATE FUNCTION limit_copy() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN SELECT ssn INTO NEW.remark FROM patients WHERE id = NEW.patient; RETURN NEW; END$$"
            )
            owner.execute("CREATE TRIGGER limit_copy BEFORE INSERT ON limit_notes FOR EACH ROW EXECUTE FUNCTION limit_copy()")
            (raw,) = owner.execute("SELECT ssn FROM patients WHERE id = 7").fetchone()
            with connect(through(proxy)) as agent:
                agent.execute("INSERT INTO limit_notes (id, patient) VALUES (1, 7)")
                assert agent.execute("SELECT remark FROM limit_notes WHERE id = 1").fetchone() == (raw,)
        finally:
            owner.execute("DROP TABLE limit_notes")
            owner.execute("DROP FUNCTION IF EXISTS limit_copy()")


def test_known_limit_a_guess_can_be_tested_and_is_on_record(proxy, direct, through):
    with connect(direct()) as owner:
        (raw,) = owner.execute("SELECT ssn FROM patients WHERE id = 7").fetchone()
    with connect(through(proxy)) as agent:
        shown = agent.execute(f"SELECT id, ssn FROM patients WHERE ssn = '{raw}' /* limit: a guess */").fetchone()
    assert shown[0] == 7 and shown[1] != raw
    assert [record["decision"] for record in proxy.records("statements", "--text", "limit: a guess")] == ["allow"]
