"""What an idle session costs the proxy in memory: part of `make bench`.

Ten thousand sessions would need ten thousand PostgreSQL backends, so a few score are opened, and what the process grew by is
divided by their number. The first ones are not counted: they warm what all share.
"""

import re
import socket
import struct
from pathlib import Path

from .process import Failed

WARM = 10
COUNTED = 60


def resident(pid):
    """Bytes that a process has in memory and shares with no file: what grows with its sessions."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


def connect(port, user, database, password):
    """A PostgreSQL session by hand: start-up, password in the clear, one statement, then nothing."""
    peer = socket.create_connection(("127.0.0.1", port), 10)
    words = b"".join(f"{key}\0{value}\0".encode() for key, value in (("user", user), ("database", database))) + b"\0"
    peer.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
    ready(peer, password)
    statement = b"SELECT 1\0"
    peer.sendall(b"Q" + struct.pack("!i", len(statement) + 4) + statement)
    ready(peer, password)
    return peer


def ready(peer, password):
    """Reads up to ReadyForQuery, giving the password when it is asked for."""
    while True:
        head = exactly(peer, 5)
        kind, body = head[:1], exactly(peer, struct.unpack("!i", head[1:])[0] - 4)
        if kind == b"Z":
            return
        if kind == b"E":
            raise Failed(f"an idle session was refused: {body[:300]}")
        if kind == b"R" and body[:4] == b"\0\0\0\3":
            secret = password.encode() + b"\0"
            peer.sendall(b"p" + struct.pack("!i", len(secret) + 4) + secret)


def exactly(peer, count):
    """`count` bytes, or a failure."""
    have = b""
    while len(have) < count:
        more = peer.recv(count - len(have))
        if not more:
            raise Failed("an idle session was closed")
        have += more
    return have


def bytes_per_session(pid, port, user, database, password):
    """Bytes of memory that each further idle session takes."""
    peers = []
    try:
        for number in range(WARM + COUNTED):
            if number == WARM:
                before = resident(pid)
            peers.append(connect(port, user, database, password))
        return (resident(pid) - before) / COUNTED
    finally:
        for peer in peers:
            peer.close()
