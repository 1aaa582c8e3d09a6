"""`durability = "strict"` on a disk that cannot keep its word: a failed sync is the end, said once and at once."""

import os
import subprocess
import time
import uuid

import pytest
from evidence import nothing_is_missing, until, verified

# Syncing data fails while the file exists that FAIL_SYNC names; all else is the C library's.
SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
int fdatasync(int file) {
    const char *fails = getenv("FAIL_SYNC");
    if (fails && access(fails, F_OK) == 0) { errno = EIO; return -1; }
    return syscall(SYS_fdatasync, file);
}
"""


@pytest.fixture
def failing_disk(tmp_path, monkeypatch):
    """The file whose presence makes syncs fail, for programs that are started from here on."""
    source, library, fails = tmp_path / "sync.c", tmp_path / "sync.so", tmp_path / "fails"
    source.write_text(SHIM)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAIL_SYNC", str(fails))
    return fails


def test_a_sync_that_fails_ends_it_without_a_flood(fresh_proxy, load, fleet, failing_disk):
    proxy = fresh_proxy(extra={"durability": "strict"})
    tag = f"y{uuid.uuid4().hex[:8]}"
    with load(proxy, tag) as running:
        until(lambda: len(running.answered) > 100, "the load does not load")
        size, begun = proxy.log.stat().st_size, time.monotonic()
        failing_disk.touch()
        until(lambda: any(code == "53100" for _, code, _ in running.refused), lambda: f"no statement was refused: {running.refused[-3:]}", 20)
        proxy.child.wait(30)
        assert time.monotonic() - begun < 30
    assert proxy.child.returncode == 3, "a record that failed is no good end"
    said = proxy.log.read_text()[size:]
    assert said.count("ERROR evidence::durable") == 1 and len(said) < 64 << 10, said[:3000]
    failing_disk.unlink()
    proxy.start()
    nothing_is_missing(proxy, fleet, tag)
    assert proxy.stop() == 0
    verified(proxy, "--head", f"{proxy.store}.head")
