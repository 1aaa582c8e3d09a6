"""`affidavit policy suggest|diff|activate` and `explain`, on the real hospital."""

import json
import tomllib

import psycopg
import pytest
from conftest import MYSQL_SERVERS
from test_policies import NEW_RULE, until

BARE = '[[mask]]\nname = "vault"\ncolumns = ["*.*.vault.v_*"]\nwith = "redact"\n'


@pytest.mark.parametrize("server", ["postgres15", *MYSQL_SERVERS])
def test_what_is_suggested_loads_and_protects(server, request, fresh_proxy, fleet, tmp_path):
    at = request.getfixturevalue("mysql_fleet") if server in MYSQL_SERVERS else fleet
    (tmp_path / "bare.toml").write_text(BARE)
    proxy = fresh_proxy((server,), start=False, at=at, rules=[tmp_path / "bare.toml"])
    done = proxy.affidavit("policy", "suggest", "--config", proxy.config, "--datasource", server)
    assert done.returncode == 0, done.stderr
    rules = tomllib.loads(done.stdout)
    proposed = {column.rsplit(".", 2)[-2] + "." + column.rsplit(".", 1)[-1] for kind in rules.values() for rule in kind for column in rule["columns"]}
    wanted = {
        "patients." + name
        for name in "mrn ssn full_name dob phone email address city zip mbi account_no last_ip photo notes aliases".split()
    } | {"providers.npi", "providers.full_name", "encounters.notes", "clinical_notes.body", "encounters.admitted"}
    assert wanted <= proposed, wanted - proposed
    assert not proposed & {"departments.name", "icd10.title", "patients.sex", "patients.id", "medications.drug", "bed_census.day"}, proposed
    assert "sampled values look like social security numbers" in done.stdout
    # Canaries stand in every protected column: none may stand here.
    for value in ("995-07-7000", "MRN", "@", "555-"):
        assert value not in "\n".join(line for line in done.stdout.splitlines() if "likely" not in line), value
    (proxy.policies / "suggested.toml").write_text(done.stdout)
    checked = proxy.affidavit("check", "--config", proxy.config, "--offline")
    assert checked.returncode == 0, checked.stdout
    again = proxy.affidavit("policy", "suggest", "--config", proxy.config, "--datasource", server, "--sample", "0")
    assert "Nothing is proposed" in again.stdout, again.stdout


def test_activate_and_diff(fresh_proxy, through, tmp_path):
    proxy = fresh_proxy()
    place = through(proxy)
    rules = (proxy.policies / "hospital.toml").read_text()
    cut = rules.index("[[mask]]", rules.index("[[mask]]") + 1)
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    (wanted / "clinic.toml").write_text(NEW_RULE + rules[cut:])

    def command(name, *args):
        return proxy.affidavit("policy", name, *args, "--config", proxy.config)

    first = json.loads(command("list", "--json").stdout)["version"]
    said = command("diff", proxy.policies, wanted)
    assert said.returncode == 0 and 'changed  mask "ssn"' in said.stdout and "masks by: was" in said.stdout, said.stdout + said.stderr
    changes = json.loads(command("diff", proxy.policies, wanted, "--json").stdout)["changes"]
    assert {(one["happened"], one["rule"]) for one in changes} >= {("changed", "ssn")}

    (tmp_path / "broken.toml").write_text('[[mask]]\nname = "x"\ncolums = ["*.*.*.x"]\nwith = "redact"\n')
    refused = command("activate", tmp_path / "broken.toml")
    assert refused.returncode == 1 and "colums" in refused.stderr and "nothing was changed" in refused.stderr, refused.stderr
    assert sorted(path.name for path in proxy.policies.iterdir()) == ["hospital.toml"]

    with psycopg.connect(host="127.0.0.1", port=place.port, user="agent", password=place.password, dbname="hospital", autocommit=True) as conn:
        def ssn():
            return conn.execute("SELECT ssn FROM patients WHERE id = 1").fetchone()[0]

        token = ssn()
        dry = command("activate", wanted, "--dry-run")
        assert dry.returncode == 0 and "--dry-run" in dry.stdout
        assert sorted(path.name for path in proxy.policies.iterdir()) == ["hospital.toml"]
        done = json.loads(command("activate", wanted, "--json").stdout)
        assert done["changed"] and done["old"] == first and done["version"] != first
        assert sorted(path.name for path in proxy.policies.iterdir()) == [".activated", "clinic.toml"]
        until(lambda: ssn() == "***", "the new policy has taken over")
        assert "nothing was changed" in command("activate", wanted).stdout

        # Back to what the record remembers, and a comparison with it.
        said = command("diff", first[:12])
        assert said.returncode == 0 and "masks by: was" in said.stdout, said.stdout + said.stderr
        back = command("activate", first[:12])
        assert back.returncode == 0, back.stderr
        until(lambda: ssn() == token, "the first policy is back")
        assert json.loads(command("list", "--json").stdout)["version"] == first
    assert proxy.stop() == 0
    assert proxy.verify().returncode == 0


@pytest.mark.parametrize("server", ["postgres15", *MYSQL_SERVERS])
def test_explain_tells_columns_predicates_and_writes(server, request, fresh_proxy, fleet, tmp_path):
    at = request.getfixturevalue("mysql_fleet") if server in MYSQL_SERVERS else fleet
    proxy = fresh_proxy((server,), start=False, at=at)
    claims = tmp_path / "claims.json"
    claims.write_text(f'{{"iss": "{proxy.issuer}", "sub": "ci", "groups": ["ci-agents"]}}')

    def explain(sql, *args):
        done = proxy.affidavit("explain", "--config", proxy.config, "--datasource", server, "--claims", claims, "--sql", sql, *args)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, done.stdout

    code, text = explain("SELECT id, ssn FROM patients WHERE mrn = 'MRN1' AND state = 'MA' ORDER BY id", "--json")
    assert code == 0 and json.loads(text)["class"] == "wire", text
    statement = json.loads(text)["statements"][0]
    columns = {column["name"]: column for column in statement["columns"]}
    assert "token" in columns["ssn"]["mask"] and columns["ssn"]["rule"] == "ssn" and columns["ssn"]["from"][0].endswith("patients.ssn")
    assert columns["id"]["mask"] is None
    uses = {(used["column"].rsplit(".", 1)[1], used["usage"]): used for used in statement["predicates"]}
    assert uses["mrn", "equality"]["passes"] and uses["mrn", "equality"]["rule"] == "mrn" and uses["mrn", "equality"]["allows"] == "equals"
    assert uses["state", "comparison" if ("state", "comparison") in uses else "equality"]["rule"] is None

    # What is computed is computed over masks; the sent text is shown.
    for sql in ("SELECT id FROM patients WHERE dob > '1990-01-01' ORDER BY ssn", "SELECT concat(full_name, '!') AS shout FROM patients"):
        code, text = explain(sql, "--json")
        said = json.loads(text)
        assert code == 0 and said["class"] == "at-source" and said["because"], text
        assert {"ssn", "dob", "full_name"} <= set(said["masked_columns"]), text
        if server not in MYSQL_SERVERS:
            assert "'***'" in said["sent"] and "FROM (SELECT " in said["sent"], text

    code, text = explain("INSERT INTO patients (id, state) SELECT id, ssn FROM patients", "--json")
    flows = json.loads(text)["statements"][0]["writes"]
    assert any(flow["from"] and flow["from"][0].endswith("patients.ssn") for flow in flows), text
