"""Where the suites come from: the published packages of the drivers (PyPI, npm, Debian's sources), unpacked once into the cache.

Debian's sources are those of this machine's own release: the lists of their names are kept apart from the machine's own.
"""

import re
import shutil
import subprocess

from fleet import install, needs
from fleet.paths import CACHE, TESTDATA
from fleet.process import Failed, run
from fleet.progress import say, ticking

HOME = CACHE / "suites"
VENV = HOME / "venv"
REQUIREMENTS = TESTDATA / "suites/requirements.txt"


def python():
    """The interpreter that has the drivers, at the versions whose suites run."""
    mark = VENV / ".requirements"
    wanted = REQUIREMENTS.read_text()
    with install.alone("suites-venv"):
        if not mark.exists() or mark.read_text() != wanted:
            needs.have("python", "cc", "postgres-headers", "mariadb-headers", "python-headers")
            say(f"drivers into {VENV}")
            with ticking("pip install"):
                run([needs.PYTHON, "-m", "venv", VENV], what="making a venv")
                run([VENV / "bin/pip", "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS], what="pip install")
            mark.write_text(wanted)
    return VENV / "bin/python"


def version(package):
    """The version of a Python package as the list of requirements has it."""
    found = re.search(rf"(?im)^{re.escape(package)}==(\S+)$", REQUIREMENTS.read_text())
    if not found:
        raise Failed(f"{package} is not in {REQUIREMENTS}")
    return found[1]


def unpacked(name, bring):
    """The folder of an archive's contents; `bring(folder)` downloads the archive into a folder and returns its path."""
    place = HOME / "sources" / name
    with install.alone(f"suites-{name}"):
        if not (place / ".complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            say(f"the sources of {name}")
            with ticking(name):
                archive = bring(place)
                run(["tar", "--no-same-owner", "-xf", archive, "-C", place], what=f"unpacking {archive.name}")
            archive.unlink()
            (place / ".complete").touch()
    return next(path for path in place.iterdir() if path.is_dir())


def pypi(package):
    """A source distribution, of the version that is installed."""
    wanted = version(package)

    def bring(folder):
        run([python().parent / "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", package, "-d", folder, f"{package}=={wanted}"],
            what=f"downloading {package}")
        return next(folder.glob("*.tar.gz"))

    return unpacked(f"{package}-{wanted}", bring)


def debian(package, release=""):
    """The upstream archive of a Debian source package: of this machine's release, or of another one."""
    lists = HOME / "apt"
    options = [
        f"Dir::Etc::SourceList={lists}/sources.list", "Dir::Etc::SourceParts=/dev/null", f"Dir::State::Lists={lists}/lists",
        f"Dir::Cache={lists}/cache", "APT::Sandbox::User=root",
    ]
    apt = ["apt-get", *(word for option in options for word in ("-o", option))]

    def bring(folder):
        for below in ("lists/partial", "cache/archives/partial"):
            (lists / below).mkdir(parents=True, exist_ok=True)
        if not (lists / "sources.list").exists():
            # The sites that the machine's packages come from have their sources, too, and those of what comes after it.
            told = run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"], what="apt-get indextargets")
            sites = sorted(set(told.splitlines()))
            whole = next(site for site in sites if not re.search("-(updates|security|backports) ", site))
            (lists / "sources.list").write_text("".join(f"deb-src {site}\n" for site in (*sites, re.sub(r" \S+ ", " sid ", whole))))
            run([*apt, "update", "-q"], what="reading the list of sources")
        # Not every mirror has every archive of sources: the newest of this release, else an older one, else the next release's.
        codenames = [line.split()[2] for line in (lists / "sources.list").read_text().splitlines()]
        for named in [f"{package}/{release}"] if release else [package, *(f"{package}/{name}" for name in codenames)]:
            # Of several archives of one package the first holds the suite; the others may be missing.
            fetched = subprocess.run([*apt, "source", "-q", "--download-only", "--tar-only", named], cwd=folder, capture_output=True, text=True)
            found = [path for path in folder.iterdir() if re.search(r"\.orig\.tar\.\w+$", path.name)]
            if len(found) == 1:
                return found[0]
        raise Failed(f"apt-get source {package} brought nothing: {fetched.stderr[-500:]}")

    return unpacked(f"debian-{package}", bring)
