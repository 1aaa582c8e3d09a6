"""What a suite is, and how the tests of its three runs are held against each other."""

import re
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from . import HERE

REASONS = tomllib.loads((HERE / "reasons.toml").read_text())["reason"]


@dataclass(frozen=True)
class Suite:
    """One client's tests: `lay(folder)` brings their files, `run(place, folder, only)` runs them, or `only` some."""

    client: str
    engine: str
    version: str | Callable
    lay: Callable
    run: Callable
    short: list | None = None
    # Some suites have the name of a database written into them.
    database: str = "compat"

    def at(self, place, only=None):
        """Its result at one place, in a folder of its own."""
        with tempfile.TemporaryDirectory(prefix="affidavit-suite-", dir="/var/tmp") as folder:
            folder = Path(folder)
            folder.chmod(0o755)
            self.lay(folder)
            return self.run(place, folder, only)


@dataclass
class Comparison:
    """A run held against the direct one: names of tests by what became of them."""

    identical: int = 0
    explained: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)


def compare(client, server, way, direct, through):
    """Hold the outcomes of a run through the proxy against those of the direct one."""
    found = Comparison()
    if not through:
        found.wrong.append(f"no test ran, of {len(direct)}: what its runner says is kept by --keep")
        return found
    for name in sorted(direct | through):
        before, after = direct.get(name, "missing"), through.get(name, "missing")
        if before == after:
            found.identical += 1
            continue
        why = reason(client, server, way, name)
        if why:
            found.explained.setdefault(why, []).append(name)
        else:
            found.wrong.append(f"{name}: {before} directly, {after} through the proxy")
    return found


def reason(client, server, way, test):
    """Why a test may differ, as `reasons.toml` says; None where nothing says so."""
    for entry in REASONS:
        if (
            re.fullmatch(entry["client"], client) and re.fullmatch(entry.get("server", ".*"), server)
            and re.fullmatch(entry.get("way", ".*"), way) and any(re.search(pattern, test) for pattern in entry["tests"])
        ):
            return entry["why"]
    return None
