"""sqlx and SQLAlchemy as clients; opensrv-mysql as an upstream that misbehaves: nothing of an unsound answer passes."""

import subprocess
import time

import pymysql
import pytest
from compare import differences
from conftest import MYSQL_SERVERS
from places import CLIENTS, Place, transcript

from fleet.paths import ROOT
from fleet.proxy import Proxy

CANARY = "canary-5f1c9a"


@pytest.fixture(scope="session")
def peers():
    """The folder of the peers written in Rust, built in a workspace of their own."""
    target = ROOT / "target/mysql-peers"
    subprocess.run(
        ["cargo", "build", "--locked", "--manifest-path", CLIENTS / "mysql/rust/Cargo.toml", "--target-dir", target], check=True
    )
    return target / "debug"


@pytest.fixture(scope="module")
def plain(mysql_fleet, tmp_path_factory):
    """A proxy as it is by default."""
    running = Proxy(tmp_path_factory.mktemp("peers"), mysql_fleet, MYSQL_SERVERS).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def direct(mysql_fleet, server):
    """The database itself."""
    entry = mysql_fleet["servers"][server]
    return Place(entry["port"], "affidavit", entry["users"]["affidavit"], "hospital", entry["ca_file"])


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_sqlx(server, plain, mysql_fleet, through, analyst_token, peers):
    client = peers / "sqlx_client"
    before = transcript(client, direct(mysql_fleet, server))
    after = transcript(client, through(plain, f"{server}_tls", analyst_token))
    assert len(before) >= 10
    assert not differences(before, after), "\n".join(differences(before, after))


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_sqlalchemy(server, plain, mysql_fleet, through, analyst_token):
    before = transcript("mysql/sqlalchemy_client.py", direct(mysql_fleet, server))
    after = transcript("mysql/sqlalchemy_client.py", through(plain, f"{server}_tls", analyst_token))
    assert not [step for step, result in before.items() if "error" in str(result)[:10]], before
    assert not differences(before, after), "\n".join(differences(before, after))


@pytest.fixture(scope="module")
def hostile(mysql_fleet, tmp_path_factory, peers):
    """A proxy in front of the hostile upstream."""
    process = subprocess.Popen([peers / "hostile_upstream"], stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline())
    entry = {
        "engine": "mysql", "port": port, "users": {"affidavit": "any"}, "database": "ehr", "twin_database": "ehr",
        "bench_database": "ehr", "ca_file": "",
    }
    servers = mysql_fleet["servers"] | {"hostile": entry}
    proxy = Proxy(tmp_path_factory.mktemp("hostile"), mysql_fleet | {"servers": servers}, ["hostile"], extra={"upstream_tls": False}).start()
    yield proxy
    try:
        assert proxy.stop() == 0, proxy.log.read_text()[-3000:]
    finally:
        process.terminate()
        process.wait(10)


def connect(proxy, token, cursor=pymysql.cursors.Cursor):
    """PyMySQL through the proxy."""
    return pymysql.connect(
        host="localhost", port=proxy.ports["hostile_tls"], user="agent", password=token, database="ehr",
        ssl={"ca": str(proxy.ca_file)}, cursorclass=cursor, read_timeout=30,
    )


def test_it_is_a_server_at_all(hostile, agent_token):
    with connect(hostile, agent_token) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT 'plain' AS a, 'rows' AS b")
        assert cursor.fetchall() == (("value", CANARY),) * 3
        cursor.execute("SELECT 1 AS a, 2 AS b")
        assert len(cursor.fetchall()) == 3


@pytest.mark.parametrize(
    "harm",
    [
        "wrong_sequence_of_the_count", "wrong_sequence_of_a_definition", "wrong_sequence_of_a_row", "truncated_definition",
        "truncated_row", "another_count",
    ],
)
def test_an_unsound_answer_ends_the_session(harm, hostile, agent_token):
    conn = connect(hostile, agent_token)
    try:
        with conn.cursor() as cursor, pytest.raises(pymysql.Error) as caught:
            cursor.execute(f"SELECT '{harm}' AS a, 2 AS b")
        assert CANARY not in str(caught.value)
        assert "protocol violation" in str(caught.value), caught.value
        with pytest.raises(pymysql.Error):
            conn.ping(reconnect=False)
    finally:
        conn.close()
    log = hostile.log.read_text(errors="replace")
    assert CANARY not in log and "panicked" not in log


def test_a_packet_that_claims_to_be_longer_is_waited_for(hostile, agent_token):
    conn = pymysql.connect(
        host="localhost", port=hostile.ports["hostile_tls"], user="agent", password=agent_token, database="ehr",
        ssl={"ca": str(hostile.ca_file)}, read_timeout=3,
    )
    with conn.cursor() as cursor, pytest.raises(pymysql.Error) as caught:
        cursor.execute("SELECT 'longer_than_it_is' AS a, 2 AS b")
    assert CANARY not in str(caught.value)


def test_an_error_after_rows_is_an_error(hostile, agent_token):
    with connect(hostile, agent_token, pymysql.cursors.SSCursor) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT 'error_after_rows' AS a, 2 AS b")
        seen = []
        with pytest.raises(pymysql.Error) as caught:
            for row in cursor:
                seen.append(row)
        assert len(seen) == 3 and caught.value.args[0] == 1317, (seen, caught.value)
        cursor.execute("SELECT 'usable' AS a, 2 AS b")
        assert len(cursor.fetchall()) == 3


def memory(proxy):
    """Resident bytes of the proxy."""
    with open(f"/proc/{proxy.child.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_endless_rows_fill_neither_memory_nor_time(hostile, agent_token):
    conn = connect(hostile, agent_token, pymysql.cursors.SSCursor)
    cursor = conn.cursor()
    cursor.execute("SELECT 'endless_rows' AS a, 2 AS b")
    for _ in range(2000):
        assert cursor.fetchone() is not None
    # Nobody reads: the upstream has to wait, whatever it would like to send.
    before = memory(hostile)
    time.sleep(3)
    assert memory(hostile) - before < 64 << 20
    conn._force_close()
    cursor._result.unbuffered_active = False  # else the driver goes on reading when it is collected
    time.sleep(1)
    with connect(hostile, agent_token) as other, other.cursor() as again:
        again.execute("SELECT 'usable' AS a, 2 AS b")
        assert len(again.fetchall()) == 3
