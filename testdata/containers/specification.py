"""compose.yaml against the Compose Specification, by a parser that knows no more than it: Docker's reads the same.

Run in the venv of `engine.tools`: python -m containers.specification. Podman-compose forgives what Docker would not.
"""

import sys
from pathlib import Path

import compose_spec

FILE = Path(__file__).resolve().parent.parent.parent / "compose/compose.yaml"
# Mistakes that must be found, or finding none means nothing.
SPOILT = (("stop_grace_period: 30s", "stop_grace: 30s"), ("start_period: 30s", "start_perid: 30s"), ("source: ca_crt", "source: ca_cert"), ("- audit:/", "- audits:/"))


def read(text):
    """Parse it, and resolve what its services refer to."""
    options = compose_spec.PyOptions()
    options.apply_merge = True
    compose = options.from_yaml(text)
    for part in ("networks", "secrets", "volumes", "configs"):
        getattr(compose, f"validate_{part}")()


def main():
    text = FILE.read_text()
    read(text)
    for right, wrong in SPOILT:
        assert right in text, right
        try:
            read(text.replace(right, wrong))
        except Exception as error:  # the parser has no class of its own for them
            print(f"found: {error}")
        else:
            print(f"{wrong!r} passes for sound", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
