"""psql: what a person or a nightly script types, the backslash commands included."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [f"{HERE}/..", f"{HERE}/../.."]
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit, table  # noqa: E402

from fleet.needs import postgres  # noqa: E402

PSQL = postgres("psql")
ENVIRONMENT = os.environ | {
    "PGHOST": HOST, "PGPORT": str(PORT), "PGUSER": USER, "PGPASSWORD": PASSWORD, "PGDATABASE": DATABASE,
    "PGSSLMODE": "verify-full" if CA else "disable", "PGSSLROOTCERT": CA or "", "PGAPPNAME": "psql-transcript",
    "PGCONNECT_TIMEOUT": "10",
}
STEPS = {
    "select": "SELECT code, title FROM analytics.icd10 ORDER BY code;",
    "aggregate": "SELECT name, sum(occupied), round(avg(percent), 3) FROM analytics.occupancy GROUP BY name ORDER BY 1;",
    "several statements in one message": r"SELECT 1 AS one\; SELECT 'two' AS two\; SELECT 3 AS three;",
    "empty": ";",
    "nothing": "-- only a comment",
    "transaction": "BEGIN; INSERT INTO analytics.scratch VALUES (901, 'psql', 1.5, NULL); SELECT label FROM analytics.scratch WHERE id = 901; ROLLBACK; SELECT count(*) FROM analytics.scratch WHERE id = 901;",
    "error aborts transaction": "BEGIN;\nSELECT 1/0;\nSELECT 2;\nROLLBACK;\nSELECT 3;",
    "syntax error": "SELEC 1;",
    "no such table": "SELECT * FROM analytics.no_such_table;",
    "no such column": "SELECT no_such FROM analytics.icd10;",
    "unique violation": "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1);",
    "warning": "COMMIT;",
    "set and show": "SET work_mem = '5MB'; SHOW work_mem; RESET work_mem;",
    "client encoding": "SET client_encoding = 'LATIN1'; SELECT 'caf' || chr(233) AS latin; SET client_encoding = 'UTF8';",
    "copy out text": "COPY (SELECT id, v_text, v_bytea, v_int4_array FROM analytics.type_zoo ORDER BY id) TO STDOUT;",
    "copy out csv": "COPY analytics.icd10 TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *);",
    "backslash copy": r"\copy analytics.departments TO STDOUT WITH (FORMAT csv)",
    "copy in": "COPY analytics.scratch FROM STDIN;\n910\tone\t1.00\t\\N\n911\ttwo\\ttabs\t2.50\t2024-01-01 00:00:00+00\n\\.\nSELECT * FROM analytics.scratch WHERE id BETWEEN 910 AND 919 ORDER BY id;\nDELETE FROM analytics.scratch WHERE id BETWEEN 910 AND 919;",
    "copy in with an error": "COPY analytics.scratch FROM STDIN;\nnot a number\tx\t1\t\\N\n\\.\nSELECT 'still here';",
    "describe table": r"\d analytics.departments",
    "describe protected table": r"\d patients",
    "list tables": r"\dt analytics.*",
    "list schemas": r"\dn",
    "list views": r"\dv",
    "list functions": r"\df getp",
    "types": r"\dT+ analytics.mood",
    "expanded": "\\x on\nSELECT * FROM analytics.type_zoo WHERE id = 2;",
    "gdesc": "SELECT id, v_numeric, v_enum FROM analytics.type_zoo \\gdesc",
    "gset": "SELECT count(*) AS n FROM analytics.icd10 \\gset\n\\echo :n",
    "fetch count": "\\set FETCH_COUNT 100\nSELECT day, sum(occupied) FROM analytics.bed_census GROUP BY day ORDER BY day;",
    "cursor": "BEGIN; DECLARE c CURSOR FOR SELECT code FROM analytics.icd10 ORDER BY code; FETCH 2 FROM c; MOVE 1 IN c; FETCH 1 FROM c; CLOSE c; COMMIT;",
    "prepare and execute": "PREPARE p(text) AS SELECT title FROM analytics.icd10 WHERE code = $1; EXECUTE p('I10'); EXECUTE p('O80'); DEALLOCATE p;",
    "explain": "EXPLAIN (COSTS OFF) SELECT * FROM analytics.icd10 WHERE code = 'I10';",
    "identity of the session": "SELECT current_database(), current_user, current_setting('application_name'), inet_server_port() > 0;",
}
MASKED = {
    "masked select": "SELECT id, mrn, ssn, full_name, dob, sex, phone, email, address, city, state, zip, mbi, account_no, portal_id, last_ip, contact, aliases, photo, height_cm, insured, created_at, notes FROM patients WHERE id <= 25 ORDER BY id",
    "masked star": "SELECT * FROM patients WHERE id BETWEEN 7 AND 12 ORDER BY id",
    "masked join": "SELECT p.id, p.full_name, e.admitted, e.icd10, e.notes FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id < 6 ORDER BY e.id",
    "masked vault": "SELECT * FROM vault ORDER BY id",
    "masked clinical notes": "SELECT id, patient_id, body FROM clinical_notes WHERE id <= 10 ORDER BY id",
    "masked providers": "SELECT id, npi, full_name, specialty, phone FROM providers ORDER BY id",
}


def psql(script, *flags):
    """Run a script; what it printed, both streams."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run([PSQL, "-X", *flags, "-f", file.name], env=ENVIRONMENT, capture_output=True, timeout=120)
    # The script's own name, which is another one each time.
    clean = [stream.decode("utf-8", "backslashreplace").replace(file.name, "SCRIPT") for stream in (done.stdout, done.stderr)]
    return done.returncode, *clean


psql("DELETE FROM analytics.scratch WHERE id BETWEEN 900 AND 919;")
for name, script in STEPS.items():
    code, out, err = psql(script + "\n")
    emit(name, {"exit": code, "out": out.splitlines(), "err": err.splitlines()})
for name, query in MASKED.items():
    # Unit and record separators: cells hold tabs, line ends and quotes.
    code, out, err = psql(query + ";\n", "-A", "-F", "\x1f", "-R", "\x1e", "--pset", "footer=off", "--pset", "null=\x01")
    records = [record.split("\x1f") for record in out.rstrip("\n").split("\x1e")]
    rows = [[None if cell == "\x01" else cell for cell in record] for record in records[1:]]
    emit(name, table(records[0], rows) if code == 0 and not err else {"exit": code, "err": err.splitlines()})
