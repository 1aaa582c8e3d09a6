"""COM_CHANGE_USER, LOCAL INFILE, OUT parameters and the pinned RSA key, through real clients and servers."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pymysql
import pytest
from compare import differences
from conftest import MYSQL_SERVERS
from places import CLIENTS, Place, transcript

from fleet import install
from fleet.mysql import MARIADB, MYSQL
from fleet.proxy import Proxy

FAMILY = {"mariadb": MARIADB, "mysql": MYSQL}


@pytest.fixture(scope="module")
def plain(mysql_fleet, tmp_path_factory):
    """A proxy as it is by default."""
    running = Proxy(tmp_path_factory.mktemp("sessions"), mysql_fleet, MYSQL_SERVERS).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


@pytest.fixture(scope="module")
def filing(mysql_fleet, tmp_path_factory):
    """A proxy that lets files of clients in."""
    running = Proxy(
        tmp_path_factory.mktemp("infile"), mysql_fleet, MYSQL_SERVERS, extra={"mysql_datasource_lines": ["local_infile = true"]}
    ).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


def direct(mysql_fleet, server):
    """The database itself."""
    entry = mysql_fleet["servers"][server]
    return Place(entry["port"], "affidavit", entry["users"]["affidavit"], "hospital", entry["ca_file"])


def connect(proxy, server, token, **options):
    """PyMySQL through the proxy."""
    return pymysql.connect(
        host="localhost", port=proxy.ports[f"{server}_tls"], user="agent", password=token, database="hospital",
        ssl={"ca": str(proxy.ca_file)}, **options,
    )


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_change_user_is_the_same(server, plain, mysql_fleet, through, analyst_token):
    before = transcript("mysql/change_user.py", direct(mysql_fleet, server))
    after = transcript("mysql/change_user.py", through(plain, f"{server}_tls", analyst_token))
    assert "error" not in str(before), before
    assert not differences(before, after), "\n".join(differences(before, after))
    sessions = dict.fromkeys(r["session_id"] for r in plain.records("statements", "--limit", "100000"))
    shown = [plain.evidence("show", session, "--config", plain.config).stdout for session in sessions]
    assert any(text.count("COM_CHANGE_USER") == 2 for text in shown), "they stand in the record"


MYSQL2 = """
import mysql from 'mysql2/promise';
import { readFileSync } from 'node:fs';
const env = process.env;
let shown = env.TARGET_PASSWORD;
const options = (token) => ({ user: env.TARGET_USER, password: token, database: 'hospital', authPlugins: { mysql_clear_password: () => () => Buffer.from(`${shown}\\0`) } });
const conn = await mysql.createConnection({ host: 'localhost', port: Number(env.TARGET_PORT), ssl: { ca: readFileSync(env.TARGET_CA) }, ...options(env.TARGET_PASSWORD) });
await conn.query('SET @x = 1');
const said = [];
await conn.changeUser({ ...options(env.TARGET_PASSWORD), database: 'analytics' });
said.push((await conn.query('SELECT @x AS x, database() AS d'))[0][0]);
// The driver keeps the plugins of the first login, so what they show is changed here.
shown = env.OTHER_TOKEN;
try {
  await conn.changeUser(options(env.OTHER_TOKEN));
  said.push('let in');
} catch (error) {
  said.push(error.message);
}
console.log(JSON.stringify(said));
conn.destroy();
"""


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_nobody_becomes_somebody_else(server, plain, through, mint, tmp_path):
    place = through(plain, f"{server}_tls", mint.token())
    script = Path(CLIENTS / "mysql" / f"change-{os.getpid()}.mjs")
    script.write_text(MYSQL2)
    try:
        environment = os.environ | place.variables() | {"OTHER_TOKEN": mint.token(sub="doc", groups=["treating-clinicians"])}
        done = subprocess.run([install.node(), script], env=environment, capture_output=True, text=True, timeout=60)
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr
    fresh, refused = json.loads(done.stdout)
    assert fresh == {"x": None, "d": "analytics"}
    assert "open a new connection" in refused, refused


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_a_file_of_the_client(server, filing, agent_token, tmp_path):
    table = "analytics.scratch"
    path = tmp_path / "rows.csv"
    content = "".join(f"{n},row {n},{n}.5,\\N\n" for n in range(700000, 705000)).encode()
    path.write_bytes(content)
    with connect(filing, server, agent_token, local_infile=True, autocommit=True) as conn, conn.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE id >= 700000")
        done = cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} FIELDS TERMINATED BY ','")
        assert done == 5000
        cursor.execute(f"SELECT count(*), sum(amount), max(label) FROM {table} WHERE id >= 700000")
        assert cursor.fetchone()[0::2] == (5000, "row 704999")
        with pytest.raises(pymysql.Error) as twice:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} FIELDS TERMINATED BY ',' (id, label, nope)")
        assert twice.value.args[0] == 1054
        cursor.execute(f"DELETE FROM {table} WHERE id >= 700000")
        cursor.execute("SELECT 'usable'")
        assert cursor.fetchone() == ("usable",)
        # Where writes are denied, a file is a write like any other.
        with pytest.raises(pymysql.Error) as missing:
            cursor.execute(f"LOAD DATA LOCAL INFILE '{tmp_path}/absent.csv' INTO TABLE {table}")
        assert "absent.csv" in str(missing.value)
    digest = hashlib.sha256(content).hexdigest()
    # The tag says how much came, and what.
    text = json.dumps(filing.records("statements", "--limit", "100000"))
    assert f"LOAD DATA LOCAL {len(content)} bytes sha256:{digest}" in text


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_files_are_refused_by_default(server, plain, agent_token, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("1,x\n")
    with connect(plain, server, agent_token, local_infile=True) as conn, conn.cursor() as cursor:
        with pytest.raises(pymysql.Error):
            cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE analytics.scratch")
        conn.ping(reconnect=False)
        cursor.execute("SELECT 'usable'")
        assert cursor.fetchone() == ("usable",)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_a_denied_write_sends_no_file(server, mysql_fleet, tmp_path, agent_token):
    rules = tmp_path / "rules.toml"
    rules.write_text('[[deny]]\nname = "no uploads"\nwhen = { verbs = ["copy-in"], tables = ["*.*.scratch"] }\n')
    proxy = Proxy(tmp_path / "proxy", mysql_fleet, [server], rules=[rules], extra={"mysql_datasource_lines": ["local_infile = true"]}).start()
    path = tmp_path / "rows.csv"
    path.write_text("1,x\n")
    try:
        with connect(proxy, server, agent_token, local_infile=True) as conn, conn.cursor() as cursor:
            with pytest.raises(pymysql.Error, match="no uploads"):
                cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE analytics.scratch FIELDS TERMINATED BY ','")
            cursor.execute("SELECT 'usable'")
            assert cursor.fetchone() == ("usable",)
    finally:
        assert proxy.stop() == 0


@pytest.mark.skipif("mysql" not in MYSQL_SERVERS, reason="MySQL lives in the tree that is left out")
def test_the_password_goes_under_a_pinned_key_only(mysql_fleet, tmp_path, agent_token):
    entry = mysql_fleet["servers"]["mysql"]

    def proxy(name, lines):
        return Proxy(tmp_path / name, mysql_fleet, ["mysql"], extra={"upstream_tls": False, "mysql_datasource_lines": lines})

    def forget():
        """Empty the server's cache of passwords, so that it asks for them."""
        MYSQL.sql(entry, "FLUSH PRIVILEGES;")

    key = tmp_path / "public_key.pem"
    key.write_bytes((Path(entry["data_dir"]) / "public_key.pem").read_bytes())
    pinned = proxy("pinned", [f'rsa_key = {{ file = "{key}" }}']).start()
    try:
        forget()
        with connect(pinned, "mysql", agent_token) as conn, conn.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    finally:
        assert pinned.stop() == 0
    unpinned = proxy("unpinned", []).start()
    try:
        forget()
        with pytest.raises(pymysql.Error, match="nobody vouches for"):
            connect(unpinned, "mysql", agent_token)
    finally:
        assert unpinned.stop() == 0
    other = tmp_path / "other.pem"
    subprocess.run(f"openssl genrsa 2048 2>/dev/null | openssl rsa -pubout -out {other} 2>/dev/null", shell=True, check=True)
    wrong = proxy("wrong", [f'rsa_key = {{ file = "{other}" }}']).start()
    try:
        forget()
        with pytest.raises(pymysql.Error):
            connect(wrong, "mysql", agent_token)
    finally:
        assert wrong.stop() == 0
    other.write_text("not a key")
    broken = proxy("broken", [f'rsa_key = {{ file = "{other}" }}'])
    checked = broken.affidavit("check", "--config", broken.config)
    assert checked.returncode != 0 and "rsa_key" in checked.stdout + checked.stderr, checked


PROCEDURES = """
DROP PROCEDURE IF EXISTS analytics.wards; DROP PROCEDURE IF EXISTS analytics.people; DROP PROCEDURE IF EXISTS analytics.add_up;
DELIMITER //
CREATE PROCEDURE analytics.wards(IN most INT) SQL SECURITY INVOKER READS SQL DATA
BEGIN
  SELECT code, beds FROM departments WHERE beds <= most ORDER BY code LIMIT 2;
  SELECT code, title FROM analytics.icd10 ORDER BY code LIMIT 3;
END //
CREATE PROCEDURE analytics.people() BEGIN
  SELECT code FROM analytics.departments ORDER BY code LIMIT 2;
  SELECT ssn, full_name FROM hospital.patients WHERE id < 4 ORDER BY id;
END //
CREATE PROCEDURE analytics.add_up(IN a INT, INOUT b INT, OUT c VARCHAR(20)) BEGIN SET b = a + b; SET c = concat('is ', b); END //
DELIMITER ;
"""


@pytest.fixture(scope="module")
def procedures(mysql_fleet):
    """Stored procedures, over what is protected and over what is not."""
    for server in MYSQL_SERVERS:
        entry = mysql_fleet["servers"][server]
        FAMILY[server].sql(entry, PROCEDURES)
        # To follow a procedure, the proxy's user has to be allowed to read it.
        right = "SELECT ON mysql.proc" if server == "mariadb" else "SHOW_ROUTINE ON *.*"
        for host in ("127.0.0.1", "localhost"):
            FAMILY[server].sql(entry, f"GRANT {right} TO affidavit@'{host}';")
    yield
    for server in MYSQL_SERVERS:
        FAMILY[server].sql(mysql_fleet["servers"][server], PROCEDURES.split("DELIMITER")[0])
        right = "SELECT ON mysql.proc" if server == "mariadb" else "SHOW_ROUTINE ON *.*"
        for host in ("127.0.0.1", "localhost"):
            FAMILY[server].sql(mysql_fleet["servers"][server], f"REVOKE {right} FROM affidavit@'{host}';")


def results(cursor):
    """Every result set of what was just executed."""
    found = [cursor.fetchall()]
    while cursor.nextset():
        found.append(cursor.fetchall())
    return found


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_procedures_that_touch_nothing_protected(server, plain, procedures, agent_token, mysql_fleet):
    entry = mysql_fleet["servers"][server]
    ours = pymysql.connect(host="127.0.0.1", port=entry["port"], user="affidavit", password=entry["users"]["affidavit"], database="hospital", ssl={"ca": entry["ca_file"]})
    with ours, ours.cursor() as before, connect(plain, server, agent_token) as conn, conn.cursor() as cursor:
        before.execute("CALL analytics.wards(100000)")
        cursor.execute("CALL analytics.wards(100000)")
        expected = results(before)
        assert len(expected) == 3 and len(expected[1]) == 3
        assert results(cursor) == expected
        cursor.execute("SET @sum = 3")
        cursor.execute("CALL analytics.add_up(4, @sum, @said)")
        cursor.execute("SELECT @sum, @said")
        assert cursor.fetchall() == ((7, "is 7"),)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_out_parameters_in_the_binary_protocol(server, plain, procedures, agent_token):
    import mysql.connector

    conn = mysql.connector.connect(
        host="localhost", port=plain.ports[f"{server}_tls"], user="agent", password=agent_token, database="hospital",
        use_pure=True, ssl_ca=str(plain.ca_file), ssl_verify_cert=True,
    )
    with conn, conn.cursor() as cursor:
        assert cursor.callproc("analytics.add_up", (4, 5, None)) == (4, 9, "is 9")


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_procedures_over_protected_tables_are_redacted(server, plain, procedures, agent_token):
    with connect(plain, server, agent_token) as conn, conn.cursor() as cursor:
        cursor.execute("CALL analytics.people()")
        _, people, _ = results(cursor)
        assert len(people) == 3
        assert all(cell == "***" for row in people for cell in row), people
        cursor.execute("SELECT 'usable'")
        assert cursor.fetchone() == ("usable",)
