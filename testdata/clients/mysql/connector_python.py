"""mysql-connector-python (its pure implementation): text protocol and prepared statements in binary."""

import contextlib

import mysql.connector
from python_drivers import script
from transcript import CA, COMPRESS, DATABASE, HOST, PASSWORD, PORT, USER


@contextlib.contextmanager
def prepared(conn):
    """A cursor that prepares on the server."""
    cursor = conn.cursor(prepared=True)
    yield cursor
    cursor.close()


script(
    lambda: mysql.connector.connect(
        host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, charset="utf8mb4", connection_timeout=10, use_pure=True, compress=COMPRESS,
        **({"ssl_ca": CA, "ssl_verify_cert": True, "ssl_verify_identity": True} if CA else {"ssl_disabled": True}),
    ),
    7000,
    prepared=prepared,
)
