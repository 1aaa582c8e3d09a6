"""The recipes of policies/COOKBOOK.md on real servers: what each promises, asked of `affidavit explain`."""

import json

import pytest
from conftest import TESTDATA

RULES = TESTDATA.parent / "policies/rules"
SAFE = RULES / "safe-harbor.toml"
SERVERS = ["postgres15", "mariadb"]
ONE = "SELECT id, full_name, mrn, ssn, dob, city, zip FROM patients WHERE id = 7"
ALL = "SELECT id, full_name FROM patients"
HISTORY = "SELECT * FROM encounters WHERE kind = 'emergency'"
OF_ONE = "SELECT * FROM encounters WHERE patient_id = 7"
NOTES = "SELECT body FROM clinical_notes WHERE id = 3"

# Recipe → (groups, statement, verdict, masked columns among those of ONE or None where columns are not the point).
RECIPES = {
    "safe-harbor": ([SAFE], [
        (["staff"], ONE, "allow", {"full_name", "mrn", "ssn", "dob", "city", "zip"}),
        (["treating-clinicians"], ONE, "allow", {"full_name", "mrn", "ssn", "dob", "city", "zip"}),
    ]),
    "limited-data-set": ([RULES / "00-limited-data-set.toml", SAFE], [
        (["research"], ONE, "allow", {"full_name", "mrn", "ssn"}),
    ]),
    "clinicians": ([RULES / "00-clinicians.toml", SAFE], [
        (["treating-clinicians"], ONE, "allow", {"ssn", "city", "zip"}),
        (["staff"], ONE, "allow", {"full_name", "mrn", "ssn", "dob", "city", "zip"}),
        (["treating-clinicians"], ALL, "hold", None),
        (["staff"], ALL, "allow", None),
    ]),
    "agents": ([RULES / "agents.toml", SAFE], [
        (["ci-agents"], ONE, "allow", {"full_name", "mrn", "ssn", "dob", "city", "zip"}),
        (["ci-agents"], OF_ONE, "allow", None),
        (["ci-agents"], HISTORY, "hold", None),
        (["ci-agents"], "UPDATE encounters SET cost = 0 WHERE id = 1", "deny", None),
        (["ci-agents"], "DROP TABLE encounters", "deny", None),
        (["ci-agents"], "EXPLAIN ANALYZE DELETE FROM encounters WHERE id = 1", "deny", None),
        (["dba"], "UPDATE encounters SET cost = 0 WHERE id = 1", "allow", None),
    ]),
    "break-glass": ([RULES / "break-glass.toml", SAFE], [
        (["treating-clinicians"], NOTES, "hold", None),
        (["staff"], NOTES, "allow", None),
    ]),
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_does_what_the_cookbook_promises(recipe, server, request, fresh_proxy, fleet, tmp_path):
    at = fleet if server.startswith("postgres") else request.getfixturevalue("mysql_fleet")
    files, cases = RECIPES[recipe]
    proxy = fresh_proxy((server,), start=False, at=at, rules=files)
    assert proxy.affidavit("check", "--config", proxy.config).returncode == 0
    for groups, sql, verdict, masked in cases:
        claims = tmp_path / "claims.json"
        claims.write_text(json.dumps({"iss": proxy.issuer, "sub": "someone", "groups": groups}))
        done = proxy.affidavit("explain", "--config", proxy.config, "--datasource", server, "--claims", claims, "--json", "--sql", sql)
        said = json.loads(done.stdout)
        assert said["verdict"]["decision"] == verdict, (groups, sql, said["verdict"])
        if masked is not None:
            hidden = {column["name"] for column in said["statements"][0]["columns"] if column["mask"] not in (None, "keep")}
            assert hidden == masked, (groups, sql, hidden)


def test_the_cookbook_names_every_recipe_and_each_exists():
    page = (RULES.parent / "COOKBOOK.md").read_text()
    assert {path.name for path in RULES.glob("*.toml")} == {word.split(")")[0] for word in page.split("](rules/")[1:]}
