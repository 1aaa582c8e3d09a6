"""The drivers' own suites, run directly and through the proxy: `make compat`."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def all_suites():
    """Every suite, in the order of the report. Imported late: the lists need the sources."""
    from . import frameworks, go_drivers, node_drivers, python_drivers, server_files

    return [*python_drivers.SUITES, *frameworks.SUITES, *go_drivers.SUITES, *node_drivers.SUITES, *server_files.SUITES]
