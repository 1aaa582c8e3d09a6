"""Starting and stopping processes by pid, so that a recycled pid is never signalled."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Failed(SystemExit):
    """Something a person has to read: ends the command with exit code 3 (could not run)."""

    def __init__(self, message):
        print(f"fleet: {message}", file=sys.stderr, flush=True)
        super().__init__(3)


# Below what Linux gives to outgoing connections (32768 and up), so that no client of another test sits on one meanwhile.
PORTS = range(12_000, 32_000)
_given = set()


def free_port():
    """A port nobody listens on now, and not given out before by this process. A lost race shows as a failed start."""
    for _ in range(1000):
        port = random.choice(PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise Failed("no free port was found on 127.0.0.1 between 12000 and 32000")


def port_for(entry):
    """The port this server had last time when it is free still: who remembers it finds the server there again."""
    if entry is not None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", entry["port"]))
                return entry["port"]
            except OSError:
                pass
    return free_port()


def run(command, *, what, **options):
    """Run to the end; on failure show what was tried and the end of its output."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    if "input" in options:
        options.pop("stdin")
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        tail = (done.stdout + done.stderr).strip()[-2000:]
        raise Failed(f"{what} failed (exit {done.returncode}): {' '.join(map(str, command))}\n{tail}")
    return done.stdout


def birth(pid):
    """The start time of a process in clock ticks since boot, or None when there is none (or only a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def spawn(command, *, log, user=None, **options):
    """Start a server in its own session; `user` is a (uid, gid) to drop to. Returns what is needed to stop it."""
    if user is not None:
        options |= {"user": user[0], "group": user[1], "extra_groups": []}
    with open(log, "ab") as out:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options
        )
    return {"pid": child.pid, "birth": birth(child.pid), "log": str(log)}, child


def alive(entry):
    """Whether the process that was started is still that process."""
    return entry is not None and entry.get("birth") is not None and birth(entry["pid"]) == entry["birth"]


def stop(entry, sign=signal.SIGTERM, patience=20.0):
    """Ask it to stop, wait, then insist. Harmless when it is gone."""
    for signum, wait in ((sign, patience), (signal.SIGKILL, 5.0)):
        if not alive(entry):
            return
        os.kill(entry["pid"], signum)
        end = time.monotonic() + wait
        while alive(entry) and time.monotonic() < end:
            try:  # reap it when it is our own child
                os.waitpid(entry["pid"], os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.05)


def wait_until(ready, *, entry, what, patience=60.0):
    """Poll until `ready()` is true; when the process dies or time is up, show the end of its log."""
    end = time.monotonic() + patience
    while True:
        if ready():
            return
        if not alive(entry):
            why = "it exited"
        elif time.monotonic() > end:
            why = f"not ready after {patience:.0f} s"
        else:
            time.sleep(0.1)
            continue
        tail = Path(entry["log"]).read_text(errors="replace")[-2000:]
        raise Failed(f"{what} did not start: {why}. End of {entry['log']}:\n{tail}")


def answers(port):
    """Whether something accepts TCP connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
