"""Looks for canaries in an answer as it came, and in what its rows spell when they are put together."""

import struct

from hospital.canaries import KINDS, Sweep, canaries
from hospital.people import Patient

SMALL = 4  # cells up to this size are pieces of something


class Canaries:
    """Every protected value of one hospital, in text and in the binary forms of the wire."""

    def __init__(self, patients, variant=0, kinds=(*KINDS, "npi", "provider")):
        self.text = Sweep(patients, variant, kinds=set(kinds))
        self.stems = dict(self.text.stems)
        for row in range(1, patients + 1):
            patient = Patient(row, variant)
            for kind, raw in (
                ("account", struct.pack("!q", int(patient.account))), ("account", struct.pack("<q", int(patient.account))),
                ("portal", bytes.fromhex(patient.portal.replace("-", ""))), ("photo", bytes.fromhex(patient.photo)),
            ):
                if kind in kinds:
                    form = raw.decode("latin-1").lower()
                    self.stems.setdefault(form[: Sweep.STEM], []).append((form, f"{kind} {getattr(patient, kind)} in binary"))

    def find(self, data):
        """The canaries in these bytes."""
        text = data.decode("latin-1").lower()
        stems, size, found = self.stems, Sweep.STEM, []
        # The set of all pieces meets the set of all stems in C; only a hit is looked at closely.
        for stem in {text[at : at + size] for at in range(len(text) - size + 1)} & stems.keys():
            found += [what for form, what in stems[stem] if form in text]
        return sorted(set(found))

    def find_split(self, rows):
        """The canaries that cells spell down a column or along the rows: characters, or their codes."""
        rows = list(rows)
        if not rows or not any(row and row[0] is not None for row in rows):
            return []
        columns = [[cell for cell in column if cell is not None] for column in zip(*rows, strict=False)]
        found = []
        for pieces in (*columns, [cell for row in rows for cell in row if cell is not None]):
            if pieces and all(len(piece) <= SMALL for piece in pieces):
                found += self.find(b"".join(piece.strip(b"\0") for piece in pieces))
                if all(piece.isdigit() and int(piece) < 256 for piece in pieces):
                    found += self.find(bytes(int(piece) for piece in pieces))
        return sorted(set(found))


def first_canary(patients=1, variant=0):
    """One canary, to prove that the sweep finds it."""
    return next(iter(canaries(patients, variant)))[1]
