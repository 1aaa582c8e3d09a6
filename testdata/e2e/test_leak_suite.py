"""No canary reaches a client: every attack in a session of its own, every byte that comes back swept for every disguise.

The plain way of sending is run with all attacks; the others (binary results, portals read in pieces, prepared statements)
with every third, and with all where AFFIDAVIT_FULL=1. Non-interference runs the same attacks against both twins.
"""

from collections import Counter

import pytest
from conftest import TESTDATA

from hospital.canaries import KINDS
from leaks.attacks import attacks
from leaks.ground import FULL, PATIENTS, SERVERS, Ground, servers
from leaks.mysql import MODES as MYSQL_MODES
from leaks.postgres import MODES as POSTGRES_MODES
from leaks.sweep import Canaries

pytestmark = pytest.mark.timeout(2400 if FULL else 600)
ALL = [("postgres", mode) for mode in POSTGRES_MODES] + [("mysql", mode) for mode in MYSQL_MODES]
# With the second lock off the analysis alone must hold; with it on nothing may come either, and answers stay answers.
MODES = [(*pair, None) for pair in ALL] + [(*pair, "required") for pair in ALL if FULL or pair[1] in (POSTGRES_MODES[0], MYSQL_MODES[0])]
# What the hospital's own rules show in part: years, area codes, the last digits; and in clinical notes what no detector finds.
SHOWN_IN_PART = {"dob", "family", "provider", "kin", "alias", "address", "account", "ip"}


@pytest.fixture(scope="module")
def grounds(mint, tmp_path_factory):
    """The twins of each engine, set up when first asked for."""
    fleet, made = servers(), {}

    def ground(engine, lock=None):
        if (engine, lock) not in made:
            made[engine, lock] = Ground(engine, fleet, mint, tmp_path_factory.mktemp(f"leaks-{engine}"), second_lock=lock)
        return made[engine, lock]

    yield ground
    for one in made.values():
        one.stop()


def report(capsys, text):
    """Figures that belong into the run's output."""
    with capsys.disabled():
        print(f"\n{text}")


@pytest.mark.parametrize(("engine", "mode", "lock"), MODES, ids=["-".join(filter(None, one)) for one in MODES])
def test_no_attack_brings_a_canary(engine, mode, lock, grounds, capsys):
    ground = grounds(engine, lock)
    chosen = attacks(engine)[:: 1 if FULL or mode == ground.modes()[0] else 3]
    found, dropped, refused, counted = {}, {}, 0, Counter()
    door = ground.doors()[0]
    for attack in chosen:
        counted[attack.category] += 1
        run = door.run(attack.statements, mode)
        if leaks := door.leaks(run, ground.canaries[0]):
            found[attack.name] = f"{' ;; '.join(attack.statements)} → {leaks[:3]}"
        if run.dropped:
            dropped[attack.name] = run.dropped
        refused += any(kind in (b"E", "error") for answer in run.answers for kind, _ in answer)
        assert ground.proxy.alive(), f"the proxy died of {attack}"
    report(
        capsys, f"leak suite, {engine}, {mode}, second lock {lock or 'off'}: {len(chosen)} attacks, {len(found)} leak, {len(dropped)} dropped the session, "
        f"{refused} met an error; {dict(counted)}",
    )
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())


@pytest.mark.parametrize("engine", SERVERS)
def test_there_are_enough_attacks(engine):
    names = {attack.statements for attack in attacks(engine)}
    assert len(names) >= 400, len(names)


# The attacks above leave views on MySQL that nobody can read, at which the SQL of a second lock for other rules would stop.
OWN = [(engine, lock) for engine in SERVERS for lock in (None, "required") if (engine, lock) != ("mysql", "required")]


@pytest.mark.parametrize(("engine", "lock"), OWN, ids=[f"{engine}-{lock or 'off'}" for engine, lock in OWN])
def test_the_hospitals_own_rules_hold(engine, lock, mint, tmp_path_factory, capsys):
    # The other transforms: years, last digits, area codes, detectors, on the same attacks.
    ground = Ground(engine, servers(), mint, tmp_path_factory.mktemp("own-rules"), [TESTDATA / "policies/hospital.toml"], second_lock=lock)
    canaries = Canaries(PATIENTS, kinds=set(KINDS) - SHOWN_IN_PART)
    chosen, found = attacks(engine)[:: 1 if FULL else 3], {}
    for attack in chosen:
        door = ground.doors()[0]
        if leaks := door.leaks(door.run(attack.statements, ground.modes()[0]), canaries):
            found[attack.name] = f"{' ;; '.join(attack.statements)} → {leaks[:3]}"
    ground.stop()
    report(capsys, f"leak suite, {engine}, the hospital's own rules: {len(chosen)} attacks, {len(found)} leak")
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())


@pytest.mark.parametrize("engine", SERVERS)
def test_the_attacks_leak_directly(engine, grounds, capsys):
    # Straight at the database, most of those that only read bring a canary: else the suite would prove nothing.
    ground = grounds(engine)
    reading = [
        attack.statements[0] for attack in attacks(engine)
        if attack.category in ("lineage", "composed", "names") and len(attack.statements) == 1
        and attack.statements[0].upper().startswith(("SELECT", "WITH", "COPY (SELECT"))
        # Sequences keep what is put into them, for whoever looks next.
        and not any(word in attack.statements[0].lower() for word in ("setval", "nextval"))
    ][::5]
    leaking = 0
    for statement in reading:
        try:
            answer = ground.admin(statement, "hospital")
        except AssertionError as error:
            answer = str(error)
        leaking += bool(ground.canaries[0].find(answer.encode()))
    report(capsys, f"leak suite, {engine}: {leaking} of {len(reading)} reading attacks leak when sent straight to the database")
    assert leaking >= len(reading) * 0.4, f"{leaking} of {len(reading)}"
