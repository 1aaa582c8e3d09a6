"""Django's own tests of what asks a database about itself: introspection, inspectdb, schema changes, transactions, queries."""

import json
import shutil

from . import runners, sources
from .roster import Suite

LABELS = ["introspection", "inspectdb", "schema", "backends", "transactions", "bulk_create", "aggregation", "migrations", "postgres_tests", "indexes", "constraints"]
SETTINGS = """
DATABASES = {{
    name: {{
        "ENGINE": "django.db.backends.{engine}", "NAME": {database}, "USER": {user}, "PASSWORD": {password}, "HOST": "127.0.0.1", "PORT": {port},
        "TEST": {{"NAME": {database}, "MIRROR": None if name == "default" else "default"}},
    }}
    for name in ("default", "other")
}}
SECRET_KEY = "of a test"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
"""


def lay(folder):
    """The tests alone: the framework is the installed one."""
    shutil.copytree(sources.pypi("Django") / "tests", folder / "tests")


def django(engine):
    """A function that runs them over one backend, in the database that is there."""

    def run(place, folder, only):
        settings = SETTINGS.format(
            engine=engine, database=json.dumps(place.database), user=json.dumps(place.user), password=json.dumps(place.password), port=json.dumps(str(place.port)),
        )
        (folder / "tests/compat_settings.py").write_text(settings)
        labels = [label for label in only or LABELS if engine == "postgresql" or label != "postgres_tests"]
        return runners.unittest(
            sources.python(), ["runtests.py", "--settings=compat_settings", "--noinput", "--keepdb", "--parallel=1", "-v2", *labels],
            folder=folder / "tests", environment={}, what=f"{place.server}, {place.way}",
        )

    return run


SUITES = [
    Suite("Django on psycopg", "postgres", sources.version("Django"), lay, django("postgresql"), short=["introspection", "inspectdb"],
          database="postgres"),
    Suite("Django on mysqlclient", "mysql", sources.version("Django"), lay, django("mysql"), short=["introspection", "inspectdb"]),
]
