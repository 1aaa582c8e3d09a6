"""Conversations that drivers and tools have, message by message: what the server says directly, it says through the proxy, with
rules in force on tables that the conversation does not touch."""

import pytest
from conftest import SERVERS
from pgwire import SYNC, Refused, Wire, bind, call, close, describe, execute, parse, query

from fleet.postgres import POSTGRES15


@pytest.fixture
def through(through, analyst_token):
    """Through the proxy as somebody whom no rule keeps from changing schemas."""

    def place(proxy, server="postgres15", **options):
        return through(proxy, server, analyst_token, **options)

    return place


def said(place, *steps, **parameters):
    """What a conversation brings, one line a message."""
    wire = Wire(place, **parameters)
    for step in steps:
        wire.say(*step) if isinstance(step, tuple) else wire.say(query(step))
    wire.close()
    return wire.said


FAILED = {
    "an unknown table": "select * from nosuch",
    "an unknown column": "select nosuchcol from providers",
    "an unknown sequence": "select nextval('nosuch')",
    "a setting that is refused": "select set_config('work_mem', 'x', true)",
    "an unknown cursor": "fetch 1 from nocursor",
    "division": "select 1/0",
    "syntax": "selec 1",
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("what", FAILED)
def test_a_failed_transaction_has_its_ways_out(what, server, proxy, direct, through):
    def talk(place):
        lines = said(
            place, "begin", "savepoint a", FAILED[what], "select 1", "rollback to a", "select 2", FAILED[what], "ROLLBACK;",
            "begin", FAILED[what], "/* pool */ rollback", "begin", FAILED[what], "commit", "begin", FAILED[what], "rollback; select 3",
            "begin", FAILED[what], (parse("rollback"), bind(), execute(), SYNC), "select 4",
        )
        # What an error says may be withheld; its code and everything around it is the server's.
        return [" ".join(line.split()[:2]) if line.startswith("E ") else line for line in lines]

    assert talk(through(proxy, server)) == talk(direct(server))


PIPELINES = {
    "postgres.js: all in one flight": [(parse("select 1 as one"), describe("S"), bind(), execute(), SYNC)],
    "a name, described twice": [(parse("select $1::int + 1 as n", "s"), describe("S", "s"), bind(["4"], "s"), describe("P"), execute(), SYNC)],
    "described after it was bound": [(parse("select 1 as one"), bind(), describe("S"), execute(), SYNC)],
    "two statements, each described": [
        (parse("select 1 as a", "x"), describe("S", "x"), parse("select 'b' as b, 2 as c", "y"), describe("S", "y"),
         bind((), "y"), execute(), bind((), "x"), execute(), SYNC),
        (bind((), "x"), execute(), bind((), "y"), execute(), SYNC),
    ],
    "an error before the rest": [
        (parse("select 1/0"), describe("S"), bind(), execute(), parse("select 2"), describe("S"), bind(), execute(), SYNC),
        (parse("select 3"), describe("S"), bind(), execute(), SYNC),
    ],
    "rows in portions": [
        "begin", (parse("select generate_series(1, 5) as n"), describe("S"), bind(portal="p"), execute("p", 2), execute("p", 2), SYNC),
        (execute("p", 2), SYNC), "rollback",
    ],
    "a portal of a failed transaction": [
        "begin", (parse("select id from providers order by id"), bind(portal="p"), execute("p", 1), SYNC), "select 1/0",
        (execute("p"), SYNC), "rollback", (execute("p"), SYNC),
    ],
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("what", PIPELINES)
def test_answers_count_in_their_order(what, server, proxy, direct, through):
    assert said(through(proxy, server), *PIPELINES[what]) == said(direct(server), *PIPELINES[what])


MISSING = [
    "insert into nosuch values (1)", "update nosuch set a = 1", "delete from nosuch", "truncate nosuch", "alter table nosuch add x int",
    "copy nosuch to stdout", "copy nosuch from stdin", "create table zz as select * from nosuch", "create view zz as select * from nosuch",
    "explain select * from nosuch", "prepare p as select * from nosuch", "declare c cursor with hold for select * from nosuch",
    "select nosuchfn(1)", "call nosuchp()", "lock table nosuch", "alter table nosuch rename to other", "selec 1",
]


@pytest.mark.parametrize("sql", MISSING)
def test_what_does_not_exist_has_the_servers_code(sql, proxy, direct, through):
    def code(place):
        return [line.split()[1] for line in said(place, "begin", sql, "rollback") if line.startswith("E ")]

    assert code(through(proxy)) == code(direct())


WAYS_BACK = ["set standard_conforming_strings = on", "reset standard_conforming_strings", "reset all", "discard all", "RESET ALL;"]


@pytest.mark.parametrize("way", WAYS_BACK)
def test_strings_that_conform_no_more_lock_nobody_out(way, proxy, direct, through):
    steps = ["set standard_conforming_strings = off", "select 'it''s' as plain", way, r"select 'a\b' as literal"]
    assert said(through(proxy), *steps) == said(direct(), *steps)


def test_renaming_what_no_rule_covers(proxy, direct, through):
    steps = [
        "create table wire_tmp as select 1 as id, 'x'::text as npi", "alter table wire_tmp rename to wire_m",
        "alter table wire_m rename column npi to code", "select id, code from wire_m", "create view wire_v as select count(*) as n from wire_m",
        "alter view wire_v rename to wire_w", "select n from wire_w", "drop view wire_w", "drop table wire_m",
    ]
    assert said(direct(), *steps) == said(through(proxy), *steps)


@pytest.mark.parametrize("sql", ["alter table patients rename to visitors", "alter table patients rename column ssn to number",
                                 "alter table patients set schema pg_temp", "alter schema public rename to other"])
def test_a_protected_column_keeps_its_name(sql, proxy, through):
    lines = said(through(proxy), "begin", sql, "rollback")
    assert lines[2].startswith("E 42501"), lines


ONE_TEXT = {
    "a cursor declared and read": "begin; declare c cursor for select id, 'x' as t from providers order by id; fetch 2 from c; commit",
    "a statement prepared and run": "prepare p(int) as select $1 + 1 as n; execute p(4); deallocate p",
    "one after another": "begin; declare c cursor for select 1 as a; fetch c; close c; declare c cursor for select 'b' as b; fetch c; end",
}


@pytest.mark.parametrize("what", ONE_TEXT)
def test_names_made_and_used_in_one_text(what, proxy, direct, through):
    assert said(through(proxy), ONE_TEXT[what]) == said(direct(), ONE_TEXT[what])


def test_a_protected_column_stays_masked_in_one_text(proxy, through):
    lines = said(through(proxy), "begin; declare c cursor for select ssn from patients order by id; fetch 2 from c; commit",
                 "prepare p as select full_name from patients order by id limit 1; execute p")
    rows = [line for line in lines if line.startswith("D ")]
    assert rows and all("900-01" not in row for row in rows) and rows[-1] == "D ***", lines


@pytest.mark.parametrize("sql", ["copy (select 1 as a) to stdin", "copy (select 1, 2) to stdin with (format csv)"])
def test_copy_takes_either_name_for_its_stream(sql, proxy, direct, through):
    assert said(through(proxy), sql) == said(direct(), sql)


def test_a_literal_of_five_megabytes(proxy, direct, through):
    sql = f"select length('{'x' * (5 << 20)}') as n"
    assert said(through(proxy), sql) == said(direct(), sql)


def test_a_database_that_is_not_there(proxy, direct, through):
    for place in (direct(database="no_such_db"), through(proxy, database="no_such_db")):
        with pytest.raises(Refused, match="E 3D000"):
            Wire(place)


def test_a_protocol_that_is_not_spoken(proxy, direct, through):
    for place in (direct(), through(proxy)):
        with pytest.raises(Refused, match=r"E 0A000 unsupported frontend protocol 4\.0"):
            Wire(place, protocol=4 << 16)


NAMES = {
    "bound by the protocol, prepared by SQL": ["prepare a as select 5 as n", (bind(statement="a"), execute(), SYNC), (describe("S", "a"), SYNC)],
    "with a parameter": ["prepare a(int) as select $1 + 1 as n", (bind(["4"], "a"), describe("P"), execute(), SYNC)],
    "run by SQL, prepared by the protocol": [(parse("select 6 as n", "b"), SYNC), "execute b", "EXECUTE b ;", (parse("select $1::int as n", "C d"), SYNC), 'execute "C d" (7)'],
    "both at once": [(parse("select 6 as n", "b"), SYNC), "prepare b as select 7", "execute b", "prepare c as select 8", (parse("select 9", "c"), SYNC)],
    "closed by the protocol, prepared by SQL": ["prepare d as select 5 as n", (close("S", "d"), SYNC), "execute d"],
    "deallocated by SQL, prepared by the protocol": [(parse("select 6", "e"), SYNC), "deallocate e", (bind(statement="e"), SYNC)],
    "a portal read by FETCH": [
        "begin", (parse("select g as n from generate_series(1, 9) g"), bind(portal="q"), execute("q", 2), SYNC), "fetch 2 from q", "move 1 in q",
        "fetch q", (execute("q", 1), SYNC), "close q", (execute("q"), SYNC), "rollback",
    ],
    "a cursor closed by the protocol": ["begin", "declare f cursor for select 1 as n", (close("P", "f"), SYNC), (describe("P", "f"), SYNC), "rollback"],
    "a portal and a cursor of one name": [
        "begin", "declare h cursor for select 1 as n", "commit", "begin", (parse("select 'x' as t"), bind(portal="h"), SYNC), "fetch h", "rollback",
    ],
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("what", NAMES)
def test_names_are_one_space(what, server, proxy, direct, through):
    def talk(place):
        lines = said(place, *NAMES[what])
        return [" ".join(line.split()[:2]) if line.startswith("E ") else line for line in lines]

    assert talk(through(proxy, server)) == talk(direct(server))


def test_a_name_of_the_protocol_stays_masked_in_sql(proxy, through):
    lines = said(
        through(proxy), (parse("select full_name from patients order by id limit 2", "m"), SYNC), "execute m", "begin",
        (parse("select full_name from patients order by id"), bind(portal="p"), SYNC), "fetch 2 from p", "rollback",
        "prepare s as select full_name from patients order by id limit 1", (bind(statement="s"), execute(), SYNC),
        # Once a cursor of SQL's has had the name, then a portal of the protocol's.
        "begin", "declare n cursor for select 'plain' as t", "commit", "begin",
        (parse("select full_name from patients order by id"), bind(portal="n"), SYNC), "fetch n", "rollback",
    )
    rows = [line for line in lines if line.startswith("D ")]
    assert rows and all(row == "D ***" for row in rows), lines


def test_a_cursor_outlives_the_transaction_that_made_its_table(proxy, direct, through):
    steps = [
        "begin", "create temp table held (n int, up int)", "insert into held values (1), (2), (3)",
        'declare "W" cursor with hold for select n from held order by n', "commit", 'fetch 2 from "W"', 'fetch all from "W"', 'close "W"', "drop table held",
    ]
    assert said(through(proxy), *steps) == said(direct(), *steps)


def test_operators_in_c_leave_those_of_their_names_alone(fleet, fresh_proxy, direct, through):
    # As PostGIS defines them: immutable functions of the server or of a library.
    entry = fleet["servers"]["postgres15"]
    POSTGRES15.sql(entry, "hospital", """
        DROP SCHEMA IF EXISTS shapes CASCADE; CREATE SCHEMA shapes; CREATE TYPE shapes.shape AS (x int);
        CREATE FUNCTION shapes.below(shapes.shape, shapes.shape) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'record_lt';
        CREATE OPERATOR public.< (LEFTARG = shapes.shape, RIGHTARG = shapes.shape, PROCEDURE = shapes.below);
    """)
    try:
        steps = ["select typname, typlen < 8 from pg_type where oid < 30 order by oid", "select id, id < 3 from analytics.departments order by id limit 5"]
        assert said(through(fresh_proxy()), *steps) == said(direct(), *steps)
    finally:
        POSTGRES15.sql(entry, "hospital", "DROP SCHEMA shapes CASCADE;")


@pytest.fixture
def ruleless(fresh_proxy, tmp_path):
    """A proxy with no rule for what it serves."""
    rules = tmp_path / "elsewhere.toml"
    rules.write_text('[[mask]]\nname = "elsewhere"\ncolumns = ["elsewhere.*.*.x"]\nwith = "redact"\n')
    return fresh_proxy(rules=[rules])


def test_large_objects_and_functions_by_number(ruleless, direct, through):
    number = (987_654).to_bytes(4)
    read, write = (0x40000).to_bytes(4), (0x20000).to_bytes(4)
    steps = [
        "begin", "select lo_create(987654)", (call(952, number, write),), (call(955, (0).to_bytes(4), b"some bytes"),), (call(953, (0).to_bytes(4)),),
        (call(952, number, read),), (call(954, (0).to_bytes(4), (4).to_bytes(4)),), (call(958, (0).to_bytes(4)),),
        # length(text), and one that fails
        (call(1257, b"four"),), (call(954, (7).to_bytes(4), (4).to_bytes(4)),), "rollback", "select 1 as still",
        (parse("select 6 as n", "b"), SYNC), "explain (costs off) execute b",
    ]
    assert said(through(ruleless), *steps) == said(direct(), *steps)


def test_a_function_by_its_number_is_refused_where_rules_are_in_force(proxy, through):
    # pg_read_file(text)
    lines = said(through(proxy), (call(2624, b"/etc/passwd"),), "select 1 as still")
    assert lines[0].startswith("E 42601") and lines[-2] == "C SELECT 1", lines
