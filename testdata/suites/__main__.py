"""`testdata/compat`: the drivers' own suites, directly and through the proxy; testdata/COMPATIBILITY.md says what came of it."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from fleet import needs
from fleet.__main__ import describe
from fleet.paths import TESTDATA
from fleet.progress import minutes, say
from fleet.state import peek

from . import all_suites, report, world
from .roster import compare

SERVERS = {"postgres": ["postgres15", "postgres18"], "mysql": ["mariadb", "mysql"], "mariadb": ["mariadb"], "mysql-only": ["mysql"], "postgres-own": ["postgres15"]}


def chosen(args):
    """What was asked for: suites with the servers each runs on."""
    for suite in all_suites():
        if not args.suite or any(re.search(pattern, suite.client, re.IGNORECASE) for pattern in args.suite):
            servers = [name for name in SERVERS[suite.engine] if not args.server or name in args.server]
            if not needs.SID_WANTED:
                servers = [name for name in servers if name not in ("postgres18", "mysql")]
            for server in servers:
                yield suite, server


def run(suite, server, fleet, ways, keep, only=None):
    """One suite on one server in every way; yields the lines of the report."""
    direct = None
    for way in ways:
        with world.place(server, way, fleet, suite.database) as place:
            done = suite.at(place, only)
        counts = {kind: sum(found == kind for found in done.outcomes.values()) for kind in ("passed", "failed", "skipped")}
        say(f"compat: {suite.client} on {server}, {way}: {counts} in {minutes(done.seconds)}")
        if keep:
            (keep / re.sub(r"[^\w.-]+", "-", f"{suite.client}-{server}-{way}.log")).write_text(done.said)
        if way == "direct":
            direct = done
            if not counts["passed"]:
                raise SystemExit(f"compat: {suite.client} passes nothing on {server} directly:\n{done.said[-3000:]}")
            continue
        entry = peek().servers[server]
        yield {
            "client": suite.client, "version": suite.version() if callable(suite.version) else suite.version, "server": f"{entry['engine']} {entry['version']}", "way": way, "direct": direct.seconds,
            "seconds": done.seconds, "comparison": compare(suite.client, server, way, direct.outcomes, done.outcomes),
        }


def main():
    parser = argparse.ArgumentParser(prog="testdata/compat", description=__doc__)
    parser.add_argument("--suite", action="append", help="only suites whose name this expression finds")
    parser.add_argument("--server", action="append", help="only this server")
    parser.add_argument("--way", action="append", choices=world.WAYS[1:], help="only this way through the proxy")
    parser.add_argument("--report", type=Path, help="where the page goes (default: testdata/COMPATIBILITY.md)")
    parser.add_argument("--keep", type=Path, help="a folder for what the runners say")
    args = parser.parse_args()
    plan = list(chosen(args))
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        os.environ["COMPAT_KEEP"] = str(args.keep.resolve())
    subprocess.run([TESTDATA / "servers", "start", "idp", *dict.fromkeys(server for _, server in plan), "--patients", "100"], check=True)
    fleet = describe(peek())
    lines = []
    for suite, server in plan:
        for line in run(suite, server, fleet, ("direct", *(args.way or world.WAYS[1:])), args.keep):
            lines.append(line)
            for test in line["comparison"].wrong:
                print(f"DIFFERS {line['client']}, {server}, {line['way']}: {test}", flush=True)
    report.write(lines, not (args.suite or args.server or args.way), args.report or report.PAGE)
    wrong = sum(len(line["comparison"].wrong) for line in lines)
    print(f"compat: {len(lines)} runs through the proxy, {sum(line['comparison'].identical for line in lines)} tests identical, {wrong} differ without a reason")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
