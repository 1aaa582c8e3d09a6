"""A small issuer for machines without npm: discovery, one RS256 key, client_credentials. Python and openssl, nothing else.

It stands in for server.mjs in the demo only; tests talk to the real provider. Same people.json, same audience.

    python3 issuer.py --port PORT --keys FILE
"""

import argparse
import base64
import hmac
import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

PEOPLE = json.loads((Path(__file__).parent / "people.json").read_text())
LIFETIME = 3600
LARGEST_FORM = 4096


def b64(data):
    """Base64url without padding, as JOSE wants it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """The key and what is signed with it."""

    def __init__(self, url, key):
        self.url, self.key = url, key
        if not os.path.exists(key):
            mask = os.umask(0o077)
            subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
            os.umask(mask)
        shown = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
        modulus = bytes.fromhex(shown.stdout.strip().partition("=")[2])
        self.jwks = {"keys": [{"kty": "RSA", "kid": "rs256", "alg": "RS256", "use": "sig", "n": b64(modulus), "e": "AQAB"}]}
        self.discovery = {
            "issuer": url, "jwks_uri": f"{url}/jwks", "token_endpoint": f"{url}/token",
            "grant_types_supported": ["client_credentials"], "response_types_supported": [],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    def token(self, name):
        """An access token for a client of people.json."""
        client, now = PEOPLE["clients"][name], int(time.time())
        claims = {
            "iss": self.url, "aud": "affidavit", "sub": client["subject"], "client_id": name, "email": client["email"],
            "groups": client["groups"], "iat": now, "exp": now + LIFETIME,
        }
        text = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "at+jwt", "kid": "rs256"}, claims))
        signed = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), check=True, capture_output=True
        )
        return f"{text}.{b64(signed.stdout)}"


class Handler(BaseHTTPRequestHandler):
    """Three routes."""

    issuer = None

    def do_GET(self):  # noqa: N802 (the name is http.server's)
        """Discovery and keys."""
        known = {"/.well-known/openid-configuration": self.issuer.discovery, "/jwks": self.issuer.jwks}
        answer = known.get(self.path)
        self.answer(200 if answer else 404, answer or {"error": "not_found"})

    def do_POST(self):  # noqa: N802
        """client_credentials, the secret by Basic or in the form."""
        size = int(self.headers.get("content-length") or 0)
        if self.path != "/token" or not 0 < size <= LARGEST_FORM:
            return self.answer(400, {"error": "invalid_request"})
        form = {key: values[0] for key, values in parse_qs(self.rfile.read(size).decode("latin-1")).items()}
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = (unquote(part) for part in base64.b64decode(credentials).decode("latin-1").partition(":"))
        client = PEOPLE["clients"].get(name)
        if client is None or not hmac.compare_digest(client["secret"], secret):
            return self.answer(401, {"error": "invalid_client"})
        if form.get("grant_type") != "client_credentials":
            return self.answer(400, {"error": "unsupported_grant_type"})
        return self.answer(200, {"access_token": self.issuer.token(name), "token_type": "Bearer", "expires_in": LIFETIME})

    def answer(self, status, body):
        """JSON out."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keys", required=True, help="private key file, made when missing")
    args = parser.parse_args()
    Handler.issuer = Issuer(f"http://127.0.0.1:{args.port}", args.keys + ".pem")
    print(f"issuer: {Handler.issuer.url}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", args.port), Handler).serve_forever()


if __name__ == "__main__":
    sys.exit(main())
