"""The price of the masks: what works directly and does not through the proxy, counted over a broad corpus.

`leaks/valid/ENGINE.txt` holds valid statements over unprotected tables, catalogs and unprotected columns. Each runs
straight at the database and through the proxy, by the same raw client; everything the server said has to be the same.
The tools that masking must not break (psql's \\d, pg_dump, an ORM's introspection) are run whole.
"""

import os
import subprocess

import pytest
import sqlalchemy

from fleet.needs import postgres
from leaks.attacks import HERE, lines, split
from leaks.ground import SERVERS, Ground, servers
from leaks.runner import ENGINES, Door
from leaks.transcript import Names, comparable, first_difference

pytestmark = pytest.mark.timeout(600)
ENOUGH = 0.90
# PostgreSQL: the one account that logs in by MD5, which the raw client speaks; its grants are those of the proxy's own.
ACCOUNTS = {"postgres": "affidavit_md5", "mysql": "affidavit"}


@pytest.fixture(scope="module", params=SERVERS)
def ground(request, mint, tmp_path_factory):
    """One engine behind a proxy, for somebody to whom no rule denies schema changes."""
    one = Ground(request.param, servers(), mint, tmp_path_factory.mktemp(f"breakage-{request.param}"))
    yield one
    one.stop()


def test_valid_statements_answer_as_directly(ground, capsys):
    account = ACCOUNTS[ground.engine]
    straight = Door(ground.engine, ground.entry["port"], ground.entry["users"][account], account)
    through, mode = ground.doors()[0], ENGINES[ground.engine].MODES[0]
    broken, total = [], 0
    for _, line in lines(HERE / "valid" / f"{ground.engine}.txt"):
        total += 1
        statements = split(line)
        answers = [comparable(ground.engine, door.run(statements, mode), Names(), statements) for door in (straight, through)]
        if answers[0] != answers[1]:
            broken.append(f"{line}\n      {first_difference(*answers)}")
    with capsys.disabled():
        print(f"\nbreakage, {ground.engine}: {total - len(broken)} of {total} valid statements ({1 - len(broken) / total:.1%}) answer as directly")
        for what in broken:
            print(f"   breaks: {what}")
    assert total >= 200, total
    assert len(broken) <= total * (1 - ENOUGH), f"{len(broken)} of {total}"


def postgres_environment(port, user, password, tls):
    """What libpq's tools read."""
    return os.environ | {
        "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": user, "PGPASSWORD": password, "PGDATABASE": "hospital", "PGSSLMODE": tls,
    }


TOOLS = {
    "psql \\d": [postgres("psql"), "-XAt", "-c", "\\d"],
    "psql \\d of a protected table": [postgres("psql"), "-X", "-c", "\\d patients"],
    "psql \\dt+": [postgres("psql"), "-X", "-c", "\\dt analytics.*"],
    "psql \\dn \\dv \\df \\dT \\du": [postgres("psql"), "-X", "-c", "\\dn", "-c", "\\dv", "-c", "\\df", "-c", "\\dT", "-c", "\\di"],
    "psql \\copy": [postgres("psql"), "-X", "-c", "\\copy analytics.icd10 to stdout csv"],
    "pg_dump of unprotected tables": [postgres("pg_dump"), "-n", "analytics", "--no-owner"],
    "pg_dump of the schema": [postgres("pg_dump"), "-s", "-t", "patients"],
}


def test_tools_work(ground, capsys):
    if ground.engine != "postgres":
        pytest.skip("the tools of MySQL are in test_transcripts.py")
    users = ground.entry["users"]
    places = (
        postgres_environment(ground.entry["port"], "affidavit", users["affidavit"], "require"),
        postgres_environment(ground.doors()[0].port, "agent", ground.doors()[0].password, "disable"),
    )
    wrong = {}
    for name, command in TOOLS.items():
        one, other = (subprocess.run(command, env=place, capture_output=True, text=True, timeout=120) for place in places)
        assert one.returncode == 0, f"{name} fails directly: {one.stderr}"
        # pg_dump writes a random key around the data since 15.14.
        texts = ["\n".join(line for line in done.stdout.splitlines() if "restrict " not in line) for done in (one, other)]
        if other.returncode != 0 or texts[0] != texts[1]:
            wrong[name] = other.stderr[-400:] or "its output differs"
    with capsys.disabled():
        print(f"\nbreakage, postgres: {len(TOOLS) - len(wrong)} of {len(TOOLS)} tools work as directly; not: {wrong or 'none'}")
    assert not wrong, wrong


def test_an_orm_reads_the_catalog(ground):
    users, port = ground.entry["users"], ground.entry["port"]
    if ground.engine == "postgres":
        urls = (
            sqlalchemy.URL.create("postgresql+psycopg", "affidavit", users["affidavit"], "127.0.0.1", port, "hospital"),
            sqlalchemy.URL.create("postgresql+psycopg", "agent", ground.doors()[0].password, "127.0.0.1", ground.doors()[0].port, "hospital"),
        )
    else:
        urls = (
            sqlalchemy.URL.create("mysql+pymysql", "affidavit", users["affidavit"], "127.0.0.1", port, "hospital"),
            sqlalchemy.URL.create("mysql+pymysql", "agent", ground.doors()[0].password, "127.0.0.1", ground.proxy.ports["mariadb_tls"], "hospital"),
        )
    seen = []
    for url in urls:
        tls = {"ssl": {"ca": str(ground.proxy.ca_file)}} if ground.engine == "mysql" and url is urls[1] else {}
        inspector = sqlalchemy.inspect(sqlalchemy.create_engine(url, connect_args=tls, poolclass=sqlalchemy.NullPool))
        seen.append({
            (schema, table): (
                [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table, schema)],
                inspector.get_pk_constraint(table, schema), inspector.get_foreign_keys(table, schema), inspector.get_indexes(table, schema),
                inspector.get_unique_constraints(table, schema),
            )
            for schema in (None, "analytics") for table in sorted(inspector.get_table_names(schema)) if not table.startswith("leak_")
        })
    assert len(seen[0]) >= 10 and seen[0] == seen[1]


def test_well_known_extensions(ground):
    # Their operators and routines are C code or wrap the engine's own: what is compared by them is neither opaque nor redacted.
    if ground.engine != "postgres":
        pytest.skip("extensions are PostgreSQL's")
    made = (
        "CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore; CREATE EXTENSION ltree; "
        "CREATE TABLE analytics.leak_words (id int, word citext, more hstore, path ltree); "
        "GRANT SELECT ON analytics.leak_words TO PUBLIC; INSERT INTO analytics.leak_words VALUES "
        "(1, 'Alpha', 'a=>1', 'top.a'), (2, 'beta', 'b=>2', 'top.b')"
    )
    queries = [
        "SELECT id, word FROM analytics.leak_words WHERE word = 'ALPHA'",
        "SELECT count(*) FROM analytics.leak_words WHERE word LIKE 'al%'",
        "SELECT id, similarity(word::text, 'alpha') > 0.5, word::text % 'alpha' FROM analytics.leak_words ORDER BY id",
        "SELECT more -> 'a', more ? 'b' FROM analytics.leak_words ORDER BY id",
        "SELECT id FROM analytics.leak_words WHERE path <@ 'top' ORDER BY id",
        "SELECT regexp_replace(word, 'A', 'x'), lower(word) FROM analytics.leak_words ORDER BY id",
    ]
    ground.admin(made, "hospital")
    try:
        account = ACCOUNTS["postgres"]
        straight = Door("postgres", ground.entry["port"], ground.entry["users"][account], account)
        answers = [
            comparable("postgres", door.run(["SELECT 1 FROM analytics.leak_words", *queries], ENGINES["postgres"].MODES[0]), Names(), queries)
            for door in (straight, ground.doors()[0])
        ]
        assert answers[0] == answers[1], first_difference(*answers)
        leaking = ground.doors()[0].run(["SELECT similarity(ssn, '900-00-0000'), ssn::citext = 'x', ssn || '' FROM patients"], "simple")
        assert not ground.doors()[0].leaks(leaking, ground.canaries[0])
    finally:
        ground.admin("DROP TABLE analytics.leak_words; DROP EXTENSION citext, pg_trgm, hstore, ltree CASCADE", "hospital")
