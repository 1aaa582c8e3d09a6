"""The approvers' side in tests: the console's API, by tokens of whoever decides."""

import contextlib
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pymysql

from fleet import tls
from fleet.paths import TESTDATA
from fleet.process import free_port

HERE = Path(__file__).resolve().parent
RULES = [TESTDATA / "policies/hospital.toml", HERE / "approvals.toml"]
ROLES = 'roles = { approver = ["privacy-office"], auditor = ["privacy-office"], operator = ["affidavit-admins"], viewer = ["analysts"] }'


def held_by(home, *, wait="20s", on_hold="wait"):
    """What a Proxy needs so that statements wait: a console over TLS on a port of its own, and the rules."""
    home.mkdir(parents=True, exist_ok=True)
    cert, key = tls.certificate(home, "proxy")
    port = free_port()
    lines = [
        "[approvals]", f'wait = "{wait}"', f'on_hold = "{on_hold}"', "", "[console]", f'address = "127.0.0.1:{port}"',
        f'public_url = "https://localhost:{port}"', f'tls = {{ cert = "{cert}", key = "{key}" }}', ROLES, "",
    ]
    return {"rules": RULES, "extra": {"lines": lines}}


class Desk:
    """Lists and decides."""

    def __init__(self, proxy, mint):
        self.proxy, self.mint = proxy, mint
        text = proxy.config.read_text()
        self.url = text.partition('public_url = "')[2].partition('"')[0]
        self.trust = ssl.create_default_context(cafile=str(proxy.ca_file))

    def token(self, who="priya", groups=("privacy-office",)):
        """A person's token."""
        return self.mint.token(sub=who, email=f"{who}@clinic.example", groups=list(groups))

    def call(self, method, path, body=None, token=None):
        """Status and answer of the API."""
        headers = {"authorization": f"Bearer {token or self.token()}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20, context=self.trust) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def open(self, token=None):
        """What waits, newest first."""
        return self.call("GET", "approvals?state=pending", token=token)[1]["approvals"]

    def waiting(self, text, patience=15.0):
        """The request of the statement that contains `text`."""
        return until(lambda: next((one for one in self.open() if text in one["sql"]), None), f"a request for {text}", patience)

    def show(self, number):
        """One request."""
        return self.call("GET", f"approvals/{number}")[1]

    def decide(self, number, action, why="seen and fine", token=None, **more):
        """Status and answer of a decision."""
        return self.call("POST", f"approvals/{number}/{action}", {"justification": why, **more}, token)

    def command(self, *args, token=None):
        """`affidavit approvals …`."""
        environment = os.environ | {"AFFIDAVIT_CONSOLE": self.url, "AFFIDAVIT_TOKEN": token or self.token()}
        line = [self.proxy.bin / "affidavit", "approvals", "--ca", self.proxy.ca_file, *map(str, args)]
        return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)


def until(ready, what, patience=15.0):
    """Poll."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = ready()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {what} within {patience:.0f} s")


class Asking(threading.Thread):
    """A client that runs one statement, and waits for whatever comes of it."""

    def __init__(self, connect, sql, params=None):
        super().__init__(daemon=True)
        self.connect, self.sql, self.params = connect, sql, params
        self.rows = self.error = None
        self.notices = []
        self.start()

    def run(self):
        try:
            with contextlib.closing(self.connect()) as connection:
                if hasattr(connection, "add_notice_handler"):
                    connection.add_notice_handler(lambda notice: self.notices.append(notice.message_primary))
                with connection.cursor() as cursor:
                    cursor.execute(self.sql, self.params)
                    self.rows = cursor.fetchall()
        except (psycopg.Error, pymysql.Error) as error:
            self.error = str(error)

    def end(self, patience=30):
        """The rows, or the error."""
        self.join(patience)
        assert not self.is_alive(), f"{self.sql} is still running"
        return self.rows, self.error


def connector(proxy, server, token, app=None):
    """How a driver of that server's kind connects through the proxy."""
    port = proxy.ports[f"{server}_tls"]
    if server.startswith("postgres"):
        return lambda: psycopg.connect(
            host="localhost", port=port, user="agent", password=token, dbname="hospital", autocommit=True, sslmode="verify-full",
            sslrootcert=str(proxy.ca_file), application_name=app or "nightly-report",
        )
    attributes = {"program_name": app} if app else {}
    return lambda: pymysql.connect(
        host="localhost", port=port, user="agent", password=token, database="hospital", ssl={"ca": str(proxy.ca_file)}, autocommit=True,
        program_name=attributes.get("program_name"),
    )
