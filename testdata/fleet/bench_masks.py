"""What masks cost: the same look-up untouched, masked on the wire and masked at the source, through one proxy, in turns.

A *cached* statement differs from the ones before in a literal only; a *cold* one has names that were never seen, so it is read
from the start. What counts are the ratios to the untouched one of the same round: of the time of a round trip, and of the CPU
that the proxy used. With the second lock, sessions that stay in one class are measured, and one that changes with each statement.
"""

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import install
from .__main__ import describe, start
from .idp import client_token
from .paths import ROOT, TESTDATA
from .process import Failed, alive
from .proxy import Proxy
from .state import locked

sys.path.insert(0, str(TESTDATA))
TICK = os.sysconf("SC_CLK_TCK")
SERVERS = {"postgres15": "postgres", "mariadb": "mysql"}
UNTOUCHED, WIRE, SOURCE = "untouched", "wire", "at the source"
COLUMNS = {UNTOUCHED: "state", WIRE: "full_name", SOURCE: "upper(full_name)"}
CACHED, COLD = "cached", "cold"
# Statements of a measurement: enough for the clock that counts CPU time.
HOW_MANY = {CACHED: 1000, COLD: 300}
FRESH = itertools.count()


def statement(kind, warmth):
    """A look-up by key; its shape is new where it is to be cold."""
    number = next(FRESH)
    alias, name = (f"p{number}", f"c{number}") if warmth == COLD else ("p", "c")
    column = COLUMNS[kind].replace("full_name", f"{alias}.full_name").replace("state", f"{alias}.state")
    return f"SELECT {column} AS {name} FROM patients {alias} WHERE {alias}.id = {number % 900 + 1}"


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def measure(session, pid, kinds, warmth):
    """(seconds of a round trip, CPU seconds of the proxy for one) over statements of these kinds in turn."""
    texts = [statement(kind, warmth) for kind, _ in zip(itertools.cycle(kinds), range(HOW_MANY[warmth]))]
    for kind in kinds:
        session.run(statement(kind, warmth))
    cpu, begun = cpu_seconds(pid), time.perf_counter()
    for text in texts:
        answer = session.run(text)
        session.stream.take()
        if any(what in (b"E", "error") for what, _ in answer):
            raise Failed(f"{text}: {answer}")
    return (time.perf_counter() - begun) / len(texts), (cpu_seconds(pid) - cpu) / len(texts)


def rounds(proxy, server, token, number, changing):
    """{(warmth, what): [(round trip, CPU)]}, who begins changing from round to round."""
    from leaks import mysql, postgres

    client = {"postgres": postgres, "mysql": mysql}[SERVERS[server]]
    session = client.Session(proxy.ports[server], token, mode=client.MODES[0])
    runs = {kind: (kind,) for kind in COLUMNS} | ({"changing": (WIRE, SOURCE)} if changing else {})
    found = {}
    for turn in range(number):
        names = list(runs)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for warmth in HOW_MANY:
                found.setdefault((warmth, name), []).append(measure(session, proxy.entry["pid"], runs[name], warmth))
    session.close()
    return found


def table(server, lock, found):
    """Medians of the ratios to the untouched statement of the same round and warmth."""
    print(f"\n{server}, second lock {lock or 'off'}\n  {'':26} {'µs each':>9} {'× untouched':>12} {'CPU-µs':>8} {'× untouched':>12}")
    for (warmth, name), own in found.items():
        base = found[warmth, UNTOUCHED]
        trip, cpu = (statistics.median(one[at] / other[at] if other[at] else 0 for one, other in zip(own, base, strict=True)) for at in (0, 1))
        microseconds, used = (statistics.median(one[at] for one in own) * 1e6 for at in (0, 1))
        print(f"  {warmth + ', ' + name:26} {microseconds:9.0f} {trip:12.2f} {used:8.0f} {cpu:12.2f}", flush=True)


def report(number):
    """Both engines, the second lock off and required."""
    os.environ.setdefault("AFFIDAVIT_BIN", str(ROOT / "target/release"))
    os.environ["AFFIDAVIT_LOG"] = "warn"
    names = ["idp", *SERVERS]
    with locked() as state:
        ours = [name for name in names if not alive(state.servers.get(name))]
        start(names, state.data.setdefault("patients", 1000), state)
        fleet = describe(state)
    if os.getloadavg()[0] > os.cpu_count():
        install.say(f"bench: the machine is busy already (load {os.getloadavg()[0]:.1f}); the figures will be noisy")
    print(f"\nMasks: a look-up by key, medians of {number} rounds in turns")
    home = Path(tempfile.mkdtemp(prefix="affidavit-bench-", dir="/var/tmp"))
    try:
        for lock in (None, "required"):
            proxy = Proxy(home / (lock or "off"), fleet, list(SERVERS), second_lock=lock, extra={"segment": '{ rows = 1_000_000, bytes = "128MiB", age = "5m" }'})
            try:
                proxy.start()
                token = client_token(fleet["servers"]["idp"], "bench")
                for server in SERVERS:
                    table(server, lock, rounds(proxy, server, token, number, lock is not None))
            finally:
                proxy.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)
        if ours:
            subprocess.run([TESTDATA / "servers", "stop", *ours], check=False)
