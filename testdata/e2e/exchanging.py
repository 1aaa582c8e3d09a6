"""Exchanging tokens as an attacker or an agent would: by curl, and by clients that keep what they said to say it again."""

import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import subprocess

from fleet.process import free_port

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


TLS = 'tls = { cert = "tls/proxy.crt", key = "tls/proxy.key" }'


def lines(port, *more, secure=TLS):
    """The section of affidavit.toml. The certificate is the one that the proxy's listeners have."""
    return ["", "[exchange]", f'address = "127.0.0.1:{port}"', secure, *more]


class Exchange:
    """The endpoint of one proxy."""

    def __init__(self, proxy, port, scheme="https"):
        self.proxy, self.port = proxy, port
        self.url = f"{scheme}://localhost:{port}"
        proxy.wait_for_log("token exchange")

    def curl(self, path, *options):
        """(status, parsed answer)."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "30", "--cacert", self.proxy.ca_file, "-w", "\n%{http_code}", *options, self.url + path],
            capture_output=True, text=True,
        )
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body)

    def post(self, token, datasource, **changes):
        """Ask for a credential; a change to None leaves a parameter out."""
        form = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "audience": datasource} | changes
        options = [option for name, value in form.items() if value is not None for option in ("--data-urlencode", f"{name}={value}")]
        return self.curl("/oauth/token", *options)

    def credential(self, token, datasource):
        """A credential that has to be given."""
        status, answer = self.post(token, datasource)
        assert status == 200, answer
        return answer

    def api(self, token, path="", **body):
        """The small API: a POST where there is a body."""
        sent = ["-H", "content-type: application/json", "-d", json.dumps(body)] if path else []
        return self.curl(f"/api/v1/credentials{path}", "-H", f"Authorization: Bearer {token}", *sent)

    def command(self, token, *arguments):
        """`affidavit credentials …`."""
        return subprocess.run(
            [self.proxy.bin / "affidavit", "credentials", "--exchange", self.url, "--ca", self.proxy.ca_file, *arguments],
            env=os.environ | {"AFFIDAVIT_TOKEN": token}, capture_output=True, text=True, timeout=60,
        )


def port():
    """A port for the endpoint."""
    return free_port()


def exactly(sock, count):
    """So many bytes; fewer when the peer closes."""
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            break
        data += more
    return data


class Postgres:
    """PostgreSQL's startup and SCRAM on a plain connection, message by message."""

    def __init__(self, port, user, database="hospital"):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        body = struct.pack("!i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
        self.sock.sendall(struct.pack("!i", len(body) + 4) + body)

    def message(self):
        """(type, body); an empty type at the end of the connection."""
        head = exactly(self.sock, 5)
        if len(head) < 5:
            return b"", b""
        return head[:1], exactly(self.sock, struct.unpack("!i", head[1:])[0] - 4)

    def send(self, body):
        """A message of type p."""
        self.sock.sendall(b"p" + struct.pack("!i", len(body) + 4) + body)

    def mechanisms(self):
        """What the server offers; None where it asks for something else than SASL."""
        kind, body = self.message()
        assert kind == b"R", (kind, body)
        return body[4:-2].split(b"\0") if body[:4] == b"\0\0\0\x0a" else None

    def first(self, nonce="abcdefghijklmnop"):
        """Send the first message; the server's."""
        self.bare = f"n=,r={nonce}"
        first = f"n,,{self.bare}".encode()
        self.send(b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
        kind, body = self.message()
        assert (kind, body[:4]) == (b"R", b"\0\0\0\x0b"), (kind, body)
        self.server_first = body[4:].decode()
        return dict(part.split("=", 1) for part in self.server_first.split(","))

    def proof(self, challenge, password):
        """The final message for a password."""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(challenge["s"]), int(challenge["i"]))
        client = hmac.digest(salted, b"Client Key", "sha256")
        without = f"c=biws,r={challenge['r']}"
        signature = hmac.digest(hashlib.sha256(client).digest(), f"{self.bare},{self.server_first},{without}".encode(), "sha256")
        proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
        return f"{without},p={base64.b64encode(proof).decode()}".encode()

    def verdict(self):
        """What the server says to the proof: ("in" or "no", its words)."""
        kind, body = self.message()
        if kind == b"R" and body[:4] == b"\0\0\0\x0c":
            return "in", body[4:].decode()
        return "no", body.decode(errors="replace")


class Mysql:
    """MySQL's handshake and caching_sha2_password on a plain connection."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        greeting = self.packet()
        version_end = greeting.index(b"\0", 1)
        after = greeting[version_end + 5:]
        self.nonce = after[:8] + after[8 + 19:8 + 19 + 12]
        self.plugin = after[8 + 19 + 13:].rstrip(b"\0")

    def packet(self):
        """A payload; empty at the end of the connection."""
        head = exactly(self.sock, 4)
        if len(head) < 4:
            return b""
        self.sequence = head[3]
        return exactly(self.sock, int.from_bytes(head[:3], "little"))

    def send(self, payload):
        """The next packet."""
        self.sock.sendall(len(payload).to_bytes(3, "little") + bytes([(self.sequence + 1) % 256]) + payload)

    def respond(self, user, auth, plugin=b"caching_sha2_password"):
        """The handshake response; the server's answer."""
        # LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
        flags = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000
        self.send(struct.pack("<IIB23x", flags, 1 << 24, 45) + user.encode() + b"\0" + bytes([len(auth)]) + auth + plugin + b"\0")
        return self.packet()


def scramble(password, nonce):
    """caching_sha2_password's answer to a challenge."""
    once = hashlib.sha256(password.encode()).digest()
    mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask, strict=True))
