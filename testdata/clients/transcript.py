"""What every client prints: one JSON object a line, the same for the same answers, so that two runs can be compared.

A client reads where to connect from TARGET_HOST, TARGET_PORT, TARGET_USER, TARGET_PASSWORD, TARGET_DATABASE and
TARGET_CA (a CA file: then it uses TLS and verifies) and TARGET_COMPRESS (then it asks for compression), runs its steps in order and prints {"step", "result"} for each.
Steps named `masked …` return {"columns", "rows"} over protected tables: there the proxied run may differ, column by
column. Every other step has to be identical.
"""

import json
import os
import sys

HOST = os.environ["TARGET_HOST"]
PORT = int(os.environ["TARGET_PORT"])
USER = os.environ["TARGET_USER"]
PASSWORD = os.environ["TARGET_PASSWORD"]
DATABASE = os.environ["TARGET_DATABASE"]
CA = os.environ.get("TARGET_CA") or None
COMPRESS = bool(os.environ.get("TARGET_COMPRESS"))


def canonical(value):
    """A JSON value that tells types and exact values apart."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"hex": bytes(value).hex()}
    if isinstance(value, dict):
        return {str(key): canonical(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return {"set": sorted(map(str, value))}
    return f"{type(value).__name__}:{value!r}" if isinstance(value, float) else f"{type(value).__name__}:{value}"


def emit(name, result):
    """Print one step."""
    print(json.dumps({"step": name, "result": canonical(result)}, sort_keys=True, ensure_ascii=False), flush=True)


def step(name, action, describe=lambda error: f"{type(error).__name__}: {error}"):
    """Run `action` and print what it returns; an error is a result as well."""
    try:
        result = action()
    except Exception as error:  # noqa: BLE001 (whatever a driver raises is its answer)
        result = {"error": describe(error)}
    emit(name, result)
    return result


def table(columns, rows):
    """The form of a result that comparison understands."""
    return {"columns": list(columns), "rows": [list(row) for row in rows]}


sys.stdout.reconfigure(encoding="utf-8")
