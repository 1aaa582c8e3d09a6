"""Stopping, limits, and clients that vanish, on MariaDB and MySQL: what test_stopping.py asks of PostgreSQL."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import pymysql
import pytest
from evidence import in_evidence, until, verified

SERVERS = ["mariadb"] if os.environ.get("AFFIDAVIT_SKIP_SID") == "1" else ["mariadb", "mysql"]
SHUTDOWN, GONE = 1053, (2006, 2013)


@pytest.fixture(params=SERVERS)
def stage(request, fresh_proxy, mysql_fleet, agent_token):
    """A proxy before one of the servers, and connections through it."""

    def make(*limits, lines=()):
        extra = {"mysql_datasource_lines": list(limits), "lines": list(lines)}
        return Stage(fresh_proxy((request.param,), at=mysql_fleet, extra=extra), request.param, mysql_fleet, agent_token)

    return make


class Stage:
    """Who is asked, and who asks."""

    def __init__(self, proxy, server, fleet, token):
        self.proxy, self.server, self.token = proxy, server, token
        self.entry = fleet["servers"][server]
        self.port = proxy.ports[f"{server}_tls"]

    def connect(self):
        return pymysql.connect(host="localhost", port=self.port, user="agent", password=self.token, database="hospital", ssl={"ca": str(self.proxy.ca_file)}, autocommit=True)

    def running(self, text):
        """How many statements with that text the server itself is busy with."""
        users = self.entry["users"]
        with pymysql.connect(host="127.0.0.1", port=self.entry["port"], user="affidavit", password=users["affidavit"], database="hospital", ssl={"ca": self.entry["ca_file"]}) as conn, conn.cursor() as cursor:
            cursor.execute("SHOW FULL PROCESSLIST")
            return sum(text in str(row[7]) and "PROCESSLIST" not in str(row[7]) for row in cursor.fetchall())

    def nothing_is_missing(self, tag):
        """Every statement that the server's log has is on record."""
        with open(self.entry["statement_log"], errors="replace") as log:
            seen = {word for line in log if tag in line for word in [line.partition(f"{tag}_")[2].split()[0]]}
        recorded = {mark.rpartition("_")[2] for mark in in_evidence(self.proxy, tag)}
        assert seen and seen <= recorded, f"not in the evidence: {seen - recorded}"


def one(conn, sql):
    """The first row."""
    with conn.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


def refused(conn, sql):
    """The error's number."""
    with pytest.raises(pymysql.Error) as error:
        one(conn, sql)
    return error.value.args[0], str(error.value)


def test_sigterm_drains(stage):
    it = stage(lines=["[limits]", 'shutdown_grace = "60s"'])
    tag = f"d{uuid.uuid4().hex[:8]}"
    idle, busy, opened = it.connect(), it.connect(), it.connect()
    opened.begin()
    one(opened, f"SELECT 1 AS {tag}_1 FROM DUAL")
    slept = []
    sleeper = threading.Thread(target=lambda: slept.append(one(busy, f"SELECT SLEEP(4), 'slept' AS {tag}_2 FROM DUAL")))
    sleeper.start()
    time.sleep(1)
    it.proxy.child.send_signal(signal.SIGTERM)
    it.proxy.wait_for_log("stopping")
    with pytest.raises(pymysql.Error) as error:
        it.connect()
    assert "shutting down" in str(error.value), error.value
    number, text = refused(idle, "SELECT 1")
    assert number in (SHUTDOWN, *GONE), text
    one(opened, f"SELECT 3 AS {tag}_3 FROM DUAL")
    sleeper.join(30)
    assert slept == [(0, "slept")]
    assert it.proxy.alive(), "an open transaction was not waited for"
    opened.commit()
    it.proxy.child.wait(30)
    assert it.proxy.child.returncode == 0
    it.nothing_is_missing(tag)
    verified(it.proxy)


CLIENT = """
import pymysql, sys
conn = pymysql.connect(host="localhost", port=int(sys.argv[1]), user="agent", password=sys.argv[2], database="hospital", ssl={"ca": sys.argv[4]})
print("in", flush=True)
conn.cursor().execute(f"SELECT SLEEP(600) AS {sys.argv[3]}")
"""


def test_a_client_that_vanishes_leaves_nothing_running(stage):
    it, tag = stage(), f"v{uuid.uuid4().hex[:8]}"
    line = [sys.executable, "-c", CLIENT, str(it.port), it.token, tag, str(it.proxy.ca_file)]
    client = subprocess.Popen(line, stdout=subprocess.PIPE)
    client.stdout.readline()
    until(lambda: it.running(tag) == 1, "the statement does not run")
    client.kill()
    client.wait()
    until(lambda: it.running(tag) == 0, "the statement of a client that is gone goes on")
    assert it.proxy.stop() == 0
    verified(it.proxy)


def test_kill_query_ends_the_statement_and_keeps_the_session(stage):
    it, tag = stage(), f"k{uuid.uuid4().hex[:8]}"
    conn, over = it.connect(), []
    sleeper = threading.Thread(target=lambda: over.append(_outcome(conn, f"SELECT SLEEP(600) AS {tag}")))
    sleeper.start()
    until(lambda: it.running(tag) == 1, "the statement does not run")
    with it.connect() as other:
        one(other, f"KILL QUERY {conn.thread_id()}")
    sleeper.join(20)
    assert over in ([(1,)], [1317]), over
    assert one(conn, "SELECT 'goes on'") == ("goes on",)
    assert it.proxy.stop() == 0
    verified(it.proxy)


def _outcome(conn, sql):
    try:
        return one(conn, sql)
    except pymysql.Error as error:
        return error.args[0]


def test_statements_and_transactions_have_their_time(stage):
    it = stage('statement_timeout = "2s"', 'idle_in_transaction_timeout = "2s"')
    tag = f"t{uuid.uuid4().hex[:8]}"
    begun = time.monotonic()
    number, text = refused(it.connect(), f"SELECT SLEEP(60) AS {tag}")
    assert "ran for longer" in text and time.monotonic() - begun < 30, (number, text)
    until(lambda: it.running(tag) == 0, "the statement goes on at the server")
    conn = it.connect()
    conn.begin()
    one(conn, "SELECT 1")
    time.sleep(4)
    number, text = refused(conn, "SELECT 2")
    assert "rested for longer" in text or number in GONE, (number, text)
    assert it.proxy.stop() == 0
    verified(it.proxy)
