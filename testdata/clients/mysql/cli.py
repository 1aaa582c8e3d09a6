"""The mysql/mariadb command line: what a person or a nightly script types."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from transcript import CA, COMPRESS, DATABASE, HOST, PASSWORD, PORT, USER, emit, table  # noqa: E402

ENVIRONMENT = os.environ | {"MYSQL_PWD": PASSWORD}
# The client sends a token in the clear (over TLS) only when told to.
LINE = [
    "/usr/bin/mariadb", "--no-defaults", f"--host={HOST}", f"--port={PORT}", f"--user={USER}", "--protocol=tcp", "--batch",
    "--default-character-set=utf8mb4", "--connect-timeout=10", *([f"--ssl-ca={CA}", "--ssl-verify-server-cert"] if CA else ["--skip-ssl"]), *(["--compress"] if COMPRESS else []), DATABASE,
]
STEPS = {
    "select": "SELECT code, title FROM analytics.icd10 ORDER BY code;",
    "aggregate": "SELECT name, sum(occupied), avg(percent) FROM analytics.occupancy GROUP BY name ORDER BY 1;",
    "types": "SELECT id, v_bool, v_utiny, v_medium, v_ubig, v_float, v_double, v_decimal, v_char, v_varchar, v_text, v_date, v_time, v_datetime, v_timestamp, v_year, v_enum, v_set, v_json, v_latin, hex(v_bit), hex(v_binary), hex(v_point) FROM analytics.type_zoo ORDER BY id;",
    "transaction": "START TRANSACTION; INSERT INTO analytics.scratch VALUES (901, 'cli', 1.5, NULL); SELECT label FROM analytics.scratch WHERE id = 901; ROLLBACK; SELECT count(*) FROM analytics.scratch WHERE id = 901;",
    "division by zero": "SELECT 1/0;",
    "syntax error": "SELEC 1;",
    "no such table": "SELECT * FROM analytics.no_such_table;",
    "no such column": "SELECT no_such FROM analytics.icd10;",
    "duplicate key": "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1);",
    "warnings": "SELECT cast('12x' AS signed); SHOW WARNINGS;",
    "use": "USE analytics; SELECT database(); SELECT count(*) FROM departments;",
    "set and show": "SET @@session.sort_buffer_size = 300000; SELECT @@session.sort_buffer_size;",
    "user variable": "SET @x = 41; SELECT @x + 1;",
    "prepare": "PREPARE p FROM 'SELECT title FROM analytics.icd10 WHERE code = ?'; SET @c = 'I10'; EXECUTE p USING @c; DEALLOCATE PREPARE p;",
    "describe": "DESCRIBE analytics.departments;",
    "show columns": "SHOW COLUMNS FROM analytics.bed_census;",
    "show tables": "SHOW TABLES FROM analytics;",
    "status": "SELECT current_user(), database();",
}
MASKED = {
    "masked select": "SELECT id, mrn, ssn, full_name, dob, sex, phone, email, address, city, state, zip, mbi, account_no, portal_id, last_ip, height_cm, insured, created_at FROM patients WHERE id <= 25 ORDER BY id",
    "masked join": "SELECT p.id, p.full_name, e.admitted, e.icd10 FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id < 6 ORDER BY e.id",
    "masked vault": "SELECT id, v_tiny, v_small, v_int, v_big, v_ubig, v_float, v_double, v_decimal, v_varchar, v_char, v_year, v_date_not_null, v_int_not_null FROM vault ORDER BY id",
    "masked providers": "SELECT id, npi, full_name, specialty, phone FROM providers ORDER BY id",
}


def cli(script):
    """Run a script; exit code and both streams."""
    done = subprocess.run(LINE, input=script.encode(), env=ENVIRONMENT, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace"), done.stderr.decode("utf-8", "backslashreplace")


for name, script in STEPS.items():
    code, out, err = cli(script + "\n")
    emit(name, {"exit": code, "out": out.splitlines(), "err": err.splitlines()})
for name, query in MASKED.items():
    code, out, err = cli(query + ";\n")
    lines = [line.split("\t") for line in out.splitlines()]
    cells = [[None if cell == "NULL" else cell for cell in line] for line in lines]
    emit(name, table(cells[0], cells[1:]) if code == 0 else {"exit": code, "err": err.splitlines()})
