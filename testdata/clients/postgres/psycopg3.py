"""psycopg 3: text and binary, simple and extended, prepared, pipelined, cursors, COPY, cancel, notifications."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import psycopg  # noqa: E402
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit, step, table  # noqa: E402

TLS = {"sslmode": "verify-full", "sslrootcert": CA} if CA else {"sslmode": "disable"}


def connect(**more):
    """A connection in autocommit, so that transactions are those of the steps."""
    return psycopg.connect(
        host=HOST, port=PORT, user=USER, password=PASSWORD, dbname=DATABASE, connect_timeout=10, autocommit=True,
        application_name="psycopg-transcript", **TLS, **more,
    )


def describe(error):
    """SQLSTATE and message of a server's error."""
    diag = getattr(error, "diag", None)
    if diag is not None and diag.sqlstate:
        return [diag.sqlstate, diag.severity, diag.message_primary, diag.message_detail, diag.statement_position]
    return f"{type(error).__name__}: {error}"


def run(name, action):
    """A step whose errors are described by their fields."""
    return step(name, action, describe)


def rows(cursor):
    """All rows with the column names and type OIDs."""
    found = cursor.fetchall()
    return {"types": [[d.name, d.type_code, d.internal_size] for d in cursor.description], "rows": found}


def raw(cursor):
    """The cells as they came, for types (and infinities) that Python cannot hold."""
    result = cursor.pgresult
    columns = range(result.nfields)
    return {
        "types": [[result.fname(c).decode(), result.ftype(c), result.fmod(c), result.fformat(c)] for c in columns],
        "rows": [[result.get_value(row, c) for c in columns] for row in range(result.ntuples)],
    }


def masked(cursor):
    """A result over protected tables."""
    return table([d.name for d in cursor.description], cursor.fetchall())


conn = connect()
for form, binary in (("text", False), ("binary", True)):
    run(f"types as {form}", lambda binary=binary: raw(conn.execute("SELECT * FROM analytics.type_zoo ORDER BY id", binary=binary)))
run("parameters", lambda: rows(conn.execute("SELECT %s::int + 1, %s::text, %b::bytea, %s::int[]", (41, "a'b\\c", b"\0\1", [1, 2]))))
run("lookup", lambda: rows(conn.execute("SELECT title FROM analytics.icd10 WHERE code = %s", ("I10",))))
run("prepared, many times", lambda: [
    conn.execute("SELECT title FROM analytics.icd10 WHERE code = %s", (code,), prepare=True).fetchone()
    for code in ("I10", "O80", "E11.9", "nope", "I10", "J18.9", "G40.9")
])
run("several statements", lambda: [
    [cursor.fetchall(), cursor.nextset()] for cursor in [conn.execute("SELECT 1; SELECT 2, 3")]
])


def client_side():
    """The simple protocol with parameters put in by the client."""
    cursor = psycopg.ClientCursor(conn)
    cursor.execute("SELECT code FROM analytics.icd10 WHERE title LIKE %s ORDER BY 1", ("%diabetes%",))
    return rows(cursor)


def server_cursor():
    """DECLARE and FETCH in portions."""
    with conn.transaction(), conn.cursor(name="portions") as cursor:
        cursor.itersize = 50
        cursor.execute("SELECT day::text, occupied FROM analytics.bed_census WHERE department_id = 1 ORDER BY day")
        first = cursor.fetchmany(3)
        rest = cursor.fetchall()
        return [first, len(rest), rest[-1]]


def scratch(action):
    """Begin with an empty place of our own."""
    conn.execute("DELETE FROM analytics.scratch WHERE id BETWEEN 1000 AND 1999")
    return action()


def commit_and_rollback():
    """Transactions, a savepoint inside one, an error inside another."""
    with conn.transaction():
        conn.execute("INSERT INTO analytics.scratch VALUES (1000, 'kept', 1, NULL)")
        try:
            with conn.transaction():
                conn.execute("INSERT INTO analytics.scratch VALUES (1001, 'lost', 1, NULL)")
                conn.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
        status = conn.info.transaction_status.name
    return [status, conn.execute("SELECT id, label FROM analytics.scratch WHERE id BETWEEN 1000 AND 1999").fetchall()]


def many():
    """executemany, which pipelines."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO analytics.scratch VALUES (%s, %s, %s, NULL) RETURNING id", [(1100 + n, f"n{n}", n) for n in range(50)],
            returning=True,
        )
        returned = []
        while True:
            returned.append(cursor.fetchone()[0])
            if not cursor.nextset():
                break
    return [returned, conn.execute("SELECT count(*), sum(amount) FROM analytics.scratch WHERE id BETWEEN 1100 AND 1149").fetchone()]


def pipeline():
    """Several queries in flight; an error in the middle aborts until the next sync."""
    with conn.pipeline() as pipe:
        a = conn.execute("SELECT 'a'")
        b = conn.execute("SELECT code FROM analytics.icd10 WHERE code = %s", ("I10",))
        pipe.sync()
        c = conn.execute("SELECT generate_series(1, 3)")
        return [a.fetchone(), b.fetchone(), c.fetchall()]


def pipeline_with_error():
    """An error in the middle; where exactly the driver raises it depends on timing, that it does must not."""
    outcome, states = [], set()
    try:
        with conn.pipeline() as pipe:
            good = conn.execute("SELECT 'before'")
            pipe.sync()
            outcome.append(good.fetchone())
            try:
                for query in ("SELECT 1/0", "SELECT 'skipped'"):
                    conn.execute(query)
                pipe.sync()
            except psycopg.Error as error:
                states.add(error.sqlstate)
    except psycopg.Error as error:
        states.add(error.sqlstate)
    return [outcome, "22012" in states, conn.info.transaction_status.name, conn.execute("SELECT 'after'").fetchone()]


def copy_out(query):
    """The bytes of COPY … TO STDOUT, joined: how they are cut into messages is nobody's promise."""
    with conn.cursor() as cursor, cursor.copy(query) as copy:
        return b"".join(bytes(chunk) for chunk in copy)


def copy_in(form):
    """COPY … FROM STDIN by rows."""
    with conn.cursor() as cursor:
        with cursor.copy(f"COPY analytics.scratch (id, label) FROM STDIN (FORMAT {form})") as copy:
            copy.set_types(["int4", "text"])
            for n in range(1200, 1230):
                copy.write_row((n, f"row\t{n}\n"))
        return [cursor.rowcount, conn.execute("SELECT min(label), count(*) FROM analytics.scratch WHERE id BETWEEN 1200 AND 1229").fetchone()]


def copy_in_aborted():
    """The client gives up in the middle."""
    try:
        with conn.cursor() as cursor, cursor.copy("COPY analytics.scratch (id, label) FROM STDIN") as copy:
            copy.write_row((1300, "never"))
            raise RuntimeError("changed my mind")
    except RuntimeError:
        pass
    return conn.execute("SELECT count(*) FROM analytics.scratch WHERE id = 1300").fetchone()


def cancel():
    """A sleeping statement is cancelled from a second connection, as libpq does it."""
    other = connect()
    timer = threading.Timer(0.5, other.cancel)
    begun = time.monotonic()
    timer.start()
    try:
        other.execute("SELECT pg_sleep(30)")
    except psycopg.errors.QueryCanceled as error:
        return [describe(error), time.monotonic() - begun < 10, other.execute("SELECT 'alive'").fetchone()]
    finally:
        timer.join()
        other.close()
    return "not cancelled"


def notifications():
    """NOTIFY reaches a listener, from the backend whose pid the listener knows. (Payloads may be withheld.)"""
    with connect() as listener:
        listener.execute("LISTEN bell")
        conn.execute("NOTIFY bell")
        for note in listener.notifies(timeout=5, stop_after=1):
            return [note.channel, note.pid == conn.info.backend_pid]
    return "no notification"


def notices():
    """Warnings reach the handler."""
    heard = []
    conn.add_notice_handler(lambda diag: heard.append([diag.sqlstate, diag.severity, diag.message_primary]))
    conn.execute("COMMIT")
    return heard


run("simple protocol", client_side)
run("server-side cursor", server_cursor)
run("transactions", lambda: scratch(commit_and_rollback))
run("executemany", lambda: scratch(many))
run("pipeline", pipeline)
run("pipeline with an error", pipeline_with_error)
for form in ("text", "csv", "binary"):
    run(f"copy out, {form}", lambda form=form: copy_out(f"COPY analytics.type_zoo TO STDOUT (FORMAT {form})"))
    if form != "csv":
        run(f"copy in, {form}", lambda form=form: scratch(lambda: copy_in(form)))
run("copy in, aborted", lambda: scratch(copy_in_aborted))
run("copy out of a missing table", lambda: copy_out("COPY analytics.missing TO STDOUT"))
run("large cell", lambda: [len(conn.execute("SELECT repeat('x', 5000000)").fetchone()[0])])
run("large parameter", lambda: conn.execute("SELECT length(%s::text)", ("y" * 3_000_000,)).fetchone())
run("many rows", lambda: [len(conn.execute("SELECT g, g::text FROM generate_series(1, 50000) g").fetchall())])
run("wide row", lambda: rows(conn.execute("SELECT " + ", ".join(f"{n} AS c{n}" for n in range(600)))))
for bad in ("SELECT 1/0", "SELECT 'x'::int", "SELEC", "SELECT * FROM analytics.nope", "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"):
    run(f"error: {bad}", lambda bad=bad: conn.execute(bad).fetchall())
run("cancel", cancel)
run("notifications", notifications)
run("notices", notices)
run("parameter status", lambda: [conn.info.parameter_status(name) for name in ("server_encoding", "client_encoding", "DateStyle", "integer_datetimes", "standard_conforming_strings", "TimeZone", "application_name")])
run("settings at startup", lambda: connect(options="-c statement_timeout=12345").execute("SHOW statement_timeout").fetchone())

PATIENTS = "SELECT id, mrn, ssn, full_name, dob, sex, phone, email, zip, account_no, portal_id, contact, aliases, photo, height_cm, insured, notes FROM patients WHERE id <= 20 ORDER BY id"
run("masked text", lambda: masked(conn.execute(PATIENTS)))
run("masked binary", lambda: masked(conn.execute(PATIENTS, binary=True)))
run("masked prepared", lambda: masked([conn.execute("SELECT id, ssn, full_name FROM patients WHERE id < %s ORDER BY id", (5,), prepare=True) for _ in range(7)][-1]))
run("masked by protected key", lambda: masked(conn.execute("SELECT id, mrn, state FROM patients WHERE mrn = %s", ("MRN9513673220",))))
run("masked vault binary", lambda: masked(conn.execute("SELECT id, v_bool, v_int2, v_int4, v_int8, v_float4, v_float8, v_numeric, v_text, v_varchar, v_char, v_bytea, v_date_not_null, v_int_not_null, v_uuid, v_jsonb, v_text_array, v_int_array FROM vault ORDER BY id", binary=True)))


def masked_cursor():
    """A cursor over protected rows, in portions."""
    with conn.transaction(), conn.cursor(name="protected") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT id, ssn, full_name, state FROM patients WHERE id <= 30 ORDER BY id")
        found = cursor.fetchmany(10) + cursor.fetchall()
        return table([d.name for d in cursor.description], found)


def masked_copy(form):
    """COPY of protected columns; binary parsed by the driver."""
    columns = ["id", "ssn", "full_name", "dob", "state", "notes"]
    with conn.cursor() as cursor, cursor.copy(f"COPY patients ({', '.join(columns)}) TO STDOUT (FORMAT {form})") as copy:
        if form == "binary":
            copy.set_types(["int4", "text", "text", "date", "text", "text"])
        return table(columns, copy.rows())


def masked_copy_csv():
    """CSV with quoting and line ends inside cells, parsed by Python's reader."""
    import csv
    import io

    text = copy_out("COPY (SELECT id, ssn, full_name, state, notes FROM patients WHERE id < 200 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)")
    parsed = list(csv.reader(io.StringIO(text.decode(), newline="")))
    return table(parsed[0], parsed[1:])


def masked_pipeline():
    """Protected rows from statements in flight together."""
    with conn.pipeline():
        cursors = [conn.execute("SELECT id, ssn, state FROM patients WHERE id = %s", (n,)) for n in range(1, 8)]
        return table(["id", "ssn", "state"], [cursor.fetchone() for cursor in cursors])


run("masked cursor", masked_cursor)
run("masked copy text", lambda: masked_copy("text"))
run("masked copy binary", lambda: masked_copy("binary"))
run("masked copy csv", masked_copy_csv)
run("masked pipeline", masked_pipeline)
conn.execute("DELETE FROM analytics.scratch WHERE id BETWEEN 1000 AND 1999")
conn.close()
emit("closed", conn.closed)
