"""The page that says what was run and what came of it: testdata/COMPATIBILITY.md. What earlier runs found is kept in the cache, so
that a run of one suite renews its lines and leaves the others."""

import dataclasses
import json

from fleet.paths import TESTDATA

from .roster import Comparison
from .sources import HOME

PAGE = TESTDATA / "COMPATIBILITY.md"
KEPT = HOME / "results.json"
HEAD = """# What runs unchanged

Made by `make compat`. Each suite is the client's own, from its published package, run against the database itself and through
the proxy: once without rules, once with rules on a table that it does not touch. *Identical* are the tests with the same outcome
as the direct run (a test that fails directly has to fail through the proxy as well); *differing* are those for a reason that is
given below; anything else fails the target. Times are those of debug builds unless `AFFIDAVIT_BIN` named others, on whatever
else the machine did: they show orders of magnitude, the benchmark shows speed.

| client | version | server | through the proxy | tests | identical | differing | failing | direct | ratio |
|---|---|---|---|--:|--:|--:|--:|--:|--:|
"""


def row(line, found):
    """One line of the table."""
    differing = sum(len(tests) for tests in found.explained.values())
    ratio = f"{line['seconds'] / line['direct']:.2f}" if line["direct"] else ""
    return (
        f"| {line['client']} | {line['version']} | {line['server']} | {line['way']} | {found.identical + differing + len(found.wrong)} "
        f"| {found.identical} | {differing} | {len(found.wrong)} | {line['direct']:.0f} s | {ratio} |\n"
    )


def reasons(pairs):
    """Each reason once, with the tests that it explains."""
    merged = {}
    for line, found in pairs:
        for why, tests in found.explained.items():
            merged.setdefault((line["client"], why), set()).update(tests)
    for (client, why), tests in sorted(merged.items()):
        names = sorted({test.rsplit("::", 1)[-1].rsplit("/", 1)[-1] for test in tests})
        shown = ", ".join(f"`{name}`" for name in names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        yield f"- {client}: {why} ({shown})\n"


def keep(lines, whole):
    """Take new lines in; all that are known, in the order of clients and servers."""
    known = {} if whole or not KEPT.exists() else {tuple(line["key"]): line for line in json.loads(KEPT.read_text())}
    for line in lines:
        key = (line["client"], line["server"], line["way"])
        known[key] = line | {"key": key, "comparison": dataclasses.asdict(line["comparison"])}
    ordered = [known[key] for key in sorted(known, key=lambda key: (key[0].lower(), *key[1:]))]
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(ordered, indent=1))
    return ordered


def write(lines, whole, path=PAGE):
    """Write the page."""
    pairs = [(line, Comparison(**line["comparison"])) for line in keep(lines, whole)]
    body = HEAD + "".join(row(line, found) for line, found in pairs)
    listed = "".join(reasons(pairs))
    if listed:
        body += "\n## Why tests differ\n\n" + listed
    wrong = [f"- {line['client']}, {line['server']}, {line['way']}: {test}\n" for line, found in pairs for test in found.wrong]
    if wrong:
        body += "\n## Not explained\n\n" + "".join(wrong)
    path.write_text(body)
