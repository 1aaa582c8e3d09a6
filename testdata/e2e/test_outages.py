"""When something it needs is gone the proxy refuses, says so, and goes on when it is back."""

import copy
import os
import subprocess
import sys
import time

import psycopg
import pytest
from conftest import TESTDATA
from gate import Gate

from fleet.idp import PEOPLE, client_token
from fleet.process import answers, free_port, spawn, stop, wait_until


def test_dead_upstream(fresh_proxy, through, fleet):
    gate = Gate(fleet["servers"]["postgres15"]["port"])
    moved = copy.deepcopy(fleet)
    moved["servers"]["postgres15"]["port"] = gate.port
    proxy = fresh_proxy(at=moved)
    place = through(proxy)
    with psycopg.connect(host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", autocommit=True) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
        gate.shut()
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 2")
    begun = time.monotonic()
    done = place.psql("SELECT 'let in'")
    assert done.returncode == 2 and time.monotonic() - begun < 30
    assert 'datasource "postgres15"' in done.stderr and "HINT" in done.stderr, done.stderr
    assert fleet["servers"]["postgres15"]["users"]["affidavit"] not in done.stderr
    gate.open()
    assert place.one("SELECT 'back'") == "back"
    closes = [record for record in proxy.records("sessions") if record["event"] == "close"]
    assert closes, "the session that lost its upstream was never closed on the record"
    gate.shut()
    assert proxy.stop() == 0


@pytest.fixture
def own_issuer(tmp_path):
    """An issuer of one's own to kill: the small one."""
    port = free_port()
    line = [sys.executable, TESTDATA / "idp/issuer.py", "--port", str(port), "--keys", tmp_path / "issuer"]

    def start():
        entry, _ = spawn(line, log=tmp_path / "issuer.log")
        wait_until(lambda: answers(port), entry=entry, what="issuer.py")
        return entry

    description = {"issuer": f"http://127.0.0.1:{port}", "clients": {n: c["secret"] for n, c in PEOPLE["clients"].items()}}
    running = [start()]
    yield description, running, start
    for entry in running:
        stop(entry)


def test_dead_identity_provider(fresh_proxy, through, own_issuer):
    description, running, start = own_issuer
    token = client_token(description, "nightly-report")
    stop(running[0])
    proxy = fresh_proxy(issuer=description["issuer"])
    place = through(proxy, token=token)
    begun = time.monotonic()
    done = place.psql("SELECT 'let in'")
    assert done.returncode == 2 and time.monotonic() - begun < 30
    assert description["issuer"] in done.stderr or "identity provider" in done.stderr.lower() or "issuer" in done.stderr.lower(), done.stderr
    running.append(start())
    end = time.monotonic() + 60  # asking again is rate-limited
    while place.psql("SELECT 'let in'").returncode != 0:
        assert time.monotonic() < end, proxy.log.read_text()[-2000:]
        time.sleep(1)
    # Its keys are known now: logins go on while it is away.
    stop(running[-1])
    assert place.one("SELECT 'let in'") == "let in"


@pytest.fixture
def small_disk(tmp_path):
    """A file system just above the free space below which the store takes no new sessions (1 GiB)."""
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root to mount")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1400m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place, leave):
    """Take the space but `leave` bytes."""
    disk = os.statvfs(place)
    with open(place / "ballast", "ab") as out:
        os.posix_fallocate(out.fileno(), 0, max(1, os.fstat(out.fileno()).st_size + disk.f_bavail * disk.f_frsize - leave))


def until(ready, what, patience=30.0):
    """Poll: the free space is looked at now and then."""
    end = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.3)


def test_full_disk_refuses_sessions_then_statements(fresh_proxy, through, small_disk):
    proxy = fresh_proxy(store=small_disk / "audit")
    place = through(proxy)
    with psycopg.connect(host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", autocommit=True) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
        fill(small_disk, 700 << 20)
        until(lambda: place.psql("SELECT 1").returncode == 2, "new sessions are still taken although space is short")
        assert "space" in place.psql("SELECT 1").stderr
        assert conn.execute("SELECT 2").fetchone() == (2,), "a session that is there may go on for a while"
        fill(small_disk, 100 << 20)
        state = []

        def refused():
            try:
                conn.execute("SELECT 3")
            except psycopg.Error as error:
                state.append((error.sqlstate, str(error)))
            return bool(state)

        until(refused, "statements still run although the disk is as good as full")
        assert state[0][0] == "53100", state
    (small_disk / "ballast").unlink()
    until(lambda: place.psql("SELECT 'again'").returncode == 0, "space is back but nothing runs\n" + proxy.log.read_text()[-2000:])
    assert proxy.stop() == 0
    assert proxy.verify().returncode == 0
