"""Compression on either hop: the drivers' transcripts are the direct, uncompressed ones; the wire is shorter."""

import subprocess

import pytest
from compare import differences
from conftest import MYSQL_SERVERS
from places import Place, transcript
from tap import Tap

from fleet.mysql import MYSQL
from hospital.canaries import Sweep

COMPRESSING = ["cli.py", "connector_python.py", "mysql2.mjs", "Jdbc.java"]


@pytest.fixture(scope="module")
def proxies(mysql_fleet, tmp_path_factory):
    """Proxies by what compresses their upstream: nothing, or zlib."""
    from fleet.proxy import Proxy

    running = {
        how: Proxy(
            tmp_path_factory.mktemp(f"compression-{how}"), mysql_fleet, MYSQL_SERVERS,
            extra={"mysql_datasource_lines": [f'compression = "{how}"'] if how != "none" else []},
        ).start()
        for how in ("none", "zlib")
    }
    yield running
    for proxy in running.values():
        assert proxy.stop() == 0, proxy.log.read_text()[-3000:]


def direct(mysql_fleet, server):
    """The database itself."""
    entry = mysql_fleet["servers"][server]
    return Place(entry["port"], "affidavit", entry["users"]["affidavit"], "hospital", entry["ca_file"])


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("client", COMPRESSING)
def test_clients_that_compress(client, server, proxies, mysql_fleet, through, analyst_token):
    before = transcript(f"mysql/{client}", direct(mysql_fleet, server))
    after = transcript(f"mysql/{client}", through(proxies["none"], f"{server}_tls", analyst_token).on(compress=True))
    wrong = differences(before, after)
    assert not wrong, f"{len(wrong)} of {len(before)} steps differ\n" + "\n".join(wrong)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("client", ["pymysql_client.py", "mysql2.mjs"])
def test_an_upstream_that_compresses(client, server, proxies, mysql_fleet, through, analyst_token):
    before = transcript(f"mysql/{client}", direct(mysql_fleet, server))
    for compress in (False, True) if client == "mysql2.mjs" else (False,):
        after = transcript(f"mysql/{client}", through(proxies["zlib"], f"{server}_tls", analyst_token).on(compress=compress))
        wrong = differences(before, after)
        assert not wrong, f"{len(wrong)} of {len(before)} steps differ\n" + "\n".join(wrong)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("how", ["none", "zlib"])
def test_the_wire_is_shorter(how, server, proxies, agent_token):
    import mysql.connector

    lengths, compressed = {}, {}
    for compress in (False, True):
        tap = Tap(proxies[how].ports[f"{server}_tls"])
        conn = mysql.connector.connect(
            host="localhost", port=tap.port, user="agent", password=agent_token, database="hospital", use_pure=True,
            compress=compress, ssl_ca=str(proxies[how].ca_file), ssl_verify_cert=True,
        )
        with conn.cursor() as cursor:
            cursor.execute("SELECT repeat('abcdefgh', 500000)")
            assert cursor.fetchall() == [("abcdefgh" * 500000,)]
            cursor.execute("SHOW SESSION STATUS LIKE 'Compression'")
            compressed[compress] = [row[1] for row in cursor.fetchall()]
        conn.close()
        lengths[compress] = len(tap.bytes())
        tap.close()
    assert lengths[False] > 4_000_000 and lengths[True] < 200_000, lengths
    # Each hop has its own: what the upstream says of its connection does not depend on the client.
    assert compressed[False] == compressed[True]


def zstd_cli(proxy, token, *, script, algorithm="zstd"):
    """MySQL's own client, from the tree that it lives in; it verifies nothing, which is another test's matter."""
    line = MYSQL.command(
        "/usr/bin/mysql", "--no-defaults", "--host=127.0.0.1", f"--port={proxy.ports['mysql_tls']}", "--user=agent", "--batch", "--commands",
        f"--compression-algorithms={algorithm}", "--zstd-compression-level=5", "--enable-cleartext-plugin", "--ssl-mode=REQUIRED", "hospital",
    )
    return subprocess.run(
        line, input=script, env={"MYSQL_PWD": token, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif("mysql" not in MYSQL_SERVERS, reason="MySQL lives in the tree that is left out")
@pytest.mark.parametrize("algorithm", ["zstd", "zlib", "uncompressed"])
def test_mysqls_own_client(algorithm, proxies, agent_token):
    script = "SELECT repeat('x', 3000000);\nSELECT id, ssn FROM patients WHERE id < 40 ORDER BY id;\n\\s\n"
    done = zstd_cli(proxies["none"], agent_token, script=script, algorithm=algorithm)
    assert done.returncode == 0, done.stderr
    assert "x" * 3_000_000 in done.stdout
    assert "\n39\t" in done.stdout and not Sweep(1000, kinds={"ssn"}).find(done.stdout)
    assert ("Protocol:\t\tCompressed" in done.stdout) == (algorithm != "uncompressed"), done.stdout[-1500:]


@pytest.mark.skipif("mysql" not in MYSQL_SERVERS, reason="MySQL lives in the tree that is left out")
def test_zstd_upstream(mysql_fleet, tmp_path, through, analyst_token):
    from fleet.proxy import Proxy

    proxy = Proxy(tmp_path / "zstd", mysql_fleet, ["mysql"], extra={"mysql_datasource_lines": ['compression = "zstd"']}).start()
    try:
        before = transcript("mysql/pymysql_client.py", direct(mysql_fleet, "mysql"))
        after = transcript("mysql/pymysql_client.py", through(proxy, "mysql_tls", analyst_token))
        wrong = differences(before, after)
        assert not wrong, "\n".join(wrong)
    finally:
        assert proxy.stop() == 0, proxy.log.read_text()[-3000:]


def test_an_upstream_that_cannot_says_so(mysql_fleet, tmp_path, agent_token):
    import pymysql

    from fleet.proxy import Proxy

    proxy = Proxy(tmp_path / "no-zstd", mysql_fleet, ["mariadb"], extra={"mysql_datasource_lines": ['compression = "zstd"']}).start()
    try:
        with pytest.raises(pymysql.Error, match="does not offer zstd compression"):
            pymysql.connect(host="localhost", port=proxy.ports["mariadb_tls"], user="agent", password=agent_token, database="hospital", ssl={"ca": str(proxy.ca_file)})
    finally:
        assert proxy.stop() == 0, proxy.log.read_text()[-3000:]
