"""What stands in the place of a text: on record beside it, in `explain`, in the positions of errors and in what clients are told;
and what the server computes of a mask is what the wire shows of it."""

import psycopg
import pymysql
import pytest
from conftest import MYSQL_SERVERS, TESTDATA
from desk import connector

ENGINES = ["postgres15", *MYSQL_SERVERS]


@pytest.fixture(scope="module")
def proxy(mysql_fleet, tmp_path_factory):
    """With notices about masks, and encounters' ZIP codes of small areas among the rules' own."""
    from fleet.proxy import Proxy

    running = Proxy(
        tmp_path_factory.mktemp("source"), mysql_fleet, ENGINES, rules=[TESTDATA / "policies/hospital.toml"],
        extra={"postgres_datasource_lines": ["masked_notice = true"]},
    ).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def rows(connect, statement):
    """All rows of a statement."""
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]


@pytest.mark.parametrize("server", ENGINES)
def test_zip_codes_are_the_same_on_the_wire_and_at_the_source(server, proxy, agent_token):
    connect = connector(proxy, server, agent_token)
    wire = rows(connect, "SELECT id, zip FROM patients ORDER BY id")
    computed = "zip || ''" if server == "postgres15" else "concat(zip, '')"
    source = rows(connect, f"SELECT id, {computed} FROM patients ORDER BY id")
    trimmed = [[(number, text and text.strip()) for number, text in found] for found in (wire, source)]
    assert len({text for _, text in wire}) > 20 and trimmed[0] == trimmed[1]


@pytest.mark.parametrize("server", ENGINES)
def test_the_record_holds_class_and_sent_text(server, proxy, agent_token):
    connect = connector(proxy, server, agent_token)
    marker = f"mark-{server}"
    for statement in (
        f"SELECT id FROM analytics.departments WHERE name = '{marker}'",
        f"SELECT ssn FROM patients WHERE id = 1 AND state = '{marker}'",
        f"SELECT upper(ssn) FROM patients WHERE id = 1 AND state = '{marker}'",
    ):
        rows(connect, statement)
    found = [one for one in proxy.records("statements", "--text", marker, "--with-bodies") if one["command"] == "select"]
    assert [one["class"] for one in found] == ["untouched", "wire", "at-source"]
    assert [bool(one["sent_sql"]) for one in found] == [False, False, True]
    sent = found[2]["sent_sql"]
    assert "'***'" in sent and marker in sent and sent != found[2]["sql_text"]
    assert proxy.records("statements", "--text", marker, "--class", "at-source")[0]["statement_id"] == found[2]["statement_id"]
    shown = proxy.evidence("show", found[2]["session_id"], "--config", proxy.config).stdout
    assert "class at-source" in shown and "sent: SELECT upper(ssn) FROM (SELECT" in shown
    assert proxy.verify().returncode == 0


@pytest.mark.parametrize("server", ENGINES)
def test_explain_shows_what_is_sent(server, proxy, tmp_path):
    claims = tmp_path / "claims.json"
    claims.write_text('{"sub": "agent", "groups": ["ci-agents"]}')
    done = proxy.affidavit(
        "explain", "--config", proxy.config, "--datasource", server, "--claims", claims, "--sql", "SELECT upper(ssn) FROM patients"
    )
    assert "class     at-source" in done.stdout, done.stdout + done.stderr
    assert "sent      SELECT upper(ssn) FROM (SELECT" in done.stdout and "ssn" in done.stdout.split("masked ")[1].splitlines()[0]


def test_positions_are_those_of_the_clients_text(proxy, agent_token):
    with connector(proxy, "postgres15", agent_token)() as connection:
        for before in ("", "'é🏥' AS x, "):
            statement = f"SELECT {before}upper(ssn), nosuch(id) FROM patients"
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            position = caught.value.diag.statement_position
            assert position is None or statement[int(position) - 1 :].startswith("nosuch"), position
            statement = f"SELECT {before}upper(ssn) FROM patients WHERE nosuch = 1"
            connection.rollback()
            with pytest.raises(psycopg.errors.UndefinedColumn) as caught:
                connection.execute(statement)
            assert statement[int(caught.value.diag.statement_position) - 1 :].startswith("nosuch = 1")
            connection.rollback()


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_syntax_errors_quote_the_clients_text(server, proxy, agent_token):
    with connector(proxy, server, agent_token)() as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.MySQLError) as caught:
            cursor.execute("SELECT upper(ssn) FROM patients p WHERE id = 3 LIMIT 2 OFFSET")
        assert "'***'" not in str(caught.value) and "IGNORE INDEX" not in str(caught.value)


def test_clients_are_told_of_masks(proxy, agent_token):
    with connector(proxy, "postgres15", agent_token)() as connection:
        notices = []
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
        connection.execute("SELECT id, ssn FROM patients WHERE id = 1").fetchall()
        assert notices == []
        for binary in (False, True):
            assert connection.execute("SELECT upper(ssn), dob + 1 FROM patients WHERE id = %s", (1,), binary=binary).fetchone()
        assert len(notices) == 2 and all(text.startswith("computed over masked values: ") and "ssn" in text for text in notices), notices


def test_arrays_are_compared_as_lists_are(proxy, agent_token):
    with connector(proxy, "postgres15", agent_token)() as connection:
        keys = ["MRN8054692881", "nobody"]
        found = connection.execute("SELECT id FROM patients WHERE mrn = ANY(%s)", (keys,)).fetchall()
        assert [row[0] for row in found] == [4]
        with pytest.raises(psycopg.Error, match="1001 values at once"):
            connection.execute("SELECT id FROM patients WHERE mrn = ANY(%s)", (["x"] * 1001,))
        connection.rollback()
        found = connection.execute("SELECT id FROM patients WHERE id = ANY(%s) AND mrn = %s", (list(range(5000)), keys[0])).fetchall()
        assert [row[0] for row in found] == [4]


def test_accounts_and_other_sessions_are_out_of_reach(proxy, agent_token):
    with connector(proxy, "postgres15", agent_token)() as connection:
        for statement in (
            "ALTER ROLE affidavit VALID UNTIL 'infinity'", "CREATE ROLE leak_x", "GRANT dba TO affidavit", "ALTER ROLE ALL SET work_mem = 64",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity", "SELECT pg_cancel_backend(1)",
            "SELECT * FROM pg_catalog.pg_terminate_backend(pid => 1)",
        ):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            assert caught.value.diag.source_function == "affidavit" or "affidavit" in str(caught.value.diag.source_function), statement
            connection.rollback()
