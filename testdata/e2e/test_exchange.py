"""Tokens exchanged for short-lived passwords: every client gets in with one, and nobody else does."""

import json
import time

import exchanging
import pytest
from compare import differences
from conftest import MYSQL_SERVERS
from exchanging import Exchange, scramble
from places import Place, transcript

from fleet.proxy import Proxy

NOBODY = "x-23456789bcdfghjkmnpq"
OPERATOR = {"sub": "olga", "email": "olga@clinic.example", "groups": ["exchange-operators"]}


@pytest.fixture(scope="module")
def exchange(mysql_fleet, tmp_path_factory):
    """The endpoint of a proxy in front of both engines."""
    port = exchanging.port()
    extra = {"lines": exchanging.lines(port, 'valid_for = "10m"', 'operators = ["exchange-operators"]')}
    running = Proxy(tmp_path_factory.mktemp("exchange"), mysql_fleet, ["postgres15", *MYSQL_SERVERS], extra=extra).start()
    yield Exchange(running, port)
    assert running.stop() == 0, running.log.read_text()[-3000:]
    assert running.verify().returncode == 0, running.verify().stdout


@pytest.fixture
def fresh_exchange(fleet, fresh_proxy):
    """A proxy of one's own, for tests that break it."""

    def make(scheme="https"):
        port = exchanging.port()
        secure = exchanging.TLS if scheme == "https" else "insecure_loopback = true"
        return Exchange(fresh_proxy(extra={"lines": exchanging.lines(port, secure=secure)}), port, scheme)

    return make


def place(exchange, listener, credential, datasource=None):
    """Where a credential is good; TLS where the listener has it."""
    ca = str(exchange.proxy.ca_file) if listener.endswith("_tls") else None
    return Place(exchange.proxy.ports[listener], credential["user"], credential["password"], "hospital", ca)


@pytest.mark.parametrize("client", ["psql.py", "psycopg3.py", "asyncpg_client.py", "node_pg.mjs", "Jdbc.java"])
def test_postgres_clients(client, exchange, direct, analyst_token):
    before = transcript(f"postgres/{client}", direct())
    after = transcript(f"postgres/{client}", place(exchange, "postgres15_tls", exchange.credential(analyst_token, "postgres15")))
    assert not differences(before, after)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("client", ["cli.py", "pymysql_client.py", "connector_python.py", "mysql2.mjs", "Jdbc.java"])
def test_mysql_clients(client, server, exchange, mysql_fleet, analyst_token):
    entry = mysql_fleet["servers"][server]
    before = transcript(f"mysql/{client}", Place(entry["port"], "affidavit", entry["users"]["affidavit"], "hospital", entry["ca_file"]))
    after = transcript(f"mysql/{client}", place(exchange, f"{server}_tls", exchange.credential(analyst_token, server)))
    assert not differences(before, after)


@pytest.mark.skipif("mysql" not in MYSQL_SERVERS, reason="MySQL's own client is in the tree of MySQL 9.7, which needs root")
@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_mysqls_own_command_line_needs_no_flag(server, exchange, agent_token):
    import subprocess

    from fleet.paths import SID

    credential = exchange.credential(agent_token, server)
    done = subprocess.run(
        ["chroot", SID, "/usr/bin/mysql", "--no-defaults", "--host=127.0.0.1", f"--port={exchange.proxy.ports[f'{server}_tls']}",
         f"--user={credential['user']}", f"--password={credential['password']}", "--ssl-mode=REQUIRED", "-N", "-e", "SELECT 'let in'"],
        capture_output=True, text=True, timeout=60,
    )
    assert done.stdout.strip() == "let in", done.stderr


def test_channel_binding_can_be_required(exchange, agent_token, monkeypatch):
    where = place(exchange, "postgres15_tls", exchange.credential(agent_token, "postgres15"))
    monkeypatch.setenv("PGCHANNELBINDING", "require")
    assert where.one("SELECT 'bound'") == "bound"


def test_what_is_answered_and_what_is_on_record(exchange, agent_token):
    answer = exchange.credential(agent_token, "postgres15")
    assert (answer["access_token"], answer["token_type"]) == (answer["password"], "N_A")
    assert exchange.post(agent_token + "\n", "postgres15")[0] == 200, "a token comes from a file, with its line break"
    assert 590 <= answer["expires_in"] <= 600 and answer["datasource"] == "postgres15", answer
    assert place(exchange, "postgres15", answer).one("SELECT current_user") == "affidavit"
    sessions = [one for one in exchange.proxy.records("sessions", "--limit", "100000") if one.get("claimed_user") == answer["user"]]
    assert [one["auth_method"] for one in sessions] == ["exchanged-credential"], sessions
    assert all(one["user_id"] == "repo:clinic/reports:ref:refs/heads/main" for one in sessions), sessions
    issued = [one for one in exchange.proxy.records("accesses") if answer["user"] in one["scope"]]
    assert [one["action"] for one in issued] == ["credential issued"], issued
    secret = answer["password"].encode()
    kept = [path for path in exchange.proxy.home.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert not kept, f"the password is in {kept}"


def test_a_credential_opens_its_datasource_only(exchange, agent_token):
    credential = exchange.credential(agent_token, "postgres15")
    done = place(exchange, "postgres15_twin", credential).psql("SELECT 'let in'")
    assert done.returncode == 2 and "is for datasource" in done.stderr, done.stderr
    import pymysql

    for one in (credential, exchange.credential(agent_token, "mariadb_twin")):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            connect(exchange, "mariadb_tls", one["user"], one["password"])
        assert caught.value.args[0] in (1044, 1045), caught.value
    other = exchange.credential(agent_token, "mariadb")
    done = place(exchange, "postgres15", other).psql("SELECT 'let in'")
    assert done.returncode == 2 and "wrong" in done.stderr, done.stderr


def connect(exchange, listener, user, password):
    """PyMySQL through a TLS listener."""
    import pymysql

    return pymysql.connect(host="localhost", port=exchange.proxy.ports[listener], user=user, password=password, database="hospital", ssl={"ca": str(exchange.proxy.ca_file)})


def test_wrong_passwords_and_unknown_names_look_alike(exchange, agent_token):
    credential = exchange.credential(agent_token, "postgres15")
    words = set()
    for user, password in ((credential["user"], "guess"), (NOBODY, "guess"), (NOBODY, credential["password"])):
        done = place(exchange, "postgres15", {"user": user, "password": password}).psql("SELECT 'let in'")
        assert done.returncode == 2 and "let in" not in done.stdout
        words.add(done.stderr.partition("FATAL:")[2])
    assert len(words) == 1 and "wrong" in words.pop()
    salts = {user: {exchanging.Postgres(exchange.proxy.ports["postgres15"], user) for _ in range(2)} for user in (credential["user"], NOBODY)}
    for connections in salts.values():
        for one in connections:
            assert one.mechanisms() == [b"SCRAM-SHA-256"]
        asked = [one.first() for one in connections]
        assert asked[0]["s"] == asked[1]["s"] and asked[0]["r"] != asked[1]["r"]
        assert asked[0]["i"] == "4096" and len(asked[0]["s"]) == 24
    for user in ("x-", "ann"):
        assert exchanging.Postgres(exchange.proxy.ports["postgres15"], user).mechanisms() is None, "a token is asked for"


def test_a_credential_is_no_token_and_a_token_is_no_credential(exchange, agent_token):
    credential = exchange.credential(agent_token, "postgres15")
    done = place(exchange, "postgres15", {"user": "ann", "password": credential["password"]}).psql("SELECT 1")
    assert done.returncode == 2 and "not a token" in done.stderr, done.stderr
    assert place(exchange, "postgres15", {"user": credential["user"], "password": agent_token}).psql("SELECT 1").returncode == 2
    assert exchange.post(credential["password"], "postgres15")[0] == 400
    assert exchange.api(credential["password"])[0] == 401


def test_a_scram_proof_that_was_heard_is_worth_nothing(exchange, agent_token):
    credential = exchange.credential(agent_token, "postgres15")
    port = exchange.proxy.ports["postgres15"]
    heard = exchanging.Postgres(port, credential["user"])
    heard.mechanisms()
    proof = heard.proof(heard.first(), credential["password"])
    heard.send(proof)
    assert heard.verdict()[0] == "in"
    replay = exchanging.Postgres(port, credential["user"])
    replay.mechanisms()
    replay.first()
    replay.send(proof)
    verdict, words = replay.verdict()
    assert verdict == "no" and "another" in words, words


def test_a_scramble_that_was_heard_is_worth_nothing(exchange, agent_token):
    credential = exchange.credential(agent_token, "mariadb")
    port = exchange.proxy.ports["mariadb"]
    heard = exchanging.Mysql(port)
    answer = scramble(credential["password"], heard.nonce)
    assert heard.respond(credential["user"], answer) == b"\x01\x03"
    assert heard.packet()[:1] == b"\0"
    replay = exchanging.Mysql(port)
    assert replay.respond(credential["user"], answer)[:3] == b"\xff\x15\x04"
    switched = exchanging.Mysql(port)
    asked = switched.respond(credential["user"], b"x" * 20, b"mysql_native_password")
    assert asked.startswith(b"\xfecaching_sha2_password\0"), asked
    assert asked[23:43] != switched.nonce, "a challenge of its own"
    switched.send(answer)
    assert switched.packet()[:1] == b"\xff"


def test_messages_that_are_cut_short(exchange, agent_token):
    credential = exchange.credential(agent_token, "postgres15")
    port = exchange.proxy.ports["postgres15"]
    first = b"SCRAM-SHA-256\0\0\0\0\x09n,,n=,r=x"
    for cut in (0, 1, 13, 14, 17, len(first) - 1):
        client = exchanging.Postgres(port, credential["user"])
        client.mechanisms()
        client.send(first[:cut])
        assert client.verdict()[0] == "no", cut
    for cut in (0, 1, 8, 60, -44, -1):
        client = exchanging.Postgres(port, credential["user"])
        client.mechanisms()
        client.send(client.proof(client.first(), credential["password"])[:cut])
        assert client.verdict()[0] == "no", cut
    for auth in (b"", b"\0", b"x" * 31, b"x" * 33):
        client = exchanging.Mysql(exchange.proxy.ports["mariadb"])
        answer = client.respond(NOBODY, auth)
        if answer[:1] == b"\xfe":
            client.send(auth)
            answer = client.packet()
        assert answer[:1] == b"\xff", (auth, answer)
    assert exchange.proxy.alive()


@pytest.mark.parametrize("defect", ["expired", "wrong-audience", "unsigned", "tampered", "not-a-token", "oversized"])
def test_bad_tokens_are_not_exchanged(defect, exchange, mint):
    status, answer = exchange.post(mint.defective(defect), "postgres15")
    assert status in (400, 413) and answer["error"] == "invalid_request", answer
    denied = [one for one in exchange.proxy.records("sessions", "--limit", "100000") if one.get("protocol") == "token-exchange"]
    assert denied and denied[-1]["event"] == "denied", answer


def test_requests_that_make_no_sense(exchange, mint, agent_token):
    for changes, error in (
        ({"grant_type": "password"}, "unsupported_grant_type"), ({"audience": None}, "invalid_target"), ({"audience": "nowhere"}, "invalid_target"),
        ({"subject_token": None}, "invalid_request"), ({"subject_token_type": None}, "invalid_request"), ({"actor_token": "x"}, "invalid_request"),
        ({"scope": "all"}, "invalid_scope"),
    ):
        status, answer = exchange.post(agent_token, "postgres15", **changes)
        assert (status, answer["error"]) == (400, error), answer
    status, answer = exchange.post(mint.token(sub="guest", groups=[]), "postgres15")
    assert (status, answer["error"]) == (400, "invalid_target") and "may not use" in answer["error_description"]
    assert exchange.curl("/oauth/token", "-d", "{}", "-H", "content-type: application/json")[0] == 400
    assert exchange.curl("/nowhere")[0] == 404


def test_a_credential_and_its_session_end_with_the_token(exchange, mint):
    import psycopg

    now = int(time.time())
    credential = exchange.credential(mint.token(iat=now, exp=now + 6), "postgres15")
    assert credential["expires_in"] <= 6
    where = place(exchange, "postgres15", credential)
    with psycopg.connect(host="127.0.0.1", port=where.port, user=where.user, password=where.password, dbname="hospital", autocommit=True) as conn:
        with pytest.raises(psycopg.Error) as caught:
            conn.execute("SELECT pg_sleep(30)")
        assert -1 <= time.time() - (now + 6) < 8
        assert "credential" in str(caught.value), caught.value
    done = where.psql("SELECT 'let in'")
    assert done.returncode == 2 and "expired" in done.stderr, done.stderr


def test_revoked_at_once_by_its_owner_or_an_operator(exchange, mint, agent_token):
    import psycopg

    operator = mint.token(**OPERATOR)
    for token, words in ((agent_token, {}), (operator, {"justification": "laptop was lost"})):
        credential = exchange.credential(agent_token, "postgres15")
        where = place(exchange, "postgres15", credential)
        with psycopg.connect(host="127.0.0.1", port=where.port, user=where.user, password=where.password, dbname="hospital", autocommit=True) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
            stranger = exchange.api(mint.token(sub="other"), f"/{credential['user']}/revoke", justification="for fun")
            assert stranger[0] == 404, "others neither see nor revoke it"
            assert conn.execute("SELECT 2").fetchone() == (2,)
            status, answer = exchange.api(token, f"/{credential['user']}/revoke", **words)
            assert (status, answer["state"], answer["sessions_ended"]) == (200, "revoked", 1), answer
            with pytest.raises(psycopg.Error) as caught:
                conn.execute("SELECT 3")
            assert "revoked" in str(caught.value)
        done = where.psql("SELECT 'let in'")
        assert done.returncode == 2 and "revoked" in done.stderr, done.stderr
        assert exchange.api(token, f"/{credential['user']}/revoke", **words)[0] == 409
        record = [one for one in exchange.proxy.records("accesses") if credential["user"] in one["scope"]]
        assert [one["action"] for one in record] == ["credential issued", "credential revoked"], record
    assert exchange.api(operator, f"/{exchange.credential(agent_token, 'postgres15')['user']}/revoke", justification="")[0] == 422
    revoked_mysql = exchange.credential(agent_token, "mariadb")
    with connect(exchange, "mariadb_tls", revoked_mysql["user"], revoked_mysql["password"]) as conn:
        import pymysql

        assert exchange.api(agent_token, f"/{revoked_mysql['user']}/revoke", justification="")[0] == 200
        with pytest.raises(pymysql.Error), conn.cursor() as cursor:
            cursor.execute("SELECT 1")


def test_the_command_line(exchange, mint, agent_token):
    got = exchange.command(agent_token, "get", "--datasource", "postgres15", "--json")
    assert got.returncode == 0, got.stderr
    credential = json.loads(got.stdout)
    assert place(exchange, "postgres15_tls", credential).one("SELECT 1") == "1"
    assert credential["user"] in exchange.command(agent_token, "list").stdout
    assert credential["user"] not in exchange.command(mint.token(sub="other"), "list").stdout
    assert credential["user"] in exchange.command(mint.token(**OPERATOR), "list").stdout
    refused = exchange.command(mint.token(sub="other"), "revoke", credential["user"], "-m", "for fun")
    assert refused.returncode == 1 and "no such credential" in refused.stderr, refused.stderr
    revoked = exchange.command(mint.token(**OPERATOR), "revoke", credential["user"], "-m", "rotation of the agent")
    assert revoked.returncode == 0 and "is revoked" in revoked.stdout, revoked.stderr
    assert exchange.command(mint.defective("expired"), "get", "--datasource", "postgres15").returncode == 1


def test_a_restart_in_between(fresh_exchange, agent_token):
    exchange = fresh_exchange("http")
    kept, revoked = (exchange.credential(agent_token, "postgres15") for _ in range(2))
    assert exchange.api(agent_token, f"/{revoked['user']}/revoke", justification="")[0] == 200
    for stop in (exchange.proxy.stop, exchange.proxy.kill):
        stop()
        exchange.proxy.start()
        assert place(exchange, "postgres15", kept).one("SELECT 'let in'") == "let in"
        done = place(exchange, "postgres15", revoked).psql("SELECT 'let in'")
        assert done.returncode == 2 and "revoked" in done.stderr, done.stderr


def test_who_fails_too_often_waits_and_tokens_do_not(fresh_exchange, agent_token):
    exchange = fresh_exchange()
    credential = exchange.credential(agent_token, "postgres15")
    port = exchange.proxy.ports["postgres15"]
    for attempt in range(200):  # noqa: B007 (how many it took is looked at below)
        client = exchanging.Postgres(port, NOBODY)
        kind, body = client.message()
        if kind == b"E":
            break
        client.send(client.proof(client.first(), "guess"))
        assert client.verdict()[0] == "no"
    assert kind == b"E" and b"too many attempts" in body and 20 < attempt < 100, (attempt, body)
    assert place(exchange, "postgres15", credential).one("SELECT 1") == "1", "others behind the same address do not wait for it"
    assert exchange.post(agent_token, "postgres15")[0] == 200, "exchanging is another matter"
    assert place(exchange, "postgres15", {"user": "ann", "password": agent_token}).one("SELECT 1") == "1"
    denied = [one for one in exchange.proxy.records("sessions", "--limit", "100000") if "too many attempts" in str(one)]
    assert len(denied) == 1, "the record is not filled by it"
    time.sleep(4)
    assert place(exchange, "postgres15", credential).one("SELECT 'let in'") == "let in"


def test_one_job_with_a_bad_token_locks_nobody_out(fresh_exchange, mint, agent_token):
    exchange = fresh_exchange()
    bad, statuses = mint.defective("expired"), []
    while statuses[-1:] != [429]:
        statuses.append(exchange.post(bad, "postgres15")[0])
        assert len(statuses) < 200
    assert set(statuses[:-1]) == {400} and len(statuses) > 20
    assert [exchange.post(bad, "postgres15")[0] for _ in range(5)] == [429] * 5
    assert place(exchange, "postgres15", exchange.credential(agent_token, "postgres15")).one("SELECT 1") == "1"
    denied = [one for one in exchange.proxy.records("sessions", "--limit", "100000") if one["event"] == "denied"]
    assert len(denied) == len(statuses), "what came after is not recorded one by one"
