"""The test apart from the machine: processes, mounts and networks in namespaces of their own, which end with whoever asked for them.

Podman's containers belong to nobody who could be told to end them: conmon leaves the process that started it. Here all of
them are in one process namespace, whose first process the kernel kills when this one is gone, whatever ended it.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

# The shell is the first process: it stays, and reaps what is orphaned.
STAY = '"$@"; exit $?'
APART = (
    "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child=KILL", "--mount-proc",
    "--", "sh", "-c", STAY, "apart",
)


def forbidden():
    """Why there can be no such namespaces here, by making them and mounting something; None when there can."""
    line = [*APART, "sh", "-c", "mount -t tmpfs apart /mnt && unshare --net true"]
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.strip() or f"exit {done.returncode}"


def run(line, **options):
    """Run a command line apart and hand on how it ended. A signal reaches it as SIGTERM, a second one ends everything."""
    forget(set())  # of a run that was killed
    groups = control_groups()
    child = subprocess.Popen([*APART, *line], stdin=subprocess.DEVNULL, start_new_session=True, **options)
    asked = []

    def end(*_):
        if asked or not (inner := descendant(child.pid, 2)):
            child.kill()  # and with it, by --kill-child, all that it started
        else:
            os.kill(inner, signal.SIGTERM)
        asked.append(True)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        forget(groups)
    return 128 - code if code < 0 else code


def control_groups():
    """The control groups that are Podman's, one for each controller."""
    return {*Path("/sys/fs/cgroup").glob("libpod_parent"), *Path("/sys/fs/cgroup").glob("*/libpod_parent")}


def forget(there):
    """Remove those that were not there before; they are empty, and the kernel keeps any that is not."""
    for folder in control_groups() - there:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)


def descendant(pid, depth):
    """The process that many first children below; None when there is none (any more)."""
    for _ in range(depth):
        try:
            pid, *_ = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except (OSError, ValueError):
            return None
    return pid


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
