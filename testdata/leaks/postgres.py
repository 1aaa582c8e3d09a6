"""A PostgreSQL client of the bare protocol (version 3.0, https://www.postgresql.org/docs/15/protocol.html)."""

import hashlib
import struct

from .stream import Dropped, Stream

SIMPLE, BINARY, PORTAL = "simple", "binary", "portal"
MODES = (SIMPLE, BINARY, PORTAL)


def message(kind, *parts):
    """One frontend message."""
    body = b"".join(parts)
    return kind + struct.pack("!i", len(body) + 4) + body


class Session:
    """One login. `run` answers [(kind, body)] of all messages up to ReadyForQuery."""

    def __init__(self, port, password, user="agent", database="hospital", mode=SIMPLE):
        self.stream, self.mode = Stream(port), mode
        options = b"".join(f"{k}\0{v}\0".encode() for k, v in (("user", user), ("database", database), ("client_encoding", "UTF8")))
        self.stream.send(message(b"", struct.pack("!i", 196608), options, b"\0"))
        while True:
            kind, body = self.receive()
            if kind == b"R" and body == b"\0\0\0\3":
                self.stream.send(message(b"p", password.encode(), b"\0"))
            elif kind == b"R" and body[:4] == b"\0\0\0\5":  # MD5: only the database itself asks for it
                inner = hashlib.md5((password + user).encode()).hexdigest()
                self.stream.send(message(b"p", b"md5", hashlib.md5(inner.encode() + body[4:]).hexdigest().encode(), b"\0"))
            elif kind == b"E":
                raise AssertionError(f"login refused: {body!r}")
            elif kind == b"Z":
                self.stream.take()
                return

    def receive(self):
        """The next message."""
        kind = self.stream.read(1)
        (size,) = struct.unpack("!i", self.stream.read(4))
        return kind, self.stream.read(size - 4)

    def run(self, text):
        """Send one statement in the session's mode; the answer's messages."""
        query = text.encode()
        if self.mode == SIMPLE:
            self.stream.send(message(b"Q", query, b"\0"))
        else:
            binary = self.mode == BINARY
            self.stream.send(
                message(b"P", b"\0", query, b"\0\0\0")
                + (message(b"D", b"S\0") if not binary else b"")
                + message(b"B", b"\0\0", b"\0\0\0\0", struct.pack("!hh", 1, 1) if binary else b"\0\0")
                + message(b"D", b"P\0")
                # Three rows, then the rest: a suspended portal is a path of its own.
                + (b"" if binary else message(b"E", b"\0", struct.pack("!i", 3)))
                + message(b"E", b"\0\0\0\0\0")
                + message(b"S")
            )
        answer = []
        while True:
            kind, body = self.receive()
            answer.append((kind, body))
            if kind == b"G":  # COPY IN: none of ours means to send rows
                self.stream.send(message(b"f", b"not sending any\0") + (b"" if self.mode == SIMPLE else message(b"S")))
            if kind == b"Z":
                return answer

    def close(self):
        """Terminate."""
        try:
            self.stream.send(message(b"X"))
        except Dropped:
            pass
        self.stream.close()


def cells(answer):
    """The rows of an answer: lists of bytes or None."""
    for kind, body in answer:
        if kind != b"D":
            continue
        (count,) = struct.unpack_from("!h", body)
        offset, row = 2, []
        for _ in range(count):
            (size,) = struct.unpack_from("!i", body, offset)
            offset += 4
            row.append(None if size < 0 else body[offset : offset + size])
            offset += max(size, 0)
        yield row
