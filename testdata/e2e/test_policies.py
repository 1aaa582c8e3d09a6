"""Policies in force: a change takes over without dropping sessions, an invalid one does not, and each is on the record."""

import time

import psycopg

NEW_RULE = '[[mask]]\nname = "ssn"\ncolumns = ["*.*.patients.ssn"]\nwith = "redact"\n'


def until(ready, what, patience=15.0):
    """Poll: the proxy looks at its folder every few seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = ready()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what} within {patience:.0f} s")


def versions_of(proxy):
    """The policy version of each statement on the record, in order."""
    return [record["policy_version"] for record in proxy.records("statements", "--limit", "1000") if "patients" in str(record)]


def test_reload_invalid_and_back(fresh_proxy, through):
    proxy = fresh_proxy()
    place = through(proxy)
    rules = proxy.policies / "hospital.toml"
    original = rules.read_text()
    with psycopg.connect(host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", autocommit=True) as conn:
        def ssn():
            return conn.execute("SELECT ssn FROM patients WHERE id = 1").fetchone()[0]

        token = ssn()
        assert token not in ("***", "995-07-7000")
        begun = conn.info.backend_pid

        start = original.index("[[mask]]")
        end = original.index("[[mask]]", start + 1)
        rules.write_text(original[:start] + NEW_RULE + original[end:])
        until(lambda: ssn() == "***", "the new rule has taken over")

        rules.write_text("[[mask]\nthis is not a policy")
        offset = len(proxy.log.read_text())
        proxy.wait_for_log(r"(?i)polic", since=offset)
        time.sleep(3)
        assert ssn() == "***", "an invalid policy must leave the old one in force"
        assert "hospital.toml" in proxy.log.read_text()[offset:], "the log does not name the file"

        rules.write_text(original)
        until(lambda: ssn() == token, "the first policy is back")
        assert conn.info.backend_pid == begun and not conn.closed

    versions = versions_of(proxy)
    assert len(set(versions)) == 2 and versions[0] == versions[-1], versions
    known = {record["version"] for record in proxy.records("policies")}
    assert set(versions) <= known
    assert proxy.stop() == 0
    assert proxy.verify().returncode == 0


def test_no_start_without_a_valid_policy(fresh_proxy):
    proxy = fresh_proxy(start=False)
    (proxy.policies / "hospital.toml").write_text('[[mask]]\nname = "ssn"\ncolums = ["*.*.patients.ssn"]\nwith = "redact"\n')
    done = proxy.affidavit("check", "--config", proxy.config, "--offline")
    assert done.returncode == 1, done
    said = done.stdout + done.stderr
    assert "hospital.toml" in said and "colums" in said and "columns" in said, said


def test_check_and_explain(proxy, tmp_path):
    done = proxy.affidavit("check", "--config", proxy.config)
    assert done.returncode == 0, done.stdout + done.stderr
    claims = tmp_path / "claims.json"
    claims.write_text('{"iss": "x", "sub": "ci", "groups": ["ci-agents"]}')
    claims.write_text(f'{{"iss": "{proxy.issuer}", "sub": "ci", "groups": ["ci-agents"]}}')
    said = proxy.affidavit("explain", "--config", proxy.config, "--datasource", "postgres15", "--claims", claims, "--sql", "SELECT id, ssn FROM patients")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "ssn" in said.stdout and "token" in said.stdout, said.stdout
