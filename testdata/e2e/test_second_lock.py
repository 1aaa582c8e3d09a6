"""The second lock: the database's own privileges behind the masks. Roles are made by what `affidavit doctor --sql` prints."""

import json
import os
import re
import subprocess
import time
from contextlib import contextmanager

import psycopg
import pytest
from conftest import MYSQL_SERVERS, PATIENTS, SERVERS, TESTDATA

from fleet import second_lock
from fleet.proxy import Proxy
from hospital.canaries import KINDS
from leaks.attacks import HERE, attacks, lines, split
from leaks.ground import SERVERS as ENGINES_SERVERS
from leaks.ground import Ground, servers
from leaks.sweep import Canaries
from leaks.transcript import Names, comparable, first_difference

SHOWN_IN_PART = {"dob", "family", "provider", "kin", "alias", "address", "account", "ip"}
ORDINARY = TESTDATA.parent / "protocols/sql/tests/data"
# Who asks is another with the lock: the role.
WHO = re.compile(r"user|role|grants|privilege", re.IGNORECASE)
# No two runs answer these alike: clocks, processes, sequences, what the first run has made.
RESTLESS = re.compile(r"now\(\)|clock_timestamp|nextval|txid_current|pg_stat_activity|UUID\(\)|^CREATE TABLE z ", re.IGNORECASE)
# The schema of the masks' views is one more; a right that the account lacks anyway is told by a template; MySQL denies a role of
# few columns what does not exist, by the account's name; a session that begins with ROW_COUNT() counts the role's statement.
SAID = re.compile(r"schemata|SHOW DATABASES|TRUNCATE analytics\.scratch|^USE t$|FROM `t`|\borders$|ROW_COUNT\(\)", re.IGNORECASE)
POSTGRES = pytest.mark.parametrize("server", SERVERS)
FAMILY = pytest.mark.parametrize("server", MYSQL_SERVERS)


@pytest.fixture(scope="module")
def locked(fleet, mysql_fleet, tmp_path_factory):
    """One proxy with the lock required on every server, its roles made by its own SQL."""
    proxy = Proxy(tmp_path_factory.mktemp("locked"), mysql_fleet, [*SERVERS, *MYSQL_SERVERS], second_lock="required")
    proxy.start()
    yield proxy
    assert proxy.stop() == 0, proxy.log.read_text()[-3000:]


@pytest.fixture
def run(locked, analyst_token):
    """A connection to a PostgreSQL server through the locked proxy."""
    made = []

    def connect(server="postgres15", token=analyst_token, **options):
        conn = psycopg.connect(
            host="127.0.0.1", port=locked.ports[server], user="agent", password=token, dbname="hospital", autocommit=True,
            sslmode="disable", **options,
        )
        made.append(conn)
        return conn

    yield connect
    for conn in made:
        conn.close()


def mysql(proxy, server, token, *statements):
    """What the MariaDB client prints for statements through the proxy, one session."""
    from fleet.needs import MARIADB

    done = subprocess.run(
        [MARIADB, "--no-defaults", "--host=127.0.0.1", f"--port={proxy.ports[server + '_tls']}", "--user=agent", f"--ssl-ca={proxy.ca_file}",
         "-N", "-B", "hospital"],
        input=";\n".join(statements) + ";\n", text=True, capture_output=True, env=os.environ | {"MYSQL_PWD": token},
    )
    return done.stdout.strip(), done.stderr.strip()


@contextmanager
def before_the_wire_role(server, proxy):
    """What the server has logged of the block's statements must come before the proxy takes the wire role."""
    with open(proxy.fleet["servers"][server]["statement_log"], "rb") as log:
        log.seek(0, os.SEEK_END)
        yield
        logged, end = b"", time.monotonic() + 10
        while not re.search(rb"FOR UPDATE.*affidavit_locked_wire", logged, re.DOTALL) and time.monotonic() < end:
            logged += log.read()
            time.sleep(0.05)
    first, last = logged.index(b"WHERE p.id = 3"), logged.index(b"height_cm LIMIT 1 FOR UPDATE")
    assert b"affidavit_locked_wire" not in logged[first:last] and b"affidavit_locked_wire" in logged[last:], logged.decode(errors="replace")


def doctor(proxy, datasource):
    """The checks that the doctor finds wanting."""
    done = proxy.affidavit("doctor", "--config", proxy.config, "--datasource", datasource, "--json")
    return {finding["check"]: finding for section in json.loads(done.stdout)["sections"] for finding in section["findings"]}


@pytest.mark.parametrize("server", [*SERVERS, *MYSQL_SERVERS])
def test_the_sql_may_be_run_again_and_the_doctor_is_content(server, locked):
    server_entry = locked.fleet["servers"][server]
    second_lock.install(locked, server, server_entry, server_entry["database"])
    assert not [check for check in doctor(locked, server) if check.startswith("second-lock")]


@POSTGRES
def test_classes_run_with_their_roles(server, run, locked):
    conn = run(server)
    assert conn.execute("SELECT current_user").fetchone() == ("affidavit_locked_masked",)
    ssn = conn.execute("SELECT ssn FROM patients WHERE id = 3").fetchone()[0]
    assert len(ssn) == 11 and ssn != "918-37-4334"
    assert conn.execute("SELECT current_user").fetchone() == ("affidavit_locked_masked",)
    assert conn.execute("SELECT upper(ssn), extract(year FROM dob)::int > 1900 FROM patients WHERE id = 3").fetchone() == ("***", True)
    assert conn.execute("SELECT count(*) FROM ONLY patients WHERE dob < now()").fetchone() == (PATIENTS,)
    shown, computed = (conn.execute(f"SELECT {zip} FROM patients ORDER BY id LIMIT 20").fetchall() for zip in ("zip", "btrim(zip)"))
    assert [one.strip() for (one,) in shown] == [one for (one,) in computed] and len(computed[0][0]) == 3
    # What names a protected table, and none of its protected columns, needs no right to them.
    conn.execute("SELECT upper(ssn) FROM patients WHERE id = 3")
    with before_the_wire_role(server, locked):
        assert conn.execute("SELECT p.id, count(*) FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id = 3 GROUP BY p.id").fetchone()[0] == 3
        assert conn.execute("SELECT id FROM patients WHERE state = 'TX' ORDER BY height_cm LIMIT 1 FOR UPDATE").fetchone()
        conn.execute("SELECT ssn FROM patients WHERE id = 3")
    with conn.transaction():
        conn.execute("CREATE TEMP TABLE mine AS SELECT id, ssn FROM patients WHERE upper(ssn) LIKE '%'")
        assert conn.execute("SELECT p.id, p.ssn, m.ssn FROM patients p JOIN mine m ON m.id = p.id WHERE p.id = 3").fetchone()[0] == 3
        assert conn.execute("SELECT ssn FROM mine WHERE id = 3").fetchone() == ("***",)
    with pytest.raises(psycopg.Error), conn.transaction():
        conn.execute("SELECT ssn FROM patients WHERE id = 4")
        conn.execute("SELECT 1/0")
    assert conn.execute("SELECT current_user").fetchone() == ("affidavit_locked_masked",)
    with conn.transaction():
        assert conn.execute("UPDATE patients SET insured = insured WHERE id = 3").rowcount == 1
    with conn.pipeline():
        cursors = [conn.execute(text, prepare=True) for text in ("SELECT ssn FROM patients WHERE id = 3", "SELECT 1", "SELECT ssn FROM patients WHERE id = 3")]
        assert [cursor.fetchone()[0] for cursor in cursors] == [ssn, 1, ssn]
    conn.execute("DISCARD ALL")
    assert conn.execute("SELECT current_user").fetchone() == ("affidavit_locked_masked",)


@POSTGRES
def test_clients_take_no_roles(server, run):
    conn = run(server)
    for text in ("SET ROLE affidavit_locked_wire", "RESET ROLE", "SET SESSION AUTHORIZATION DEFAULT", "SELECT set_config('role', 'none', false)",
                 "ALTER ROLE affidavit_locked_masked PASSWORD 'x'", "GRANT affidavit_locked_wire TO affidavit_locked_masked"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="not changed through Affidavit"):
            conn.execute(text)
    with pytest.raises(psycopg.OperationalError, match="role cannot be asked for"):
        run(server, options="-c role=affidavit_locked_wire")


@POSTGRES
def test_the_masked_role_itself_is_refused_by_the_database(server, locked):
    # Our reading switched off: the attacks' texts, straight at the server, as the role that they would run with.
    entry = locked.fleet["servers"][server]
    canaries = Canaries(PATIENTS, kinds=set(KINDS) - SHOWN_IN_PART)
    denied, leaked = 0, []
    with psycopg.connect(
        host="127.0.0.1", port=entry["port"], user=second_lock.ACCOUNT, password=entry["users"][second_lock.ACCOUNT], dbname="hospital",
        autocommit=True, options="-c role=affidavit_locked_masked -c statement_timeout=5s",
    ) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT ssn FROM patients")
        for attack in attacks("postgres"):
            if len(attack.statements) > 1 or not attack.statements[0].upper().startswith(("SELECT", "WITH", "TABLE", "VALUES")):
                continue
            try:
                rows = str(conn.execute(attack.statements[0]).fetchall())
            except psycopg.errors.InsufficientPrivilege as error:
                denied, rows = denied + 1, str(error)
            except psycopg.Error as error:
                rows = str(error)
            # A routine of the hospital that runs with its owner's rights, which the doctor finds: no role is in its way.
            definer = "getp" in attack.statements[0].lower()
            if not definer and (found := canaries.find(rows.encode())):
                leaked.append((attack.statements[0], found[:2]))
    assert not leaked and denied >= 100, (leaked, denied)


@POSTGRES
def test_what_the_lock_refuses_is_an_alarm(server, locked, run):
    entry = locked.fleet["servers"][server]
    second_lock.administer(entry, "hospital", "REVOKE SELECT ON analytics.icd10 FROM affidavit_locked_masked, affidavit_locked_wire")
    try:
        conn = run(server)
        since = len(locked.log.read_text())
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
            conn.execute("SELECT count(*) FROM analytics.icd10")
        assert "icd10" not in str(refused.value)
        locked.wait_for_log("ALARM: the second lock refused", since)
        assert any(event["action"] == "second lock alarm" for event in locked.records("accesses"))
        assert "second-lock-narrow" in doctor(locked, server)
    finally:
        second_lock.administer(entry, "hospital", "GRANT SELECT ON analytics.icd10 TO affidavit_locked_masked, affidavit_locked_wire")


@FAMILY
def test_classes_run_with_their_roles_on_mysql(server, locked, analyst_token):
    out, error = mysql(
        locked, server, analyst_token, "SELECT ssn FROM patients WHERE id = 3", "SELECT UPPER(ssn), YEAR(dob) > 1900 FROM patients WHERE id = 3",
        "CREATE TEMPORARY TABLE mine AS SELECT id, CONCAT(ssn, '') AS s FROM patients", "SELECT s FROM mine WHERE id = 3",
        "SELECT p.id FROM patients p JOIN mine m ON m.id = p.id WHERE p.ssn = 'no such'", "SELECT COUNT(*) FROM encounters WHERE patient_id = 3",
        "UPDATE patients SET insured = insured WHERE id = 3", "SELECT ROW_COUNT() >= 0", "SHOW COLUMNS FROM patients LIKE 'ssn'",
    )
    assert not error, error
    lines = out.splitlines()
    assert lines[0] != "918-37-4334" and len(lines[0]) == 11
    out, error = mysql(locked, server, analyst_token, "SELECT zip FROM patients WHERE id < 9 ORDER BY id", "SELECT TRIM(zip) FROM patients WHERE id < 9 ORDER BY id")
    assert not error and out.splitlines()[:8] == out.splitlines()[8:] and len(out.splitlines()[0]) == 3, out
    # What names a protected table, and none of its protected columns, needs no right to them.
    with before_the_wire_role(server, locked):
        out, error = mysql(
            locked, server, analyst_token, "SELECT COUNT(*) FROM patients", "SELECT p.id, e.icd10 FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE p.id = 3",
            "SELECT id FROM patients WHERE state = 'TX' ORDER BY height_cm LIMIT 1 FOR UPDATE", "SELECT ssn FROM patients WHERE id = 3",
        )
        assert not error and out, error
    assert lines[1:3] == ["***\t1", "***"] and lines[-2] == "1" and lines[-1].startswith("ssn\t")


@FAMILY
def test_clients_take_no_roles_on_mysql(server, locked, agent_token):
    for text in ("SET ROLE 'affidavit_locked_wire'", "SET ROLE NONE", "SET DEFAULT ROLE NONE TO CURRENT_USER()"):
        _, error = mysql(locked, server, agent_token, text)
        assert "not changed through Affidavit" in error, (text, error)


@FAMILY
def test_the_masked_role_itself_is_refused_by_mysql(server, locked):
    from fleet.needs import MARIADB

    entry = locked.fleet["servers"][server]
    canaries = Canaries(PATIENTS, kinds=set(KINDS) - SHOWN_IN_PART)
    texts = [
        attack.statements[0] for attack in attacks("mysql")
        if len(attack.statements) == 1 and attack.statements[0].upper().startswith(("SELECT", "WITH", "TABLE", "VALUES"))
    ]
    done = subprocess.run(
        [MARIADB, "--no-defaults", "--host=127.0.0.1", f"--port={entry['port']}", f"--user={second_lock.ACCOUNT}", f"--ssl-ca={entry['ca_file']}",
         "--force", "-N", "-B", "hospital"],
        input="SET ROLE 'affidavit_locked_masked';\nSELECT ssn FROM patients;\n" + ";\n".join(texts) + ";\n", text=True, errors="replace",
        capture_output=True, env=os.environ | {"MYSQL_PWD": entry["users"][second_lock.ACCOUNT]},
    )
    denied = sum(f"ERROR {code} " in line for line in done.stderr.splitlines() for code in (1142, 1143, 1370))
    assert not canaries.find((done.stdout + done.stderr).encode()) and denied >= 100, done.stderr[:2000]


@FAMILY
def test_views_that_nobody_can_read_stand_in_nobodys_way(server, locked, analyst_token):
    entry = locked.fleet["servers"][server]
    views = {
        "of_gone": "CREATE VIEW hospital.of_gone AS SELECT id, ssn FROM hospital.gone",
        "of_of_gone": "CREATE VIEW hospital.of_of_gone AS SELECT id, ssn FROM hospital.of_gone",
        "of_nobody": "CREATE DEFINER = 'nobody'@'localhost' VIEW hospital.of_nobody AS SELECT id, ssn, dob, phone FROM hospital.patients",
    }
    left = "DROP VIEW IF EXISTS " + ", ".join(f"hospital.{view}" for view in views) + "; DROP TABLE IF EXISTS hospital.gone;"
    second_lock.administer(entry, "hospital", f"{left} CREATE TABLE hospital.gone (id int, ssn varchar(11)); {'; '.join(views.values())}; DROP TABLE hospital.gone;")
    try:
        printed = second_lock.sql(locked, server)
        for view in views:
            assert re.search(rf"^-- Left out: view `hospital`.`{view}`, which nobody can read \(", printed, re.MULTILINE), printed
            assert not re.search(rf"^[^-].*`{view}`", printed, re.MULTILINE), printed
        second_lock.administer(entry, "hospital", printed)
        assert "second-lock" not in doctor(locked, server)
        out, error = mysql(locked, server, analyst_token, "SELECT UPPER(ssn) FROM patients WHERE id = 3", "SELECT LENGTH(ssn) FROM patients WHERE id = 3")
        assert (out, error) == ("***\n3", "")
        for view in views:
            out, error = mysql(locked, server, analyst_token, f"SELECT ssn, UPPER(ssn) FROM {view}")
            assert not out and error, view
    finally:
        second_lock.administer(entry, "hospital", left)


@pytest.mark.parametrize("server", [*SERVERS, *MYSQL_SERVERS])
def test_a_table_that_a_client_makes_keeps_nobody_out(server, locked, analyst_token):
    # A rule covers it and computes its mask, through a view that nobody has made yet.
    entry = locked.fleet["servers"][server]
    make = "CREATE TABLE claims (id integer, phone varchar(20))"
    try:
        since = len(locked.log.read_text())
        if server in SERVERS:
            with psycopg.connect(host="127.0.0.1", port=locked.ports[server], user="agent", password=analyst_token, dbname="hospital", sslmode="disable") as conn:
                conn.execute(make)
        else:
            assert mysql(locked, server, analyst_token, make) == ("", "")
        locked.wait_for_log("views that show masks are not there yet: affidavit_locked_masks.*claims", since)
        assert {"second-lock", "second-lock-narrow"} & set(doctor(locked, server)) == {"second-lock-narrow"}
        if server in SERVERS:
            with psycopg.connect(host="127.0.0.1", port=locked.ports[server], user="agent", password=analyst_token, dbname="hospital", autocommit=True, sslmode="disable") as conn:
                assert conn.execute("SELECT upper(ssn) FROM patients WHERE id = 3").fetchone() == ("***",)
                with pytest.raises(psycopg.Error):
                    conn.execute("SELECT upper(phone) FROM claims")
        else:
            assert mysql(locked, server, analyst_token, "SELECT UPPER(ssn) FROM patients WHERE id = 3") == ("***", "")
            assert mysql(locked, server, analyst_token, "SELECT UPPER(phone) FROM claims")[1]
    finally:
        second_lock.administer(entry, "hospital", "DROP TABLE IF EXISTS claims;" if server in SERVERS else "DROP TABLE IF EXISTS hospital.claims;")


def test_required_refuses_and_preferred_says_so(fleet, fresh_proxy, through, mint):
    entry = fleet["servers"]["postgres15"]
    second_lock.administer(entry, "hospital", "GRANT SELECT (ssn) ON patients TO affidavit_locked_masked")
    rules = TESTDATA / "leaks/twin.toml"
    required = fresh_proxy(rules=[rules], second_lock="required", install_lock=False)
    place = through(required)
    with pytest.raises(psycopg.OperationalError, match="(?s)second lock.*affidavit doctor --datasource postgres15 --sql"):
        psycopg.connect(host="127.0.0.1", port=required.ports["postgres15"], user="agent", password=place.password, dbname="hospital", sslmode="disable")
    assert doctor(required, "postgres15")["second-lock"]["severity"] == "high"
    preferred = fresh_proxy(rules=[rules], second_lock="preferred", install_lock=False)
    assert through(preferred).one("SELECT current_user") == second_lock.ACCOUNT
    preferred.wait_for_log("the second lock is out of order")
    assert any(event["action"] == "second lock" for event in preferred.records("accesses"))
    assert doctor(preferred, "postgres15")["second-lock"]["severity"] == "medium"
    second_lock.install(required, "postgres15", entry, "hospital")
    try:
        required.wait_for_log(r"the second lock is in force.*datasource.*postgres15\b")
        assert through(required).one("SELECT upper(ssn) FROM patients WHERE id = 3") == "***"
    finally:
        hospital = fresh_proxy(second_lock="required", start=False)
        second_lock.install(hospital, "postgres15", entry, "hospital")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("engine", list(ENGINES_SERVERS))
def test_ordinary_statements_answer_as_without(engine, mint, tmp_path_factory, capsys):
    fleet = servers()
    rules = [TESTDATA / "policies/hospital.toml"]
    grounds = [Ground(engine, fleet, mint, tmp_path_factory.mktemp(f"ordinary-{lock}"), rules, second_lock=lock) for lock in (None, "required")]
    texts = [split(line) for _, line in lines(HERE / "valid" / f"{engine}.txt")]
    texts += [(text.strip(),) for path in ORDINARY.glob(f"{engine}-ordinary*.sql") for text in path.read_text().split(";;;") if text.strip()]
    try:
        differ = {}
        for statements in texts:
            if any(kind.search(" ".join(statements)) for kind in (WHO, RESTLESS, SAID)):
                continue
            answers = [comparable(engine, ground.doors()[0].run(statements, ground.modes()[0]), Names(), statements) for ground in grounds]
            if answers[0] != answers[1]:
                differ[" ;; ".join(statements)] = first_difference(*answers)
    finally:
        for ground in grounds:
            ground.stop()
    with capsys.disabled():
        print(f"\nsecond lock, {engine}: {len(texts) - len(differ)} of {len(texts)} ordinary statements answer as without it")
    assert not differ, "\n".join(f"{text}\n      {what}" for text, what in differ.items())
