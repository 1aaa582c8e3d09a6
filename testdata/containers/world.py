"""Where one run of the page takes place: a copy of the sources, a network of its own, and a `docker` that is Podman.

The network namespace keeps the page's fixed ports apart from whatever else this machine runs; only builds use the
machine's own network, since they install packages.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from fleet.paths import ROOT, TESTDATA

from .engine import secrets

SOURCES = ["Cargo.toml", "Cargo.lock", ".dockerignore", "evidence", "policies", "protocols", "proxy", "compose",
           "testdata/hospital", "testdata/idp", "testdata/policies", "testdata/package.json", "testdata/package-lock.json"]
NOT_SOURCES = shutil.ignore_patterns("target", "__pycache__", "node_modules", "made", "*.pyc")
# Podman 4.3 lists its containers in vain while one that has ended is being removed: then it is asked again.
PODMAN = """#!/bin/sh
if [ "$1" = ps ]; then
    for _ in 1 2 3 4 5; do
        listed=$({podman} "$@") && {{ echo "$listed"; exit 0; }}
        sleep 0.5
    done
fi
exec {podman} "$@"
"""
PATIENCE = 3600.0  # seconds; the page waits in loops, and one that never ends must not hang whoever runs the test
# Docker's command line as the page writes it, carried out by Podman. A build leaves the namespace.
DOCKER = """#!/bin/sh
if [ "$1" != compose ]; then exec podman "$@"; fi
shift
case " $* " in
    *" build "*) exec nsenter --net=/proc/{pid}/ns/net {python} -m podman_compose --podman-build-args='{build}' "$@" ;;
    *) exec {python} -m podman_compose "$@" ;;
esac
"""


class World:
    """One run: its folder, its environment, its end."""

    def __init__(self, engine, home, full, binaries):
        self.engine, self.home, self.full, self.binaries = engine, Path(home), full, binaries
        self.tree, self.output, self.bin = self.home / "tree", self.home / "output", self.home / "bin"
        self.environment, self.children = {}, []
        self.network = f"affidavit-{os.getpid()}"

    def prepare(self, playwright):
        """The copy, the `docker`, the environment of the page's commands; and nothing of a run that was killed."""
        self.engine.wipe()
        for folder in (self.output, self.bin):
            folder.mkdir(parents=True, exist_ok=True)
        for name in SOURCES:
            source, target = ROOT / name, self.tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=NOT_SOURCES, dirs_exist_ok=True)
            else:
                shutil.copy(source, target)
        words = {"podman": shutil.which("podman"), "pid": os.getpid(), "python": self.engine.python, "build": " ".join(self.build_args())}
        for name, text in (("docker", DOCKER), ("podman", PODMAN)):
            (self.bin / name).write_text(text.format(**words))
            (self.bin / name).chmod(0o755)
        world = {"console": "https://localhost:8443", "chromium": "/usr/bin/chromium", "playwright": str(playwright), "shots": str(self.output)}
        self.environment = self.engine.environment | {
            "PATH": f"{self.bin}:{os.environ['PATH']}", "AFFIDAVIT_CONSOLE_WORLD": json.dumps(world), "COMPOSE_WORLD": str(self.home),
            "PROFILE": os.environ.get("PROFILE", "demo"), "PYTHONPATH": str(TESTDATA), "PYTHONDONTWRITEBYTECODE": "1",
        }

    def build_args(self):
        """What a build gets beside the page's own words: the machine's network, its certificates, binaries that are there."""
        words = ["--network=host", *secrets()]
        if not self.full:
            out = self.home / "built/out"
            out.mkdir(parents=True, exist_ok=True)
            for name in ("affidavit", "evidence"):
                subprocess.run(["strip", "--strip-debug", "-o", out / name, self.binaries / name], check=True)
            words += ["--build-context", f"built={out.parent}"]
        return words

    def steps(self):
        """What the test does where the page speaks to a person."""
        here = Path(__file__).parent
        return {
            "in the browser: priya approves": f"node {here}/browser.mjs notice.txt",
            "a look inside": f"{sys.executable} -m containers.look",
        }

    def inside(self, *line):
        """The command line in the namespace."""
        return ["nsenter", f"--net=/run/netns/{self.network}", *line]

    def bash(self, script):
        """Run a script at the copy's root, in the namespace; its exit code. What it says of its progress is passed on."""
        subprocess.run(["ip", "netns", "add", self.network], check=True)
        subprocess.run(self.inside("ip", "link", "set", "lo", "up"), check=True)
        self.children.append(subprocess.Popen(self.inside(sys.executable, "-m", "containers.steady"), env=self.environment, cwd="/"))
        for server in name_servers():
            subprocess.run(self.inside("ip", "address", "add", server, "dev", "lo"), capture_output=True)
            self.children.append(subprocess.Popen(self.inside(sys.executable, "-m", "containers.no_names", server), env=self.environment, cwd="/"))
        file, progress = self.home / "page.sh", self.home / "progress"
        file.write_text(script)
        # Files, not pipes: containers that outlive the script would hold a pipe's other end.
        with open(progress, "w") as out, open(progress) as heard:
            child = subprocess.Popen(self.inside("bash", file), cwd=self.tree, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            end = time.monotonic() + PATIENCE
            try:
                while child.poll() is None and time.monotonic() < end:
                    print(heard.read(), end="", flush=True)
                    time.sleep(0.5)
            finally:
                if child.poll() is None:
                    child.terminate()
                    child.wait()
                print(heard.read(), end="", flush=True)
        return child.returncode if time.monotonic() < end else f"still running after {PATIENCE:.0f} s"

    def evidence(self, name="evidence"):
        """The `evidence` binary of the image, or the other one, on this machine."""
        program = self.home / name
        if not program.exists():
            made = self.engine.podman("create", "--network=none", "localhost/affidavit:demo").stdout.strip()
            self.engine.podman("cp", f"{made}:/usr/bin/{name}", program)
            self.engine.podman("rm", made)
        return program

    def left(self):
        """Containers and volumes that the page's `down` forgot."""
        return (self.engine.containers() or []) + self.engine.podman("volume", "ls", "-q").stdout.split()

    def tell(self):
        """The last words of each container, for whoever has to find out what went wrong."""
        for name in self.engine.containers() or []:
            said = self.engine.podman("logs", "--tail=40", name, check=False)
            print(f"--- {name}\n{said.stdout}{said.stderr}", flush=True)

    def clean(self):
        """Whatever happened: no container, no volume, no network, no process of ours."""
        self.engine.wipe(*(self.inside() if Path("/run/netns", self.network).exists() else []))
        for child in self.children:
            child.terminate()
            child.wait()
        subprocess.run(["ip", "netns", "del", self.network], capture_output=True)


def name_servers():
    """The addresses that this machine asks for names."""
    words = [line.split() for line in Path("/etc/resolv.conf").read_text().splitlines()]
    return [word[1] for word in words if word[:1] == ["nameserver"] and len(word) > 1]
