"""Held on the live connection, on every engine: approve, deny, time out, go away, two people, escalate, emergency, end."""

import os
import signal
import subprocess
import time

import pytest
from conftest import MYSQL_SERVERS
from desk import Asking, Desk, connector, held_by, until

from fleet.needs import postgres

ENGINES = ["postgres15", *MYSQL_SERVERS]


@pytest.fixture(scope="module")
def proxy(mysql_fleet, tmp_path_factory):
    from fleet.proxy import Proxy

    home = tmp_path_factory.mktemp("approvals")
    running = Proxy(home, mysql_fleet, ENGINES, **held_by(home)).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]
    verified = running.verify()
    assert verified.returncode == 0, verified.stdout[-4000:]
    assert "not reviewed yet" in verified.stdout


@pytest.fixture(scope="module")
def desk(proxy, mint):
    return Desk(proxy, mint)


def visits(number):
    """A statement of its own, so that tests do not meet."""
    return f"SELECT id, patient_id, notes FROM encounters WHERE id < {number} ORDER BY id"


@pytest.mark.parametrize("server", ENGINES)
def test_approved_rows_arrive_on_the_held_connection(server, proxy, desk, agent_token):
    asking = Asking(connector(proxy, server, agent_token), visits(4))
    request = desk.waiting("id < 4")
    assert request["datasource"] == server and request["rule"] == "full patient history" and request["held"]
    assert [table["name"].rpartition(".")[2] for table in request["picture"]["tables"]] == ["encounters"]
    assert {column["name"]: column["mask"] for column in request["picture"]["columns"]} == {"id": None, "patient_id": None, "notes": "redact"}
    assert 1 <= request["picture"]["estimated_rows"] <= 100, "what the planner expects is shown to whoever decides"
    time.sleep(0.3)
    assert asking.is_alive()
    status, decided = desk.decide(request["id"], "approve", "the nightly report is known to us")
    assert (status, decided["state"]) in ((200, "granted"), (200, "used"))
    rows, error = asking.end()
    assert error is None and [row[0] for row in rows] == [1, 2, 3] and {row[2] for row in rows} <= {"***", None}, (rows, error)
    shown = until(lambda: (one := desk.show(request["id"]))["state"] == "used" and one, "use")
    assert [entry["step"] for entry in shown["history"]] == ["requested", "approved", "granted", "used"]
    if server == "postgres15":
        assert request["id"] in asking.notices[0] and desk.url in asking.notices[0]
    recorded = [r for r in proxy.records("approvals") if r["approval_id"] == request["id"]]
    assert [r["event"] for r in recorded] == ["requested", "approved", "used"]
    assert "priya" in recorded[1]["approver"] and recorded[1]["justification"] == "the nightly report is known to us"
    ran = proxy.records("statements", "--approval", request["id"])
    assert [r["decision"] for r in ran] == ["approved"] and ran[0]["row_count"] == 3


@pytest.mark.parametrize("server", ENGINES)
def test_denied_in_the_approvers_words(server, proxy, desk, agent_token):
    asking = Asking(connector(proxy, server, agent_token), visits(5))
    request = desk.waiting("id < 5")
    assert desk.decide(request["id"], "deny", "use the analytics schema instead")[0] == 200
    rows, error = asking.end()
    assert rows is None and "denied request" in error and "use the analytics schema instead" in error


@pytest.mark.parametrize("server", ENGINES)
def test_a_client_that_goes_away_cancels(server, proxy, desk, agent_token):
    environment = os.environ | {"MYSQL_PWD": agent_token, "PGPASSWORD": agent_token}
    port, ca = proxy.ports[f"{server}_tls"], proxy.ca_file
    if server.startswith("postgres"):
        address = f"host=localhost port={port} user=agent dbname=hospital sslmode=verify-full sslrootcert={ca}"
        line = [postgres("psql"), "-X", address, "-c", visits(6)]
    else:
        line = [
            "/usr/bin/mariadb", "--no-defaults", "--host=localhost", f"--port={port}", "--user=agent", "--protocol=tcp",
            f"--ssl-ca={ca}", "hospital", "-e", visits(6),
        ]
    child = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    request = desk.waiting("id < 6")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    until(lambda: desk.show(request["id"])["state"] == "cancelled", "cancellation")
    assert desk.decide(request["id"], "approve")[0] == 409
    recorded = [r for r in proxy.records("approvals") if r["approval_id"] == request["id"]]
    assert [r["event"] for r in recorded] == ["requested", "cancelled"]


@pytest.mark.parametrize("server", MYSQL_SERVERS[:1])
def test_the_mysql_command_line_waits_and_gets_its_rows(server, proxy, desk, agent_token):
    line = [
        "/usr/bin/mariadb", "--no-defaults", "--host=localhost", f"--port={proxy.ports[server + '_tls']}", "--user=agent",
        "--protocol=tcp", f"--ssl-ca={proxy.ca_file}", "--batch", "hospital", "-e", visits(7) + "; SELECT 'after'",
    ]
    child = subprocess.Popen(line, env=os.environ | {"MYSQL_PWD": agent_token}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    request = desk.waiting("id < 7")
    time.sleep(0.3)
    assert child.poll() is None
    approved = desk.command("approve", request["id"], "-m", "by hand, over TLS")
    assert approved.returncode == 0, approved.stderr
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0 and out.splitlines()[0].split("\t") == ["id", "patient_id", "notes"], out + err
    assert out.splitlines()[-1] == "after", "the statement behind it ran after it"


@pytest.mark.parametrize("server", ENGINES)
def test_prepared_with_parameters(server, proxy, desk, agent_token):
    if server == "postgres15":
        connect, sql = connector(proxy, server, agent_token), "SELECT id FROM encounters WHERE id = %s"
        asking = Asking(connect, sql, (42,))
        shown = ["42"]
    else:
        import mysql.connector

        def connect():
            return mysql.connector.connect(
                host="localhost", port=proxy.ports[f"{server}_tls"], user="agent", password=agent_token, database="hospital",
                ssl_ca=str(proxy.ca_file), auth_plugin="mysql_clear_password", use_pure=True,
            )

        class Binary:
            """A connection whose cursors prepare."""

            def __init__(self):
                self.inner = connect()

            def cursor(self):
                import contextlib

                return contextlib.closing(self.inner.cursor(prepared=True))

            def close(self):
                self.inner.close()

        asking = Asking(Binary, "SELECT id FROM encounters WHERE id = ?", (42,))
        shown = ["42"]
    request = until(lambda: next((one for one in desk.open() if one["params"] == shown), None), "a request with 42")
    assert desk.decide(request["id"], "approve", "this visit only")[0] == 200
    rows, error = asking.end()
    assert error is None and [tuple(row) for row in rows] == [(42,)], (rows, error)


def test_nobody_approves_their_own_and_strangers_see_nothing(proxy, desk, mint):
    own = mint.token(sub="mallory", email="mallory@clinic.example", groups=["ci-agents", "privacy-office", "affidavit-admins"])
    asking = Asking(connector(proxy, "postgres15", own), visits(8))
    request = desk.waiting("id < 8")
    status, answer = desk.decide(request["id"], "approve", "I know what I do", token=own)
    assert status == 403 and "own statement" in answer["detail"]
    refused = desk.command("approve", request["id"], "-m", "I know what I do", token=own)
    assert refused.returncode == 1 and "own statement" in refused.stderr
    stranger = desk.token("eve", ["visitors"])
    assert desk.decide(request["id"], "approve", token=stranger)[0] == 404
    assert desk.decide(request["id"], "approve", "  ")[0] == 422, "a justification is mandatory"
    assert desk.decide(request["id"], "deny", "no")[0] == 422
    assert desk.decide(request["id"], "deny", "not like this")[0] == 200
    assert "not like this" in asking.end()[1]


@pytest.mark.parametrize("server", ENGINES)
def test_two_people(server, proxy, desk, agent_token):
    asking = Asking(connector(proxy, server, agent_token), "SELECT count(*) FROM medications")
    request = desk.waiting("medications")
    assert desk.decide(request["id"], "approve", "first of two")[1]["state"] == "pending"
    assert desk.decide(request["id"], "approve", "first of two again")[0] == 409
    time.sleep(0.2)
    assert asking.is_alive()
    assert desk.decide(request["id"], "approve", "second of two", token=desk.token("omar"))[0] == 200
    assert asking.end()[1] is None


def test_escalation_lets_others_decide(proxy, desk, agent_token):
    asking = Asking(connector(proxy, "postgres15", agent_token), "SELECT count(*) FROM analytics.bed_census")
    root = desk.token("root", ["affidavit-admins"])
    request = until(lambda: next((one for one in desk.open(root) if "bed_census" in one["sql"]), None), "a request")
    early = desk.decide(request["id"], "approve", token=root)[0]
    assert early in (403, 404)
    until(lambda: desk.decide(request["id"], "approve", "nobody else is here", token=root)[0] == 200, "escalation", 10)
    assert asking.end()[1] is None
    recorded = [r["event"] for r in proxy.records("approvals") if r["approval_id"] == request["id"]]
    assert recorded == ["requested", "escalated", "approved", "used"]


def test_an_emergency_opens_at_once_and_owes_a_review(proxy, desk, mint):
    clinician = mint.token(sub="dana", email="dana@clinic.example", groups=["treating-clinicians"])
    sql = "SELECT count(*) FROM clinical_notes WHERE id < 11"
    rows, error = Asking(connector(proxy, "postgres15", clinician), sql).end()
    assert error is None and rows == [(10,)]
    due = [one for one in desk.call("GET", "approvals")[1]["approvals"] if one["review"] == "due"]
    assert [one["sql"] for one in due] == [sql]
    owed = proxy.evidence("approvals", "--review-due", "--config", proxy.config, check=False)
    assert owed.returncode == 1 and due[0]["id"] in owed.stdout
    assert desk.decide(due[0]["id"], "review", "it was my own", token=clinician)[0] == 403
    assert desk.decide(due[0]["id"], "review", "the patient was in the emergency room")[0] == 200
    assert proxy.evidence("approvals", "--review-due", "--config", proxy.config).returncode == 0
    recorded = [r["event"] for r in proxy.records("approvals") if r["approval_id"] == due[0]["id"]]
    assert recorded == ["requested", "emergency", "used", "reviewed"]
    # Another one, which stays owed: verification says so.
    assert Asking(connector(proxy, "postgres15", clinician), sql).end()[1] is None


@pytest.mark.parametrize("server", ENGINES)
def test_conditions_on_client_and_text(server, proxy, desk, agent_token):
    plain = "SELECT count(*) FROM analytics.departments"
    assert Asking(connector(proxy, server, agent_token), plain).end()[1] is None
    asking = Asking(connector(proxy, server, agent_token, app="night-shift 2.1"), plain)
    request = desk.waiting("analytics.departments")
    assert request["rule"] == "nobody works with this client" and request["client_app"].startswith("night-shift")
    assert desk.decide(request["id"], "deny", "not at night")[0] == 200
    assert "not at night" in asking.end()[1]
    rows, error = Asking(connector(proxy, server, agent_token), f"{plain} FOR  UPDATE").end()
    assert rows is None and "read without the lock" in error, error


def test_pipelined_statements_keep_their_order(proxy, desk, agent_token):
    import contextlib
    import threading

    answers, ended = [], threading.Event()

    def work():
        with contextlib.closing(connector(proxy, "postgres15", agent_token)()) as connection, connection.pipeline():
            cursors = [connection.execute(sql) for sql in ("SELECT 'before'", "SELECT count(*) FROM encounters WHERE id < 9", "SELECT 'after'")]
            answers.extend(cursor.fetchone()[0] for cursor in cursors)
        ended.set()

    threading.Thread(target=work, daemon=True).start()
    request = desk.waiting("id < 9")
    assert not ended.is_set()
    assert desk.decide(request["id"], "approve", "in its turn")[0] == 200
    assert ended.wait(20) and answers == ["before", 8, "after"]


def test_the_console_over_tls(proxy, desk):
    import http.client

    host = desk.url.removeprefix("https://")
    connection = http.client.HTTPSConnection(host, context=desk.trust, timeout=10)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303 and answer.headers["strict-transport-security"]
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    plain = http.client.HTTPConnection(host, timeout=10)
    with pytest.raises((http.client.HTTPException, OSError)):
        plain.request("GET", "/")
        plain.getresponse()
