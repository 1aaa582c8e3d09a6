"""What is running, kept in one JSON file; changed only under a lock, so concurrent `servers start` do not race."""

import contextlib
import fcntl
import json
import os
import secrets

from .paths import run_dir


class State:
    """The fleet's file: `servers` (name → entry) and the passwords made for this fleet."""

    def __init__(self, directory):
        self.directory = directory
        self.file = directory / "fleet.json"
        self.data = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.servers = self.data.setdefault("servers", {})
        self.data.setdefault("passwords", {})

    def password(self, user):
        """The password of `user`, made when first asked for."""
        return self.data["passwords"].setdefault(user, secrets.token_hex(12))

    def save(self):
        """Replace the file in one step: readers never see half of it."""
        new = self.file.with_suffix(".new")
        with open(new, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            json.dump(self.data, out, indent=1)
        new.replace(self.file)


@contextlib.contextmanager
def locked():
    """The state, exclusively; saved on the way out, also after a failure (what did start can then be stopped)."""
    directory = run_dir()
    with open(directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = State(directory)
        try:
            yield state
        finally:
            state.save()


def peek():
    """The state as it stands, for reading."""
    return State(run_dir())
