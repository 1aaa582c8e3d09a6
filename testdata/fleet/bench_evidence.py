"""Measures the record: how fast a large store is verified, beside sha256sum over the same bytes, and what searches in it touch.

    python3 -m fleet.bench_evidence [--statements N] [--bin DIR] [--json FILE]

`million` (an example of the evidence crate) writes the store through the real recorder. Verification and sha256sum take turns,
with the files in the page cache for both; only the ratio means something on a shared machine.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .paths import ROOT

SEARCHES = {
    "by identity (3 sessions of many)": ["--identity", "agent-rare"],
    "by table (1 statement in 10,000)": ["--table", "rare_table"],
    "by text (one literal)": ["--text", "needle"],
    "by fingerprint (1 in 100)": ["--fingerprint", f"{7007:016x}"],
    "by error (none)": ["--error", "42501"],
    "the newest 100": ["--limit", "100"],
}


def timed(command, **more):
    """How long a command took, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    took = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return took, done


def binaries(given):
    """The evidence binary and the generator."""
    if given:
        return Path(given) / "evidence", Path(given) / "examples" / "million"
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "-p", "affidavit-evidence", "--bin", "evidence", "--example", "million"],
        cwd=ROOT, check=True,
    )
    return folder / "evidence", folder / "examples" / "million"


def verification(evidence, store, key, rounds):
    """Verification and sha256sum in turns: seconds, megabytes, the median of the ratios."""
    files = [path for path in sorted(store.rglob("*")) if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    names = "\0".join(map(str, files))
    verify, full, hashing = [], [], []
    for _ in range(rounds):
        verify.append(timed([evidence, "verify", store, "--key", key])[0])
        full.append(timed([evidence, "verify", store, "--key", key, "--full"])[0])
        hashing.append(timed(["xargs", "-0", "sha256sum"], input=names)[0])

    def ratio(ours):
        return statistics.median(plain / own for own, plain in zip(ours, hashing, strict=True))

    return {
        "megabytes": size / 1e6, "files": len(files), "verify_seconds": statistics.median(verify), "full_seconds": statistics.median(full),
        "sha256sum_seconds": statistics.median(hashing), "speed_of_sha256sum": ratio(verify), "full_speed_of_sha256sum": ratio(full),
    }


def search(evidence, store, filters):
    """Seconds, statements found, files and row groups read and ruled out."""
    took, done = timed([evidence, "statements", "--store", store, "--json", "--touched", *filters])
    numbers = re.search(
        r"(\d+) files read, (\d+) ruled out by time; (\d+) row groups read, (\d+) ruled out", done.stderr
    )
    files, files_out, groups, groups_out = map(int, numbers.groups())
    found = len(json.loads(done.stdout))
    return {
        "seconds": took, "found": found, "files": files, "files_ruled_out": files_out, "row_groups": groups,
        "row_groups_ruled_out": groups_out,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--statements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="of verification against sha256sum")
    parser.add_argument("--bin", metavar="DIR", help="a target folder that has the binaries, instead of building them")
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    options = parser.parse_args()
    measure(options.statements, options.rounds, options.bin, options.json)


def measure(statements, rounds, given=None, json_file=None):
    """Writes the store, and prints what was measured on it."""
    evidence, million = binaries(given)
    with tempfile.TemporaryDirectory(prefix="affidavit-evidence-") as folder:
        folder = Path(folder)
        took, made = timed([million, folder, statements])
        print(f"{made.stdout.strip()} ({statements / took:,.0f} statements/s)")
        store, key = folder / "store", (folder / "log.vkey").read_text().strip()
        checked = verification(evidence, store, key, rounds)
        print(
            f"verify {checked['megabytes']:,.0f} MB in {checked['files']} files: {checked['verify_seconds']:.2f} s; "
            f"--full {checked['full_seconds']:.2f} s; sha256sum {checked['sha256sum_seconds']:.2f} s"
        )
        reached = checked["speed_of_sha256sum"]
        print(f"  {'met   ' if reached >= 0.7 else 'MISSED'} verification at the speed of sha256sum: {reached:.2f} (wanted 0.70)")
        reached = checked["full_speed_of_sha256sum"]
        print(f"  {'met   ' if reached >= 0.25 else 'MISSED'} with --full: {reached:.2f} (wanted 0.25)")
        searches = {}
        print(f"\n{'search':36} {'seconds':>8} {'found':>9} {'row groups read':>16} {'ruled out':>10}")
        for name, filters in SEARCHES.items():
            found = searches[name] = search(evidence, store, filters)
            print(f"{name:36} {found['seconds']:8.2f} {found['found']:9,} {found['row_groups']:16,} {found['row_groups_ruled_out']:10,}")
    if json_file:
        figures = {"statements": statements, "record_seconds": took, "verify": checked, "searches": searches}
        Path(json_file).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
