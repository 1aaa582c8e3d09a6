"""A tap on the client's side of the proxy: every byte that a client got, whatever the client made of it."""

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
            upstream = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self._relay, args=(client, upstream, None), daemon=True).start()
            record = bytearray()
            with self.lock:
                self.heard.append(record)
            threading.Thread(target=self._relay, args=(upstream, client, record), daemon=True).start()

    @staticmethod
    def _relay(source, sink, record):
        try:
            while data := source.recv(65536):
                if record is not None:
                    record += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()

    def bytes(self):
        """All answers so far, connection by connection."""
        with self.lock:
            return b"".join(bytes(record) for record in self.heard)

    def close(self):
        """Accept no more."""
        self.listener.close()
