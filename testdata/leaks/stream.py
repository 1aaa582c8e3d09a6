"""A client's socket that keeps every byte it was sent: nothing a driver would swallow escapes the sweep."""

import socket


class Dropped(Exception):
    """The other side ended the session."""


class Stream:
    """A connection to `port`; `heard` is what came back since the last `take`."""

    def __init__(self, port, patience=30.0):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = bytearray()
        self.offset = 0

    def send(self, data):
        """Send all of it."""
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Dropped(f"while sending: {error}") from None

    def read(self, size):
        """Exactly `size` bytes."""
        while len(self.heard) - self.offset < size:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError("no answer in time: the session hangs") from None
            except OSError as error:
                raise Dropped(f"while reading: {error}") from None
            if not data:
                raise Dropped("the session was ended")
            self.heard += data
        self.offset += size
        return bytes(self.heard[self.offset - size : self.offset])

    def take(self):
        """What came back since the last call, whether it was understood or not."""
        taken, self.heard, self.offset = bytes(self.heard), bytearray(self.heard[self.offset :]), 0
        return taken

    def close(self):
        """Without a word."""
        self.socket.close()
