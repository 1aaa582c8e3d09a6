"""The drills have the same servers and proxies as the end-to-end suite. DRILL=long makes them long (`make drills`)."""

import importlib.util
import os
import sys
import threading
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parent.parent / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
_suite = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_suite)
agent_token, analyst_token, direct, fleet, fresh_proxy, mint, mysql_fleet, proxy, through = (
    _suite.agent_token, _suite.analyst_token, _suite.direct, _suite.fleet, _suite.fresh_proxy, _suite.mint, _suite.mysql_fleet,
    _suite.proxy, _suite.through,
)


@pytest.fixture(scope="session")
def long():
    """Whether there is time."""
    return os.environ.get("DRILL") == "long"


class Load:
    """Threads that send statements, each with a name of its own, until told to stop: what was answered, and what was refused."""

    def __init__(self, connect, tag, threads=4):
        self.connect, self.tag = connect, tag
        self.answered, self.refused, self.numbers = [], [], iter(range(10**9))
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]

    def __enter__(self):
        [thread.start() for thread in self.threads]
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        [thread.join(30) for thread in self.threads]

    def work(self):
        conn = None
        while not self.over.is_set():
            with self.lock:
                mark = f"{self.tag}_{next(self.numbers)}"
            try:
                conn = conn or self.connect()
                conn.execute(f"SELECT state AS {mark}, ssn FROM patients WHERE id = 7").fetchall()
                self.answered.append(mark)
            except Exception as error:  # noqa: BLE001 - whatever a driver makes of a refusal
                self.refused.append((mark, getattr(error, "sqlstate", None), str(error)))
                if conn is not None and getattr(conn, "closed", True):
                    conn = None
                self.over.wait(0.05)


@pytest.fixture
def load(through):
    """A load of PostgreSQL statements through a proxy."""
    import psycopg

    def of(proxy, tag, **options):
        place = through(proxy)

        def connect():
            return psycopg.connect(
                host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", autocommit=True,
                connect_timeout=10, sslmode="disable",
            )

        return Load(connect, tag, **options)

    return of
