"""Texts that want a parser's stack, time or memory, from several clients at once: the proxy lives, stays small, and somebody
else's connection gets its answers in between. Lists of four mebibytes are no such texts: they are answered."""

import threading
import time

import psycopg
import pymysql
import pytest
from conftest import MYSQL_SERVERS
from desk import connector

SENDERS = 3
MOST_MEMORY = 1 << 30


def nested(opening, closing, times):
    return "SELECT " + opening * times + "1" + closing * times


def chained(first, following, times):
    """`WITH c0 AS (first), c1 AS (…c0…), …`; `@` stands for the one before."""
    tables = [f"c0 AS ({first})"] + [f"c{n} AS ({following.replace('@', f'c{n - 1}')})" for n in range(1, times)]
    return f"WITH {', '.join(tables)} SELECT 1 FROM c{times - 1}"


HOSTILE = {
    "UNION ALL, 21 KB": "SELECT 1, 2" + " UNION ALL SELECT 1, 2" * 1_000,
    "CROSS JOIN, 24 KB": "SELECT 1 FROM analytics.departments a, analytics.departments b" + " CROSS JOIN (SELECT 1, 2) v" * 900,
    "joins with brackets": "SELECT 1 FROM " + "(" * 900 + "analytics.departments" + " CROSS JOIN analytics.departments)" * 900,
    "4,000 common table expressions": chained("SELECT 1 AS a", "SELECT a FROM @", 4_000),
    "columns that double": chained("SELECT * FROM patients", "SELECT a.*, b.* FROM @ a, @ b", 20),
    "nested POSITION": nested("POSITION(", ")", 29),
    "parentheses": nested("(", ")", 4_000),
    "CASE": nested("CASE WHEN 1 = 1 AND 2 = 2 THEN ", " END", 3_000),
    "a sum of 2 MiB": "SELECT 1" + "+1" * (1 << 20),
    "OR, 1 MiB": "SELECT 1 FROM patients WHERE id = 1" + " OR id = 2" * 100_000,
    "columns, 2 MiB": "SELECT id" + ", id" * 500_000 + " FROM patients",
    "statements, 4 MiB": "SELECT 1;" * 450_000,
    "a comment that is not closed": "SELECT 1 /*" + " /* a" * 500_000,
}
NUMBERS = ", ".join(str(number) for number in range(1_000_000, 1_000_000 + (4 << 20) // 9))


def memory(proxy):
    """Resident bytes of the proxy."""
    with open(f"/proc/{proxy.entry['pid']}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def send_all(proxy, server, token, failures):
    """Sends every hostile text; whatever the answer, the next connection must be had."""
    for name, text in HOSTILE.items():
        try:
            with connector(proxy, server, token)() as connection, connection.cursor() as cursor:
                try:
                    cursor.execute(text)
                    cursor.fetchall()
                except (psycopg.Error, pymysql.Error):
                    pass
                if memory(proxy) > MOST_MEMORY:
                    failures.append(f"{name}: {memory(proxy) >> 20} MiB")
        except Exception as error:  # noqa: BLE001, the thread reports it
            failures.append(f"{name}: {error!r}")


@pytest.mark.parametrize("server", ["postgres15", *MYSQL_SERVERS])
def test_a_bystander_is_answered_while_hostile_texts_come(server, mysql_fleet, fresh_proxy, agent_token):
    proxy = fresh_proxy(servers=(server,), at=mysql_fleet)
    failures, waits = [], []
    senders = [threading.Thread(target=send_all, args=(proxy, server, agent_token, failures)) for _ in range(SENDERS)]
    with connector(proxy, server, agent_token)() as bystander, bystander.cursor() as cursor:
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            asked = time.monotonic()
            cursor.execute("SELECT 1")
            assert tuple(cursor.fetchall()[0]) == (1,)
            waits.append(time.monotonic() - asked)
            time.sleep(0.002)
        for sender in senders:
            sender.join()
    assert not failures, failures
    assert proxy.alive()
    waits.sort()
    print(f"{server}: {len(waits)} answers, p50 {waits[len(waits) // 2] * 1e3:.1f} ms, p99 {waits[len(waits) * 99 // 100] * 1e3:.1f} ms, {memory(proxy) >> 20} MiB")


@pytest.mark.parametrize("server", ["postgres15", *MYSQL_SERVERS])
def test_a_list_of_four_mebibytes_is_answered(server, mysql_fleet, fresh_proxy, agent_token):
    proxy = fresh_proxy(servers=(server,), at=mysql_fleet)
    with connector(proxy, server, agent_token)() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM analytics.departments WHERE id IN (1, 2, {NUMBERS}) ORDER BY id")
        assert [row[0] for row in cursor.fetchall()] == [1, 2]
