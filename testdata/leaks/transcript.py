"""Answers in a form in which those of two twins can be compared: what may differ, and why, is named here and nowhere else.

- tokens of `ssn` (declared by the rule) → which row they stand for;
- OIDs of tables and types that both databases have, numbered apart when they were loaded → their names; those of tables
  made meanwhile → "new";
- the name of the database;
- the process id in a notification;
- on MySQL, the status bit that says that the session's state has changed (0x4000): it also answers the proxy's own question
  for the settings, which is asked when it is needed;
- the order of rows on MySQL where the statement asks for none: the server walks whichever index is smallest, and that may
  be one over a protected column (a limit that the documentation names).
"""

import re
import struct

from . import mysql, postgres

SSN = re.compile(rb"\d{3}-\d{2}-\d{4}")
# A cell of MySQL's that is the twin's name, or one qualified by it, behind its length.
TWIN = re.compile(rb"([\x00-\xfa])hospital_twin((?:\.\w+)*)", re.DOTALL)
OID = re.compile(rb"(?<![\d.-])\d{5}(?![\d.-])")


class Names:
    """What one twin calls its things: `tokens` maps a token to its row, `oids` an OID to a name."""

    def __init__(self, tokens=(), oids=()):
        self.tokens, self.oids = dict(tokens), dict(oids)

    def plain(self, data):
        """Bytes of an answer with tokens, OIDs and the database's name made the same."""
        data = SSN.sub(lambda found: self.tokens.get(found[0], found[0]), data)
        data = TWIN.sub(shorter, data).replace(b"hospital_twin", b"hospital")
        return OID.sub(lambda found: self.oids.get(int(found[0]), found[0]), data) if self.oids else data

    def oid(self, number):
        """The name of an OID, or itself. What users make begins at 16384."""
        return self.oids.get(number, "new" if number >= 16384 else number)


def shorter(found):
    """The cell with the other twin's name, if it is the whole cell."""
    length, rest = found[1][0], found[2]
    if length != len(b"hospital_twin") + len(rest):
        return found[0]
    return bytes([length - len(b"_twin")]) + b"hospital" + rest


def of_postgres(answers, names):
    """Comparable messages."""
    for answer in answers:
        for kind, body in answer:
            if kind == b"T":
                offset, fields = 2, []
                for _ in range(struct.unpack_from("!h", body)[0]):
                    end = body.index(b"\0", offset)
                    table, number, kind_of, size, modifier, form = struct.unpack_from("!ihihih", body, end + 1)
                    fields.append((names.plain(body[offset:end]), names.oid(table), number, names.oid(kind_of), size, modifier, form))
                    offset = end + 19
                yield kind, fields
            elif kind == b"D":
                row = next(postgres.cells([(kind, body)]))
                yield kind, [cell if cell is None else cell_of(cell, names) for cell in row]
            elif kind == b"t":
                yield kind, [names.oid(number) for (number,) in struct.iter_unpack("!i", body[2:])]
            elif kind == b"A":
                yield kind, names.plain(body[4:])
            else:
                yield kind, names.plain(body)
        yield b";", b""


def cell_of(cell, names):
    """A cell; four bytes may be an OID in binary."""
    if len(cell) == 4 and (name := names.oids.get(int.from_bytes(cell, "big"))):
        return name
    return names.plain(cell)


def column_of(packet, names):
    """A column definition: its strings, then what is fixed in size."""
    offset, parts = 0, []
    for _ in range(6):
        size, offset = mysql.lenenc(packet, offset)
        parts.append(names.plain(packet[offset : offset + size]))
        offset += size
    return [*parts, packet[offset:]]


def of_mysql(answers, names, statements):
    """Comparable packets."""
    for answer, statement in zip(answers, statements, strict=False):
        ordered = " order by " in statement.lower()
        rows = []
        for kind, packet in answer:
            if kind in ("row", "binary"):
                rows.append((kind, names.plain(packet)))
                continue
            yield from rows if ordered else sorted(rows)
            rows = []
            if kind == "eof" and len(packet) == 5:
                packet = packet[:4] + bytes([packet[4] & ~0x40])
            yield kind, column_of(packet, names) if kind == "column" else names.plain(packet)
        yield ";", sorted(rows)


def comparable(engine, run, names, statements):
    """A run as a list that equals that of its twin."""
    parts = of_postgres(run.answers, names) if engine == "postgres" else of_mysql(run.answers, names, statements)
    return [*parts, bool(run.dropped)]


def first_difference(left, right):
    """Where two transcripts part, for people."""
    for one, other in zip(left, right, strict=False):
        if one != other:
            return f"{str(one)[:300]}  ≠  {str(other)[:300]}"
    return f"{len(left)} messages, {len(right)} messages"


OIDS = """SELECT c.oid::text || ' ' || relkind::text || ':' || n.nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE c.oid >= 16384 UNION ALL SELECT t.oid::text || ' t:' || typname FROM pg_type t WHERE t.oid >= 16384
UNION ALL SELECT oid::text || ' p:' || proname FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT oid::text || ' n:' || nspname FROM pg_namespace WHERE oid >= 16384 UNION ALL SELECT oid::text || ' d' FROM pg_database WHERE datname = current_database()"""


def oids_of(lines):
    """The names by OID, from the answer to OIDS."""
    pairs = (line.split(" ", 1) for line in lines.splitlines())
    return {int(number): f"<{name}>".encode() for number, name in pairs}


def tokens_of(door):
    """What stands for whose SSN: token → row, as the proxy answers it."""
    client = mysql if door.engine == "mysql" else postgres
    answer = door.run(["SELECT id, ssn FROM patients ORDER BY id"], client.MODES[0]).answers[0]
    tokens = {token: b"<ssn of " + row + b">" for row, token in client.cells(answer)}
    assert len(tokens) >= 500, f"no tokens: {answer[:3]}"
    return tokens
