"""`affidavit doctor`: it finds what is wrong with a user made to be wrong, its SQL mends that, and the work still gets done."""

import json
import subprocess

import psycopg
import pytest
from conftest import MYSQL_SERVERS, SERVERS

from fleet.mysql import MARIADB, MYSQL
from fleet.postgres import POSTGRES15, POSTGRES18

RULES = """
[[mask]]
name = "ssn"
columns = ["*.*.patients.ssn"]
with = { token = { domain = "ssn", keep_format = true } }

[[mask]]
name = "names"
columns = ["*.*.patients.full_name", "*.*.patients.fullname"]
with = "redact"

[[mask]]
name = "exempt"
columns = ["*.*.patients.mrn"]
with = "keep"
"""

# A role with every right that its work does not need, and objects that act with others' rights.
SICK_POSTGRES = """
SET client_min_messages = error;
DROP DATABASE IF EXISTS doctored WITH (FORCE);
CREATE DATABASE doctored;
"""
SICK_POSTGRES_ROLE = """
SET client_min_messages = error;
DROP ROLE IF EXISTS patient;
CREATE ROLE patient LOGIN PASSWORD '{password}' REPLICATION CREATEROLE BYPASSRLS CREATEDB
    IN ROLE pg_read_server_files, pg_monitor, pg_execute_server_program;
CREATE TABLE patients (id int PRIMARY KEY, mrn text, ssn text, full_name text, phone text, note_count int);
COMMENT ON COLUMN patients.phone IS 'where to call';
INSERT INTO patients VALUES (1, 'M1', '219-09-9999', 'Ada Bagebidu', '(617) 555-0134', 2);
ALTER TABLE patients ENABLE ROW LEVEL SECURITY;
CREATE POLICY everyone ON patients USING (true);
CREATE TABLE odd (id int);
ALTER TABLE odd OWNER TO patient;
CREATE VIEW seen AS SELECT id, ssn AS code, upper(full_name) AS shout FROM patients;
CREATE FUNCTION peek() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT ssn FROM public.patients';
CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watcher ON ddl_command_end EXECUTE FUNCTION watch();
CREATE EXTENSION dblink;
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE passwords (line text) SERVER files OPTIONS (filename '/etc/passwd');
GRANT SELECT, INSERT, TRIGGER ON ALL TABLES IN SCHEMA public TO patient;
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT USAGE ON FOREIGN SERVER files TO patient;
GRANT USAGE ON FOREIGN DATA WRAPPER file_fdw TO patient;
GRANT SELECT ON pg_catalog.pg_authid TO patient;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO patient;
"""
SICK_MYSQL = """
DROP DATABASE IF EXISTS doc_tored; CREATE DATABASE doc_tored;
DROP USER IF EXISTS patient@'{host}'; CREATE USER patient@'{host}' IDENTIFIED BY '{password}';
USE doc_tored;
CREATE TABLE patients (id int PRIMARY KEY, mrn varchar(20), ssn varchar(11), full_name varchar(60), phone varchar(20) COMMENT 'where to call');
INSERT INTO patients VALUES (1, 'M1', '219-09-9999', 'Ada Bagebidu', '(617) 555-0134');
CREATE VIEW seen AS SELECT id, ssn AS code FROM patients;
CREATE FUNCTION peek() RETURNS text DETERMINISTIC READS SQL DATA SQL SECURITY DEFINER RETURN (SELECT max(ssn) FROM patients);
CREATE TABLE one (id int, s varchar(11)) ENGINE = MyISAM; CREATE TABLE many (id int, s varchar(11)) ENGINE = MERGE UNION = (one);
GRANT ALL PRIVILEGES ON `doc\\_tored`.* TO patient@'{host}' WITH GRANT OPTION;
GRANT FILE, PROCESS, RELOAD ON *.* TO patient@'{host}';
GRANT SELECT ON mysql.* TO patient@'{host}';
"""


def examine(proxy, *args):
    """The report as JSON, with the exit code."""
    done = proxy.affidavit("doctor", "--config", proxy.config, "--json", *args)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def found(report, *severities):
    """(check, what) of every finding of these severities; of all without any."""
    return {
        (one["check"], one["what"]) for section in report["sections"] for one in section["findings"]
        if not severities or one["severity"] in severities
    }


def checks(report, *severities):
    """The same, names only."""
    return {check for check, _ in found(report, *severities)}


def configured(make, fleet, server, password, database, rules, tmp_path):
    """A proxy whose datasources log in as the sick user."""
    (tmp_path / "rules.toml").write_text(rules)
    proxy = make((server,), start=False, at=fleet, rules=[tmp_path / "rules.toml"])
    text = proxy.config.read_text().replace('user = "affidavit"', 'user = "patient"')
    for name in ("hospital_twin", "hospital", "bench"):
        text = text.replace(f'database = "{name}"', f'database = "{database}"')
    proxy.config.write_text(text)
    secret = proxy.home / "keys" / f"{server}.password"
    secret.write_text(password)
    return proxy


@pytest.mark.parametrize("server", SERVERS)
def test_a_sick_postgres_user_is_found_mended_and_fit_for_work(server, fleet, fresh_proxy, agent_token, tmp_path):
    engine, entry, password = {"postgres15": POSTGRES15, "postgres18": POSTGRES18}[server], fleet["servers"][server], "a sick role"
    engine.sql(entry, "postgres", SICK_POSTGRES)
    engine.sql(entry, "doctored", SICK_POSTGRES_ROLE.format(password=password))
    proxy = configured(fresh_proxy, fleet, server, password, "doctored", RULES, tmp_path)
    only = ("--datasource", server)
    code, report = examine(proxy)
    assert code == 1
    wanted = {
        "replication", "createrole", "bypassrls", "membership", "definer-routine", "extension", "catalog-secrets", "server-files",
        "foreign-wrapper", "uncovered-column",
    }
    assert checks(report, "high") == wanted, found(report, "high")
    assert {"createdb", "owner", "create-in-schema", "table-privileges", "foreign-table", "foreign-server", "dead-pattern",
            "log-literals"} <= checks(report, "medium")
    assert {"event-trigger", "view-shows-protected"} <= checks(report, "low")
    said = " ".join(what for _, what in found(report))
    for name in ("public.peek()", "dblink", "pg_read_file", "watcher", "patients.phone", "patients.fullname", "seen.code"):
        assert name in said, f"{name} is not in {sorted(found(report))}"
    assert "quiet" not in said, "a trigger function cannot be called"
    assert "mrn" not in " ".join(what for check, what in found(report) if check == "uncovered-column"), "keep is an answer"

    written = proxy.affidavit("doctor", "--config", proxy.config, *only, "--sql")
    assert written.returncode == 0, written.stderr
    engine.sql(entry, "doctored", written.stdout)
    engine.sql(entry, "doctored", written.stdout)  # it may be run again

    rules = RULES.replace('"*.*.patients.fullname"', '"*.*.patients.phone"')
    (proxy.policies / "rules.toml").write_text(rules)
    code, report = examine(proxy)
    assert code == 0
    left = found(report, "high", "medium")
    # A foreign server that was granted by name is the administrator's own business; everything else is gone.
    assert not left, left

    proxy.start()
    with psycopg.connect(host="127.0.0.1", port=proxy.ports[server], user="x", password=agent_token, dbname="doctored", autocommit=True) as conn:
        ssn, name, mrn = conn.execute("SELECT ssn, full_name, mrn FROM patients WHERE id = 1").fetchone()
        assert (name, mrn) == ("***", "M1") and ssn != "219-09-9999" and len(ssn) == 11
        conn.execute("INSERT INTO patients (id, note_count) VALUES (2, 0)")
        with pytest.raises(psycopg.Error):
            conn.execute("SELECT peek()")
    assert proxy.stop() == 0


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_a_sick_mysql_user_is_found_mended_and_fit_for_work(server, mysql_fleet, fresh_proxy, agent_token, tmp_path):
    engine, entry, password = {"mariadb": MARIADB, "mysql": MYSQL}[server], mysql_fleet["servers"][server], "a sick role"
    # Whom each takes us for, by how it resolves the loopback address.
    host = {"mariadb": "localhost", "mysql": "127.0.0.1"}[server]
    engine.sql(entry, SICK_MYSQL.format(password=password, host=host))
    proxy = configured(fresh_proxy, mysql_fleet, server, password, "doc_tored", RULES, tmp_path)
    only = ("--datasource", server)
    code, report = examine(proxy)
    assert code == 1
    wanted = {"global-privilege", "system-database", "definer-routine", "table-elsewhere", "uncovered-column", "grant-option"}
    assert checks(report, "high") - {"loaded-function"} == wanted, found(report, "high")
    assert {"wide-privilege", "dead-pattern", "log-literals"} <= checks(report, "medium")
    assert "view-shows-protected" in checks(report, "low")
    said = " ".join(what for _, what in found(report))
    for name in ("peek", "FILE", "many", "patients.phone", "general_log"):
        assert name in said, f"{name} is not in {sorted(found(report))}"

    engine.sql(entry, "DROP TABLE doc_tored.many")
    written = proxy.affidavit("doctor", "--config", proxy.config, *only, "--sql")
    assert written.returncode == 0, written.stderr
    engine.sql(entry, written.stdout)
    engine.sql(entry, written.stdout)  # it may be run again

    (proxy.policies / "rules.toml").write_text(RULES.replace('"*.*.patients.fullname"', '"*.*.patients.phone"'))
    code, report = examine(proxy)
    assert code == 0, found(report, "high")
    assert checks(report, "medium") <= {"log-literals", "secure-file-priv"}, "what is left is the server's, not the user's"

    proxy.start()
    done = subprocess.run(
        ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{proxy.ports[f'{server}_tls']}", "-ux", f"-p{agent_token}",
         "--ssl", f"--ssl-ca={proxy.ca_file}", "-BN", "doc_tored", "-e",
         "SELECT ssn, full_name, mrn FROM patients WHERE id = 1; INSERT INTO patients (id, mrn) VALUES (2, 'M2')"],
        capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    ssn, name, mrn = done.stdout.strip().split("\t")
    assert (name, mrn) == ("***", "M1") and ssn != "219-09-9999" and len(ssn) == 11
    assert proxy.stop() == 0


def test_a_datasource_that_does_not_answer_is_no_clean_bill(fresh_proxy):
    proxy = fresh_proxy(start=False)
    (proxy.home / "keys/postgres15.password").write_text("wrong")
    done = proxy.affidavit("doctor", "--config", proxy.config, "--datasource", "postgres15")
    assert done.returncode == 3 and "FAILED" in done.stdout, done.stdout + done.stderr
    done = proxy.affidavit("doctor", "--config", proxy.config, "--datasource", "nowhere")
    assert done.returncode == 3 and "there are: postgres15" in done.stderr, done.stderr
