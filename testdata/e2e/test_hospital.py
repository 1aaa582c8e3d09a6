"""The synthetic hospital keeps its promises: deterministic, distinct, impossible in the real world, and a true twin."""

import hashlib
import subprocess
import sys

from conftest import TESTDATA

from hospital.canaries import Sweep, canaries
from hospital.people import Patient, npi
from hospital.tables import TABLES

PROTECTED = {
    "mrn", "ssn", "full_name", "dob", "phone", "email", "address", "city", "zip", "mbi", "account_no", "portal_id", "last_ip",
    "contact", "aliases", "photo", "notes", "body", "npi",
}


def dump(*args):
    """The digest of what the generator prints."""
    out = subprocess.run([sys.executable, "-m", "hospital", *args], cwd=TESTDATA, capture_output=True, check=True).stdout
    return hashlib.sha256(out).hexdigest()


def test_the_same_every_time():
    for args in (("sql", "--patients", "200"), ("sql", "--engine", "mysql", "--patients", "200"), ("canaries", "--patients", "200")):
        assert dump(*args) == dump(*args)


def test_every_protected_cell_is_a_canary_of_its_own():
    people = [Patient(row, variant) for row in range(1, 1_000_000, 97) for variant in (0, 1)]
    for field in ("mrn", "ssn", "family", "phone", "email", "address", "mbi", "account", "portal", "ip", "kin", "alias", "photo"):
        values = {getattr(person, field) for person in people}
        assert len(values) == len(people), field


def test_ssns_were_never_issued_and_npis_have_their_check_digit():
    for row in range(1, 5000, 7):
        area, group, _ = Patient(row, 0).ssn.split("-")
        assert 900 <= int(area) <= 999 and 1 <= int(group) <= 49
        digits = [int(digit) for digit in "80840" + npi(row, 0)]
        doubled = [digit if place % 2 else (2 * digit - 9 if digit > 4 else 2 * digit) for place, digit in enumerate(digits, 1)]
        assert sum(doubled) % 10 == 0


def test_the_twin_differs_in_protected_cells_only():
    for name, (_, columns, generator) in TABLES.items():
        for left, right in zip(generator(300, 0), generator(300, 1), strict=True):
            for column, before, after in zip(columns, left, right, strict=True):
                shown = column not in PROTECTED and not (name == "providers" and column in ("full_name", "phone"))
                assert (before == "\0") == (after == "\0"), (name, column)
                if shown:
                    assert before == after, (name, column)


def test_the_sweep_sees_through_disguises():
    import base64

    sweep, person = Sweep(100), Patient(42, 0)
    for value in (person.ssn, person.mrn, person.family, person.email, person.photo):
        forms = [value, value[::-1], value.upper(), value.encode().hex(), *(base64.b64encode(b"x" * n + value.encode() + b"tail").decode() for n in range(3))]
        for form in forms:
            assert sweep.find(f"before {form} after".encode()), form
    assert sweep.find(person.ssn.replace("-", "").encode())
    assert not sweep.find(b"nothing to see: 2024-01-01, 4711, MRN, 555-0100")
    assert sum(1 for _ in canaries(100)) == 100 * 14 + 80
