"""Sealing and a full journal: a bystander does not wait for somebody else's bulk, and nobody waits without end."""

import os
import statistics
import subprocess
import threading
import time

import psycopg
import pytest
from desk import held_by
from evidence import until, verified
from readiness import Ready


def connect(place, **options):
    return psycopg.connect(
        host="127.0.0.1", port=place.port, user=place.user, password=place.password, dbname=place.database, autocommit=True,
        sslmode="disable", **options,
    )


def latencies(conn, over):
    """Milliseconds of `select 1`, one after the other with a breath between, until `over`."""
    took = []
    while not over.is_set():
        begun = time.perf_counter()
        conn.execute("SELECT 1").fetchone()
        took.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.002)
    return sorted(took)


def p99(took):
    return took[int(len(took) * 0.99)]


def test_a_bystander_during_a_copy(fresh_proxy, through, direct, long):
    rows = 10_000_000 if long else 300_000
    proxy = fresh_proxy(extra={"segment": '{ rows = 1_000_000, bytes = "128MiB", age = "5m" }'})
    copy = f"COPY (SELECT p.id, p.ssn, p.state, g FROM patients p, generate_series(1, {rows} / 1000) g) TO STDOUT"
    figures = {}
    for name, place in (("direct", direct()), ("through", through(proxy))):
        over, bytes_seen, failed = threading.Event(), [0], []

        def bulk(place=place, over=over, bytes_seen=bytes_seen, failed=failed):
            try:
                with connect(place) as conn, conn.cursor() as cursor, cursor.copy(copy) as out:
                    for block in out:
                        bytes_seen[0] += len(block)
            except Exception as error:  # noqa: BLE001 - told below
                failed.append(error)
            finally:
                over.set()

        with connect(place) as bystander:
            worker = threading.Thread(target=bulk, daemon=True)
            begun = time.monotonic()
            worker.start()
            took = latencies(bystander, over)
        assert not failed, failed
        figures[name] = took
        print(f"\n{name}: {bytes_seen[0] >> 20} MiB in {time.monotonic() - begun:.1f} s; select 1 ×{len(took)}: "
              f"median {statistics.median(took):.1f} ms, p99 {p99(took):.1f} ms, worst {took[-1]:.1f} ms")
    if long:
        assert p99(figures["through"]) <= p99(figures["direct"]) + 20, "a bystander waits for somebody else's COPY"
    assert proxy.stop() == 0
    verified(proxy)


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system on which neither a segment nor a further journal file fits for long."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root to mount")
    place = tmp_path / "tiny"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1700m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(ballast):
    """Take all but a sliver, while others write too."""
    size, piece = 0, 256 << 20
    with open(ballast, "wb") as out:
        while piece >= 32 << 10:
            try:
                os.posix_fallocate(out.fileno(), size, piece)
                size += piece
            except OSError:
                piece //= 2


def test_a_disk_that_fills_up_refuses_and_does_not_hang(fresh_proxy, through, tiny_disk, tmp_path):
    held = held_by(tmp_path / "proxy0")
    held["extra"]["segment"] = '{ rows = 1_000_000, bytes = "64KiB", age = "1s" }'
    proxy = fresh_proxy(store=tiny_disk / "audit", **held)
    place, ready = through(proxy), Ready(proxy)
    ready.becomes("ready")
    with connect(place) as conn:
        conn.execute("SELECT 1")
        # Everything but a sliver: no segment can be written, no journal file made.
        fill(tiny_disk / "ballast")
        state = []

        def refused():
            begun = time.monotonic()
            try:
                conn.execute("SELECT repeat('x', 1000000)").fetchone()
            except psycopg.Error as error:
                state.append((error.sqlstate, time.monotonic() - begun))
            return state

        until(refused, "statements still run on a full disk", patience=120)
        assert state[0][0] == "53100" and state[0][1] < 60, state
        # Who sends sessions here has to learn it, and of what is not sealed, too.
        until(lambda: "journal short of room" in ready.words(), lambda: f"/readyz says {ready.words()!r}", patience=30)
        until(lambda: "sealing fails or lags" in ready.words(), lambda: f"/readyz says {ready.words()!r}", patience=60)
    (tiny_disk / "ballast").unlink()
    until(lambda: place.psql("SELECT 'again'").returncode == 0, lambda: "nothing runs again\n" + proxy.log.read_text()[-2000:], patience=90)
    ready.becomes("ready", patience=90)
    assert proxy.stop() == 0
    verified(proxy)
