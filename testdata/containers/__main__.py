"""`make compose-test`: the commands of compose/README.md, in containers, and a look at what they printed and left.

The images are made from the files that users build them from. By default the builder's stage is replaced by the binaries
that are built already (target/debug); --full compiles inside, from the sources, as a user does.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fleet import install
from fleet.paths import CACHE, ROOT, TESTDATA
from fleet.process import Failed
from fleet.proxy import binaries

from . import apart, cluster, journey, readme
from . import engine as containers
from .world import World

CODENAME = "VERSION_CODENAME=bookworm"
UNTESTED = "Not tested: compose/Dockerfile, compose/compose.yaml, the commands of compose/README.md, the manifests of compose/kubernetes."


def browser():
    """Chromium and what drives it, as `make console` has them."""
    install.node()
    folder, wanted = CACHE / "console", TESTDATA / "console/package.json"
    mark = folder / ".installed"
    with install.alone("console"):
        if not mark.exists() or mark.read_text() != wanted.read_text():
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(wanted, folder / "package.json")
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], cwd=folder, check=True)
            mark.write_text(wanted.read_text())
    return folder / "node_modules/playwright-core/index.mjs"


def cannot(reason):
    """Say loudly what was not tested, and why. It is a failure where COMPOSE_TEST=must says that this machine can.

    Not by CI=true: whoever runs that in a sandbox without namespaces could only leave all tests out.
    """
    rule = "!" * 100
    print(f"\n{rule}\ncompose-test: NOT RUN, containers cannot run here: {reason}\n{UNTESTED}\n{rule}\n", flush=True)
    return 3 if os.environ.get("COMPOSE_TEST") == "must" else 0


def end(*_):
    """Once: what is cleaned up then is not to be interrupted."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(143)


def main():
    parser = argparse.ArgumentParser(prog="testdata/compose-test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="compile Affidavit inside the image (PROFILE chooses the profile, demo unless said)")
    parser.add_argument("--keep", type=Path, help="keep the working folder here, with the output of each block")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    began = time.monotonic()
    try:
        if "COMPOSE_APART" not in os.environ:
            containers.packages()
            return apart.run([sys.executable, "-m", "containers", *sys.argv[1:]], env=os.environ | {"COMPOSE_APART": "yes"})
        with containers.alone():
            return run(args, containers.Engine(), began)
    except containers.CannotRun as reason:
        return cannot(str(reason))


def run(args, engine, began):
    """Images, then the page in a network of its own, then what it printed."""
    full = args.full or CODENAME not in Path("/etc/os-release").read_text()
    engine.tried()
    engine.tools()
    engine.bases(("postgres", "mariadb", "node", "rust") if full else ("postgres", "mariadb", "node"))
    playwright = browser()
    home = args.keep or Path(tempfile.mkdtemp(prefix="affidavit-compose-", dir="/var/tmp"))
    world = World(engine, home, full, None if full else binaries())
    check = journey.Checks()
    try:
        world.prepare(playwright)
        read = subprocess.run([engine.python, "-m", "containers.specification"], cwd=TESTDATA, capture_output=True, text=True)
        check("compose.yaml is what the Compose Specification says", read.returncode == 0, read.stderr[-2000:])
        containers.say(f"base images and tools are there after {time.monotonic() - began:.0f} s; the page's commands:")
        script, blocks = readme.script((ROOT / "compose/README.md").read_text(), world.output, world.steps())
        done = world.bash(script)
        for block in blocks:
            if done != 0 and block.out.exists():
                tail = (block.printed() + block.err.read_text(errors="replace"))[-1500:]
                print(f"--- {block.text.strip().splitlines()[0]} …\n{tail}", flush=True)
        if done != 0:
            world.tell()
        if check("every command of compose/README.md succeeded", done == 0, f"exit {done}"):
            journey.judge(check, blocks)
            if full and world.environment["PROFILE"] == "release":
                size = world.evidence("affidavit").stat().st_size / 1e6
                check("the release binary is small (40 MB)", size <= 40, f"{size:.1f} MB")
            check("nothing is left: no container, no volume", not world.left(), str(world.left()))
            cluster.judge(check, engine, world.home / "pod", world.evidence())
    except Failed:
        check.failed += 1
        raise
    finally:
        world.clean()
        if args.keep is None:
            shutil.rmtree(home, ignore_errors=True)
        print(f"compose-test: {check.passed} passed, {check.failed} failed", flush=True)
        containers.say(f"took {time.monotonic() - began:.0f} s")
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
