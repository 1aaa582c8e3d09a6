"""A third database whose protected columns hold the masks: what every statement through the proxy must answer like.

It is a copy of the hospital in which each protected column holds, in every row, what the proxy shows of it. The rules are the
twins' with nothing but constants, so that what is masked in rows and what is computed over masks show the same.
"""

import fnmatch
import struct
import tomllib

from . import mysql
from .attacks import HERE
from .runner import ENGINES

NAME = "hospital_masked"
TABLES = {"patients", "encounters", "clinical_notes", "providers", "vault"}


def rules(folder):
    """The twins' rules without tokens."""
    text = (HERE / "twin.toml").read_text().replace('with = { token = { domain = "ssn", keep_format = true } }', 'with = "redact"')
    assert "token = {" not in text
    path = folder / "masked.toml"
    path.write_text(text)
    return path


def protected(ground, path):
    """{table: [column]} of what the rules cover."""
    schema = "public" if ground.engine == "postgres" else "hospital"
    named = ground.admin(
        f"SELECT concat(table_name, ' ', column_name) FROM information_schema.columns WHERE table_schema = '{schema}'", "hospital"
    ).splitlines()
    patterns = [pattern for rule in tomllib.loads(path.read_text())["mask"] for pattern in rule["columns"]]
    found = {}
    for table, column in (line.split(" ", 1) for line in named):
        if table in TABLES and any(fnmatch.fnmatch(f"x.{schema}.{table}.{column}", pattern) for pattern in patterns):
            found.setdefault(table, []).append(column)
    return found


def literal(cell):
    """A constant of SQL."""
    if cell is None:
        return "NULL"
    return "'" + cell.decode().replace("\\", "\\\\").replace("'", "''") + "'"


def make(ground, path):
    """Make the database; the proxy answers what its columns hold."""
    door = ground.doors()[0]
    columns = protected(ground, path)
    holds = {}
    for table, names in columns.items():
        answer = door.run([f"SELECT {', '.join(names)} FROM {table} ORDER BY id LIMIT 2"], ground.modes()[0]).answers[0]
        rows = list(ENGINES[ground.engine].cells(answer))
        assert len(rows) == 2 and rows[0] == rows[1], f"{table}: no constants: {rows}"
        holds[table] = rows[0]
    if ground.engine == "postgres":
        make_postgres(ground, columns, holds)
    else:
        make_mysql(ground, columns, holds)


def make_postgres(ground, columns, holds):
    """From a template, then every row is changed."""
    ground.admin(f"DROP DATABASE IF EXISTS {NAME}", "postgres")
    ground.admin(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'hospital' AND pid <> pg_backend_pid()", "postgres"
    )
    ground.admin(f"CREATE DATABASE {NAME} TEMPLATE hospital", "postgres")
    ground.admin("ALTER TABLE patients DROP CONSTRAINT patients_mrn_key; ALTER TABLE providers DROP CONSTRAINT providers_npi_key", NAME)
    for table, names in columns.items():
        sets = ", ".join(f"{name} = E{literal(cell)}" if cell is not None else f"{name} = NULL" for name, cell in zip(names, holds[table], strict=True))
        ground.admin(f"UPDATE {table} SET {sets}", NAME)
        ground.admin(f"CLUSTER {table} USING {table}_pkey", NAME)
        ground.admin(f"VACUUM ANALYZE {table}", NAME)


def make_mysql(ground, columns, holds):
    """Table by table: there are no templates."""
    ground.admin(f"DROP DATABASE IF EXISTS {NAME}; CREATE DATABASE {NAME} CHARACTER SET utf8mb4", "hospital")
    for host in ("127.0.0.1", "localhost"):
        ground.admin(f"GRANT ALL ON {NAME}.* TO 'affidavit'@'{host}'", "hospital")
    tables = ground.admin("SELECT table_name FROM information_schema.tables WHERE table_schema = 'hospital' AND table_type = 'BASE TABLE'", "hospital")
    for table in tables.split():
        ground.admin(f"CREATE TABLE {NAME}.{table} LIKE hospital.{table}; INSERT INTO {NAME}.{table} SELECT * FROM hospital.{table}", "hospital")
    ground.admin(f"ALTER TABLE {NAME}.patients DROP INDEX mrn; ALTER TABLE {NAME}.providers DROP INDEX npi", "hospital")
    # MariaDB's JSON is a text that is checked, and a mask is no JSON.
    for table, names in (("patients", ("contact", "aliases")), ("vault", ("v_json",))):
        changes = ", ".join(f"MODIFY {name} longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" for name in names)
        ground.admin(f"ALTER TABLE {NAME}.{table} {changes}", "hospital")
    for table, names in columns.items():
        sets = ", ".join(f"{name} = {literal(cell)}" for name, cell in zip(names, holds[table], strict=True))
        ground.admin(f"SET sql_mode = ''; UPDATE {NAME}.{table} SET {sets}", "hospital")


def drop(ground):
    """Nothing stays behind."""
    ground.admin(f"DROP DATABASE IF EXISTS {NAME}", "postgres" if ground.engine == "postgres" else "hospital")


def answered(engine, run):
    """What an answer holds, in a form in which two can be compared: names of columns, rows in no order, tags, codes of errors."""
    client, seen = ENGINES[engine], []
    for answer in run.answers:
        rows = sorted((tuple(row) for row in client.cells(answer)), key=repr)
        codes = [code_of(engine, kind, body) for kind, body in answer]
        seen.append((names_of(engine, answer), rows, [code for code in codes if code]))
    return [*seen, bool(run.dropped)]


def names_of(engine, answer):
    """The names of the columns."""
    names = []
    for kind, body in answer:
        if engine == "postgres" and kind == b"T":
            offset, (count,) = 2, struct.unpack_from("!h", body)
            for _ in range(count):
                end = body.index(b"\0", offset)
                names.append((body[offset:end], body[end + 7 : end + 11]))
                offset = end + 19
        elif engine != "postgres" and kind == "column":
            offset, parts = 0, []
            for _ in range(6):
                size, offset = mysql.lenenc(body, offset)
                parts.append(body[offset : offset + size])
                offset += size
            names.append(parts[4])
    return names


def code_of(engine, kind, body):
    """Of an error its code, of an end its tag."""
    if engine == "postgres":
        if kind == b"E":
            return next(field[1:] for field in body.split(b"\0") if field[:1] == b"C")
        return body if kind == b"C" else None
    if kind == "error":
        return body[1:3]
    return None


def words(engine, run):
    """The words of the first error of a run, for people."""
    for answer in run.answers:
        for kind, body in answer:
            if engine == "postgres" and kind == b"E":
                fields = {field[:1]: field[1:].decode(errors="replace") for field in body.split(b"\0") if field}
                return f"{fields.get(b'C')}: {fields.get(b'M')}"
            if kind == "error":
                return body[3:].decode(errors="replace")
    return ""


def is_refusal(engine, run):
    """Whether Affidavit itself turned a statement of it away."""
    for answer in run.answers:
        for kind, body in answer:
            if engine == "postgres" and kind == b"E" and b"\0Raffidavit\0" in body:
                return True
            if kind == "error" and int.from_bytes(body[1:3], "little") in (1142, 1235, 1044) and b"command denied" not in body:
                return True
            # What could not be read is a syntax error to a client.
            if kind == "error" and b"Affidavit could not read" in body:
                return True
    return False

