"""The Go drivers' suites, from Debian's sources, by Debian's Go."""

import shutil

from . import runners, sources
from .roster import Suite


def source_of(package):
    """A function that lays the whole source into an empty folder."""

    def lay(folder):
        shutil.copytree(sources.debian(package), folder, dirs_exist_ok=True)

    return lay


def version(package):
    """The version that this release of Debian has, as the folder of the sources says."""
    return sources.debian(package).name.rsplit("-", 1)[-1]


def lib_pq(place, folder, only):
    """Its suite takes libpq's variables."""
    pattern = ["-run", "|".join(only)] if only else []
    return runners.go([*pattern, "."], folder=folder, environment=place.variables() | {"PQGOSSLTESTS": "0"}, what=f"{place.server}, {place.way}")


def go_sql_driver(place, folder, only):
    """The switch that lets the driver send a password as it is stands in its address; the suite has no variable for it."""
    test = folder / "driver_test.go"
    text = test.read_text()
    address = '"%s:%s@%s/%s?timeout=30s"'
    if address not in text:
        raise SystemExit("compat: the suite of go-sql-driver has another address than was expected")
    test.write_text(text.replace(address, '"%s:%s@%s/%s?timeout=30s&allowCleartextPasswords=true"'))
    pattern = ["-run", "|".join(only)] if only else []
    environment = {
        "MYSQL_TEST_USER": place.user, "MYSQL_TEST_PASS": place.password, "MYSQL_TEST_PROT": "tcp",
        "MYSQL_TEST_ADDR": f"127.0.0.1:{place.port}", "MYSQL_TEST_DBNAME": place.database, "MYSQL_TEST_CONCURRENT": "1",
    }
    return runners.go([*pattern, "."], folder=folder, environment=environment, what=f"{place.server}, {place.way}")


PQ, GO_MYSQL = "golang-github-lib-pq", "golang-github-go-sql-driver-mysql"
SUITES = [
    Suite("lib/pq", "postgres", lambda: version(PQ), source_of(PQ), lib_pq, short=["TestSimpleQuery", "TestExec", "TestStatment", "TestCopy", "TestEncode", "TestListen"]),
    Suite("go-sql-driver", "mysql", lambda: version(GO_MYSQL), source_of(GO_MYSQL), go_sql_driver, short=["TestCRUD", "TestNULL", "TestPrepared", "TestLoadData", "TestMulti"]),
]
