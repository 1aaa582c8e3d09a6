"""node-postgres' suite, from Debian's sources, over the packages that npm has of the same version."""

import json
import shutil

from fleet import install
from fleet.process import run
from fleet.progress import ticking

from . import runners, sources
from .roster import Suite

PACKAGE = "node-postgres"
BESIDE = ("async@2", "bluebird@3", "co@4", "pg-copy-streams@6")


def manifest():
    """What the source says of its package."""
    return json.loads((sources.debian(PACKAGE, "sid") / "packages/pg/package.json").read_text())


def packages():
    """The published package of the suite's version, and what its tests use."""
    wanted = manifest()["version"]
    place = sources.HOME / f"npm-pg-{wanted}"
    install.node()
    with install.alone("suites-pg"):
        if not (place / ".complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            (place / "package.json").write_text("{}")
            with ticking("npm install"):
                run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"pg@{wanted}", *BESIDE], what="npm install", cwd=place)
            (place / ".complete").touch()
    return place


def lay(folder):
    """The published package with the tests of its source in their place."""
    shutil.copytree(packages(), folder, dirs_exist_ok=True, symlinks=True)
    package = folder / "node_modules/pg"
    source = sources.debian(PACKAGE, "sid") / "packages/pg"
    for part in ("test", "script"):
        if (source / part).exists():
            shutil.copytree(source / part, package / part)


def node_postgres(place, folder, only):
    """Each file is a program."""
    package = folder / "node_modules/pg"
    node = install.node()
    environment = place.variables() | {"PGTESTNOSSL": "1"}
    if (package / "script/create-test-tables.js").exists():
        run([node, "script/create-test-tables.js", "postgres://"], what="the tables of node-postgres' suite", cwd=package, env=environment | {"PATH": "/usr/bin:/bin"})
    files = sorted((package / "test/integration").rglob("*-tests.js"))
    files = [path for path in files if not only or any(word in str(path) for word in only)]
    return runners.each(files, lambda path: [node, path, "postgres://"], folder=package, environment=environment, what=f"{place.server}, {place.way}")


SUITES = [Suite("node-postgres", "postgres", lambda: manifest()["version"], lay, node_postgres, short=["client/", "gh-issues"])]
