"""Running a suite by its own runner, and reading what became of each of its tests: `{test: "passed" | "failed" | "skipped"}`."""

import json
import os
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field

from fleet.progress import ticking

LONGEST = 1800.0


@dataclass
class Result:
    """What became of the tests of one run."""

    outcomes: dict = field(default_factory=dict)
    seconds: float = 0.0
    said: str = ""


def end(child):
    """End a runner and what it started: they are one session of processes."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def call(line, *, folder, environment, what, within=LONGEST):
    """Run a command line in a session of processes of its own; how long it took, and the end of what it said."""
    begun = time.monotonic()
    # What belongs to the machine's user must not decide what a driver does.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "MYSQL", "AFFIDAVIT", "PYTEST"))}
    with ticking(what):
        child = subprocess.Popen(
            [str(word) for word in line], cwd=folder, env=clean | {"PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"} | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )
        try:
            said, _ = child.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            end(child)
            said = f"ended after {within:.0f} s"
        except BaseException:
            end(child)
            raise
    return time.monotonic() - begun, said


def read_junit(path):
    """The outcomes in a file as pytest writes it."""
    outcomes = {}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        kinds = {child.tag for child in case}
        found = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        # A test whose teardown fails as well is written twice.
        outcomes[name] = "failed" if "failed" in (found, outcomes.get(name)) else found
    return outcomes


def pytest(python, arguments, *, folder, environment, what, timeout=60):
    """A suite that pytest runs."""
    report = folder / ".outcomes.xml"
    report.unlink(missing_ok=True)
    line = [python, "-m", "pytest", "-q", "--tb=native", f"--junitxml={report}", "-p", "no:cacheprovider", f"--timeout={timeout}", *arguments]
    seconds, said = call(line, folder=folder, environment=environment, what=what)
    return Result(read_junit(report) if report.exists() else {}, seconds, said)


def go(arguments, *, folder, environment, what):
    """A suite that `go test` runs, without a network: what it imports is Debian's."""
    settings = {"GO111MODULE": "auto", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOPATH": str(folder / ".gopath"), "GOCACHE": str(folder.parent / ".gocache")}
    seconds, said = call(["go", "test", "-json", "-count=1", *arguments], folder=folder, environment=settings | environment, what=what)
    outcomes = {}
    for line in said.splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue
        if event.get("Test") and event.get("Action") in ("pass", "fail", "skip"):
            outcomes[event["Test"]] = {"pass": "passed", "fail": "failed", "skip": "skipped"}[event["Action"]]
    return Result(outcomes, seconds, said)


def each(files, line_of, *, folder, environment, what, within=60):
    """A suite of programs that are run one by one, and say by their exit code whether they passed."""
    result = Result()
    for path in files:
        begun = time.monotonic()
        done = subprocess.Popen(
            [str(word) for word in line_of(path)], cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )
        try:
            said, _ = done.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            end(done)
            said = f"ended after {within} s"
        result.outcomes[str(path.relative_to(folder))] = "passed" if done.returncode == 0 else "failed"
        result.seconds += time.monotonic() - begun
        if done.returncode != 0:
            result.said += f"== {path.name}\n{said[-1500:]}\n"
    return result


def unittest(python, arguments, *, folder, environment, what):
    """A suite that says `test (module.Class) ... ok`, as unittest and Django's runner do."""
    seconds, said = call([python, *arguments], folder=folder, environment=environment, what=what)
    outcomes = {}
    for name, where, verdict in re.findall(r"(?m)^(\w+) \(([\w.]+)\)(?:\n[^\n]*?)?\s*\.\.\. (?:[^\n]*?)(ok|FAIL|ERROR|skipped|expected failure|unexpected success)\b", said):
        kind = "passed" if verdict in ("ok", "expected failure") else "skipped" if verdict == "skipped" else "failed"
        outcomes[f"{where}.{name}"] = kind
    return Result(outcomes, seconds, said)
