"""Each real MySQL client, directly and through the proxy, on MariaDB and on MySQL: identical apart from the masks."""

import pytest
from compare import differences
from conftest import MYSQL_SERVERS
from places import transcript

from hospital.canaries import Sweep

CLIENTS = ["cli.py", "pymysql_client.py", "connector_python.py", "mysql2.mjs", "Jdbc.java"]


@pytest.fixture(scope="module")
def mysql_proxy(mysql_fleet, tmp_path_factory):
    """A proxy in front of the servers of this family."""
    from fleet.proxy import Proxy

    running = Proxy(tmp_path_factory.mktemp("mysql-proxy"), mysql_fleet, MYSQL_SERVERS).start()
    yield running
    assert running.stop() == 0, running.log.read_text()[-3000:]


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("client", CLIENTS)
def test_identical_apart_from_masks(client, server, mysql_proxy, mysql_fleet, through, analyst_token):
    from places import Place

    entry = mysql_fleet["servers"][server]
    before = transcript(f"mysql/{client}", Place(entry["port"], "affidavit", entry["users"]["affidavit"], "hospital", entry["ca_file"]))
    after = transcript(f"mysql/{client}", through(mysql_proxy, f"{server}_tls", analyst_token))
    wrong = differences(before, after)
    assert not wrong, f"{len(wrong)} of {len(before)} steps differ\n" + "\n".join(wrong)


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_one_token_domain_across_engines(server, mysql_proxy, proxy, through, agent_token):
    import pymysql

    expected = through(proxy).one("SELECT ssn, mrn FROM patients WHERE id = 9").split("|")
    with pymysql.connect(host="localhost", port=mysql_proxy.ports[f"{server}_tls"], user="agent", password=agent_token, database="hospital", ssl={"ca": str(mysql_proxy.ca_file)}) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT ssn, mrn FROM patients WHERE id = 9")
        assert list(cursor.fetchone()) == expected


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_bad_tokens_are_refused(server, mysql_proxy, mint):
    import pymysql

    for defect in ("expired", "wrong-audience", "unsigned", "tampered", "not-a-token"):
        with pytest.raises(pymysql.Error) as caught:
            pymysql.connect(host="localhost", port=mysql_proxy.ports[f"{server}_tls"], user="agent", password=mint.defective(defect), database="hospital", ssl={"ca": str(mysql_proxy.ca_file)})
        assert "token" in str(caught.value).lower() or "audience" in str(caught.value), caught.value


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_the_record_speaks_the_same(server, mysql_proxy):
    statements = [r for r in mysql_proxy.records("statements", "--limit", "100000") if "patients" in str(r.get("tables")) and r.get("row_count")]
    assert statements
    sweep = Sweep(1000, kinds={"ssn", "family", "mrn"})
    session = statements[-1]["session_id"]
    assert not sweep.find(mysql_proxy.evidence("show", session, "--config", mysql_proxy.config).stdout)
