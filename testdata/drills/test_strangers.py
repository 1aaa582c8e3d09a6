"""People who have proven nothing cannot close the doors, nor fill the record, for those who can."""

import resource
import socket
import threading
import time

import psycopg
import pymysql
import pytest
from evidence import until, verified

HOST = "127.0.0.1"


def silent(port, count, source="127.0.0.2"):
    """Connections that say nothing."""
    return [socket.create_connection((HOST, port), source_address=(source, 0)) for _ in range(count)]


def connected(fleet):
    """Connections that the database itself has now, ours among them."""
    entry = fleet["servers"]["mariadb"]
    with pymysql.connect(host=HOST, port=entry["port"], user="affidavit", password=entry["users"]["affidavit"], database="hospital", ssl={"ca": entry["ca_file"]}) as conn, conn.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Threads_connected'")
        return int(cursor.fetchone()[1])


def mysql(proxy, token, **options):
    return pymysql.connect(host="localhost", port=proxy.ports["mariadb_tls"], user="agent", password=token, database="hospital", ssl={"ca": str(proxy.ca_file)}, **options)


def test_mysql_probes_do_not_reach_the_database(fresh_proxy, mysql_fleet, agent_token, long):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    proxy = fresh_proxy(("mariadb",), at=mysql_fleet)
    mysql(proxy, agent_token).close()
    port = proxy.ports["mariadb_tls"]
    for number in range(2000 if long else 300):
        # More than max_connect_errors (100) of them: the database would shut our host out.
        with socket.create_connection((HOST, port), source_address=(f"127.0.3.{number % 200 + 1}", 0)) as probe:
            probe.recv(1)
    mysql(proxy, agent_token).close()
    before = connected(mysql_fleet)
    held = [one for net in range(8) for one in silent(port, 50, f"127.0.4.{net + 1}")]
    for one in held:
        one.settimeout(10)
        one.recv(1)
    assert connected(mysql_fleet) <= before + 1, "strangers use up the database's connections"
    conn = mysql(proxy, agent_token)
    with conn.cursor() as cursor:
        cursor.execute("SELECT 'let in'")
        assert cursor.fetchone() == ("let in",)
    # What the client is told of its thread, and what CONNECTION_ID() says, both name it: it can be ended by either.
    with conn.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        upstream = cursor.fetchone()[0]
    assert upstream != conn.thread_id()
    for number in (conn.thread_id(), upstream):
        over = []

        def sleep(over=over):
            try:
                with conn.cursor() as cursor:
                    cursor.execute("SELECT SLEEP(60)")
                    over.append(cursor.fetchone())
            except pymysql.Error as error:
                over.append(error.args[0])

        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        time.sleep(1)
        with mysql(proxy, agent_token) as other, other.cursor() as cursor:
            cursor.execute(f"KILL QUERY {number}")
        sleeper.join(20)
        assert over in ([(1,)], [1317]), over
    conn.close()
    [one.close() for one in held]
    assert proxy.stop() == 0
    verified(proxy)


def test_silent_connections_of_one_address_leave_the_door_open(fresh_proxy, through):
    proxy = fresh_proxy()
    held = silent(proxy.ports["postgres15"], 600)
    try:
        assert through(proxy).one("SELECT 'let in'") == "let in"
        proxy.wait_for_log("connection turned away")
    finally:
        [one.close() for one in held]
    assert proxy.stop() == 0


def test_the_limit_is_told_in_the_protocol(fresh_proxy, mysql_fleet, through, agent_token):
    proxy = fresh_proxy(("postgres15", "mariadb"), at=mysql_fleet, extra={"lines": ["[limits]", "sessions_per_identity = 2", "logins_per_address = 8"]})
    place = through(proxy)
    with psycopg.connect(host=HOST, port=place.port, user="a", password=place.password, dbname="hospital", sslmode="disable") as one:
        with psycopg.connect(host=HOST, port=place.port, user="a", password=place.password, dbname="hospital", sslmode="disable"):
            done = place.psql("SELECT 1")
            assert done.returncode == 2 and "your identity has 2 sessions already" in done.stderr, done.stderr
            with pytest.raises(psycopg.OperationalError) as refused:
                psycopg.connect(host=HOST, port=place.port, user="a", password=place.password, dbname="hospital", sslmode="disable")
            assert "sessions_per_identity" in str(refused.value)
            with pytest.raises(pymysql.Error) as refused:
                mysql(proxy, agent_token)
            assert refused.value.args[0] == 1040, refused.value
        one.execute("SELECT 1")
    until(lambda: place.psql("SELECT 'again'").returncode == 0, "a seat that is free is not given again")
    held = silent(place.port, 8, HOST)
    try:
        done = place.psql("SELECT 1")
        assert done.returncode == 2 and "too many logins of your address" in done.stderr, done.stderr
    finally:
        [one.close() for one in held]
    assert proxy.stop() == 0


def test_too_few_open_files_are_named_as_the_cause(fresh_proxy, through):
    # 336 of them are for the process itself, its console, and logins under way at its six listeners.
    proxy = fresh_proxy(start=False, extra={"lines": ["[limits]", "pending_logins = 8", "console_connections = 8"]})
    run, proxy.bin = proxy.bin, proxy.home / "bin"
    proxy.bin.mkdir()
    (proxy.bin / "affidavit").write_text(f'#!/bin/sh\nulimit -n 346\nexec {run}/affidavit "$@"\n')
    (proxy.bin / "affidavit").chmod(0o755)
    (proxy.bin / "evidence").symlink_to(run / "evidence")
    proxy.start()
    place = through(proxy)
    until(lambda: place.psql("SELECT 1").returncode == 0, "nobody is let in")
    kept = []
    with pytest.raises(psycopg.OperationalError) as refused:
        for _ in range(20):
            kept.append(psycopg.connect(host=HOST, port=place.port, user="a", password=place.password, dbname="hospital", sslmode="disable", connect_timeout=20))
    said = str(refused.value)
    assert "limit of 346 open files" in said and "LimitNOFILE" in said and 1 <= len(kept) <= 5, (said, len(kept))
    [one.execute("SELECT 1") for one in kept]
    [one.close() for one in kept]
    assert proxy.stop() == 0


def test_refused_logins_are_summed_up(fresh_proxy, through, long):
    proxy = fresh_proxy()
    place = through(proxy, token="not a token")
    count, done = 5000 if long else 600, []

    def guess(share):
        for _ in range(share):
            try:
                psycopg.connect(host=HOST, port=place.port, user="x" * 5000, password="y" * 2000, dbname="hospital", sslmode="disable", connect_timeout=20)
            except psycopg.OperationalError:
                done.append(1)

    size = proxy.log.stat().st_size
    guessers = [threading.Thread(target=guess, args=(count // 4,)) for _ in range(4)]
    [one.start() for one in guessers]
    [one.join() for one in guessers]
    assert len(done) == count
    assert through(proxy).one("SELECT 'let in'") == "let in"
    assert proxy.log.stat().st_size - size < 64 << 10, "the log grows with every guess"
    assert proxy.stop() == 0
    denied = [record for record in proxy.records("sessions", "--limit", "100000") if record["event"] == "denied"]
    sums = [record for record in denied if "refusals of 127.0.0.0/24" in str(record)]
    assert sums and len(denied) < 500, (len(denied), denied[-1:])
    assert all(len(record["db_user"] or "") <= 201 for record in denied), "a stranger's words are recorded at length"
    verified(proxy)
