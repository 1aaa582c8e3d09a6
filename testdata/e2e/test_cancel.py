"""Cancel requests reach the statement they are for, and only with the right secret."""

import socket
import struct
import threading
import time

import psycopg
import pytest

CANCEL_REQUEST = 80877102  # https://www.postgresql.org/docs/current/protocol-message-formats.html


def connect(place):
    """In the clear: cancel requests are made by hand below."""
    return psycopg.connect(host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", autocommit=True)


def test_cancel_with_the_right_secret(proxy, through):
    conn = connect(through(proxy))
    threading.Timer(0.5, conn.cancel).start()
    begun = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute("SELECT pg_sleep(20)")
    assert time.monotonic() - begun < 10
    assert conn.execute("SELECT 'alive'").fetchone() == ("alive",)
    conn.close()


def test_cancel_with_a_wrong_secret_does_nothing(proxy, through):
    place = through(proxy)
    conn = connect(place)

    def guess():
        with socket.create_connection(("127.0.0.1", place.port), timeout=5) as raw:
            raw.sendall(struct.pack("!IIII", 16, CANCEL_REQUEST, conn.info.backend_pid, 12345))
            assert raw.recv(1) == b"", "a cancel request gets no answer"

    threading.Timer(0.3, guess).start()
    assert conn.execute("SELECT 'slept' FROM pg_sleep(1.5)").fetchone() == ("slept",)
    conn.close()
