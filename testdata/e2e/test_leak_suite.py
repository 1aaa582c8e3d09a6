"""No canary reaches a client: every attack in a session of its own, every byte that comes back swept for every disguise.

Every attack runs on one server of each engine, sent the plain way, with the second lock off (the analysis alone must hold), each
second one with it on (nothing may come either). Every other way of sending (binary results, portals read in pieces, prepared statements), and the
engines' other servers, run samples that begin elsewhere each time; AFFIDAVIT_FULL=1 runs all of everything. Non-interference
runs the same attacks against both twins.
"""

from collections import Counter

import pytest
from conftest import TESTDATA

from hospital.canaries import KINDS
from leaks.attacks import attacks
from leaks.ground import ENGINE_OF, FULL, OTHERS, PATIENTS, SERVERS, Ground, servers
from leaks.runner import ENGINES
from leaks.sweep import Canaries

pytestmark = pytest.mark.timeout(3000 if FULL else 600)
LOCKS = (None, "required")
RUNS = [(server, mode, lock) for lock in LOCKS for server, engine in ENGINE_OF.items() for mode in ENGINES[engine].MODES]
# What the hospital's own rules show in part: years, area codes, the last digits; and in clinical notes what no detector finds.
SHOWN_IN_PART = {"dob", "family", "provider", "kin", "alias", "address", "account", "ip"}


def step(server, mode, lock):
    """Of how many attacks one is run: all the plain way, a sixth the others, and with the lock, or elsewhere, fewer."""
    if FULL:
        return 1
    plain = mode == ENGINES[ENGINE_OF[server]].MODES[0]
    if server in OTHERS:
        return 12 if plain else 48
    if plain:
        return 1 if lock is None else 2
    return 6 if lock is None else 12


def sample(server, mode, lock):
    """The attacks of a run. Of those that a grammar composes each second is enough where all that are written are tried."""
    every = step(server, mode, lock)
    first = RUNS.index((server, mode, lock)) % every
    chosen = attacks(ENGINE_OF[server])
    if every == 1 and not FULL:
        written = [attack for attack in chosen if attack.category != "composed"]
        return written + [attack for attack in chosen if attack.category == "composed"][::2]
    return chosen[first::every]


@pytest.fixture(scope="module")
def grounds(mint, tmp_path_factory):
    """The twins of each server, set up when first asked for."""
    fleet, made = servers(*OTHERS), {}

    def ground(server, lock=None):
        if (server, lock) not in made:
            home = tmp_path_factory.mktemp(f"leaks-{server}")
            made[server, lock] = Ground(ENGINE_OF[server], fleet, mint, home, second_lock=lock, server=server)
        return made[server, lock]

    yield ground
    for one in made.values():
        one.stop()


def report(capsys, text):
    """Figures that belong into the run's output."""
    with capsys.disabled():
        print(f"\n{text}")


@pytest.mark.parametrize(("server", "mode", "lock"), RUNS, ids=["-".join(filter(None, one)) for one in RUNS])
def test_no_attack_brings_a_canary(server, mode, lock, grounds, capsys):
    ground = grounds(server, lock)
    chosen = sample(server, mode, lock)
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
        capsys, f"leak suite, {server}, {mode}, second lock {lock or 'off'}: {len(chosen)} attacks, {len(found)} leak, {len(dropped)} dropped the session, "
        f"{refused} met an error; {dict(counted)}",
    )
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())


@pytest.mark.parametrize("engine", SERVERS)
def test_there_are_enough_attacks(engine):
    names = {attack.statements for attack in attacks(engine)}
    assert len(names) >= 400, len(names)


OWN = [(server, lock) for server in (ENGINE_OF if FULL else SERVERS.values()) for lock in LOCKS]


@pytest.mark.parametrize(("server", "lock"), OWN, ids=[f"{server}-{lock or 'off'}" for server, lock in OWN])
def test_the_hospitals_own_rules_hold(server, lock, mint, tmp_path_factory, capsys):
    # The other transforms: years, last digits, area codes, detectors, on the same attacks.
    engine, rules = ENGINE_OF[server], [TESTDATA / "policies/hospital.toml"]
    fleet = servers(*OTHERS)
    ground = Ground(engine, fleet, mint, tmp_path_factory.mktemp("own-rules"), rules, second_lock=lock, server=server)
    canaries = Canaries(PATIENTS, kinds=set(KINDS) - SHOWN_IN_PART)
    chosen, found = attacks(engine)[0 if FULL else LOCKS.index(lock) :: 1 if FULL else 6], {}
    for attack in chosen:
        door = ground.doors()[0]
        if leaks := door.leaks(door.run(attack.statements, ground.modes()[0]), canaries):
            found[attack.name] = f"{' ;; '.join(attack.statements)} → {leaks[:3]}"
    ground.stop()
    report(capsys, f"leak suite, {server}, the hospital's own rules, second lock {lock or 'off'}: {len(chosen)} attacks, {len(found)} leak")
    assert not found, "\n".join(f"{name}: {what}" for name, what in found.items())


@pytest.mark.parametrize("engine", SERVERS)
def test_the_attacks_leak_directly(engine, grounds, capsys):
    # Straight at the database, most of those that only read bring a canary: else the suite would prove nothing.
    ground = grounds(SERVERS[engine])
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
