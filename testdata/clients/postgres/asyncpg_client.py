"""asyncpg: the extended protocol in binary throughout, its statement cache, cursors, COPY, cancellation by timeout."""

import asyncio
import io
import os
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import asyncpg  # noqa: E402
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit, table  # noqa: E402

# What asyncpg has a binary codec for.
ZOO = (
    "id, v_bool, v_int2, v_int4, v_int8, v_float4, v_float8, v_numeric, v_money_like, v_text, v_varchar, v_char, v_bytea, "
    "v_date, v_time, v_timestamp, v_timestamptz, v_interval, v_uuid, v_json, v_jsonb, v_inet, v_cidr, v_bit, v_enum, "
    "v_composite, v_domain, v_int4_array, v_text_array, v_nested, v_int4range, v_point, v_oid, v_name"
)


async def connect():
    """One connection; TLS verified when a CA is given."""
    secure = ssl.create_default_context(cafile=CA) if CA else False
    return await asyncpg.connect(
        host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, ssl=secure, timeout=10,
        server_settings={"application_name": "asyncpg-transcript"},
    )


async def step(name, action):
    """Print what the coroutine returns; an error by its SQLSTATE and message."""
    try:
        result = await action()
    except Exception as error:  # noqa: BLE001
        result = {"error": [type(error).__name__, getattr(error, "sqlstate", None), str(error)]}
    emit(name, result)


def plain(records):
    """Rows as lists."""
    return [list(record.values()) for record in records]


def masked(records):
    """A result over protected tables."""
    return table(records[0].keys() if records else [], plain(records))


async def main():
    conn = await connect()

    async def transaction():
        """A savepoint that is rolled back inside a transaction that is committed."""
        await conn.execute("DELETE FROM analytics.scratch WHERE id BETWEEN 2000 AND 2999")
        async with conn.transaction():
            await conn.execute("INSERT INTO analytics.scratch VALUES (2000, $1, 1, NULL)", "outer")
            try:
                async with conn.transaction():
                    await conn.execute("INSERT INTO analytics.scratch VALUES (2001, 'inner', 1, NULL)")
                    await conn.execute("SELECT 1/0")
            except asyncpg.DivisionByZeroError:
                pass
        return plain(await conn.fetch("SELECT id, label FROM analytics.scratch WHERE id BETWEEN 2000 AND 2999"))

    async def many():
        """executemany: one Bind and Execute per row before one Sync."""
        await conn.executemany("INSERT INTO analytics.scratch VALUES ($1, $2, $3, NULL)", [(2100 + n, f"n{n}", n) for n in range(500)])
        return plain(await conn.fetch("SELECT count(*), sum(amount) FROM analytics.scratch WHERE id BETWEEN 2100 AND 2599"))

    async def cursor(query, *args):
        """A portal read in portions."""
        async with conn.transaction():
            found = await conn.cursor(query, *args)
            return await found.fetch(3) + await found.fetch(4) + await found.fetch(10_000)

    async def prepared():
        """One statement, executed often, with its described attributes."""
        statement = await conn.prepare("SELECT title FROM analytics.icd10 WHERE code = $1")
        kinds = [[a.name, a.type.name] for a in statement.get_attributes()] + [p.name for p in statement.get_parameters()]
        return [kinds, [await statement.fetchval(code) for code in ("I10", "O80", "no", "I10")]]

    async def copy_out(query, **options):
        """The bytes of COPY."""
        out = io.BytesIO()
        await conn.copy_from_query(query, output=out, **options)
        return out.getvalue()

    async def copy_in():
        """Binary COPY IN by records."""
        status = await conn.copy_records_to_table(
            "scratch", schema_name="analytics", columns=["id", "label"], records=[(2700 + n, f"r{n}") for n in range(100)]
        )
        return [status, await conn.fetchval("SELECT count(*) FROM analytics.scratch WHERE id BETWEEN 2700 AND 2799")]

    async def timeout():
        """A timeout cancels the statement on the server; the connection stays good."""
        try:
            await conn.execute("SELECT pg_sleep(30)", timeout=0.4)
        except TimeoutError:
            return ["timed out", await conn.fetchval("SELECT 'alive'")]
        return "did not time out"

    async def listen():
        """NOTIFY reaches a listener. (Payloads may be withheld.)"""
        heard = asyncio.get_running_loop().create_future()
        await conn.add_listener("gong", lambda c, pid, channel, payload: heard.done() or heard.set_result([channel, pid == c.get_server_pid()]))
        await conn.execute("NOTIFY gong")
        return await asyncio.wait_for(heard, 5)

    async def side_by_side():
        """Several connections at once."""
        others = [await connect() for _ in range(4)]
        answers = await asyncio.gather(*(other.fetchval("SELECT $1::int * 2", n) for n, other in enumerate(others)))
        for other in others:
            await other.close()
        return answers

    async def simple():
        """Several statements in one simple Query."""
        return await conn.execute("SELECT 1; SELECT 2")

    async def fetch(query, *args):
        """Rows of a query."""
        return await conn.fetch(query, *args)

    async def rows(query, *args):
        """The same as lists."""
        return plain(await conn.fetch(query, *args))

    await step("types", lambda: rows(f"SELECT {ZOO} FROM analytics.type_zoo WHERE id IN (1, 3) ORDER BY id"))
    await step("types again from the cache", lambda: rows(f"SELECT {ZOO} FROM analytics.type_zoo WHERE id IN (1, 3) ORDER BY id"))
    await step("parameters", lambda: rows("SELECT $1::int[], $2::numeric, $3::jsonb, $4::bytea, $5::bool", [1, None, 3], 1, '{"a": 1}', b"\0\xff", True))
    await step("transaction", transaction)
    await step("executemany", many)
    await step("cursor", lambda: as_rows(cursor("SELECT day, occupied FROM analytics.bed_census WHERE department_id = $1 ORDER BY day LIMIT 20", 2)))
    await step("prepared", prepared)
    await step("copy out", lambda: copy_out("SELECT * FROM analytics.departments ORDER BY id", format="csv", header=True))
    await step("copy in", copy_in)
    await step("timeout", timeout)
    await step("listen", listen)
    await step("side by side", side_by_side)
    await step("simple", simple)
    for bad in ("SELECT 1/0", "SELECT * FROM analytics.nope", "SELEC", "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"):
        await step(f"error: {bad}", lambda bad=bad: rows(bad))
    await step("after errors", lambda: rows("SELECT 'fine'"))
    await step("masked binary", lambda: as_masked(fetch("SELECT id, mrn, ssn, full_name, dob, phone, email, zip, account_no, portal_id, contact, aliases, photo, height_cm, insured, created_at, notes FROM patients WHERE id <= $1 ORDER BY id", 20)))
    await step("masked cursor", lambda: as_masked(cursor("SELECT id, ssn, full_name, state FROM patients WHERE id <= $1 ORDER BY id", 30)))
    await step("masked star", lambda: as_masked(fetch("SELECT * FROM patients WHERE id = 3")))
    await step("masked by protected key", lambda: as_masked(fetch("SELECT id, full_name, state FROM patients WHERE ssn = $1", "918-37-4334")))
    await conn.execute("DELETE FROM analytics.scratch WHERE id BETWEEN 2000 AND 2999")
    await conn.close()
    emit("closed", conn.is_closed())


async def as_rows(records):
    """Records awaited, as lists."""
    return plain(await records)


async def as_masked(records):
    """Records awaited, as a masked table."""
    return masked(await records)


asyncio.run(main())
