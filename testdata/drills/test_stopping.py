"""Stopping, reloading, and peers that vanish: transactions end as they should, and nothing is left behind."""

import signal
import subprocess
import sys
import threading
import time
import uuid

import psycopg
import pytest
from evidence import nothing_is_missing, until, verified


def connect(place, **options):
    return psycopg.connect(
        host="127.0.0.1", port=place.port, user=place.user, password=place.password, dbname=place.database,
        sslmode="disable", **{"autocommit": True, **options},
    )


def test_sigterm_drains(fresh_proxy, through, fleet):
    proxy = fresh_proxy(extra={"lines": ["[limits]", 'shutdown_grace = "60s"']})
    place, tag = through(proxy), f"d{uuid.uuid4().hex[:8]}"
    idle, busy, open_ = connect(place), connect(place), connect(place, autocommit=False)
    open_.execute(f"SELECT 1 AS {tag}_1")
    slept = []
    sleeper = threading.Thread(target=lambda: slept.append(busy.execute(f"SELECT 'slept' AS {tag}_2 FROM pg_sleep(4)").fetchone()))
    sleeper.start()
    time.sleep(1)
    proxy.child.send_signal(signal.SIGTERM)
    proxy.wait_for_log("stopping")
    # No new sessions, and it is said in the protocol.
    refused = place.psql("SELECT 1")
    assert refused.returncode == 2 and "shutting down" in refused.stderr, refused.stderr
    # A session at rest ends.
    with pytest.raises(psycopg.Error):
        until(lambda: idle.execute("SELECT 1") and False, "an idle session goes on")
    # A statement that runs is answered, a transaction that is open may go on and commit.
    open_.execute(f"SELECT 3 AS {tag}_3")
    sleeper.join(30)
    assert slept == [("slept",)]
    assert proxy.alive()
    open_.execute(f"SELECT 4 AS {tag}_4")
    open_.commit()
    proxy.child.wait(30)
    assert proxy.child.returncode == 0
    nothing_is_missing(proxy, fleet, tag)
    verified(proxy)


def test_a_second_signal_cuts(fresh_proxy, through):
    proxy = fresh_proxy(extra={"lines": ["[limits]", 'shutdown_grace = "1h"']})
    conn = connect(through(proxy), autocommit=False)
    conn.execute("SELECT 1")
    proxy.child.send_signal(signal.SIGTERM)
    proxy.wait_for_log("stopping")
    time.sleep(1)
    assert proxy.alive(), "an open transaction was not waited for"
    proxy.child.send_signal(signal.SIGTERM)
    proxy.child.wait(30)
    assert proxy.child.returncode == 0
    with pytest.raises(psycopg.OperationalError) as cut:
        conn.execute("SELECT 2")
    assert cut.value.sqlstate in ("57P01", None)
    verified(proxy)


def test_no_signal_kills_without_sealing(fresh_proxy, through):
    proxy = fresh_proxy()
    place = through(proxy)
    for sign in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXFSZ, signal.SIGPROF):
        proxy.child.send_signal(sign)
        assert place.one("SELECT 'lives'") == "lives"
    proxy.wait_for_log("policies were looked at")
    proxy.child.send_signal(signal.SIGQUIT)
    proxy.child.wait(30)
    assert proxy.child.returncode == 0
    assert "sealed and closed" in proxy.log.read_text()
    verified(proxy)


def test_a_policy_that_loses_rules_is_not_taken_up(fresh_proxy, through):
    proxy = fresh_proxy()
    place = through(proxy)
    before = place.one("SELECT ssn FROM patients WHERE id = 1")
    rules = proxy.policies / "hospital.toml"
    whole = rules.read_text()
    # Half of a copy, valid by itself.
    second = whole.index("[[", whole.index("[[mask]]") + 2)
    rules.write_text(whole[second:])
    proxy.wait_for_log("lacks what is in force")
    time.sleep(3)
    assert place.one("SELECT ssn FROM patients WHERE id = 1") == before, "a half-copied folder unmasks"
    rules.write_text(whole)
    proxy.wait_for_log("hold the policy in force again")
    assert proxy.stop() == 0


def test_a_policy_that_lost_rules_while_nothing_ran_is_not_taken_up(fresh_proxy, through):
    proxy = fresh_proxy()
    before = through(proxy).one("SELECT ssn FROM patients WHERE id = 1")
    assert proxy.stop() == 0
    rules = proxy.policies / "hospital.toml"
    whole = rules.read_text()
    second = whole.index("[[", whole.index("[[mask]]") + 2)
    rules.write_text(whole[second:])
    proxy.start()
    proxy.wait_for_log("the one that was in force before this start stays so")
    assert through(proxy).one("SELECT ssn FROM patients WHERE id = 1") == before, "a start on a half-copied folder unmasks"
    # Somebody says that it is meant.
    half = proxy.home / "half"
    half.mkdir()
    (half / "hospital.toml").write_text(whole[second:])
    rules.write_text(whole)
    done = proxy.affidavit("policy", "activate", half, "--config", proxy.config)
    assert done.returncode == 0, done.stderr
    until(lambda: through(proxy).one("SELECT ssn FROM patients WHERE id = 1") != before, "what is meant is not taken up", 30)
    assert proxy.stop() == 0
    # And is no surprise at the next start.
    proxy.start()
    assert through(proxy).one("SELECT ssn FROM patients WHERE id = 1") != before
    assert proxy.stop() == 0
    verified(proxy, "--head", f"{proxy.store}.head")


CLIENT = """
import psycopg, sys
conn = psycopg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="agent", password=sys.argv[2], dbname="hospital", sslmode="disable")
print("in", flush=True)
conn.execute(f"SELECT pg_sleep(600) AS {sys.argv[3]}")
"""


def test_a_client_that_vanishes_leaves_nothing_running(fresh_proxy, through, direct):
    proxy = fresh_proxy()
    place, tag = through(proxy), f"v{uuid.uuid4().hex[:8]}"
    client = subprocess.Popen([sys.executable, "-c", CLIENT, str(place.port), place.password, tag], stdout=subprocess.PIPE)
    client.stdout.readline()
    seen = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE "
    until(lambda: direct().one(f"{seen} '%pg_sleep(600)%{tag}%'") == "1", "the statement does not run")
    client.kill()
    client.wait()
    until(lambda: direct().one(f"{seen} '%pg_sleep(600)%{tag}%'") == "0", "the statement of a client that is gone goes on")
    assert proxy.stop() == 0
    verified(proxy)


def test_statements_and_transactions_have_their_time(fresh_proxy, through):
    limits = ['statement_timeout = "2s"', 'idle_in_transaction_timeout = "2s"']
    proxy = fresh_proxy(extra={"postgres_datasource_lines": limits})
    place = through(proxy)
    with pytest.raises(psycopg.Error) as cut:
        connect(place).execute("SELECT pg_sleep(60)")
    assert "ran for longer" in str(cut.value), cut.value
    conn = connect(place, autocommit=False)
    conn.execute("SELECT 1")
    time.sleep(4)
    with pytest.raises(psycopg.Error) as cut:
        conn.execute("SELECT 2")
    assert "rested for longer" in str(cut.value), cut.value
    assert proxy.stop() == 0
    verified(proxy)


def test_a_peer_that_vanishes_is_asked_for(fresh_proxy, through):
    proxy = fresh_proxy()
    with connect(through(proxy)):
        # The kernel's own word on the timers of the sockets.
        line = ["ss", "-tnoH", "state", "established", f"( sport = :{proxy.ports['postgres15']} )"]
        timers = lambda: subprocess.run(line, capture_output=True, text=True, check=True).stdout  # noqa: E731
        until(lambda: "timer:(keepalive" in timers(), timers)
    assert proxy.stop() == 0
