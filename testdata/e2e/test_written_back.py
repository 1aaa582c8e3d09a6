"""A mask that comes back: an application that reads a row and stores all of it again would write masks over the data."""

import psycopg
import pytest

pytestmark = pytest.mark.timeout(300)


def connect(place):
    """A connection of the driver that most Python applications use."""
    return psycopg.connect(
        host="127.0.0.1", port=place.port, user=place.user, password=place.password, dbname=place.database, sslmode="disable", autocommit=True,
    )


def test_a_token_is_not_written_over_the_data(proxy, through):
    with connect(through(proxy)) as connection, connection.transaction(force_rollback=True):
        (token, state) = connection.execute("SELECT ssn, state FROM patients WHERE id = 7").fetchone()
        connection.execute("UPDATE patients SET state = %s WHERE id = 7", (state,))
        for statement, values in (
            ("UPDATE patients SET ssn = %s, state = %s WHERE id = 7", (token, state)),
            (f"UPDATE patients SET ssn = '{token}' WHERE id = 7", ()),
        ):
            with pytest.raises(psycopg.Error) as refused, connection.transaction():
                connection.execute(statement, values)
            assert "back into" in str(refused.value) and "leave ssn out" in refused.value.diag.message_hint, refused.value
        # Another value is for whoever may write.
        connection.execute("UPDATE patients SET ssn = %s WHERE id = 7", ("900-00-0001",))


def test_another_session_does_not_know_it(proxy, through):
    with connect(through(proxy)) as connection:
        (token,) = connection.execute("SELECT ssn FROM patients WHERE id = 7").fetchone()
    with connect(through(proxy)) as connection, connection.transaction(force_rollback=True):
        connection.execute("UPDATE patients SET ssn = %s WHERE id = 7", (token,))
