"""A MySQL/MariaDB client of the bare protocol (https://mariadb.com/kb/en/clientserver-protocol/)."""

import hashlib
import struct

from .stream import Dropped, Stream

TEXT, PREPARED = "text", "prepared"
MODES = (TEXT, PREPARED)
# LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, LOCAL_FILES, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_STATEMENTS,
# MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH, PLUGIN_AUTH_LENENC
CAPABILITIES = 1 | 4 | 8 | 128 | 512 | 8192 | 32768 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19 | 1 << 21
MORE_RESULTS = 8


def lenenc(data, offset=0):
    """(number, next offset) of a length-encoded integer; None for the NULL marker."""
    first = data[offset]
    if first < 0xFB:
        return first, offset + 1
    if first == 0xFB:
        return None, offset + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[offset + 1 : offset + 1 + size], "little"), offset + 1 + size


def strings(packet):
    """The length-encoded strings that make up a text row."""
    offset, found = 0, []
    while offset < len(packet):
        size, offset = lenenc(packet, offset)
        found.append(None if size is None else packet[offset : offset + size])
        offset += size or 0
    return found


def native(password, salt):
    """The answer of mysql_native_password."""
    once = hashlib.sha1(password).digest()
    mixed = hashlib.sha1(salt + hashlib.sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, mixed, strict=True))


class Session:
    """One login. `run` answers [(kind, payload)]: kind is ok, error, count, column, row, binary, eof, file, prepared."""

    def __init__(self, port, password, user="agent", database="hospital", mode=TEXT):
        self.stream, self.mode = Stream(port), mode
        self.packet()
        secret = password.encode() + b"\0"
        size = struct.pack("<BH", 0xFC, len(secret))
        self.send(
            1, struct.pack("<IIB23x", CAPABILITIES, 1 << 24, 45), user.encode(), b"\0", size, secret, database.encode(),
            b"\0mysql_clear_password\0",
        )
        while True:
            packet, number = self.packet(numbered=True)
            if packet.startswith(b"\xfemysql_native_password\0"):  # only the database itself asks for it
                self.send(number + 1, native(password.encode(), packet[23:43]))
            elif packet[:1] == b"\xfe":
                self.send(number + 1, secret)
            elif packet[:1] == b"\xff":
                raise AssertionError(f"login refused: {packet!r}")
            elif packet[:1] == b"\0":
                self.stream.take()
                return

    def send(self, number, *parts):
        """One packet."""
        body = b"".join(parts)
        self.stream.send(struct.pack("<I", len(body))[:3] + bytes([number]) + body)

    def packet(self, numbered=False):
        """The payload of the next packet; those of 16 MiB are put together."""
        body = b""
        while True:
            head = self.stream.read(4)
            size = int.from_bytes(head[:3], "little")
            body += self.stream.read(size)
            if size < 0xFFFFFF:
                return (body, head[3]) if numbered else body

    def run(self, text):
        """Send one statement in the session's mode; the answer's packets."""
        query = text.encode()
        if self.mode == TEXT:
            self.send(0, b"\x03", query)
            return list(self.results("row"))
        self.send(0, b"\x16", query)
        first = self.packet()
        if first[:1] != b"\0":
            return [("error", first)]
        statement, columns, parameters = struct.unpack_from("<IHH", first, 1)
        answer = [("prepared", struct.pack("<HH", columns, parameters))]
        for count in (parameters, columns):
            answer += [("column", self.packet()) for _ in range(count)]
            if count:
                self.packet()
        if parameters == 0:
            self.send(0, b"\x17", struct.pack("<IBI", statement, 0, 1))
            answer += self.results("binary")
        self.send(0, b"\x19", struct.pack("<I", statement))
        return answer

    def results(self, row):
        """The packets of all results of one command."""
        more = True
        while more:
            packet = self.packet()
            first = packet[0]
            if first == 0xFF:
                yield "error", packet
                return
            if first == 0:
                yield "ok", packet
                _, offset = lenenc(packet, 1)
                _, offset = lenenc(packet, offset)
                more = struct.unpack_from("<H", packet, offset)[0] & MORE_RESULTS
                continue
            if first == 0xFB:
                yield "file", packet
                self.send(2)
                continue
            count, _ = lenenc(packet)
            yield "count", packet
            for _ in range(count):
                yield "column", self.packet()
            self.packet()
            while True:
                packet = self.packet()
                if packet[0] == 0xFF:
                    yield "error", packet
                    return
                if packet[0] == 0xFE and len(packet) < 9:
                    yield "eof", packet
                    more = struct.unpack_from("<H", packet, 3)[0] & MORE_RESULTS
                    break
                yield row, packet

    def close(self):
        """COM_QUIT."""
        try:
            self.send(0, b"\x01")
        except Dropped:
            pass
        self.stream.close()


def cells(answer):
    """The text rows of an answer; a binary row counts as one cell."""
    for kind, packet in answer:
        if kind == "row":
            yield strings(packet)
        elif kind == "binary":
            yield [packet]
