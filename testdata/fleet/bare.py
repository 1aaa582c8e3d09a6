"""`make bare`: what a stranger finds. The project's own targets, on a Debian that has nothing, from a clean clone of HEAD.

For each Debian: as root `make demo ONCE=1`, then `make test`; then, the packages being there, the demo as an ordinary user.
Transcripts are kept in target/bare; the last lines say how long what took. Root only: it makes a root and enters it.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from . import bare_root, needs
from .paths import IS_ROOT, ROOT
from .process import Failed
from .progress import minutes, say

TRANSCRIPTS = ROOT / "target/bare"
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
TARGETS = {"demo": "make demo ONCE=1", "test": "make test"}
NEEDED = {"demo": "demo", "test": "lint unit e2e console compose-test"}
BUILT = re.compile(r"cargo build: done in ([\d:]+), ([\d:]+) of CPU")


@dataclass
class Step:
    """One command in the root, how it ended, and what it took."""

    suite: str
    who: str
    what: str
    code: int
    seconds: float
    cpu: float
    built: str

    def line(self):
        """For the table at the end."""
        verdict = "passed" if self.code == 0 else f"FAILED ({self.code})"
        return f"{SUITES[self.suite]}, {self.who:4}  {self.what:18} {verdict:12} {minutes(self.seconds):>6}, {minutes(self.cpu):>6} of CPU{self.built}"


def end(child):
    """Kill the first process of the namespaces: `unshare` ends when that is gone, and with it all others and all mounts."""
    first = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    for pid in map(int, first or [child.pid]):
        os.kill(pid, signal.SIGKILL)
    child.wait()


def step(root, suite, who, name, script):
    """Run a shell line in the root, as root or as the user; shown, and kept with the time before each line."""
    home = "/root" if who == "root" else f"/home/{bare_root.USER}"
    shell = ["bash", "-c", f"cd {bare_root.PLACE} && {script}"]
    line = bare_root.enter(root, home, *(["setpriv", f"--reuid={bare_root.USER}", f"--regid={bare_root.USER}", "--init-groups", "--"] if who == "user" else []), *shell)
    path = TRANSCRIPTS / f"{suite}-{who}-{name}.log"
    say(f"bare: {SUITES[suite]}, {who}: {script}   (transcript: {os.path.relpath(path)})")
    begun, built = time.monotonic(), ""
    with open(path, "w") as transcript:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            for said in child.stdout:
                print(f"{minutes(time.monotonic() - begun):>6} {said.rstrip()}", file=transcript, flush=True)
                print(said, end="", flush=True)
                if found := BUILT.search(said):
                    built = f" (the build: {found[1]}, {found[2]} of CPU)"
        except BaseException:
            end(child)
            raise
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    return Step(suite, who, TARGETS.get(name, name), child.returncode, time.monotonic() - begun, used.ru_utime + used.ru_stime, built)


def suite_steps(root, suite, args):
    """What is done on one Debian; ends with the first that fails."""
    bare_root.make(root, suite)
    plan = [("root", "make", "apt-get update -q && apt-get install -y -q --no-install-recommends make")]
    plan += [("root", what, TARGETS[what]) for what in args.what if "root" in args.who]
    if "user" in args.who:
        theirs = [what for what in args.what if what == "demo" or "root" not in args.who]
        # What was built is handed over, so that it is not built once more; what was downloaded is not.
        owned = f"rm -rf testdata/.cache testdata/node_modules .demo target/debug/incremental && chown -R {bare_root.USER}: . {bare_root.CARGO}/registry && chown {bare_root.USER}: {bare_root.CARGO} {bare_root.CARGO}/.[a-z]*"
        plan += [("root", "packages", f"testdata/toolchain {' '.join(NEEDED[what] for what in theirs)} && {owned}")] if theirs else []
        plan += [("user", what, ("AFFIDAVIT_SKIP_SID=1 " if what == "test" else "") + TARGETS[what]) for what in theirs]
    for who, name, script in plan:
        done = step(root, suite, who, name, script)
        yield done
        if done.code != 0:
            return


def main():
    parser = argparse.ArgumentParser(prog="testdata/bare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=SUITES, help="one Debian (default: each)")
    parser.add_argument("--what", action="append", choices=TARGETS, help="one target (default: demo, then test)")
    parser.add_argument("--who", action="append", choices=("root", "user"), help="root or an ordinary user (default: root, then the user's demo)")
    parser.add_argument("--keep", action="store_true", help="leave the roots, to look around in them")
    args = parser.parse_args()
    args.suite, args.what, args.who = args.suite or list(SUITES), args.what or list(TARGETS), args.who or ["root", "user"]
    if not IS_ROOT:
        raise Failed("bare makes a root and enters it: run it as root")
    needs.have(*needs.TARGETS["bare"])
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout:
        say("bare: HEAD is what is tested; there are changes that are not committed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    TRANSCRIPTS.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="affidavit-bare-", dir="/var/tmp"))
    folder.chmod(0o755)
    steps = []
    try:
        for suite in args.suite:
            for done in suite_steps(folder / suite, suite, args):
                steps.append(done)
            if not args.keep:
                shutil.rmtree(folder / suite, ignore_errors=True)
    finally:
        table = "\n".join(done.line() for done in steps)
        (TRANSCRIPTS / "timings").write_text(table + "\n")
        print(f"\n{table}", flush=True)
        if args.keep:
            say(f"bare: kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(done.code == 0 for done in steps) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
