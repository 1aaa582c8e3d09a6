"""Both sides of the books: what a server's own log has, and what the evidence has."""

import json
import re
import time
from collections import Counter


def until(ready, what, patience=60.0):
    """Wait for a condition; what it gave."""
    end = time.monotonic() + patience
    while True:
        found = ready()
        if found:
            return found
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.1)


def seen_by_server(fleet, tag, server="postgres15"):
    """How often the server's own log has each tagged statement."""
    found = Counter()
    with open(fleet["servers"][server]["statement_log"], errors="replace") as log:
        for line in log:
            if tag in line:
                message = json.loads(line)["message"]
                if message.startswith(("statement: ", "execute ")):
                    found.update(re.findall(rf"{tag}_\d+", message))
    return found


def in_evidence(proxy, tag):
    """How often the evidence has each that was sent."""
    found = Counter()
    for record in proxy.records("statements", "--limit", "10000000"):
        if record["decision"] != "deny":
            found.update(set(re.findall(rf"{tag}_\d+", str(record))))
    return found


def nothing_is_missing(proxy, fleet, tag):
    """Every statement that the server saw is on record, and the record verifies."""
    missing = seen_by_server(fleet, tag) - in_evidence(proxy, tag)
    assert not missing, f"{sum(missing.values())} statements of the server's log are not in the evidence: {list(missing)[:3]}"


def verified(proxy, *flags):
    """`evidence verify` passes."""
    done = proxy.evidence("verify", proxy.store, "--key", proxy.vkey, *flags, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    return done.stdout
