"""Bringing in what is missing: Debian packages (as root), a Python venv, Node packages, and a tree of Debian sid.

sid carries PostgreSQL 18 and MySQL 9.7, which Debian 12 does not; the tree is entered with chroot and kept in the cache.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys

from .paths import CACHE, IS_ROOT, NODE, SID, TESTDATA, VENV
from .process import Failed, run

_updated = False


@contextlib.contextmanager
def alone(what):
    """One process at a time may fill a cache: fleets of several checkouts can share it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def say(message):
    """Progress, on stderr: stdout belongs to what was asked for."""
    print(f"fleet: {message}", file=sys.stderr, flush=True)


def need(packages, *, when_missing):
    """Install Debian packages unless every path in `when_missing` exists. As a user: say what to install."""
    global _updated
    if all(os.path.exists(path) for path in when_missing):
        return
    if not IS_ROOT:
        raise Failed(f"missing packages; ask an administrator to run: apt-get install -y {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    # A server package starts its server: a policy that says no keeps it from doing so.
    guard = "/usr/sbin/policy-rc.d"
    guarded = not os.path.exists(guard)
    if guarded:
        with open(guard, "w") as out:
            out.write("#!/bin/sh\nexit 101\n")
        os.chmod(guard, 0o755)
    try:
        if not _updated:
            say("apt-get update")
            run(["apt-get", "update", "-q"], what="apt-get update", env=environment)
            _updated = True
        say(f"apt-get install {' '.join(packages)}")
        run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
            what="apt-get install", env=environment)
    finally:
        if guarded:
            os.unlink(guard)


def python():
    """The venv with the Python drivers, brought up to date when the list of requirements changes."""
    wanted = TESTDATA / "requirements.txt"
    mark = VENV / ".requirements"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    with alone("venv"):
        if mark.exists() and mark.read_text() == digest:
            return VENV / "bin/python"
        base = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        if subprocess.run([base, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
            need(["python3-venv"], when_missing=["/nonexistent/ensurepip"])
        say(f"Python packages into {VENV}")
        run([base, "-m", "venv", VENV], what="making a venv")
        run([VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", wanted], what="pip install")
        mark.write_text(digest)
    return VENV / "bin/python"


def node():
    """The Node packages, by the lock file; `testdata/node_modules` is a link to them."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        need(["nodejs", "npm"], when_missing=["/usr/bin/node", "/usr/bin/npm"])
    lock = TESTDATA / "package-lock.json"
    mark = NODE / ".lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    with alone("node"):
        if not mark.exists() or mark.read_text() != digest:
            say(f"Node packages into {NODE}")
            NODE.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(TESTDATA / name, NODE / name)
            run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], what="npm ci", cwd=NODE)
            mark.write_text(digest)
    link = TESTDATA / "node_modules"
    if not link.exists() or link.resolve() != (NODE / "node_modules").resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(NODE / "node_modules", TESTDATA))
    return shutil.which("node")


def sid():
    """The tree with PostgreSQL 18 and MySQL 9.7. Needs root: debootstrap and chroot do."""
    done = SID / ".complete"
    if done.exists():
        return SID
    if not IS_ROOT:
        raise Failed("PostgreSQL 18 and MySQL 9.7 run in a chroot: start them as root, or leave them out")
    need(["debootstrap"], when_missing=["/usr/sbin/debootstrap"])
    with alone("sid"):
        if done.exists():
            return SID
        if SID.exists():
            shutil.rmtree(SID)
        say(f"Debian sid with PostgreSQL 18 and MySQL into {SID} (about a minute, once)")
        run(
            ["debootstrap", "--variant=minbase", "--include=mysql-server-core,mysql-client-core,postgresql-18", "sid", SID],
            what="debootstrap",
        )
        shutil.rmtree(SID / "var/cache/apt/archives", ignore_errors=True)
        done.touch()
    return SID
