"""What the container test starts ends with it, however it ends: no process, no mount, no control group is left."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TESTDATA

from containers import apart

# Mounts something, leaves a daemon behind as Podman does, says so, and stays.
WORK = """
import os, subprocess, sys, time
subprocess.run(["mount", "-t", "tmpfs", "apart-test", "/mnt"], check=True)
subprocess.Popen(["sleep", sys.argv[1]], start_new_session=True)
try:
    print("there", flush=True)
    time.sleep(600)
except SystemExit:
    print("asked to end", flush=True)
    raise
"""
# SIGTERM as an exception, so that what cleans up does.
BEGIN = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"


@pytest.fixture
def started():
    """The work, apart, and what tells its daemon from all others."""
    if os.geteuid() != 0 or (why := apart.forbidden()):
        pytest.skip(f"no namespaces here: {why if os.geteuid() == 0 else 'not root'}")
    mark = str(random.randrange(10**6, 10**9))
    line = [sys.executable, "-m", "containers.apart", sys.executable, "-c", BEGIN + WORK, mark]
    child = subprocess.Popen(line, cwd=TESTDATA, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "there\n"
        until(lambda: daemons(mark), "the daemon does not start")
        yield child, mark
    finally:
        child.kill()
        child.wait()


def until(ready, what):
    """Poll."""
    end = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def daemons(mark):
    """Processes that were left behind."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path] if path.read_bytes().split(b"\0")[:2] == [b"sleep", mark.encode()] else []
        except OSError:
            pass  # it ended meanwhile
    return found


def gone(mark):
    """Nothing is left, nor was anything ever mounted out here."""
    until(lambda: not daemons(mark), "a process outlives the test")
    assert "apart-test" not in Path("/proc/self/mounts").read_text()


def test_a_kill_that_nobody_can_answer(started):
    child, mark = started
    child.kill()
    child.wait()
    gone(mark)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on_so_that_it_can_clean_up(started, sign):
    child, mark = started
    child.send_signal(sign)
    assert child.wait(20) == 143
    assert child.stdout.read() == "asked to end\n"
    gone(mark)


def test_where_namespaces_are_forbidden_the_kernel_is_quoted(monkeypatch):
    if os.geteuid() == 0:
        monkeypatch.setattr(apart, "APART", ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", *apart.APART))
    assert "not permitted" in apart.forbidden()
