"""A tap on the client's side of the proxy: every byte that a client got, whatever the client made of it."""

import contextlib
import socket
import threading


class Tap:
    """Listens on a port of its own and relays to `port`; `bytes()` is what flowed back."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        self.lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            record = bytearray()
            with self.lock:
                self.heard.append(record)
            threading.Thread(target=self._serve, args=(client, record), daemon=True).start()

    def _serve(self, client, record):
        with client, socket.create_connection(("127.0.0.1", self.target)) as upstream:
            asking = threading.Thread(target=self._relay, args=(client, upstream, None), daemon=True)
            asking.start()
            self._relay(upstream, client, record)
            asking.join()

    @staticmethod
    def _relay(source, sink, record):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if record is not None:
                    record += data
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def bytes(self):
        """All answers so far, connection by connection."""
        with self.lock:
            return b"".join(bytes(record) for record in self.heard)

    def close(self):
        """Accept no more."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
