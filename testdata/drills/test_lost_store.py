"""The audit store vanishes under load: nothing runs unrecorded, nothing takes its place, the loss is named."""

import os
import shutil
import subprocess
import time
import uuid

import psycopg
import pytest
from evidence import in_evidence, nothing_is_missing, seen_by_server, until, verified

from fleet.process import Failed


def lost(proxy, load):
    """Statements are refused with the reason; the process lives."""
    until(lambda: any(code == "53100" for _, code, _ in load.refused), lambda: f"no statement was refused: {load.refused[-3:]}")
    text = next(text for _, code, text in load.refused if code == "53100")
    assert "audit" in text, text
    proxy.wait_for_log("the audit store is lost; ending all sessions")
    assert proxy.alive()


def head(proxy):
    return f"{proxy.store}.head"


@pytest.mark.parametrize("how", ["rename", "remove"])
def test_a_store_that_vanishes_stops_the_statements(how, fresh_proxy, load, fleet, long):
    proxy = fresh_proxy()
    tag = f"l{uuid.uuid4().hex[:8]}"
    with load(proxy, tag) as running:
        until(lambda: len(running.answered) > 200, "the load does not load")
        time.sleep(20 if long else 3)
        away = proxy.store.with_name("away")
        if how == "rename":
            os.rename(proxy.store, away)
        else:
            shutil.rmtree(proxy.store, ignore_errors=True)
        lost(proxy, running)
        # From here on nothing may reach the server.
        settled = sum(seen_by_server(fleet, tag).values())
        time.sleep(2)
        assert sum(seen_by_server(fleet, tag).values()) == settled, "statements still run without a record"
    assert not proxy.store.exists() or not (proxy.store / "store.json").exists(), "a new store was made in its place"
    assert proxy.stop() == 3
    # Neither does a restart make one, although the configuration has create = true.
    with pytest.raises(Failed):
        proxy.start()
    assert "does not hold what was recorded" in proxy.log.read_text()
    named = proxy.evidence("verify", proxy.store, "--key", proxy.vkey, "--head", head(proxy), check=False)
    assert named.returncode == 1 and "lost is the log" in named.stdout, named.stdout + named.stderr
    if how == "rename":
        # Brought back as it was: all of it is there, what ran up to the moment included.
        shutil.rmtree(proxy.store, ignore_errors=True)
        os.rename(away, proxy.store)
        assert "FAIL" not in verified(proxy, "--head", head(proxy)), "a store that was not closed is not damaged"
        proxy.start()
        nothing_is_missing(proxy, fleet, tag)
        assert proxy.stop() == 0
        verified(proxy, "--head", head(proxy))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root to mount")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2500m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=False)


@pytest.mark.parametrize("how", ["covered", "unmounted"])
def test_a_file_system_that_goes_away(how, fresh_proxy, load, fleet, small_disk):
    proxy = fresh_proxy(store=small_disk / "audit")
    tag = f"f{uuid.uuid4().hex[:8]}"
    with load(proxy, tag) as running:
        until(lambda: len(running.answered) > 200, "the load does not load")
        if how == "covered":
            # Another file system over it, which is read-only.
            subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", small_disk], check=True)
        else:
            subprocess.run(["umount", "-l", small_disk], check=True)
        lost(proxy, running)
    assert proxy.stop() == 3
    if how == "covered":
        subprocess.run(["umount", small_disk], check=True)
        proxy.start()
        nothing_is_missing(proxy, fleet, tag)
        assert proxy.stop() == 0
        verified(proxy, "--head", small_disk / "audit.head")


def test_a_store_that_was_never_made(fresh_proxy):
    proxy = fresh_proxy(start=False)
    proxy.config.write_text(proxy.config.read_text().replace("create = true\n", ""))
    with pytest.raises(Failed):
        proxy.start()
    assert "evidence init" in proxy.log.read_text() and not proxy.store.exists()
    done = proxy.evidence("init", "--config", proxy.config)
    assert "is ready" in done.stdout
    proxy.start()
    assert proxy.stop() == 0
    verified(proxy, "--head", head(proxy))


def test_a_loss_that_is_acknowledged_is_in_the_log(fresh_proxy, through):
    proxy = fresh_proxy()
    assert through(proxy).one("SELECT 'here'") == "here"
    assert proxy.stop() == 0
    shutil.rmtree(proxy.store)
    done = proxy.evidence("init", "--config", proxy.config, "--lost", "the disk died")
    assert "its log says what is lost" in done.stdout, done.stdout
    proxy.start()
    assert through(proxy).one("SELECT 'again'") == "again"
    assert proxy.stop() == 0
    verified(proxy, "--head", head(proxy))


def test_a_killed_proxy_leaves_a_store_that_verifies(fresh_proxy, load, fleet, long):
    proxy = fresh_proxy()
    tag = f"k{uuid.uuid4().hex[:8]}"
    for _ in range(20 if long else 2):
        with load(proxy, tag) as running:
            seen = len(running.answered)
            until(lambda seen=seen: len(running.answered) > seen + 100, "the load does not load")
            time.sleep(1.5)
            proxy.kill()
        # Not restarted yet: having crashed is no damage.
        verified(proxy, "--head", head(proxy))
        proxy.start()
    nothing_is_missing(proxy, fleet, tag)
    assert proxy.stop() == 0
    verified(proxy, "--head", head(proxy))
    assert in_evidence(proxy, tag)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=proxy.ports["postgres15"], user="a", password="b", connect_timeout=2)
