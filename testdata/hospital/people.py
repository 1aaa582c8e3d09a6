"""Who is in the hospital: every identifier is a bijection of the row number, so each protected cell is its own canary.

Nothing here can belong to a real person: SSNs come from areas that were never issued (9xx), phone numbers from the
fictional 555 exchange, e-mail from a reserved domain, surnames are made of random syllables. Because each value is
computed from (row, variant) alone, any table can repeat a patient's identifiers in free text without a lookup, and the
list of canaries for a data set of any size can be printed without a database.

`variant` 0 is the hospital; variant 1 is its twin: same shape, same unprotected values, other protected ones.
"""

from datetime import date, timedelta
from hashlib import blake2b
from math import gcd

GIVEN = (
    "Ada Amir Ana Anil Anke Aron Asta Bela Ben Bo Carla Chen Cleo Dana Dario Dev Edda Elif Emil Enzo Esra Eva Faye "
    "Finn Gita Gus Hana Hugo Ida Igor Ines Ivo Jada Jan Joel Juno Kai Kira Lara Leo Lina Luca Mara Mina Nadia Nils "
    "Noor Omar Otto Pia Raj Rena Rosa Sami Sana Sven Tara Theo Uma Vera Wim Yara Yuri Zoe"
).split()
CITIES = "Amber Falls,Birch Hollow,Cedar Point,Dry Creek,Elm Grove,Fox Landing,Gray Harbor,High Mesa".split(",")
STATES = "AL AZ CO IL MA MT NM NY OR TX VT WA".split()
STREETS = "Street Avenue Lane Court Road Drive".split()
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
PAIRS = [a + b for a in SYLLABLES for b in SYLLABLES]  # 4,900 two-syllable stems
MBI_LETTERS = "ACDEFGHJKMNPQRTUVWXY"  # CMS leaves out S, L, O, I, B, Z
_BIRTHS_FROM = date(1924, 3, 5)
_BIRTHDAYS = [_BIRTHS_FROM + timedelta(days=n) for n in range(33_000)]
# Not the first of January: that is what the `year` mask answers, and a canary must differ from every masked form.
BIRTHDAYS = [d.isoformat() for d in _BIRTHDAYS if (d.month, d.day) != (1, 1)]


def scatter(size):
    """A function that maps (row, variant) to a number below `size`, distinct for all rows of both variants.

    It walks the numbers in steps of about the golden section, so neighbours in the table are far apart in value.
    """
    step = int(size * 0.618_033_988_75) | 1
    while gcd(step, size) > 1:
        step += 2
    offset = size // 3

    def scattered(row, variant):
        return ((row + 2_000_003 * variant) * step + offset) % size

    return scattered


_NAMES, _SSNS, _MRNS, _PHONES = scatter(24_010_000), scatter(49_000_000), scatter(10**10), scatter(7_990_000)
_MBIS, _NPIS, _BIRTHS, _HOUSES = scatter(10**9), scatter(90_000_000), scatter(len(BIRTHDAYS)), scatter(48_995_100)
_ZIPS, _ACCOUNTS, _ADDRESSES = scatter(99_449), scatter(9_123_456_787), scatter(16_000_000)


def surname(row, variant):
    """Four syllables, distinct for 24 million rows."""
    code = _NAMES(row, variant)
    return (PAIRS[code // 4900] + PAIRS[code % 4900]).capitalize()


def ssn(row, variant):
    """Area 900-999, group 01-49: never issued as an SSN, nor as a taxpayer number (those use groups from 50)."""
    code = _SSNS(row, variant)
    return f"{900 + code // 490_000}-{code // 10_000 % 49 + 1:02}-{code % 10_000:04}"


def mrn(row, variant):
    """`MRN` and ten digits."""
    return f"MRN{_MRNS(row, variant):010}"


def phone(row, variant):
    """A number of the 555 exchange, distinct for 7.9 million rows."""
    code = _PHONES(row, variant)
    return f"({201 + code // 10_000}) 555-{code % 10_000:04}"


def mbi(row, variant):
    """A Medicare beneficiary identifier by the CMS pattern C A AN N A AN N A A N N."""
    code = _MBIS(row, variant)
    letters, n = MBI_LETTERS, len(MBI_LETTERS)
    return (
        f"{code % 9 + 1}{letters[code // 9 % n]}{letters[code // 180 % n]}{code // 3600 % 10}"
        f"{letters[code // 36_000 % n]}{code // 720_000 % 10}{code // 7_200_000 % 10}"
        f"{letters[code // 72_000_000 % n]}{letters[(code // 7 + row) % n]}{code % 10}{code // 11 % 10}"
    )


def npi(row, variant):
    """Ten digits with the Luhn check digit over the 80840 prefix."""
    body = f"{100_000_000 + _NPIS(row, variant):09}"
    total = 24  # what the constant prefix 80840 adds
    for place, digit in enumerate(body):
        value = int(digit)
        if place % 2 == 0:
            value = value * 2 - 9 * (value > 4)
        total += value
    return f"{body}{-total % 10}"


class Patient:
    """The identifying values of one patient."""

    __slots__ = (
        "account", "address", "alias", "city", "dob", "email", "family", "given", "ip", "kin", "kin_phone", "mbi",
        "mrn", "name", "phone", "photo", "portal", "ssn", "state", "zip",
    )

    def __init__(self, row, variant):
        self.given = GIVEN[(row * 37 + 11 * variant) % len(GIVEN)]
        self.family = surname(row, variant)
        self.name = f"{self.given} {self.family}"
        self.ssn = ssn(row, variant)
        self.mrn = mrn(row, variant)
        self.phone = phone(row, variant)
        self.mbi = mbi(row, variant)
        self.email = f"{self.family}.{self.given}@mail.example".lower()
        self.dob = BIRTHDAYS[_BIRTHS(row, variant)]
        code = _HOUSES(row, variant)
        self.address = f"{code % 9999 + 1} {PAIRS[code // 9999].capitalize()} {STREETS[row % 6]}"
        self.city = CITIES[(row * 5 + variant) % len(CITIES)]
        self.state = STATES[row * 7 % len(STATES)]  # states may be shown: the same in both variants
        self.zip = f"{501 + _ZIPS(row, variant):05}"
        self.account = str(700_000_000_000 + _ACCOUNTS(row, variant))
        digest = blake2b(b"%d/%d" % (row, variant), digest_size=24).hexdigest()
        self.portal = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
        self.photo = digest[32:] + digest[:32]
        ip = _ADDRESSES(row, variant) + 65_536
        self.ip = f"10.{ip >> 16 & 255}.{ip >> 8 & 255}.{ip & 255}"
        # Relatives and former names are further canaries, far from every patient's own row.
        self.kin = f"{GIVEN[(row * 13 + 5) % len(GIVEN)]} {surname(row + 10_000_000, variant)}"
        self.kin_phone = phone(row + 4_000_000, variant)
        self.alias = surname(row + 18_000_000, variant)
