"""`testdata/servers`: start, stop and describe the fleet."""

import argparse
import json
import shlex
import shutil
import signal
import sys

from . import install, needs
from .paths import CACHE, run_dir
from .process import alive, stop
from .roster import ROSTER
from .state import locked, peek

STOP_ORDER = tuple(reversed(ROSTER))


def start(names, patients, state):
    """Start each, in the roster's order: front ends come after what they stand in front of."""
    for name in ROSTER:
        if name in names:
            entry = ROSTER[name].start(state, patients)
            state.save()
            print(f"fleet: {name} on 127.0.0.1:{entry['port']} (pid {entry['pid']})", file=sys.stderr, flush=True)


def shut(names, state):
    """Stop each by its pid. The entry stays: it says what the data directory holds."""
    for name in STOP_ORDER:
        entry = state.servers.get(name)
        if name in names and entry is not None:
            if alive(entry):
                stop(entry, sign=ROSTER[name].STOP if hasattr(ROSTER[name], "STOP") else 15)
                print(f"fleet: {name} stopped", file=sys.stderr, flush=True)
            entry["birth"] = None


def describe(state):
    """What tests need, only of servers that run."""
    return {
        "run_dir": str(state.directory),
        "cache": str(CACHE),
        "servers": {name: entry for name, entry in state.servers.items() if alive(entry)},
    }


def shell(description):
    """The same as shell variables: AFFIDAVIT_<SERVER>_<FIELD>=value."""
    for name, entry in description["servers"].items():
        for field, value in entry.items():
            if isinstance(value, dict):
                for key, inner in value.items():
                    yield f"AFFIDAVIT_{name}_{field}_{key}".upper().replace("-", "_"), inner
            elif field not in ("birth",):
                yield f"AFFIDAVIT_{name}_{field}".upper(), value


def main():
    parser = argparse.ArgumentParser(prog="testdata/servers", description=__doc__)
    parser.add_argument("command", choices=("install", "start", "stop", "status", "env", "clean"))
    parser.add_argument("names", nargs="*", metavar="server", help=f"of: {', '.join(ROSTER)} (all when none is named)")
    parser.add_argument("--patients", type=int, help="size of the hospital (default 1000, or what is loaded)")
    parser.add_argument("--json", action="store_true", help="env as one JSON object")
    args = parser.parse_args()
    for name in args.names:
        if name not in ROSTER:
            parser.error(f"unknown server {name!r}; known are: {', '.join(ROSTER)}")
    names = args.names or list(ROSTER)
    if args.command in ("env", "status"):
        state = peek()
        if args.command == "status":
            for name in names:
                entry = state.servers.get(name)
                print(f"{name:12}", f"up, 127.0.0.1:{entry['port']}, pid {entry['pid']}" if alive(entry) else "down")
        elif args.json:
            print(json.dumps(describe(state), indent=1))
        else:
            for variable, value in shell(describe(state)):
                print(f"{variable}={shlex.quote('' if value is None else str(value))}")
        return
    with locked() as state:
        if args.command == "install":
            install.python()
            install.node()
            if needs.SID_WANTED:
                install.sid()
        elif args.command == "start":
            patients = args.patients or state.data.get("patients") or 1000
            state.data["patients"] = patients
            start(names, patients, state)
        else:
            shut(names, state)
            if args.command == "clean":
                for name in names:
                    ROSTER[name].clean(state)
                    state.servers.pop(name, None)
    if args.command == "clean" and not args.names:
        shutil.rmtree(run_dir(), ignore_errors=True)


if __name__ == "__main__":
    # Asked to end in the middle of a start, what did start has to be written down first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
