"""The attacks of an engine: files of hand-written ones, and every carrier that takes an expression filled with every expression."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOMES = (HERE, HERE.parent / "attacks")
# Files of carriers and of what they carry; all others hold attacks as they are.
CARRIERS, EXPRESSIONS = "carriers", "expressions"


@dataclass(frozen=True)
class Attack:
    """Statements that run in a session of their own, in this order."""

    name: str
    category: str
    statements: tuple


def lines(path):
    """(number, text) of what is not a comment."""
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def split(text):
    """The statements of a line."""
    return tuple(part.strip() for part in text.split(";;") if part.strip())


def written(engine):
    """The attacks written by hand; a file is a category."""
    for path in sorted(path for home in HOMES for path in (home / engine).glob("*.txt")):
        if path.stem not in (CARRIERS, EXPRESSIONS):
            for number, line in lines(path):
                yield Attack(f"{path.stem}:{number}", path.stem, split(line))


def composed(engine):
    """Carriers × expressions. A carrier has `{x}` where an expression over `patients p` goes.

    Every carrier meets every third expression, beginning elsewhere each time: all pairs of neighbours in both lists occur.
    """
    carriers = list(lines(HERE / engine / f"{CARRIERS}.txt"))
    expressions = list(lines(HERE / engine / f"{EXPRESSIONS}.txt"))
    for row, (number, carrier) in enumerate(carriers):
        for column, (other, expression) in enumerate(expressions):
            if (row + column) % 3 == 0:
                yield Attack(f"composed:{number}x{other}", "composed", split(carrier.replace("{x}", expression)))


def attacks(engine):
    """All of them."""
    return [*written(engine), *composed(engine)]


def declared(attack):
    """Why an attack may tell the twins apart, if it may."""
    text = " ;; ".join(attack.statements)
    for _, line in lines(HERE / "declared.txt"):
        fragment, reason = line.split(" ## ")
        if fragment in text:
            return reason
    return None
