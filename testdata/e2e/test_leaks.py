"""No canary reaches an agent: attacks on protected columns, each byte that came back swept for each disguise."""

import select

import psycopg
import pytest
from conftest import PATIENTS, SERVERS, TESTDATA
from psycopg import pq
from tap import Tap

from hospital.canaries import Sweep

ATTACKS = TESTDATA / "attacks"
# Dates of birth are no secret in the way an SSN is: the year stays, and a predicate may look at it.
KINDS = {"mrn", "ssn", "family", "phone", "email", "address", "mbi", "account", "portal", "kin", "alias", "photo", "npi", "provider"}


def attacks(engine):
    """(name, [statements]) of every file for an engine; `;;` separates the statements of one attack."""
    for path in sorted((ATTACKS / engine).glob("*.txt")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                yield f"{path.stem}:{number}", [part.strip() for part in line.split(" ;; ")]


@pytest.fixture(scope="module")
def sweep():
    """The canaries of the loaded hospital."""
    return Sweep(PATIENTS, kinds=KINDS)


def connect(place, port):
    """A libpq connection through the tap; in the clear, or there would be nothing to sweep."""
    return psycopg.connect(
        host="127.0.0.1", port=port, user=place.user, password=place.password, dbname=place.database, autocommit=True,
        sslmode="disable", connect_timeout=20,
    )


def more(raw):
    """Wait for bytes. libpq's own waiting would hold up the tap, which runs in this process."""
    if raw.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is gone")
    if not select.select([raw.socket], [], [], 30)[0]:
        raise AssertionError("no answer within 30 s")
    raw.consume_input()


def drain(raw):
    """Read answers to their end: COPY OUT is read, COPY IN is given up."""
    while True:
        raw.flush()
        while raw.is_busy():
            more(raw)
        result = raw.get_result()
        if result is None:
            return
        if result.status == pq.ExecStatus.COPY_OUT:
            while (size := raw.get_copy_data(1)[0]) >= 0:
                if size == 0:
                    more(raw)
        elif result.status == pq.ExecStatus.COPY_IN:
            raw.put_copy_end(b"not sending any")


def attack(conn, statements, binary):
    """Send the statements of one attack; the server may answer what it likes."""
    raw = conn.pgconn
    for text in statements:
        if binary:
            raw.send_query_params(text.encode(), None, result_format=1)
        else:
            raw.send_query(text.encode())
        drain(raw)
    if raw.transaction_status != pq.TransactionStatus.IDLE:
        raw.send_query(b"ROLLBACK")
        drain(raw)


def leaking(place, engine, sweep, binary):
    """The attacks after which a canary had come back, with what it was."""
    found = {}
    conn = tap = None
    for name, statements in attacks(engine):
        if conn is None or conn.broken or conn.closed:
            tap = Tap(place.port)
            conn = connect(place, tap.port)
        before = len(tap.bytes())
        try:
            attack(conn, statements, binary)
        except psycopg.Error:
            conn.close()
        leaks = sweep.find(tap.bytes()[before:])
        if leaks:
            found[name] = (statements, leaks[:3])
        # Each attack begins in a session of its own: settings, temp tables and cursors of one are not the next one's.
        conn.close()
        tap.close()
        conn = None
    return found


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("server", SERVERS)
def test_no_attack_brings_a_canary(server, binary, proxy, through, sweep):
    found = leaking(through(proxy, server), "postgres", sweep, binary)
    assert not found, "\n".join(f"{name}: {statements} → {leaks}" for name, (statements, leaks) in found.items())


def test_the_attacks_are_real(direct, sweep):
    # Straight at the database most of them leak; if they did not, the test above would prove nothing.
    place = direct(user="affidavit").on(ca=None)
    found = leaking(place, "postgres", sweep, False)
    total = sum(1 for _ in attacks("postgres"))
    # A sequence keeps the value that an attack put into it, for whoever looks next.
    with psycopg.connect(host="127.0.0.1", port=place.port, user=place.user, password=place.password, dbname=place.database) as conn:
        conn.execute("SELECT setval('s', 1, false)")
    assert len(found) >= total * 0.6, f"only {len(found)} of {total} attacks leak directly"


def test_plain_reading_brings_no_canary(proxy, through, sweep):
    tap = Tap(proxy.ports["postgres15"])
    with connect(through(proxy), tap.port) as conn:
        for table in ("patients", "encounters", "clinical_notes", "providers", "vault", "pv"):
            for binary in (False, True):
                assert conn.execute(f"SELECT * FROM {table}", binary=binary).fetchall()
            if table != "pv":
                with conn.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT") as copy:
                    assert sum(len(chunk) for chunk in copy)
    answers = tap.bytes()
    assert len(answers) > 500_000, "too little came back to mean anything"
    # The body of a clinical note keeps what the detectors do not look for (names, addresses, relatives).
    kinds_in_notes = {"family", "address", "kin", "alias", "account"}
    leaks = [what for _, what in sweep.find(answers) if what.split()[0] not in kinds_in_notes]
    assert not leaks, leaks[:10]


def test_clinicians_see_what_they_may(proxy, mint, through):
    place = through(proxy, token=mint.token(sub="dana", groups=["treating-clinicians"]))
    name, ssn = place.one("SELECT full_name, ssn FROM patients WHERE id = 3").split("|")
    assert name == "Omar Fodomaku"
    assert ssn != "918-37-4334"
