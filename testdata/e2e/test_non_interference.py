"""Two hospitals that differ in protected values only get the same statements: their answers have to be the same.

This finds what no canary can show: guessing through conditions, counts, orders, errors. What may differ is named in
`leaks/transcript.py`. A difference counts unless the same database answers otherwise the second time, too.
AFFIDAVIT_FULL=1 runs 5,000 generated statements an engine, AFFIDAVIT_SEED chooses others.
"""

import os

import pytest

from leaks.attacks import attacks, declared
from leaks.generate import statements
from leaks.ground import FULL, SERVERS, Ground, servers

pytestmark = pytest.mark.timeout(3600 if FULL else 600)
GENERATED = 5000 if FULL else 300
CHUNK = 25


@pytest.fixture(scope="module", params=SERVERS)
def twins(request, mint, tmp_path_factory):
    """Both twins of one engine."""
    ground = Ground(request.param, servers(), mint, tmp_path_factory.mktemp(f"twins-{request.param}"))
    yield ground
    ground.stop()


def report(capsys, text):
    """Figures that belong into the run's output."""
    with capsys.disabled():
        print(f"\n{text}")


def test_the_twins_differ(twins):
    # If they did not, nothing would follow from their answering alike.
    one, other = (twins.admin("SELECT ssn FROM patients WHERE id = 7", database) for database in twins.databases)
    assert one.strip() and one != other


def test_attacks_answer_alike(twins, capsys):
    chosen = attacks(twins.engine)[:: 1 if FULL else 4]
    different, leaking, restless, apart = {}, {}, [], 0
    for attack in chosen:
        difference, leaks, _ = twins.compare(attack.statements, twins.modes()[0])
        if leaks:
            leaking[attack.name] = leaks
        if difference and declared(attack):
            apart += 1
        elif difference and twins.is_restless(attack.statements, twins.modes()[0]):
            restless.append(attack.name)
        elif difference:
            different[attack.name] = f"{' ;; '.join(attack.statements)}\n    {difference}"
    report(
        capsys, f"non-interference, {twins.engine}: {len(chosen)} attacks, {len(different)} tell the twins apart, "
        f"{apart} do so as declared, {len(restless)} not comparable: {', '.join(restless) or 'none'}",
    )
    assert not leaking, leaking
    assert not different, "\n".join(f"{name}: {what}" for name, what in different.items())
    assert len(restless) <= len(chosen) * 0.03, restless


def test_generated_statements_answer_alike(twins, capsys):
    made = statements(twins.engine, GENERATED, seed=int(os.environ.get("AFFIDAVIT_SEED", "1")))
    different, answered = {}, 0
    for start in range(0, len(made), CHUNK):
        chunk = made[start : start + CHUNK]
        difference, leaks, runs = twins.compare(chunk, twins.modes()[0])
        answered += sum(not any(kind in (b"E", "error") for kind, _ in answer) for answer in runs[0].answers)
        assert not any(run.dropped for run in runs), runs[0].dropped
        if difference or leaks:
            # One by one, to name the one.
            for statement in chunk:
                difference, leaks, _ = twins.compare([statement], twins.modes()[0])
                if difference or leaks:
                    different[statement] = difference or leaks
    report(
        capsys, f"non-interference, {twins.engine}: {len(made)} generated statements, {answered} answered, the others refused; "
        f"{len(different)} tell the twins apart",
    )
    assert not different, "\n".join(f"{statement}\n    {what}" for statement, what in different.items())
    assert answered >= len(made) * 0.2, f"only {answered} of {len(made)} were answered: the comparison is of refusals"
