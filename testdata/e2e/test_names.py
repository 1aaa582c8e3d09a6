"""Names at login on listeners with `strict_names`: the user's has to fit the token, the database's the datasource."""

import pymysql
import pytest


def test_the_user_is_whom_the_token_names(fresh_proxy, through, mint):
    strict = fresh_proxy(extra={"postgres_listener_lines": ["strict_names = true"]})
    place = through(strict, token=mint.token(sub="ci-7", email="ci@clinic.example"))
    for user in ("ci-7", "ci@clinic.example", place.user):
        assert place.on(user=user).one("select 1") == "1"
    refused = place.on(user="somebody").psql("select 1")
    assert refused.returncode != 0 and "is not whom the token names" in refused.stderr, refused.stderr
    assert through(fresh_proxy()).on(user="somebody").one("select 1") == "1", "elsewhere any name is a claim"


def test_mysql_has_no_other_database(mysql_fleet, fresh_proxy, agent_token):
    strict = fresh_proxy(servers=("mariadb",), at=mysql_fleet, extra={"mysql_listener_lines": ["strict_names = true"]})

    def connect(**options):
        return pymysql.connect(host="127.0.0.1", port=strict.ports["mariadb"], password=agent_token, **options)

    connect(user="affidavit", database="hospital").close()
    connect(user="affidavit").close()
    for options, number in (({"user": "affidavit", "database": "analytics"}, 1049), ({"user": "somebody", "database": "hospital"}, 1045)):
        with pytest.raises(pymysql.err.OperationalError) as refused:
            connect(**options)
        assert refused.value.args[0] == number, refused.value.args
