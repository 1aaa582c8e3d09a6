"""Who may come in: each defect of a token is refused with words a person understands, and on the record."""

import uuid

import pytest
from mint import DEFECTS

# What the refusal has to talk about.
WORDS = {
    "expired": r"expired",
    "no-expiry": r"exp\b|expir",
    "not-yet-valid": r"not (yet )?valid|not before|nbf",
    "issued-in-future": r"future",
    "wrong-audience": r"audience.*some-other-service|some-other-service.*audience",
    "no-audience": r"audience",
    "wrong-issuer": r"issuer",
    "unsigned": r"not signed|unsigned|alg",
    "tampered": r"signature",
    "hmac-with-public-key": r"HS256|algorithm",
    "wrong-key": r"signature",
    "unknown-kid": r"key|signature",
    "critical-header": r"crit",
    "oversized": r"long|large|bytes|size",
    "not-a-token": r"password|not a token|token",
    "empty-payload": r"token",
    "no-subject": r"sub",
}


def test_every_defect_has_its_words():
    assert set(WORDS) == set(DEFECTS)


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_defective_token_is_refused_and_recorded(defect, proxy, mint, through):
    import re

    token = mint.defective(defect)
    mark = f"defect-{uuid.uuid4().hex[:8]}"
    place = through(proxy, token=token)
    done = place.on(user=mark).psql("SELECT 'let in'", timeout=30)
    assert done.returncode == 2, f"psql ended with {done.returncode}: {done.stdout}{done.stderr}"
    assert "let in" not in done.stdout
    assert re.search(WORDS[defect], done.stderr, re.IGNORECASE), done.stderr
    assert len(token) < 40 or token[:40] not in done.stderr, "the refusal repeats the token"
    denials = [record for record in proxy.records("sessions", "--limit", "100000") if mark in str(record)]
    assert [record["event"] for record in denials] == ["denied"], denials
    assert token not in str(denials)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_good_token_of_each_algorithm(alg, proxy, mint, through):
    assert through(proxy, token=mint.token(alg=alg)).one("SELECT 'let in'") == "let in"


def test_token_as_a_job_gets_it(proxy, fleet, through):
    from fleet.idp import client_token

    token = client_token(fleet["servers"]["idp"], "nightly-report")
    assert through(proxy, "postgres15_tls", token=token).one("SELECT 'let in'") == "let in"


def test_audience_may_be_one_of_several(proxy, mint, through):
    assert through(proxy, token=mint.token(aud=["other", "affidavit"])).one("SELECT 1") == "1"


def test_good_token_without_access(proxy, mint, through):
    done = through(proxy, token=mint.token(sub="guest", groups=[])).psql("SELECT 'let in'")
    assert done.returncode == 2 and "let in" not in done.stdout
    assert "access" in done.stderr or "allowed" in done.stderr, done.stderr


def test_identity_is_what_the_token_proves(proxy, mint, through):
    mark = f"claimed-{uuid.uuid4().hex[:8]}"
    assert through(proxy, token=mint.token(sub="dana", groups=["treating-clinicians"])).on(user=mark).one("SELECT current_user") == "affidavit"
    found = [record for record in proxy.records("sessions", "--limit", "100000") if record.get("db_user") == mark or mark in str(record)]
    assert found and all(record["user_id"] == "dana" for record in found), found


def test_database_password_is_no_way_in(proxy, fleet, through):
    secret = fleet["servers"]["postgres15"]["users"]["affidavit"]
    assert through(proxy, token=secret).psql("SELECT 'let in'").returncode == 2


def test_plaintext_is_refused_where_tls_is_offered(proxy, through):
    place = through(proxy, "postgres15_tls")
    done = place.on(ca=None).psql("SELECT 'let in'")
    assert done.returncode == 2 and "let in" not in done.stdout
    assert "TLS" in done.stderr or "SSL" in done.stderr or "encrypt" in done.stderr, done.stderr


def test_session_ends_with_its_token(fresh_proxy, mint, through):
    import time

    import psycopg

    proxy = fresh_proxy(extra={"issuer_lines": ['skew = "0s"']})
    now = int(time.time())
    place = through(proxy, token=mint.token(iat=now, exp=now + 5))
    with psycopg.connect(host="127.0.0.1", port=place.port, user="x", password=place.password, dbname="hospital", autocommit=True) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.Error) as caught:
            # Held open past the end by a statement that runs, which must not help.
            conn.execute("SELECT pg_sleep(30)")
        late = time.time() - (now + 5)
        assert -1 <= late < 8, f"ended {late:.1f} s after the token"
        assert "token" in str(caught.value), caught.value
        assert conn.closed or conn.broken
    ends = [record for record in proxy.records("sessions") if record["event"] == "close"]
    assert ends and "token" in str(ends[-1].get("close_reason")), ends
