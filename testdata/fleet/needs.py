"""What demo, tests and benchmarks need of the machine: declared once, found out by doing, named before anything is built.

A program counts as there when it runs, a compiler when it compiles and links, a library when it loads: names of files
promise nothing. What is missing is installed as root, and otherwise named, with the command that installs it.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .paths import IS_ROOT
from .process import Failed
from .progress import apt_get

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
CHROMIUM, MARIADBD, MARIADB = "/usr/bin/chromium", "/usr/sbin/mariadbd", "/usr/bin/mariadb"
HAPROXY, PGBOUNCER = "/usr/sbin/haproxy", "/usr/sbin/pgbouncer"
POSTGRES = Path("/usr/lib/postgresql")
# What podman starts when it runs a container with a network and names in it.
PODMAN = (
    ("podman", "--version"), ("runc", "--version"), ("conmon", "--version"), ("iptables", "--version"), ("nft", "--version"), ("ip", "-V"),
    ("/usr/lib/podman/netavark", "--version"), ("/usr/lib/podman/aardvark-dns", "--version"),
)
POSTGRES_JDBC, MARIADB_JDBC = "/usr/share/java/postgresql.jar", "/usr/share/java/mariadb-java-client.jar"


def runs(*line, within=60, **options):
    """Whether a program runs to its end and is content."""
    try:
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=within, **options)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def compiles():
    """Whether `cc` makes a program of a header, a library and a start file, and the program runs."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "one.c"), Path(folder, "one")
        source.write_text('#include <math.h>\n#include <stdio.h>\nint main(int n, char **v) { return printf("%f", cos(n)) < 1; }\n')
        return runs(os.environ.get("CC", "cc"), source, "-o", program, "-lm") and runs(program)


def version_of(*line):
    """The first thing that looks like a version in what a program prints."""
    said = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    found = re.search(r"\d+\.\d+", said)
    return found[0] if found else "?"


def postgres_folder():
    """Where the programs of the newest PostgreSQL are that has all we use, or None. Debian keeps them out of PATH."""
    folders = sorted(POSTGRES.glob("[0-9]*/bin"), key=lambda path: -int(path.parent.name))
    used = ("postgres", "initdb", "pg_ctl", "psql", "pgbench")
    return next((path for path in folders if all(runs(path / name, "--version") for name in used)), None)


def postgres(name):
    """The path of a program of PostgreSQL's, which is looked for once."""
    if not _found:
        have("postgres")
        _found.append(postgres_folder())
    return str(_found[0] / name)


_found = []


def authorities():
    """Whether anybody is trusted on the network: what downloads goes by the same files as Python."""
    return runs(PYTHON, "-c", "import os, ssl; p = ssl.get_default_verify_paths(); raise SystemExit(not (p.cafile or p.capath and os.listdir(p.capath)))")


def holds(jar, name):
    """Whether the archive can be read and holds the class."""
    return runs(PYTHON, "-c", "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).read(sys.argv[2])", jar, name)


def compiles_java():
    """Whether Java's compiler runs, and what it makes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "One.java").write_text("class One { public static void main(String[] a) { java.sql.DriverManager.getDrivers(); } }\n")
        return runs("javac", "One.java", cwd=folder) and runs("java", "-XX:TieredStopAtLevel=1", "-cp", ".", "One", cwd=folder)


@dataclass(frozen=True)
class Need:
    """One thing: how it is tried, and the Debian packages that bring it, or what else a person does about it."""

    tried: Callable[[], object]
    packages: tuple = ()
    advice: str = ""


NEEDS = {
    "rust": Need(lambda: runs("cargo", "--version"), advice="Rust is missing. Install it by rustup (https://rustup.rs), open a new shell, and run make again."),
    "rust-lints": Need(
        lambda: runs("cargo", "fmt", "--version") and runs("cargo", "clippy", "--version"),
        advice="rustfmt or clippy is missing. Run: rustup component add rustfmt clippy",
    ),
    "cc": Need(compiles, ("gcc", "libc6-dev")),
    "authorities": Need(authorities, ("ca-certificates",)),
    "python": Need(lambda: runs(PYTHON, "-c", "import ensurepip, venv"), ("python3", "python3-venv")),
    "openssl": Need(lambda: runs("openssl", "version"), ("openssl",)),
    "postgres": Need(postgres_folder, ("postgresql",)),
    "mariadb": Need(lambda: runs(MARIADBD, "--version") and runs(MARIADB, "--version") and runs("sh", "-n", "/usr/bin/mariadb-install-db"), ("mariadb-server", "mariadb-client")),
    "curl": Need(lambda: runs("curl", "--version"), ("curl",)),
    "git": Need(lambda: runs("git", "--version"), ("git",)),
    "haproxy": Need(lambda: runs(HAPROXY, "-v"), ("haproxy",)),
    "pgbouncer": Need(lambda: runs(PGBOUNCER, "--version"), ("pgbouncer",)),
    "chromium": Need(lambda: runs(CHROMIUM, "--version"), ("chromium",)),
    "java": Need(compiles_java, ("default-jdk-headless",)),
    "jdbc-postgres": Need(lambda: holds(POSTGRES_JDBC, "org/postgresql/Driver.class"), ("libpostgresql-jdbc-java",)),
    "jdbc-mariadb": Need(lambda: holds(MARIADB_JDBC, "org/mariadb/jdbc/Driver.class"), ("libmariadb-java",)),
    "shellcheck": Need(lambda: runs("shellcheck", "--version"), ("shellcheck",)),
    "unzip": Need(lambda: runs("unzip", "-v"), ("unzip",)),
    "podman": Need(
        lambda: all(runs(*line) for line in PODMAN),
        ("podman", "runc", "conmon", "netavark", "aardvark-dns", "iptables", "nftables", "iproute2"),
    ),
    "postgres-headers": Need(lambda: runs("pg_config", "--version"), ("libpq-dev",)),
    "mariadb-headers": Need(lambda: runs("pkg-config", "--exists", "libmariadb"), ("libmariadb-dev", "pkg-config")),
    "python-headers": Need(lambda: runs(PYTHON, "-c", "import os, sysconfig; os.stat(os.path.join(sysconfig.get_paths()['include'], 'Python.h'))"), ("python3-dev",)),
    "go": Need(lambda: runs("go", "version"), ("golang-go",)),
    "debootstrap": Need(lambda: runs("/usr/sbin/debootstrap", "--version"), ("debootstrap",)),
}
SID_WANTED = IS_ROOT and os.environ.get("AFFIDAVIT_SKIP_SID") != "1"
BUILD = ("rust", "authorities", "cc")
SERVERS = ("python", "openssl", "postgres", "mariadb")
# What each target of the Makefile needs before it begins.
TARGETS = {
    "build": BUILD,
    "lint": (*BUILD, "rust-lints", "python", "shellcheck"),
    "unit": (*BUILD, *SERVERS),
    "demo": (*BUILD, *SERVERS),
    "e2e": (*BUILD, *SERVERS, "postgres-headers", "mariadb-headers", "python-headers", "curl", "java", "jdbc-postgres", "jdbc-mariadb", *(("debootstrap",) if SID_WANTED else ())),
    "console": (*BUILD, *SERVERS, "chromium"),
    "bench": (*BUILD, *SERVERS, "haproxy", "pgbouncer"),
    # Without root, containers are not tried (and it says so).
    "compose-test": (*BUILD, "python", "openssl", "chromium", "unzip", *(("podman", "debootstrap") if IS_ROOT else ())),
    "bare": ("debootstrap", "git"),
    "compat": (*BUILD, *SERVERS, "postgres-headers", "mariadb-headers", "python-headers", "go", "java", "jdbc-postgres", "jdbc-mariadb", *(("debootstrap",) if SID_WANTED else ())),
}


def lacking(names):
    """Those of the needs that are not met, in their order."""
    return [name for name in names if not NEEDS[name].tried()]


def have(*names):
    """See to it that these are there: as root what is missing is installed, else it is named, with the command."""
    missing = lacking(names)
    advice = [NEEDS[name].advice for name in missing if NEEDS[name].advice]
    if advice:
        raise Failed("\n".join(advice))
    packages = [package for name in missing for package in NEEDS[name].packages]
    if not packages:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if not IS_ROOT:
        raise Failed(f"missing: {', '.join(missing)}. Ask an administrator to run: apt-get update && {command}")
    if not runs("apt-get", "--version"):
        raise Failed(f"missing: {', '.join(missing)}, and this is no Debian. There it would be: {command}")
    apt_get(packages)
    still = lacking(missing)
    if still:
        raise Failed(f"{', '.join(still)} still not usable after: {command}. What was tried is in testdata/fleet/needs.py, under that name")


def main():
    """`testdata/toolchain TARGET…`"""
    targets = sys.argv[1:] or ["build"]
    unknown = [target for target in targets if target not in TARGETS]
    if unknown:
        raise Failed(f"unknown target {unknown[0]}; known are {', '.join(TARGETS)}")
    have(*dict.fromkeys(name for target in targets for name in TARGETS[target]))


if __name__ == "__main__":
    main()
