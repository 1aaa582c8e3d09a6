"""The values that no answer to an agent may contain, and a sweep that finds them in any disguise we know of."""

import base64

from .people import Patient
from .tables import PROVIDERS, providers

KINDS = ("mrn", "ssn", "family", "dob", "phone", "email", "address", "mbi", "account", "portal", "ip", "kin", "alias", "photo")


def canaries(count, variant=0):
    """(kind, value) of every protected cell; `family` stands for the name: the surname alone identifies the row."""
    for row in range(1, count + 1):
        patient = Patient(row, variant)
        for kind in KINDS:
            yield kind, getattr(patient, kind)
    for row in providers(PROVIDERS, variant):
        yield "npi", row[1]
        yield "provider", row[2].split()[-1]


def disguises(value):
    """The forms under which `value` would still be a leak: as it is, digits only, reversed, hex, base64; lower case."""
    plain = value.lower()
    forms = {plain, plain[::-1], plain.encode().hex(), value.encode().hex()}
    # Base64 depends on what stands before: of the three alignments keep the characters that depend on the value alone.
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + value.encode()).decode()
        start, end = (0, 2, 3)[lead], len(coded) - (4 if (len(value) + lead) % 3 else 0)
        if end - start >= 8:
            forms.add(coded[start:end].lower())
    digits = "".join(c for c in value if c.isdigit())
    if len(digits) >= 9:
        forms |= {digits, digits[::-1]}
    return forms


class Sweep:
    """Looks for canaries in bytes that reached a client."""

    STEM = 8  # no form is shorter: one lookup per byte decides whether to look closer

    def __init__(self, count, variant=0, kinds=None):
        self.stems = {}
        for kind, value in canaries(count, variant):
            if kinds is None or kind in kinds:
                for form in disguises(value):
                    if len(form) < self.STEM:
                        raise ValueError(f"{kind} {value}: too short to be told from noise")
                    self.stems.setdefault(form[: self.STEM], []).append((form, f"{kind} {value}"))

    def find(self, data):
        """The canaries in `data` (bytes or text), each once, with where: [(offset, what)]."""
        text = (data.decode("latin-1") if isinstance(data, (bytes, bytearray)) else data).lower()
        found, stems, stem = {}, self.stems, self.STEM
        for offset in range(len(text) - stem + 1):
            for form, what in stems.get(text[offset : offset + stem], ()):
                if what not in found and text.startswith(form, offset):
                    found[what] = offset
        return [(offset, what) for what, offset in found.items()]
