"""`make bench`: the same load straight at PostgreSQL and through HAProxy, PgBouncer and Affidavit, in turns.

Only ratios mean something on a shared machine, and only when the contenders take turns within one run: each round visits
all four, and what is reported is the median over the rounds of the ratio to the direct run of the same round. CPU per
query is what the relay's own process used (user and system time from /proc), divided by the queries that it carried.
Affidavit masks and records in every run. It seals its records after each load, not during it (at most 128 MiB are put off):
what that takes is shown beside what the load itself took.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import bench_evidence, bench_idle, bench_masks, install, needs
from .__main__ import describe, start
from .idp import client_token
from .paths import ROOT, TESTDATA
from .process import Failed, alive
from .proxy import Proxy
from .state import locked

TICK = os.sysconf("SC_CLK_TCK")
CONTENDERS = ("direct", "haproxy", "pgbouncer", "affidavit")
COPY = "COPY (SELECT id, ssn, full_name, email, phone, amount FROM claims) TO STDOUT"
CLAIMS = """
CREATE TABLE claims (id integer PRIMARY KEY, ssn text, full_name text, email text, phone text, amount numeric(12, 2));
INSERT INTO claims SELECT n, format('9%s-%s-%s', lpad((n % 100)::text, 2, '0'), lpad((n / 100 % 49 + 1)::text, 2, '0'), lpad((n / 4900 % 10000)::text, 4, '0')),
    'Patient Number ' || n, 'patient.' || n || '@mail.example', '(' || 200 + n % 700 || ') 555-' || lpad((n % 10000)::text, 4, '0'), n % 100000 / 100.0
FROM generate_series(1, {rows}) n;
"""


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Contender:
    """One way to the database."""

    def __init__(self, name, port, user, password, pid, settle=None):
        self.name, self.port, self.user, self.password, self.pid = name, port, user, password, pid
        self.settle = settle  # finishes what the relay has put off, so that it is counted where it belongs

    def environment(self):
        """libpq's variables; in the clear everywhere, so that the relays do the same work."""
        return os.environ | {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password,
            "PGDATABASE": "bench", "PGSSLMODE": "disable", "PGCONNECT_TIMEOUT": "10",
        }

    def measure(self, action):
        """(what `action` says it did, seconds, CPU seconds of the relay meanwhile, and with what it had put off)."""
        before = cpu_seconds(self.pid) if self.pid else 0.0
        begun = time.perf_counter()
        done = action()
        spent = time.perf_counter() - begun
        meanwhile = (cpu_seconds(self.pid) if self.pid else 0.0) - before
        if self.settle:
            self.settle()
        return done, spent, meanwhile, (cpu_seconds(self.pid) if self.pid else 0.0) - before

    def pgbench(self, mode, clients, seconds):
        """pgbench -S: transactions per second (connecting left out) and the relay's CPU-µs per query."""

        def load():
            done = subprocess.run(
                [needs.postgres("pgbench"), "-n", "-S", "-M", mode, "-c", str(clients), "-j", "2", "-T", str(seconds)],
                env=self.environment(), capture_output=True, text=True, timeout=seconds + 60,
            )
            found = re.search(r"transactions actually processed: (\d+)[\s\S]*?tps = ([\d.]+)", done.stdout)
            if done.returncode != 0 or not found or found[1] == "0":
                raise Failed(f"pgbench through {self.name} failed:\n{done.stdout[-800:]}{done.stderr[-800:]}")
            return int(found[1]), float(found[2])

        (count, rate), _, cpu, whole = self.measure(load)
        return {"rate": rate, "cpu_us": cpu / count * 1e6 if self.pid else None, "sealed_us": whole / count * 1e6 if self.pid else None}

    def copy_out(self, rows, keep=False):
        """COPY of `rows` rows to nowhere, or kept: rows per second and the relay's CPU-µs per row."""

        def load():
            done = subprocess.run(
                [needs.postgres("psql"), "-X", "-q", "-c", COPY], env=self.environment(), stderr=subprocess.PIPE, timeout=300,
                stdout=subprocess.PIPE if keep else subprocess.DEVNULL,
            )
            if done.returncode != 0:
                raise Failed(f"COPY through {self.name} failed: {done.stderr.decode(errors='replace')[-800:]}")
            return done.stdout

        out, spent, cpu, whole = self.measure(load)
        return {
            "rate": rows / spent, "cpu_us": cpu / rows * 1e6 if self.pid else None, "sealed_us": whole / rows * 1e6 if self.pid else None, "sample": out,
        }


def prepare(fleet, rows, scale):
    """pgbench's tables and the claims, once per server."""
    server = fleet["servers"]["postgres15"]
    owner = Contender("direct", server["port"], "affidavit", server["users"]["affidavit"], None)

    def sql(text):
        return subprocess.run([needs.postgres("psql"), "-XAtq", "-c", text], env=owner.environment(), capture_output=True, text=True)

    if sql("SELECT count(*) FROM pgbench_accounts").stdout.strip() != str(scale * 100_000):
        install.say(f"bench: pgbench tables, scale {scale}")
        subprocess.run([needs.postgres("pgbench"), "-i", "-q", "-s", str(scale)], env=owner.environment(), check=True, capture_output=True)
    if sql("SELECT count(*) FROM claims").stdout.strip() != str(rows):
        install.say(f"bench: {rows} claims")
        made = sql(f"DROP TABLE IF EXISTS claims; {CLAIMS.format(rows=rows)}")
        if made.returncode:
            raise Failed(f"making the claims: {made.stderr}")
        sql("VACUUM (ANALYZE, FREEZE) claims")


def summary(rounds):
    """Medians over the rounds: the rate, its ratio to direct in the same round, and CPU."""
    table = {}
    for name in CONTENDERS:
        rates = [one[name]["rate"] for one in rounds]
        cpus, wholes = ([one[name][key] for one in rounds if one[name][key] is not None] for key in ("cpu_us", "sealed_us"))
        table[name] = {
            "rate": statistics.median(rates),
            "ratio": statistics.median(one[name]["rate"] / one["direct"]["rate"] for one in rounds),
            "spread": [min(one[name]["rate"] / one["direct"]["rate"] for one in rounds), max(one[name]["rate"] / one["direct"]["rate"] for one in rounds)],
            "cpu_us": statistics.median(cpus) if cpus else None,
            "sealed_us": statistics.median(wholes) if wholes else None,
        }
    return table


def show(title, unit, table):
    """One load as a table."""
    print(f"\n{title}")
    print(f"  {'':10} {unit:>14} {'× direct':>10} {'(min … max)':>16} {'CPU-µs each':>12} {'with sealing':>13}")
    for name, row in table.items():
        cpu, whole = (f"{row[key]:.1f}" if row[key] is not None else "–" for key in ("cpu_us", "sealed_us"))
        low, high = row["spread"]
        print(f"  {name:10} {row['rate']:14,.0f} {row['ratio']:10.2f} {f'({low:.2f} … {high:.2f})':>16} {cpu:>12} {whole:>13}", flush=True)


def masked(sample, rows):
    """Whether a COPY through Affidavit is whole and shows no raw SSN, name, e-mail or phone."""
    lines = sample.split(b"\n")[:-1]
    raw = sum(b"Patient Number" in line or b"@mail.example" in line for line in lines)
    return len(lines) == rows and raw == 0


def targets(results, kept, idle, folder):
    """design figures beside what was measured: (what, wanted, got, held)."""
    for name in ("affidavit", "evidence"):
        yield f"MB of the binary {name}", "≤ 40", (folder / name).stat().st_size / 1e6, lambda v: v <= 40
    small = results["pgbench -S, simple"]
    prepared = results["pgbench -S, prepared"]
    copy = results["COPY out"]
    yield "pgbench -S simple ≥ PgBouncer", "≥ 1.00 ×", small["affidavit"]["rate"] / small["pgbouncer"]["rate"], lambda v: v >= 1
    yield "pgbench -S prepared ≥ PgBouncer", "≥ 1.00 ×", prepared["affidavit"]["rate"] / prepared["pgbouncer"]["rate"], lambda v: v >= 1
    yield "COPY, 4 of 6 columns masked", "≥ 0.80 × direct", copy["affidavit"]["ratio"], lambda v: v >= 0.8
    haproxy = small["haproxy"]["cpu_us"]
    yield "CPU per small query against HAProxy", "≤ 1.20 ×", small["affidavit"]["cpu_us"] / haproxy, lambda v: v <= 1.2
    yield "the same with what sealing takes later", "≤ 1.20 ×", small["affidavit"]["sealed_us"] / haproxy, lambda v: v <= 1.2
    yield "MB for 10,000 idle sessions", "≤ 400", idle * 10_000 / 1e6, lambda v: v <= 400
    if kept:
        yield "recorded bytes per byte returned", "≤ 0.25", kept["recorded"] / kept["returned"], lambda v: v <= 0.25


def run(args, proxy, fleet):
    """All rounds; the summaries by load."""
    servers = fleet["servers"]
    direct = servers["postgres15"]
    user, secret = "affidavit", direct["users"]["affidavit"]
    token = client_token(servers["idp"], "bench")
    ways = [
        Contender("direct", direct["port"], user, secret, None),
        Contender("haproxy", servers["haproxy"]["port"], user, secret, servers["haproxy"]["pid"]),
        Contender("pgbouncer", servers["pgbouncer"]["port"], user, secret, servers["pgbouncer"]["pid"]),
        Contender("affidavit", proxy.ports["postgres15_bench"], user, token, proxy.entry["pid"], lambda: proxy.evidence("seal", "--config", proxy.config)),
    ]
    loads = {
        "pgbench -S, simple": lambda way: way.pgbench("simple", args.clients, args.seconds),
        "pgbench -S, prepared": lambda way: way.pgbench("prepared", args.clients, args.seconds),
        "COPY out": lambda way: way.copy_out(args.rows),
    }
    whole = ways[-1].copy_out(args.rows, keep=True)
    if not masked(whole["sample"], args.rows):
        raise Failed("the COPY through Affidavit is not whole or not masked: its speed would mean nothing")
    results = {name: [] for name in loads}
    for number in range(args.rounds):
        install.say(f"bench: round {number + 1} of {args.rounds}")
        # Who begins changes, so that warm caches favour nobody.
        order = ways[number % len(ways) :] + ways[: number % len(ways)]
        for name, load in loads.items():
            results[name].append({way.name: {k: v for k, v in load(way).items() if k != "sample"} for way in order})
    return {name: summary(rounds) for name, rounds in results.items()}


def recorded(proxy):
    """Bytes in the sealed rows of the COPY, per byte that went to the client."""
    size = sum(path.stat().st_size for path in proxy.store.rglob("rows/**/*.parquet"))
    statements = proxy.records("statements", "--limit", "10000000")
    returned = sum(record.get("bytes_out") or 0 for record in statements)
    return {"recorded": size, "returned": returned} if size and returned else None


def cargo(*arguments):
    """What a measurement of one crate prints; cargo builds it first, optimised."""
    done = subprocess.run(["cargo", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(f"cargo {' '.join(arguments)} failed; what it said stands above")
    return done.stdout


def detectors():
    """Precision, recall and throughput of the detectors."""
    print(f"\n{cargo('bench', '--locked', '-p', 'affidavit-policies', '--bench', 'detectors').rstrip()}", flush=True)


def lineage():
    """Statements a second that are analysed: attacks and valid ones, each shape for the first time and from the cache."""
    out = cargo("run", "--release", "--locked", "-q", "-p", "affidavit-sql", "--example", "lineage_throughput")
    print(f"\nLineage\n  {'':10} {'statements':>12} {'cold /s':>10} {'cached /s':>12} {'cold µs':>9} {'cached µs':>10}")
    for row in map(json.loads, out.splitlines()):
        print(
            f"  {row['engine']:10} {row['statements']:12,} {row['cold_per_second']:10,.0f} {row['cached_per_second']:12,.0f} "
            f"{row['cold_microseconds']:9.2f} {row['cached_microseconds']:10.2f}", flush=True,
        )


def record():
    """A store of a million statements: written, verified beside sha256sum, searched."""
    print("\nThe record", flush=True)
    bench_evidence.measure(1_000_000, rounds=3)


def main():
    parser = argparse.ArgumentParser(prog="testdata/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=4, help="per pgbench run")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the COPY")
    parser.add_argument("--scale", type=int, default=5, help="of pgbench")
    parser.add_argument("--only", choices=("relays", "masks", "lineage", "detectors", "record"), help="one of the five parts")
    args = parser.parse_args()
    parts = {"relays": lambda: relays(args), "masks": lambda: bench_masks.report(args.rounds), "lineage": lineage, "detectors": detectors, "record": record}
    for name, part in parts.items():
        if args.only in (None, name):
            part()


def relays(args):
    """The interleaved run: direct, HAProxy, PgBouncer, Affidavit."""
    os.environ.setdefault("AFFIDAVIT_BIN", str(ROOT / "target/release"))
    names = ["idp", "postgres15", "haproxy", "pgbouncer"]
    with locked() as state:
        ours = [name for name in names if not alive(state.servers.get(name))]
        start(names, state.data.setdefault("patients", 1000), state)
        fleet = describe(state)
    if os.getloadavg()[0] > os.cpu_count():
        install.say(f"bench: the machine is busy already (load {os.getloadavg()[0]:.1f}); the figures will be noisy")
    prepare(fleet, args.rows, args.scale)
    home = Path(tempfile.mkdtemp(prefix="affidavit-bench-", dir="/var/tmp"))
    os.environ["AFFIDAVIT_LOG"] = "warn"
    proxy = Proxy(home, fleet, ["postgres15"], extra={"upstream_tls": False, "segment": '{ rows = 1_000_000, bytes = "128MiB", age = "5m" }'})
    try:
        proxy.start()
        token = client_token(fleet["servers"]["idp"], "bench")
        idle = bench_idle.bytes_per_session(proxy.entry["pid"], proxy.ports["postgres15_bench"], "affidavit", "bench", token)
        results = run(args, proxy, fleet)
        proxy.stop()
        kept = recorded(proxy)
        print(f"binaries: {proxy.bin}")
        for name, table in results.items():
            show(name, "rows/s" if name == "COPY out" else "queries/s", table)
        print("\nAgainst the targets")
        verdicts = []
        for what, wanted, got, held in targets(results, kept, idle, proxy.bin):
            verdicts.append({"what": what, "wanted": wanted, "got": got, "held": held(got)})
            print(f"  {'met   ' if held(got) else 'MISSED'} {what}: {got:.2f} (wanted {wanted})")
        if args.json:
            Path(args.json).write_text(json.dumps({"loads": results, "recorded": kept, "bytes_per_idle_session": idle, "targets": verdicts, "arguments": vars(args)}, indent=1))
    finally:
        proxy.stop()
        shutil.rmtree(home, ignore_errors=True)
        if ours:
            subprocess.run([TESTDATA / "servers", "stop", *ours], check=False)


if __name__ == "__main__":
    sys.exit(main())
