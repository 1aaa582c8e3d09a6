"""/readyz says by kind why no sessions should be sent here, to anyone who asks, and turns good again by itself."""

import copy
import sys

import pytest
from conftest import TESTDATA
from desk import held_by, until
from gate import Gate
from readiness import Ready

from fleet.process import answers, free_port, spawn, stop, wait_until


@pytest.fixture
def with_console(fresh_proxy, tmp_path):
    """A proxy with a console, and its readiness."""

    def make(**options):
        held = held_by(tmp_path / "proxy0")
        held["extra"]["lines"] += options.pop("lines", [])
        proxy = fresh_proxy(**held, **options)
        return proxy, Ready(proxy)

    return make


def test_a_database_that_is_gone(with_console, fleet):
    gate = Gate(fleet["servers"]["postgres15"]["port"])
    moved = copy.deepcopy(fleet)
    moved["servers"]["postgres15"]["port"] = gate.port
    proxy, ready = with_console(at=moved)
    ready.becomes("ready")
    assert ready.command().stdout == "ready\n"
    gate.shut()
    ready.becomes("not ready: no database answers")
    done = ready.command()
    assert done.returncode == 1 and "no database answers" in done.stderr, done.stderr
    assert ready.words("/healthz") == "ok", "a restart would not bring the database back"
    gate.open()
    ready.becomes("ready")
    gate.shut()
    assert proxy.stop() == 0


def test_an_issuer_that_is_not_there_yet(with_console, tmp_path):
    """Nobody logs in where readiness keeps them away: the keys are fetched all the same."""
    port = free_port()
    proxy, ready = with_console(issuer=f"http://127.0.0.1:{port}")
    ready.becomes("not ready: no identity provider can be asked")
    entry, _ = spawn([sys.executable, TESTDATA / "idp/issuer.py", "--port", str(port), "--keys", tmp_path / "issuer"], log=tmp_path / "issuer.log")
    try:
        wait_until(lambda: answers(port), entry=entry, what="issuer.py")
        ready.becomes("ready")
    finally:
        stop(entry)
    assert ready.words() == "ready", "known keys serve while the issuer is away"
    assert proxy.stop() == 0


def test_a_policy_that_is_refused(with_console):
    proxy, ready = with_console()
    ready.becomes("ready")
    broken = proxy.policies / "broken.toml"
    broken.write_text("[[mask]]\nname = 'no columns'\n")
    ready.becomes("not ready: policy refused")
    broken.unlink()
    ready.becomes("ready")
    assert proxy.stop() == 0


def test_a_store_that_is_lost(with_console):
    proxy, ready = with_console()
    ready.becomes("ready")
    proxy.store.rename(proxy.store.with_name("away"))
    until(lambda: "audit store lost or failed" in ready.words(), "word of the lost store", 30)
    assert ready.words("/healthz").startswith("not well")
    assert proxy.stop() == 3


def test_one_that_stops(with_console, through):
    import signal

    import psycopg

    proxy, ready = with_console(lines=["[limits]", 'shutdown_grace = "60s"'])
    place = through(proxy)
    with psycopg.connect(host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", sslmode="disable") as conn:
        conn.execute("SELECT 1")  # an open transaction, which may end
        proxy.child.send_signal(signal.SIGTERM)
        ready.becomes("not ready: stopping")
        conn.rollback()
    proxy.child.wait(30)
    assert proxy.child.returncode == 0
