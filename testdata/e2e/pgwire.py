"""A bare PostgreSQL client: messages as one writes them, answers as one reads them, so that two sides compare message by message."""

import base64
import hashlib
import hmac
import secrets
import socket
import struct

LONG = 60  # seconds without a byte after which a conversation counts as stuck


def message(tag, body=b""):
    """A message of the protocol."""
    return tag.encode() + struct.pack("!I", len(body) + 4) + body


def cstr(text):
    """A string as the protocol writes it."""
    return text.encode() + b"\0"


def query(sql):
    """Query."""
    return message("Q", cstr(sql))


def parse(sql, name=""):
    """Parse, the types of parameters left open."""
    return message("P", cstr(name) + cstr(sql) + struct.pack("!H", 0))


def bind(params=(), statement="", portal=""):
    """Bind, everything as text."""
    values = b"".join(struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value for value in
                      (value if value is None else value.encode() for value in params))
    return message("B", cstr(portal) + cstr(statement) + struct.pack("!HH", 0, len(params)) + values + struct.pack("!H", 0))


def describe(kind, name=""):
    """Describe of a statement (S) or portal (P)."""
    return message("D", kind.encode() + cstr(name))


def close(kind, name=""):
    """Close of a statement (S) or portal (P)."""
    return message("C", kind.encode() + cstr(name))


def execute(portal="", rows=0):
    """Execute."""
    return message("E", cstr(portal) + struct.pack("!I", rows))


def final(first, server_first, password):
    """SCRAM's last word of the client (RFC 5802)."""
    fields = dict(field.split("=", 1) for field in server_first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    bare = f"c=biws,r={fields['r']}"
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{server_first},{bare}".encode(), "sha256")
    return f"{bare},p={base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()}"


def call(oid, *arguments):
    """FunctionCall with binary arguments and a binary result."""
    values = b"".join(struct.pack("!I", len(value)) + value for value in arguments)
    return message("F", struct.pack("!IHHH", oid, 1, 1, len(arguments)) + values + struct.pack("!H", 1))


SYNC, FLUSH = message("S"), message("H")


class Refused(Exception):
    """The login ended with an error."""


class Wire:
    """A connection. `said` collects the answers, each as one line."""

    def __init__(self, place, protocol=3 << 16, **parameters):
        self.socket = socket.create_connection(("127.0.0.1", place.port), LONG)
        self.buffer, self.said = b"", []
        pairs = {"user": place.user, "database": place.database} | parameters
        body = struct.pack("!I", protocol) + b"".join(cstr(key) + cstr(value) for key, value in pairs.items()) + b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        scram = None
        while True:
            tag, body = self.read()
            if tag == "R":
                scram = self._authenticate(body, place.password, scram)
            elif tag == "E":
                raise Refused(self.line(tag, body))
            elif tag == "Z":
                return

    def _authenticate(self, body, password, scram):
        kind = struct.unpack("!I", body[:4])[0]
        if kind == 3:
            self.socket.sendall(message("p", cstr(password)))
        elif kind == 10:
            scram = "n=,r=" + secrets.token_hex(12)
            first = ("n,," + scram).encode()
            self.socket.sendall(message("p", cstr("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first))
        elif kind == 11:
            self.socket.sendall(message("p", final(scram, body[4:].decode(), password).encode()))
        return scram

    def _bytes(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise EOFError
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read(self):
        """The next message."""
        head = self._bytes(5)
        return chr(head[0]), self._bytes(struct.unpack("!I", head[1:])[0] - 4)

    @staticmethod
    def line(tag, body):
        """A message as one line: what a client goes by."""
        if tag in "EN":
            fields = {chr(field[0]): field[1:].decode() for field in body.split(b"\0") if field}
            return f"{tag} {fields.get('C')} {fields.get('M')}"
        if tag == "T":
            count, at, names = struct.unpack("!H", body[:2])[0], 2, []
            for _ in range(count):
                end = body.index(0, at)
                names.append(body[at:end].decode())
                at = end + 19
            return "T " + " ".join(names)
        if tag == "D":
            count, at, cells = struct.unpack("!H", body[:2])[0], 2, []
            for _ in range(count):
                length = struct.unpack("!i", body[at : at + 4])[0]
                at += 4
                cells.append("NULL" if length < 0 else body[at : at + length].decode(errors="replace"))
                at += max(length, 0)
            return "D " + " ".join(cells)
        if tag == "V":
            return f"V {body.hex()}"
        if tag in "CZ":
            return f"{tag} {body.rstrip(bytes(1)).decode()}"
        return tag

    def say(self, *messages, until="Z", times=1):
        """Send in one flight, and collect what comes until so many of `until` did."""
        self.socket.sendall(b"".join(messages))
        while times:
            try:
                tag, body = self.read()
            except (EOFError, ConnectionError):
                self.said.append("closed")
                return self
            if tag != "S":
                self.said.append(self.line(tag, body))
            times -= tag in until
        return self

    def close(self):
        """Goodbye."""
        self.socket.sendall(message("X"))
        self.socket.close()
