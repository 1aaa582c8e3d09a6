"""The twenty questions of evidence/README.md, by its own lines: over a store of the newest schema, and over one that was begun by the
program of the first and gone on with by this one."""

import re
import shutil

import duckdb
import pytest

from test_package import CRATE, TARGET, run, sample  # noqa: F401

README = (CRATE / "README.md").read_text()
TABLES = re.search(r"## Questions in SQL.*?```sql\n(.*?)```", README, re.DOTALL).group(1)
QUESTIONS = re.findall(r"^\d+\. ([^\n]+)\n\n```sql\n(.*?)```", README, re.DOTALL | re.MULTILINE)
# Nothing of these is in the sample: nobody was exempt, nothing was refused, all sessions were closed, there was no emergency.
EMPTY = {5, 6, 10, 14}


def read_and_sealed(folder):
    """Somebody has read it, and that is sealed."""
    run(TARGET / "evidence", "sessions", "--store", folder / "store")
    run(TARGET / "evidence", "seal", "--config", folder / "affidavit.toml")
    return folder


@pytest.fixture(scope="session")
def newest(sample, tmp_path_factory):  # noqa: F811
    return read_and_sealed(shutil.copytree(sample, tmp_path_factory.mktemp("newest") / "sample"))


@pytest.fixture(scope="session")
def mixed(sample, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("mixed")
    shutil.copytree(CRATE / "tests" / "stores" / "first", folder / "store")
    run(TARGET / "examples" / "sample_store", folder)
    return read_and_sealed(folder)


@pytest.fixture(scope="session", params=["newest", "mixed"])
def store(request):
    return request.getfixturevalue(request.param) / "store"


@pytest.fixture(scope="session")
def database(store):
    database = duckdb.connect()
    database.execute(TABLES.replace("'audit/", f"'{store}/"))
    return database


def test_there_are_twenty():
    assert len(QUESTIONS) == 20


@pytest.mark.parametrize("number", range(1, 21))
def test_a_question_is_answered(database, number):
    title, question = QUESTIONS[number - 1]
    answer = database.sql(question).to_arrow_table()
    assert bool(answer.num_rows) == (number not in EMPTY), f"{title}: {answer.num_rows} rows"


def test_older_and_newer_segments_add_up(store, database):
    """Every record once, whatever its version; what a version lacked is NULL, in structs too."""
    versions = dict(database.execute("SELECT schema_version, count(*) FROM statements GROUP BY 1").fetchall())
    assert set(versions) == ({1, 3} if "mixed" in str(store) else {3}) and set(versions.values()) == {10}
    kinds = database.execute("SELECT count(*), count(kind) FROM statements").fetchone()
    assert kinds == (sum(versions.values()), versions[3])
    returned = dict(database.execute("SELECT user_id IS NULL, count(*) FROM returned_columns WHERE mask = 'redact' GROUP BY 1").fetchall())
    assert returned == ({True: 9, False: 9} if 1 in versions else {False: 9})
    assert database.execute("SELECT count(*) FROM cells WHERE \"column\" = 'ssn' AND \"value\" <> '***'").fetchone() == (0,)
    assert database.execute("SELECT count(DISTINCT \"value\") FROM cells WHERE \"column\" = 'ssn'").fetchone() == (1,)


def test_arrow_opens_all_versions_by_the_documented_lines(store):
    lines = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    lines = lines.replace('"audit/', f'"{store}/').replace("import polars\n", "").split("polars_frame")[0].replace(".to_pandas()", "")
    names = {}
    exec(lines, names)
    assert names["pandas_frame"].num_rows in (10, 20) and "kind" in names["pandas_frame"].column_names
