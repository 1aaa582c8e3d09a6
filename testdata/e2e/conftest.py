"""Servers once for the whole run, one proxy that most tests share, and fresh proxies for those that break theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTDATA = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTDATA))
sys.path.insert(0, str(TESTDATA / "idp"))

from mint import Mint  # noqa: E402
from places import Place  # noqa: E402

from fleet.__main__ import describe  # noqa: E402
from fleet.proxy import Proxy  # noqa: E402
from fleet.state import peek  # noqa: E402

SERVERS = ["postgres15"] if os.environ.get("AFFIDAVIT_SKIP_SID") == "1" else ["postgres15", "postgres18"]
MYSQL_SERVERS = ["mariadb"] if os.environ.get("AFFIDAVIT_SKIP_SID") == "1" else ["mariadb", "mysql"]
PATIENTS = 1000


@pytest.fixture(scope="session")
def fleet():
    """The running servers' description."""
    subprocess.run([TESTDATA / "servers", "start", "idp", *SERVERS, "--patients", str(PATIENTS)], check=True)
    return describe(peek())


@pytest.fixture(scope="session")
def mysql_fleet(fleet):
    """The same with the MySQL family."""
    subprocess.run([TESTDATA / "servers", "start", *MYSQL_SERVERS, "--patients", str(PATIENTS)], check=True)
    return describe(peek())


@pytest.fixture(scope="session")
def mint(fleet):
    """The issuer's keys, for tokens with chosen claims."""
    idp = fleet["servers"]["idp"]
    return Mint(idp["issuer"], idp["keys_file"])


@pytest.fixture(scope="session")
def agent_token(mint):
    """A CI agent: sees masks, may not change schemas."""
    return mint.token()


@pytest.fixture(scope="session")
def analyst_token(mint):
    """Sees the same masks as the agent."""
    return mint.token(sub="ana", email="ana@clinic.example", groups=["analysts"], alg="RS256")


@pytest.fixture(scope="session")
def proxy(fleet, tmp_path_factory):
    """The proxy that tests share which leave it as it was."""
    running = Proxy(tmp_path_factory.mktemp("proxy"), fleet, SERVERS).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


@pytest.fixture
def fresh_proxy(fleet, tmp_path):
    """A factory of proxies of one's own; what still runs is stopped at the end."""
    made = []

    def make(servers=("postgres15",), start=True, at=fleet, **options):
        one = Proxy(tmp_path / f"proxy{len(made)}", at, servers, **options)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        if one.entry is not None and one.alive():
            one.stop()


@pytest.fixture(scope="session")
def direct(fleet):
    """The database itself, as the proxy's own user."""

    def place(server="postgres15", user="affidavit", database="hospital"):
        entry = fleet["servers"][server]
        return Place(entry["port"], user, entry["users"][user], database, entry["ca_file"])

    return place


@pytest.fixture
def through(agent_token):
    """The same database through a proxy, with a token as the password."""

    def place(proxy, listener="postgres15", token=agent_token, user="affidavit", database="hospital"):
        ca = str(proxy.ca_file) if listener.endswith("_tls") else None
        return Place(proxy.ports[listener], user, token, database, ca)

    return place
