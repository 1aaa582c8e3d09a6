"""`affidavit serve` as a test subject: a home with keys, policies and configuration, started and killed at will."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import second_lock, tls
from .paths import ROOT, TESTDATA
from .process import Failed, alive, answers, free_port, spawn, wait_until

PROTOCOLS = {"postgres": "postgres", "mariadb": "mysql", "mysql": "mysql"}
SEGMENT = '{ age = "2s" }'  # sealed soon, so that tests see segments and not only the journal
ALLOW = '[{ groups = ["ci-agents", "treating-clinicians", "analysts", "bench"] }]'


def binaries():
    """The folder of `affidavit` and `evidence`; AFFIDAVIT_BIN names another one than the debug build's."""
    folder = Path(os.environ.get("AFFIDAVIT_BIN", ROOT / "target/debug")).resolve()
    for name in ("affidavit", "evidence"):
        if not (folder / name).exists():
            raise Failed(f"{folder / name} is not built; run: cargo build -p affidavit -p affidavit-evidence")
    return folder


class Proxy:
    """One proxy with a store of its own. `fleet` is the description that `servers env --json` prints."""

    def __init__(self, home, fleet, servers, *, issuer=None, rules=None, extra=None, store=None, second_lock=None, install_lock=True):
        self.home, self.fleet = Path(home), fleet
        self.home.mkdir(parents=True, exist_ok=True)
        self.bin = binaries()
        self.issuer = issuer or fleet["servers"]["idp"]["issuer"]
        self.extra = extra or {}
        self.store = Path(store) if store else self.home / "audit"
        self.log = self.home / "proxy.log"
        self.config = self.home / "affidavit.toml"
        self.entry = self.child = None
        self.ports = {}
        # "required" and "preferred" need roles, which start() has an administrator make, unless install_lock is false.
        self.second_lock, self.install_lock, self.locked = second_lock or os.environ.get("AFFIDAVIT_SECOND_LOCK"), install_lock, []
        self.policies = self.home / "policies"
        self.policies.mkdir(exist_ok=True)
        for path in rules if rules is not None else [TESTDATA / "policies/hospital.toml"]:
            shutil.copy(path, self.policies / Path(path).name)
        self.vkey = self._keys()
        self._configure(servers)

    def _keys(self):
        """The log's signing key and the key that pseudonyms derive from; the former's public half is returned."""
        folder = self.home / "keys"
        folder.mkdir(exist_ok=True)
        # Fixed, so that tokens are the same on every run: a sweep that passes once passes always.
        master = folder / "masking.key"
        master.write_text("6d61736b696e67206f6620746865207465737420686f73706974616c2c206b65")
        master.chmod(0o600)
        made = subprocess.run(
            [self.bin / "evidence", "keys", "generate", "--origin", "audit.test/hospital", "--out", folder / "log.key"],
            capture_output=True, text=True,
        )
        if made.returncode != 0:
            raise Failed(f"evidence keys generate: {made.stderr.strip()}")
        (folder / "log.vkey").write_text(made.stdout)
        return made.stdout.strip()

    def _configure(self, servers):
        """affidavit.toml: for each server a plain and a TLS listener, for its hospital, twin and bench databases a datasource."""
        cert, key = tls.certificate(self.home, "proxy")
        lines = [
            "[store]", f'path = "{self.store}"', "create = true", 'origin = "audit.test/hospital"', 'signing_key = { file = "keys/log.key" }',
            f"segment = {self.extra.get('segment', SEGMENT)}", f'durability = "{self.extra.get("durability", "process")}"',
            "", "[[issuers]]", f'issuer = "{self.issuer}"', 'audience = ["affidavit"]',
            'claims = { subject = "sub", name = "email", groups = "groups" }', *self.extra.get("issuer_lines", []), "",
            "[policies]", 'path = "policies"', *self.extra.get("policies_lines", []), "", "[masking]", 'key = { file = "keys/masking.key" }', "",
        ]
        secrets = self.home / "keys"
        for name in servers:
            server = self.fleet["servers"][name]
            protocol = PROTOCOLS[server["engine"]]
            account = second_lock.ACCOUNT if self.second_lock else server.get("datasource_user", "affidavit")
            password = secrets / f"{name}.password"
            password.write_text(server["users"][second_lock.ACCOUNT if self.second_lock else "affidavit"])
            password.chmod(0o600)
            databases = (("", "database"), ("_twin", "twin_database"), ("_bench", "bench_database"))
            for suffix, database in databases[:1] if self.extra.get("only_database") else databases:
                encrypted = "verify-full" if self.extra.get("upstream_tls", True) else "disable"
                lines += [
                    "[[datasources]]", f'name = "{name}{suffix}"', f'protocol = "{protocol}"', f'address = "127.0.0.1:{server["port"]}"',
                    f'database = "{server[database]}"', f'user = "{account}"', f'password = {{ file = "{password}" }}',
                    *self._lock(name + suffix, server, server[database]),
                    f'tls = "{encrypted}"', *([f'ca = "{server["ca_file"]}"'] if encrypted == "verify-full" else []),
                    f"allow = {ALLOW}", *self.extra.get(f"{protocol}_datasource_lines", []), "",
                ]
                for kind in ("plain", "tls"):
                    port = self.ports[name + suffix + ("_tls" if kind == "tls" else "")] = free_port()
                    secure = f'tls = {{ cert = "{cert}", key = "{key}" }}' if kind == "tls" else "insecure_loopback = true"
                    lines += [
                        "[[listeners]]", f'protocol = "{protocol}"', f'address = "127.0.0.1:{port}"',
                        f'datasource = "{name}{suffix}"', secure, *self.extra.get(f"{protocol}_listener_lines", []), "",
                    ]
        lines += self.extra.get("lines", [])
        self.config.write_text("\n".join(lines))

    def _lock(self, datasource, server, database):
        """The datasource's line about the second lock. A benchmark's database belongs to the account and has none."""
        if not self.second_lock or datasource.endswith("_bench"):
            return []
        self.locked.append((datasource, server, database))
        return [f'second_lock = "{self.second_lock}"']

    def lock(self):
        """Have an administrator make the roles of the second lock."""
        for datasource, server, database in self.locked:
            second_lock.install(self, datasource, server, database)

    @property
    def ca_file(self):
        """What a client verifies the proxy's certificate by."""
        return self.home / "tls/ca.crt"

    def start(self):
        """Serve, and wait until every listener accepts. Where a second lock is asked for, its roles are made first."""
        if self.install_lock:
            self.lock()
        self.entry, self.child = spawn(
            [self.bin / "affidavit", "serve", "--config", self.config], log=self.log, cwd=self.home,
            env=os.environ | {"AFFIDAVIT_LOG": os.environ.get("AFFIDAVIT_LOG", "info")},
        )
        wait_until(lambda: all(answers(port) for port in self.ports.values()), entry=self.entry, what="affidavit serve", patience=30)
        return self

    def alive(self):
        """Whether it runs."""
        return alive(self.entry)

    def stop(self):
        """Ask it to end in good order; its exit code."""
        if self.child is None:
            return None
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode

    def kill(self):
        """kill -9: no last word."""
        self.child.kill()
        self.child.wait()

    def affidavit(self, *args):
        """Run the other commands of the binary."""
        return subprocess.run([self.bin / "affidavit", *map(str, args)], capture_output=True, text=True, cwd=self.home)

    def evidence(self, *args, check=True):
        """Run `evidence …`; the completed process."""
        done = subprocess.run([self.bin / "evidence", *map(str, args)], capture_output=True, text=True, cwd=self.home)
        if check and done.returncode != 0:
            raise AssertionError(f"evidence {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done

    def records(self, table, *filters):
        """`evidence sessions|statements|… --json` as a list of objects, what is unsealed included."""
        text = self.evidence(table, "--config", self.config, "--json", *filters).stdout.strip()
        if not text:
            return []
        if text.startswith("["):
            return json.loads(text)
        return [json.loads(line) for line in text.splitlines()]

    def verify(self, path=None, vkey=None):
        """`evidence verify`: the completed process, whatever it says."""
        return self.evidence("verify", path or self.store, "--key", vkey or self.vkey, check=False)

    def wait_for_log(self, pattern, since=0, patience=15.0):
        """Wait until the proxy's log matches; the match."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = re.search(pattern, self.log.read_text(errors="replace")[since:])
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"nothing like {pattern!r} in {self.log} within {patience:.0f} s:\n{self.log.read_text(errors='replace')[-2000:]}")
