"""What the masks look like to the one who gets them: right type, right form, the same token everywhere."""

import hashlib
import re

import psycopg
import pytest


@pytest.fixture(scope="module")
def agent(proxy, agent_token):
    """A connection as the agent."""
    with psycopg.connect(
        host="127.0.0.1", port=proxy.ports["postgres15"], user="agent", password=agent_token, dbname="hospital", autocommit=True
    ) as conn:
        yield conn


def row(conn, columns, number, binary=False):
    """One patient's columns."""
    return conn.execute(f"SELECT {columns} FROM patients WHERE id = {number}", binary=binary).fetchone()


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_forms(agent, binary):
    ssn, mrn, name, dob, phone, zip_code, ip, photo, account = row(
        agent, "ssn, mrn, full_name, dob, phone, zip, last_ip, photo, account_no", 4, binary
    )
    assert re.fullmatch(r"\d{3}-\d{2}-\d{4}", ssn) and ssn != "980-27-8001"
    assert re.fullmatch(r"[A-Za-z]{3}\d{10}", mrn) and mrn != "MRN8054692881"
    assert name == "***"
    assert dob.isoformat() == "1996-01-01"
    assert phone.endswith("9999") or phone[-4:].isdigit()
    assert not re.search(r"\d", phone[:-4]), phone
    assert re.fullmatch(r"\d{3}(\*\*|00|  )?", zip_code), zip_code
    assert ip is None and photo is None
    assert isinstance(account, int) and account > 0


def test_tokens_are_the_same_everywhere(agent, proxy, agent_token):
    text = row(agent, "ssn", 9)[0]
    assert row(agent, "ssn", 9, binary=True)[0] == text
    with agent.cursor() as cursor, cursor.copy("COPY (SELECT ssn FROM patients WHERE id = 9) TO STDOUT") as copy:
        assert b"".join(map(bytes, copy)).decode().strip() == text
    if "postgres18" in proxy.ports:
        with psycopg.connect(host="127.0.0.1", port=proxy.ports["postgres18"], user="a", password=agent_token, dbname="hospital") as other:
            assert row(other, "ssn", 9)[0] == text


def test_different_patients_get_different_tokens(agent):
    tokens = [found[0] for found in agent.execute("SELECT ssn FROM patients WHERE id <= 500").fetchall()]
    assert len(set(tokens)) == 500


def test_lookup_by_protected_key_works(agent):
    found = agent.execute("SELECT id, mrn, state FROM patients WHERE mrn = %s", ("MRN8054692881",)).fetchall()
    assert [(r[0], r[2]) for r in found] == [(4, found[0][2])] and found[0][1] != "MRN8054692881"


def test_nothing_is_masked_where_nothing_is_protected(agent):
    assert agent.execute("SELECT name FROM analytics.departments ORDER BY id").fetchall()[0] == ("Cardiology",)


@pytest.mark.parametrize(("statement", "computed"), [
    ("SELECT upper(ssn) FROM patients", "***"),
    ("SELECT ssn || '' FROM patients", "***"),
    ("SELECT md5(ssn) FROM patients", hashlib.md5(b"***").hexdigest()),
    ("SELECT min(full_name) FROM patients", "***"),
    ("SELECT count(*) FROM patients WHERE ssn LIKE '9%'", 0),
])
def test_what_is_computed_is_computed_over_masks(agent, statement, computed):
    assert {found[0] for found in agent.execute(statement).fetchall()} == {computed}


def test_copies_hold_masks(agent, direct):
    agent.execute("INSERT INTO analytics.scratch (id, label) SELECT id + 1000000, ssn FROM patients WHERE id <= 5")
    try:
        assert direct().one("SELECT concat_ws(' ', count(*), min(label), max(label)) FROM analytics.scratch WHERE id > 1000000") == "5 *** ***"
    finally:
        agent.execute("DELETE FROM analytics.scratch WHERE id > 1000000")


@pytest.mark.parametrize("statement", [
    "CREATE TABLE stolen AS SELECT * FROM patients",
    "UPDATE patients SET zip = left(ssn, 5)",
])
def test_protected_values_are_not_copied_elsewhere(agent, direct, statement):
    with pytest.raises(psycopg.Error) as caught:
        agent.execute(statement)
    agent.rollback()
    assert caught.value.sqlstate != "57P01" and str(caught.value).strip(), caught.value
    assert direct().one("SELECT to_regclass('stolen') IS NULL AND NOT EXISTS (SELECT FROM analytics.scratch WHERE label LIKE '9__-__-____')") == "t"
