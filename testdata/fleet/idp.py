"""The OpenID provider: `oidc-provider` on Node, or our small issuer where AFFIDAVIT_ISSUER=small asks for it."""

import base64
import json
import os
import sys
import urllib.request

from . import install
from .paths import TESTDATA
from .process import alive, answers, port_for, spawn, wait_until

PEOPLE = json.loads((TESTDATA / "idp/people.json").read_text())


class Idp:
    """One issuer on a loopback port. Its port survives a restart: tokens name it."""

    name = "idp"

    def start(self, state, _patients):
        """Does nothing when it is up."""
        entry = state.servers.get(self.name)
        if alive(entry):
            return entry
        keys = state.directory / "idp.json"
        port = port_for(entry)
        small = os.environ.get("AFFIDAVIT_ISSUER") == "small"
        if small:
            line = [sys.executable, TESTDATA / "idp/issuer.py"]
        else:
            line = [install.node(), TESTDATA / "idp/server.mjs"]
        started, _ = spawn([*line, "--port", str(port), "--keys", keys], log=state.directory / "idp.log")
        entry = {
            "engine": "idp", **started, "host": "127.0.0.1", "port": port, "issuer": f"http://127.0.0.1:{port}",
            "keys_file": str(keys), "kind": "small" if small else "oidc-provider",
            "clients": {name: client["secret"] for name, client in PEOPLE["clients"].items()},
        }
        state.servers[self.name] = entry
        wait_until(lambda: answers(port), entry=entry, what=self.name)
        return entry

    def clean(self, state):
        """New keys at the next start."""
        for name in ("idp.json", "idp.json.pem"):
            (state.directory / name).unlink(missing_ok=True)


def client_token(entry, client, resource="urn:affidavit"):
    """An access token by client_credentials, as a CI job gets one."""
    with urllib.request.urlopen(f"{entry['issuer']}/.well-known/openid-configuration", timeout=10) as answer:
        endpoint = json.load(answer)["token_endpoint"]
    basic = base64.b64encode(f"{client}:{entry['clients'][client]}".encode()).decode()
    request = urllib.request.Request(
        endpoint, data=f"grant_type=client_credentials&resource={resource}".encode(),
        headers={"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["access_token"]


IDP = Idp()
