"""What tools say to MySQL and MariaDB, packet by packet: the answers are the server's own, with rules in force on tables that the
conversation does not touch."""

import os
import re
import subprocess
import threading
from dataclasses import dataclass

import pytest
from conftest import MYSQL_SERVERS
from mywire import MyWire

from fleet.proxy import Proxy

RULES = """
[[mask]]
name = "patients"
columns = ["*.*.patients.*"]
with = "redact"

[[mask]]
name = "accounts"
columns = ["*.*.accounts.number"]
with = { token = { domain = "account" } }
"""
DATABASE = "analytics"
TABLES = [
    f"drop table if exists {DATABASE}.visits, {DATABASE}.accounts", f"drop procedure if exists {DATABASE}.noop",
    f"create table {DATABASE}.visits (id int primary key, dept varchar(20))",
    f"insert into {DATABASE}.visits values (1, 'er'), (2, 'icu')", f"create procedure {DATABASE}.noop() begin end",
    f"drop procedure if exists {DATABASE}.both_of", f"create procedure {DATABASE}.both_of() begin select 1 as a; select 'x' as b, 2 as c; end",
    f"create table {DATABASE}.accounts (id int primary key, number bigint unsigned)",
    f"insert into {DATABASE}.accounts values (1, {2**63}), (2, {2**64 - 1}), (3, {10**19}), (4, 5000000)",
]


@dataclass(frozen=True)
class Side:
    """Where to log in; calling it does."""

    host: str
    port: int
    user: str
    password: str
    ca: str

    def __call__(self):
        return MyWire(
            host=self.host, port=self.port, user=self.user, password=self.password, database=DATABASE, ssl={"ca": self.ca}
        )

    def dump(self, table):
        """What the dump program makes of a table."""
        line = [
            "mariadb-dump", "--no-defaults", "--protocol=tcp", f"--host={self.host}", f"--port={self.port}", f"--user={self.user}",
            f"--ssl-ca={self.ca}", "--ssl-verify-server-cert", "--single-transaction", "--skip-dump-date", DATABASE, table,
        ]
        done = subprocess.run(line, env=os.environ | {"MYSQL_PWD": self.password}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return [text for text in done.stdout.splitlines() if not text.startswith("-- Host")]


@pytest.fixture(scope="module")
def sides(mysql_fleet, tmp_path_factory, agent_token):
    """server → (directly, through a proxy with rules, through one without)."""
    home = tmp_path_factory.mktemp("wire")
    rules = home / "rules.toml"
    rules.write_text(RULES)
    proxy = Proxy(home / "proxy", mysql_fleet, MYSQL_SERVERS, rules=[rules]).start()
    elsewhere = home / "elsewhere.toml"
    elsewhere.write_text('[[mask]]\nname = "elsewhere"\ncolumns = ["elsewhere.*.*.x"]\nwith = "redact"\n')
    ruleless = Proxy(home / "ruleless", mysql_fleet, MYSQL_SERVERS, rules=[elsewhere]).start()
    both = {}
    for server in MYSQL_SERVERS:
        entry = mysql_fleet["servers"][server]
        root = MyWire(unix_socket=entry["socket"], user="root", password=entry["users"]["root"])
        for sql in TABLES:
            assert root.code(sql) == 0, sql
        root.close()

        both[server] = (
            Side("127.0.0.1", entry["port"], "affidavit", entry["users"]["affidavit"], entry["ca_file"]),
            Side("localhost", proxy.ports[f"{server}_tls"], "agent", agent_token, str(proxy.ca_file)),
            Side("localhost", ruleless.ports[f"{server}_tls"], "agent", agent_token, str(ruleless.ca_file)),
        )
    yield both
    for one in (proxy, ruleless):
        assert one.stop() == 0, one.log.read_text()[-3000:]


def answers(side, *texts):
    """What each text brings on one connection."""
    wire = side()
    try:
        return [wire.query(sql) for sql in texts]
    finally:
        wire.close()


SAME = {
    "a comment after the last statement": ["select 1; -- trailing", "select 5"],
    "and other comments": ["select 1; # trailing\n", "select 1; /* trailing */", "select 1;;select 2", "select 5"],
    "DO before others": ["do 1; select 2", "do sleep(0); do 2"],
    "a version comment that counts": ["select /*!40001 SQL_NO_CACHE */ id from visits order by id", "/*!40101 SET NAMES utf8mb4 */", "select 'é'"],
    "one that does not": ["select 1 /*!999999 + 1 */ as n", "/*!999999 selec */ select 2 as n"],
    "one of MariaDB": ["select 1 /*M! + 1 */ as n", "select 1 /*M!100100 + 1 */ as n", "select 1 /*!50800 + 1 */ as n"],
    "version comments of a dump": [
        "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */", "/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */",
        "START TRANSACTION /*!40100 WITH CONSISTENT SNAPSHOT */", "select * from visits", "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */", "commit",
    ],
    "counts after SET": ["insert into visits values (9, 'x')", "delete from visits where id = 9", "set names utf8mb4", "select row_count() as n"],
    "counts after USE": ["select id from visits", "delete from visits where id = 9", f"use {DATABASE}", "select row_count() as n, found_rows() as f"],
    "warnings": ["set names utf8mb4", "select cast('a' as signed) as n", "select @@warning_count as w"],
    "four thousand columns and one": ["select " + ",".join(["1"] * 4097)],
}


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("what", SAME)
def test_packets_are_the_servers(what, server, sides):
    direct, through, _ = sides[server]
    assert answers(through, *SAME[what]) == answers(direct, *SAME[what])


RULELESS = {
    "counts after CALL": ["select id from visits", "call noop()", "select row_count() as n, found_rows() as f, 'x' as t"],
    "CALL before others": ["call noop(); select 2 as n", "call both_of(); select 3 as n; call both_of()", "select 4 as n"],
    "a body with semicolons": [
        "drop procedure if exists twice",
        "create procedure twice() begin declare n int default 2; while n > 0 do set n = n - 1; end while; end; select 3 as n",
        "create function thrice() returns int deterministic return if(1, 3, case 1 when 1 then 2 end); select thrice() as n", "drop function thrice",
        "drop procedure twice",
    ],
}


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("what", RULELESS)
def test_packets_without_any_rule(what, server, sides):
    direct, _, ruleless = sides[server]
    assert answers(ruleless, *RULELESS[what]) == answers(direct, *RULELESS[what])


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_a_masked_table_in_a_version_comment_is_masked(server, sides):
    _, through, _ = sides[server]
    (packets,) = answers(through, "select /*!40001 SQL_NO_CACHE */ ssn from /*!40000 hospital.patients */ limit 3")
    assert len(packets) == 7 and not any(b"900-01" in packet for packet in packets), packets


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("form", ["/* app=x */ KILL QUERY {}", "KILL /* x */ QUERY {}", "KILL QUERY {} -- x", "/*!50000 KILL QUERY {} */;"])
def test_a_kill_with_comments(form, server, sides):
    _, through, _ = sides[server]
    mine, other = through(), through()
    assert mine.code(form.format(other.thread)) == 0
    assert mine.code(form.format(1)) == 1044, "a thread of somebody else"
    mine.close()
    other.close()


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_a_connection_that_was_killed_is_lost(server, sides, mysql_fleet):
    _, through, _ = sides[server]
    entry = mysql_fleet["servers"][server]
    wire = through()
    codes = []
    waiting = threading.Thread(target=lambda: codes.append(wire.code("select sleep(60)")))
    waiting.start()
    root = MyWire(unix_socket=entry["socket"], user="root", password=entry["users"]["root"])
    while not any(b"sleep(60)" in packet and b"PROCESSLIST" not in packet for packet in root.query("show full processlist")):
        pass
    # The greeting's number is the proxy's own; the server knows its thread by another.
    asked = root.query("select id from information_schema.processlist where info = 'select sleep(60)'")
    threads = [found.group(1).decode() for packet in asked if (found := re.fullmatch(rb"[\s\S](\d+)", packet))]
    assert len(threads) == 1 and root.code(f"kill {threads[0]}") == 0
    waiting.join()
    root.close()
    assert codes[0] in (None, 1053, 1317, 1927, 2013, 3169, 4031), codes


@pytest.mark.parametrize("server", MYSQL_SERVERS)
def test_unsigned_numbers_beyond_the_signed_ones_have_tokens_of_their_own(server, sides):
    _, through, _ = sides[server]
    (packets,) = answers(through, "select number from accounts order by id")
    rows = packets[3:-1]
    assert len(set(rows)) == 4 and not any(row in (b"\x010", b"\x0219223372036854775808") for row in rows), rows


@pytest.mark.parametrize("server", MYSQL_SERVERS)
@pytest.mark.parametrize("sql", ["insert into nosuch values (1)", "update nosuch set a = 1", "delete from nosuch", "select * from nosuch"])
def test_a_missing_table_has_the_servers_number(sql, server, sides):
    direct, through, _ = sides[server]
    assert through().code(sql) == direct().code(sql) == 1146


def test_settings_for_one_statement(sides):
    direct, through, _ = sides["mariadb"]
    texts = ["SET STATEMENT max_statement_time=5 FOR select id from visits order by id", "SET STATEMENT sort_buffer_size=100000, max_statement_time=5 FOR select 2 as n"]
    assert answers(through, *texts) == answers(direct, *texts)


def test_a_dump_with_rules_on_other_tables(sides):
    direct, through, _ = sides["mariadb"]
    assert through.dump("visits") == direct.dump("visits")
