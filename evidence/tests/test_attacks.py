"""verify.py against the table of attacks that the crate's own test injects: every attack is caught, by the same check, in the
store and in the package; the stores that nobody touched raise no alarm.

EVIDENCE_ATTACKS names the folder where `make unit` left them; without it the crate's test is run to make them."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import unittest.mock

import pytest

import third

CRATE = pathlib.Path(__file__).resolve().parent.parent
VERIFY = CRATE / "tools" / "verify.py"
sys.path.insert(0, str(VERIFY.parent))
import verify  # noqa: E402

TEST = "package(affidavit-evidence) & test(every_attack_is_caught)"


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    folder = pathlib.Path(os.environ.get("EVIDENCE_ATTACKS") or tmp_path_factory.mktemp("attacks"))
    if not (folder / "attacks.json").exists():
        made = subprocess.run(
            ["cargo", "nextest", "run", "--workspace", "--locked", "-E", TEST], cwd=CRATE.parent, capture_output=True,
            text=True, env=os.environ | {"EVIDENCE_ATTACKS": str(folder)}, check=False,
        )
        assert made.returncode == 0, made.stdout + made.stderr
    return folder, json.loads((folder / "attacks.json").read_text())


def judged(place, table, attack, folder):
    words = [VERIFY, place, "--key", table["key"], "--json"]
    if attack["remembers"]:
        words += ["--checkpoint", folder / attack["base"] / "checkpoint"]
    for person in table["people"] if attack["knows_people"] else ():
        words += ["--signer", person]
    # The program as it is run, but for starting Python hundreds of times.
    verify.checks.clear()
    out = io.StringIO()
    with contextlib.redirect_stdout(out), unittest.mock.patch.object(sys, "argv", [str(word) for word in words]):
        assert verify.main() in (0, 1)
    return {check["name"]: check for check in json.loads(out.getvalue())}


def verdict(place, table, attack, folder):
    """Why the third verifier refuses, if it does."""
    older = (folder / attack["base"] / "checkpoint").read_text() if attack["remembers"] else None
    try:
        third.judge(place, table["key"], older, table["people"] if attack["knows_people"] else ())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def test_every_attack_is_caught_by_the_check_that_should(table):
    folder, table = table
    missed = []
    places = [(attack, name) for attack in table["attacks"] for name in attack["places"]]
    for attack, name in places:
        checks = judged(folder / attack["name"] / name, table, attack, folder)
        failed = {check for check, found in checks.items() if found["outcome"] == "FAIL"}
        wanted = set(attack["caught_by"] if name == "store" else attack["package_catches"])
        if wanted and not wanted <= failed:
            missed.append(f"{attack['name']} ({name}): {sorted(wanted - failed)} say nothing, but {sorted(failed)}")
        if not wanted and failed:
            missed.append(f"{attack['name']} ({name}): a false alarm: {[checks[check] for check in failed]}")
    names = {attack["name"] for attack in table["attacks"] if attack["caught_by"]}
    assert len(names) >= 100, len(names)
    assert not missed, "\n".join(missed)


def test_a_verifier_that_was_written_from_the_document_agrees(table):
    """FORMAT.md says all that a verifier has to know: one that was written from it alone has the same verdict everywhere."""
    folder, table = table
    differ = []
    for attack in table["attacks"]:
        for name in attack["places"]:
            wrong = verdict(folder / attack["name"] / name, table, attack, folder)
            wanted = attack["caught_by"] if name == "store" else attack["package_catches"]
            if bool(wrong) != bool(wanted):
                differ.append(f"{attack['name']} ({name}): {wrong}")
    assert not differ, "\n".join(differ)
