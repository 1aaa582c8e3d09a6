"""What PyMySQL and mysql-connector-python have in common: the DB-API script that both run, each with its own connection."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from transcript import emit, step, table  # noqa: E402

# What both drivers can decode in binary; one of them stumbles over YEAR, long TIMEs and bits.
PREPARED_ZOO = (
    "SELECT id, v_bool, v_utiny, v_small, v_medium, v_uint, v_big, v_ubig, v_float, v_double, v_decimal, v_char, v_varchar, v_text, "
    "v_long, v_binary, v_blob, v_date, v_datetime, v_timestamp, v_enum, v_set, v_json, v_latin FROM analytics.type_zoo WHERE id = 1"
)


def describe(error):
    """Number, SQLSTATE where the driver keeps it, and message."""
    return [type(error).__name__, *map(str, getattr(error, "args", ()))][:4]


def script(connect, offset, *, prepared=None):
    """Run the steps; `offset` keeps the rows that two drivers write apart."""
    conn = connect()
    cursor = conn.cursor()

    def rows(query, args=()):
        cursor.execute(query, args)
        return {"columns": [[d[0], d[1]] for d in cursor.description], "rows": list(cursor.fetchall())}

    def masked(query, args=(), using=None):
        use = using or cursor
        use.execute(query, args)
        found = use.fetchall()
        return table([d[0] for d in use.description], found)

    def transaction():
        """Commit, then roll back."""
        cursor.execute("DELETE FROM analytics.scratch WHERE id BETWEEN %s AND %s", (offset, offset + 999))
        conn.commit()
        cursor.execute("INSERT INTO analytics.scratch VALUES (%s, 'kept', 1.25, NULL)", (offset,))
        conn.commit()
        cursor.execute("INSERT INTO analytics.scratch VALUES (%s, 'lost', 1.25, NULL)", (offset + 1,))
        conn.rollback()
        cursor.execute("SELECT id, label, amount FROM analytics.scratch WHERE id BETWEEN %s AND %s", (offset, offset + 999))
        return list(cursor.fetchall())

    def many():
        """executemany, which both drivers turn into one long INSERT."""
        cursor.executemany("INSERT INTO analytics.scratch (id, label, amount) VALUES (%s, %s, %s)", [(offset + 100 + n, f"n'{n}\\", n) for n in range(300)])
        count = cursor.rowcount
        cursor.execute("SELECT count(*), sum(amount), max(label) FROM analytics.scratch WHERE id >= %s AND id < %s", (offset + 100, offset + 400))
        found = list(cursor.fetchall())
        conn.rollback()
        return [count, found]

    zoo = "SELECT * FROM analytics.type_zoo WHERE id <> 2 ORDER BY id"
    step("types", lambda: rows(zoo), describe)
    step("parameters", lambda: rows("SELECT %s + 1, %s, %s", (41, "a'b\\c", None)), describe)
    step("lookup", lambda: rows("SELECT title FROM analytics.icd10 WHERE code = %s", ("I10",)), describe)
    step("transaction", transaction, describe)
    step("executemany", many, describe)
    step("large cell", lambda: [len(rows("SELECT repeat('x', 20000000)")["rows"][0][0])], describe)
    step("many rows", lambda: [len(rows("SELECT a.day, b.day FROM analytics.bed_census a JOIN analytics.bed_census b ON b.department_id = a.department_id AND a.department_id = 1 LIMIT 60000")["rows"])], describe)
    for bad in ("SELEC", "SELECT * FROM analytics.nope", "SELECT nope FROM analytics.icd10", "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"):
        step(f"error: {bad}", lambda bad=bad: rows(bad), describe)
    step("after errors", lambda: rows("SELECT 'fine'"), describe)
    patients = "SELECT id, mrn, ssn, full_name, dob, sex, phone, email, zip, account_no, portal_id, contact, aliases, photo, height_cm, insured, created_at, notes FROM patients WHERE id <= 20 ORDER BY id"
    step("masked", lambda: masked(patients), describe)
    step("masked by protected key", lambda: masked("SELECT id, mrn, state FROM patients WHERE mrn = %s", ("MRN9513673220",)), describe)
    step("masked star", lambda: masked("SELECT * FROM patients WHERE id = 4"), describe)
    if prepared:
        with prepared(conn) as special:
            step("prepared types", lambda: [special.execute(PREPARED_ZOO), list(special.fetchall())][1], describe)
            step("prepared, many times", lambda: [[special.execute("SELECT title FROM analytics.icd10 WHERE code = %s", (c,)), list(special.fetchall())][1] for c in ("I10", "O80", "no")], describe)
            step("masked prepared", lambda: masked("SELECT id, ssn, full_name, dob, account_no, height_cm, created_at, photo FROM patients WHERE id <= %s ORDER BY id", (20,), special), describe)
            step("masked vault prepared", lambda: masked("SELECT id, v_tiny, v_int, v_big, v_float, v_decimal, v_text, v_char, v_blob, v_date, v_datetime, v_json, v_date_not_null FROM vault WHERE id <= %s ORDER BY id", (5,), special), describe)
    cursor.execute("DELETE FROM analytics.scratch WHERE id BETWEEN %s AND %s", (offset, offset + 999))
    conn.commit()
    conn.close()
    emit("closed", True)
