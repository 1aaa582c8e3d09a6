"""mysql-connector-python: COM_CHANGE_USER and COM_RESET_CONNECTION, as pools use them. What must be gone afterwards is."""

import mysql.connector
from python_drivers import describe
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER, emit, step

TLS = {"ssl_ca": CA, "ssl_verify_cert": True, "ssl_verify_identity": True} if CA else {"ssl_disabled": True}
conn = mysql.connector.connect(host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, charset="utf8mb4", connection_timeout=10, use_pure=True, **TLS)


def one(query):
    """The only row of a query."""
    with conn.cursor(buffered=True) as cursor:
        cursor.execute(query)
        return cursor.fetchone()


STATE = "SELECT @x IS NULL, @@session.sql_mode = '', @@session.time_zone, database(), @@character_set_client"


def spoil():
    """Leave traces in the session."""
    for statement in ("SET @x = 5", "SET sql_mode = ''", "SET time_zone = '+03:00'", "USE analytics"):
        with conn.cursor() as cursor:
            cursor.execute(statement)
    return one("SELECT @x, @@session.sql_mode = '', @@session.time_zone, database()")


step("spoilt", spoil, describe)
step("same user", lambda: conn.cmd_change_user(USER, PASSWORD, DATABASE, charset=45) and None, describe)
step("as new", lambda: one(STATE), describe)
step("tables are there", lambda: one("SELECT count(*) FROM analytics.departments"), describe)
step("into another database", lambda: conn.cmd_change_user(USER, PASSWORD, "analytics", charset=45) and None, describe)
step("it is there", lambda: one("SELECT database(), count(*) FROM departments"), describe)
step("spoilt again", spoil, describe)
step("reset", lambda: conn.cmd_reset_connection(), describe)
step("as new after the reset", lambda: one("SELECT @x IS NULL, @@session.sql_mode = '', @@session.time_zone"), describe)
conn.close()
emit("closed", True)
