"""`affidavit explain` under the second lock: the class of a statement, the text that is sent in its place, the role it runs with."""

import json

import pytest
from conftest import MYSQL_SERVERS

from fleet import second_lock

# Statement, its class, its role, what the sent text holds.
SAID = [
    ("SELECT 1 AS one", "untouched", "masked", None),
    ("SELECT id, ssn FROM patients WHERE id = 3", "wire", "wire", None),
    ("SELECT upper(ssn) AS u FROM patients WHERE id = 3", "at-source", "masked", "FROM (SELECT "),
    ("BEGIN", "untouched", "the one that was taken last", None),
]


@pytest.mark.parametrize("server", ["postgres15", *MYSQL_SERVERS])
def test_explain_tells_class_text_and_role(server, request, fresh_proxy, fleet, tmp_path):
    at = request.getfixturevalue("mysql_fleet") if server in MYSQL_SERVERS else fleet
    proxy = fresh_proxy((server,), start=False, at=at, second_lock="required")
    second_lock.install(proxy, server, at["servers"][server], "hospital")
    claims = tmp_path / "claims.json"
    claims.write_text('{"sub": "agent", "groups": ["ci-agents"]}')

    def explain(sql, *options):
        done = proxy.affidavit("explain", "--config", proxy.config, "--datasource", server, "--claims", claims, "--sql", sql, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for sql, category, role, sent in SAID:
        said = json.loads(explain(sql, "--json"))
        assert (said["class"], said.get("role"), said["second_lock"]) == (category, role, "in force"), said
        assert sent in said["sent"] if sent else "sent" not in said, said
    text = explain(SAID[2][0])
    assert all(line in text for line in ("class     at-source", "sent      SELECT upper(ssn) AS u FROM (SELECT ", "role      masked", "lock      in force")), text
