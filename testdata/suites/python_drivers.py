"""The Python drivers' suites, by pytest, with the drivers as PyPI publishes them."""

import shutil
from pathlib import Path

from . import runners, sources
from .roster import Suite


def tests_of(package, *parts):
    """A function that lays a suite's own files into an empty folder, without the driver beside it: the installed one is tested."""

    def lay(folder):
        source = sources.pypi(package)
        for part in parts:
            if (source / part).is_dir():
                shutil.copytree(source / part, folder / part)
            else:
                shutil.copy(source / part, folder / part)

    return lay


def by_pytest(paths, options=(), variables=lambda place: {}, timeout=60):
    """A function that runs pytest over these paths, connecting as `variables` says."""

    def run(place, folder, only):
        filled = [word.format(place=place, folder=folder) for word in (*(only or paths), *options)]
        return runners.pytest(sources.python(), filled, folder=folder, environment=place.variables() | variables(place), what=f"{place.server}, {place.way}", timeout=timeout)

    return run


def psycopg2(place):
    """Its suite's own names."""
    return {"PSYCOPG2_TESTDB": place.database, "PSYCOPG2_TEST_FAST": "1"}


def url(dialect, place, query=""):
    """SQLAlchemy's address of a place."""
    return f"{dialect}://{place.user}:{place.password}@127.0.0.1:{place.port}/{place.database}{query}"


def sqlalchemy(dialect, query=""):
    """SQLAlchemy's suite for dialects and its tests of this engine's, through one driver."""
    engine = "postgresql" if dialect.startswith("postgresql") else "mysql"

    def run(place, folder, only):
        name = dialect if place.engine != "mariadb" else dialect.replace("mysql+", "mariadb+")
        paths = only or ["test/dialect/test_suite.py", f"test/dialect/{engine}"]
        return runners.pytest(
            sources.python(), [*paths, f"--dburi={url(name, place, query)}", "-p", "no:warnings", "--maxfail=100000"],
            folder=folder, environment=place.variables() | {"PYTHONPATH": str(folder / "lib")}, what=f"{place.server}, {place.way}",
        )

    return run


def aiomysql(place, folder, only):
    """It comes by TLS, and trusts one authority alone."""
    (folder / "tests/ssl_resources/ssl/ca.pem").write_text(Path(place.ca).read_text())
    arguments = [*(only or ["tests"]), f"--mysql-address=tcp=127.0.0.1:{place.secure_port}"]
    return runners.pytest(sources.python(), arguments, folder=folder, environment={"MYSQL_ROOT_PASSWORD": place.password}, what=f"{place.server}, {place.way}")


# The others need what newer versions of the driver no longer have.
MYSQLCLIENT = [f"tests/test_{name}.py" for name in ("_mysql", "cursor", "MySQLdb_dbapi20", "MySQLdb_nonstandard")]


def mysqlclient(place, folder, only):
    """It reads where to go from a file of the client library's."""
    settings = folder / "compat.cnf"
    settings.write_text(
        f"[MySQLdb-tests]\nhost = 127.0.0.1\nport = {place.port}\nuser = {place.user}\npassword = {place.password}\n"
        f"database = {place.database}\ndefault-character-set = utf8mb4\n"
    )
    return runners.pytest(sources.python(), only or MYSQLCLIENT, folder=folder, environment={"TESTDB": str(settings)}, what=f"{place.server}, {place.way}")


def tests_of_mysqlclient(folder):
    """Debian's source has tests, the published one has none."""
    shutil.copytree(sources.debian("python-mysqldb") / "tests", folder / "tests")


SQLALCHEMY = ("lib", "test", "setup.cfg", "pyproject.toml", "tools", "README.unittests.rst")
SUITES = [
    Suite("psycopg2", "postgres", sources.version("psycopg2"), tests_of("psycopg2", "tests"), by_pytest(["tests"], variables=psycopg2),
          short=["tests/test_cursor.py", "tests/test_connection.py", "tests/test_copy.py", "tests/test_lobject.py"]),
    Suite("asyncpg", "postgres", sources.version("asyncpg"), tests_of("asyncpg", "tests"), by_pytest(["tests"]),
          short=["tests/test_prepare.py", "tests/test_execute.py", "tests/test_copy.py", "tests/test_cursor.py"], database="postgres"),
    Suite("pg8000", "postgres", sources.version("pg8000"), tests_of("pg8000", "test"), by_pytest(["test/dbapi", "test/native", "test/legacy"], [f"--ignore=test/{kind}/auth" for kind in ("dbapi", "native", "legacy")] + ["-k", "not benchmark"]),
          short=["test/native", "test/dbapi"]),
    Suite("mysqlclient", "mysql", sources.version("mysqlclient"), tests_of_mysqlclient, mysqlclient, short=MYSQLCLIENT),
    Suite("aiomysql", "mysql", sources.version("aiomysql"), tests_of("aiomysql", "tests"), aiomysql),
    Suite("SQLAlchemy on psycopg2", "postgres", sources.version("SQLAlchemy"), tests_of("SQLAlchemy", *SQLALCHEMY), sqlalchemy("postgresql+psycopg2")),
    Suite("SQLAlchemy on psycopg", "postgres", sources.version("SQLAlchemy"), tests_of("SQLAlchemy", *SQLALCHEMY), sqlalchemy("postgresql+psycopg"),
          short=["test/dialect/postgresql/test_reflection.py"]),
    Suite("SQLAlchemy on asyncpg", "postgres", sources.version("SQLAlchemy"), tests_of("SQLAlchemy", *SQLALCHEMY), sqlalchemy("postgresql+asyncpg")),
    Suite("SQLAlchemy on PyMySQL", "mysql", sources.version("SQLAlchemy"), tests_of("SQLAlchemy", *SQLALCHEMY), sqlalchemy("mysql+pymysql", "?charset=utf8mb4"),
          short=["test/dialect/mysql/test_reflection.py"]),
    Suite("SQLAlchemy on mysqlclient", "mysql", sources.version("SQLAlchemy"), tests_of("SQLAlchemy", *SQLALCHEMY), sqlalchemy("mysql+mysqldb", "?charset=utf8mb4")),
    Suite("SQLAlchemy on aiomysql", "mysql", sources.version("SQLAlchemy"), tests_of("SQLAlchemy", *SQLALCHEMY), sqlalchemy("mysql+aiomysql", "?charset=utf8mb4")),
]
