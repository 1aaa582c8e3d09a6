"""A root with nothing in it but Debian's minimum, and the way in: what `make bare` runs the project in.

Of this machine it sees the Rust toolchain (read-only), a copy of Cargo's registry, the network, and how the network is
reached: mirrors, proxies, certificates. Credentials stay where they are. Everything happens in mount and process namespaces
of its own: when the first process ends, all others and all mounts are gone, whatever ended it.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from .paths import ROOT
from .process import run
from .progress import ticking

USER = "ann"
# Rust as an administrator installs it for everybody; what was built as root is good for the user then, too.
CARGO, RUSTUP = "/usr/local/cargo", "/usr/local/rustup"
PLACE = "/srv/affidavit"  # not below anybody's home: the same clone is root's first and then a user's
CA = "/usr/local/lib/network-ca.pem"  # not in /etc/ssl/certs: installing ca-certificates rewrites that
CA_VARIABLES = (
    "SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "npm_config_cafile",
)
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
# In: as process 1 of the namespaces, with devices, /proc and /sys of the root's own. The shell stays, and reaps what is orphaned.
ENTER = r"""
set -eu
root=$1 rustup=$2 cargo=$3
shift 3
# A mount point of its own, as a machine's root is: whoever makes namespaces in it can.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
[ ! -d "$root/sys/fs/cgroup" ] || mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    old=$IFS; IFS=:; set -- $node "$@"; IFS=$old
    mknod -m 666 "$root/dev/$1" c "$2" "$3"
    shift 3
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
for pair in "$rustup:rustup" "$cargo/bin:cargo/bin"; do
    target=$root/usr/local/${pair##*:}
    mkdir -p "$target"
    mount --bind "${pair%:*}" "$target"
    mount -o remount,bind,ro "$target"
done
chroot "$root" "$@"
exit $?
"""


def said(*line):
    """What a program of this machine prints; nothing when there is no such program."""
    try:
        return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, cwd="/").stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def mirrors():
    """Where this machine gets Debian from, and its security updates: (URI or None, URI or None)."""
    found = {}
    for line in said("apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages").splitlines():
        uri, _, label = line.partition(" ")
        found.setdefault(label, uri)
    return found.get("Debian"), found.get("Debian-Security")


def sources(root, suite):
    """sources.list of the root: what debootstrap wrote, and the security updates where this machine has them."""
    security = mirrors()[1]
    if security:
        with open(root / "etc/apt/sources.list", "a") as out:
            out.write(f"deb {security} {suite}-security main\n")


def apt_settings():
    """How apt reaches the network here: proxies, and what it lets mirrors get away with."""
    kept = re.compile(r'Acquire::(https?::[A-Za-z:.-]*[Pp]roxy|https?::Verify|Check-|Retries|ForceIPv)[^"]* "[^"]+";$', re.I)
    return "\n".join(line for line in said("apt-config", "dump", "Acquire").splitlines() if kept.match(line)) + "\n"


def pip_settings():
    """pip's indexes and proxies, as a pip.conf."""
    kept = re.compile(r"(?:global|install|:env:)\.(index-url|extra-index-url|trusted-host|proxy|timeout|default-timeout|retries)='(.*)'$")
    found = [match.groups() for match in map(kept.match, said("python3", "-m", "pip", "config", "list").splitlines()) if match]
    return "[global]\n" + "".join(f"{key.replace('default-', '')} = {value}\n" for key, value in found)


def npm_settings():
    """npm's registries and proxies, as an npmrc."""
    try:
        settings = json.loads(said("npm", "config", "ls", "--json") or "{}")
    except json.JSONDecodeError:
        settings = {}
    kept = re.compile(r"(registry|@.*:registry|proxy|https-proxy|noproxy|strict-ssl|fetch-.*)$")
    return "".join(f"{key}={json.dumps(value)}\n" for key, value in settings.items() if kept.match(key) and value)


def cargo_home():
    """Cargo's directory here."""
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def environment(home):
    """What a login shell of the root knows, and how the network is reached."""
    known = {"HOME": home, "USER": Path(home).name, "LANG": "C.UTF-8", "TERM": "dumb", "CARGO_HOME": CARGO, "RUSTUP_HOME": RUSTUP, "PATH": f"{CARGO}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    known |= dict.fromkeys(CA_VARIABLES, CA)
    for name in PROXIES:
        known |= {key: os.environ[key] for key in (name, name.upper()) if key in os.environ}
    return known


def make(root, suite):
    """debootstrap, the network's settings, a user, a clean clone of HEAD, and `make`, which one has to have to say it."""
    with ticking(f"debootstrap {suite}"):
        mirror = [mirror] if (mirror := mirrors()[0]) else []
        run(["unshare", "--mount", "debootstrap", "--variant=minbase", suite, root, *mirror], what="debootstrap")
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", root / "etc" / name)
    sources(root, suite)
    (root / "etc/apt/apt.conf.d/90network").write_text(apt_settings())
    (root / "etc/pip.conf").write_text(pip_settings())
    (root / "etc/npmrc").write_text(npm_settings())
    bundle = os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt"
    (root / CA[1:]).write_bytes(Path(bundle).read_bytes())
    run(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", USER], what="useradd")
    registry(root / CARGO[1:])
    run(["git", "clone", "-q", "--no-hardlinks", ROOT, root / PLACE[1:]], what="git clone")


def registry(home):
    """A Cargo directory of its own with a copy of what was downloaded before: registries are warm, nothing is shared."""
    for part in ("index", "cache"):
        found = cargo_home() / "registry" / part
        if found.exists():
            shutil.copytree(found, home / "registry" / part)
    for name in ("config.toml", "config"):
        if (cargo_home() / name).exists():
            shutil.copy(cargo_home() / name, home / name)


def enter(root, home, *line):
    """The command line that runs `line` in the root."""
    rustup = said("rustup", "show", "home").strip() or str(Path.home() / ".rustup")
    settings = [f"{name}={value}" for name, value in environment(home).items()]
    return [
        "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--", "sh", "-c", ENTER, "bare",
        str(root), rustup, str(cargo_home()), "/usr/bin/env", "-i", *settings, *line,
    ]
