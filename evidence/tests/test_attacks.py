"""verify.py against the table of attacks that the crate's own test injects: every attack is caught, by the same check, in the
store and in the package; the stores that nobody touched raise no alarm.

EVIDENCE_ATTACKS names the folder where `make unit` left them; without it the crate's test is run to make them."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

CRATE = pathlib.Path(__file__).resolve().parent.parent
VERIFY = CRATE / "tools" / "verify.py"
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
    command = [sys.executable, VERIFY, place, "--key", table["key"], "--json"]
    if attack["remembers"]:
        command += ["--checkpoint", folder / attack["base"] / "checkpoint"]
    for person in table["people"] if attack["knows_people"] else ():
        command += ["--signer", person]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {check["name"]: check for check in json.loads(done.stdout)}


def test_every_attack_is_caught_by_the_check_that_should(table):
    folder, table = table
    missed, seen = [], 0
    for attack in table["attacks"]:
        for name in attack["places"]:
            place = folder / attack["name"] / name
            checks = judged(place, table, attack, folder)
            failed = {check for check, found in checks.items() if found["outcome"] == "FAIL"}
            wanted = set(attack["caught_by"] if name == "store" else attack["package_catches"])
            seen += 1
            if wanted and not wanted <= failed:
                missed.append(f"{attack['name']} ({name}): {sorted(wanted - failed)} say nothing, but {sorted(failed)}")
            if not wanted and failed:
                missed.append(f"{attack['name']} ({name}): a false alarm: {[checks[check] for check in failed]}")
    assert seen > 80, seen
    assert not missed, "\n".join(missed)
