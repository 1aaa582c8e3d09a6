"""A bare MySQL conversation over a driver's login: every packet of every result, so that two sides compare byte for byte."""

import pymysql
from pymysql.constants import CLIENT

MORE_RESULTS = 0x0008


class Lost(Exception):
    """The connection ended where an answer was due."""


def number(packet, at=0):
    """A length-encoded integer, and where it ends."""
    first = packet[at]
    if first < 0xFB:
        return first, at + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1 : at + 1 + width], "little"), at + 1 + width


class MyWire:
    """A connection that speaks in packets."""

    def __init__(self, **login):
        flags = CLIENT.MULTI_STATEMENTS | CLIENT.MULTI_RESULTS
        self.driver = pymysql.connect(client_flag=flags, autocommit=None, read_timeout=60, **login)
        self.thread = self.driver.thread_id()

    def _bytes(self, count):
        data = self.driver._rfile.read(count)
        if data is None or len(data) < count:
            raise Lost
        return data

    def _packet(self):
        head = self._bytes(4)
        return self._bytes(int.from_bytes(head[:3], "little"))

    def _more(self, packet):
        if packet[:1] == b"\xfe":
            return int.from_bytes(packet[3:5], "little") & MORE_RESULTS
        _, at = number(packet, 1)
        _, at = number(packet, at)
        return int.from_bytes(packet[at : at + 2], "little") & MORE_RESULTS

    def query(self, sql):
        """The packets that answer a text, all results of it."""
        payload = b"\x03" + sql.encode()
        self.driver._next_seq_id = 0
        self.driver._sock.sendall(len(payload).to_bytes(3, "little") + b"\0" + payload)
        packets = []
        while True:
            packets.append(self._packet())
            if packets[-1][:1] == b"\xff":
                return packets
            if packets[-1][:1] != b"\0":
                columns, _ = number(packets[-1])
                packets += [self._packet() for _ in range(columns + 1)]
                while True:
                    packets.append(self._packet())
                    if packets[-1][:1] == b"\xff":
                        return packets
                    if packets[-1][:1] == b"\xfe" and len(packets[-1]) < 9:
                        break
            if not self._more(packets[-1]):
                return packets

    def code(self, sql):
        """The number of the error that a text brings, 0 for none; None where the connection ends instead."""
        try:
            last = self.query(sql)[-1]
        except (Lost, ConnectionError, OSError):
            return None
        return int.from_bytes(last[1:3], "little") if last[:1] == b"\xff" else 0

    def close(self):
        """Without a word."""
        self.driver._force_close()
