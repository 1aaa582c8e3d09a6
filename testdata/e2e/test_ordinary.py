"""What applications send every day, over protected tables too: nothing of it is refused, and each answers as on a database whose
protected columns hold the masks (`leaks/masked.py`).

`leaks/ordinary/ENGINE.txt` has the shapes of Django, SQLAlchemy, Hibernate, Rails, Laravel and Metabase beside what people write.
What is refused or answers otherwise is named, with its reason, in `leaks/ordinary/declared.txt`.
"""

import os

import pytest

from leaks import masked
from leaks.attacks import HERE, lines, split
from leaks.ground import SERVERS, Ground, servers
from leaks.masked import answered, is_refusal, words
from leaks.runner import ENGINES, Door
from leaks.transcript import first_difference

pytestmark = pytest.mark.timeout(900)
# PostgreSQL: the one account that logs in by MD5, which the raw client speaks; its grants are those of the proxy's own.
ACCOUNTS = {"postgres": "affidavit_md5", "mysql": "affidavit"}
ENOUGH = 400


@pytest.fixture(scope="module", params=SERVERS)
def ground(request, mint, tmp_path_factory):
    """One engine behind a proxy, and the database that holds masks beside it."""
    home = tmp_path_factory.mktemp(f"ordinary-{request.param}")
    path = masked.rules(home)
    one = Ground(request.param, servers(), mint, home, [path], tokens=False)
    try:
        masked.make(one, path)
        yield one
        masked.drop(one)
    finally:
        one.stop()


def declared(line):
    """Why a statement may be refused or answer otherwise, if it may."""
    for _, entry in lines(HERE / "ordinary/declared.txt"):
        fragment, reason = entry.split(" ## ")
        if fragment in line:
            return reason
    return None


def test_ordinary_statements_answer_as_over_masks(ground, capsys):
    account = ACCOUNTS[ground.engine]
    password = ground.entry["users"][account]
    over_masks = Door(ground.engine, ground.entry["port"], password, account, masked.NAME)
    straight = Door(ground.engine, ground.entry["port"], password, account)
    mode = ENGINES[ground.engine].MODES[0]
    refused, otherwise, known, total = {}, {}, [], 0
    only = os.environ.get("AFFIDAVIT_ONLY")
    for _, line in lines(HERE / "ordinary" / f"{ground.engine}.txt"):
        if only and only not in line:
            continue
        total += 1
        statements = split(line)
        run = ground.doors()[0].run(statements, mode)
        one, other = answered(ground.engine, run), answered(ground.engine, over_masks.run(statements, mode))
        # What shows definitions and plans shows those of the real tables.
        if line.upper().startswith(("SHOW", "EXPLAIN")) and one != other:
            other = answered(ground.engine, straight.run(statements, mode))
        bad = is_refusal(ground.engine, run) or one != other
        if not bad:
            continue
        if declared(line):
            known.append(line)
        elif is_refusal(ground.engine, run):
            refused[line] = words(ground.engine, run)
        else:
            otherwise[line] = f"{words(ground.engine, run)} {first_difference(one, other)}"
    with capsys.disabled():
        print(f"\nordinary, {ground.engine}: {total} statements, {len(refused)} refused, {len(otherwise)} answer otherwise, {len(known)} as declared")
        for what, why in (*refused.items(), *otherwise.items()):
            print(f"   {what}\n      {why}")
    assert not refused and not otherwise
    assert only or total >= ENOUGH, total
