"""A relay that can be shut: what the proxy sees of a database that dies and comes back."""

import contextlib
import socket
import threading


class Gate:
    """Relays its own port to `target`; shut, it drops every connection and refuses new ones."""

    def __init__(self, target):
        self.target = target
        self.listener = self.port = None
        self.flows = set()
        self.open()

    def open(self):
        """Accept, on the same port as before."""
        self.listener = socket.create_server(("127.0.0.1", self.port or 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        """As if the server had died."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for flow in list(self.flows):
            with contextlib.suppress(OSError):
                flow.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                upstream = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.flows |= {client, upstream}
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._relay, args=(source, sink), daemon=True).start()

    def _relay(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            self.flows.discard(end)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
