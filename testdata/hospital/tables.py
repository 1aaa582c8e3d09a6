"""The rows of each table, as tuples of text in column order; `NULL` stands for a NULL cell.

Unprotected values depend on the row alone, never on the variant: that is what makes the twin a twin. Where a protected
cell is NULL it is NULL in both.
"""

from datetime import date, timedelta

from .people import GIVEN, Patient, npi, surname

NULL = "\x00"
PROVIDERS = 40

DEPARTMENTS = (
    ("CARD", "Cardiology", 42), ("ONCO", "Oncology", 36), ("PEDS", "Paediatrics", 50), ("ORTH", "Orthopaedics", 48),
    ("NEUR", "Neurology", 30), ("EMER", "Emergency", 24), ("ICU", "Intensive care", 18), ("MATE", "Maternity", 28),
)
ICD10 = (
    ("E11.9", "Type 2 diabetes mellitus without complications", "IV"), ("I10", "Essential hypertension", "IX"),
    ("I21.9", "Acute myocardial infarction, unspecified", "IX"), ("J18.9", "Pneumonia, unspecified organism", "X"),
    ("C50.9", "Malignant neoplasm of breast, unspecified", "II"), ("G40.9", "Epilepsy, unspecified", "VI"),
    ("M17.1", "Unilateral primary osteoarthritis of knee", "XIII"), ("O80", "Full-term delivery", "XV"),
    ("S72.0", "Fracture of neck of femur", "XIX"), ("N39.0", "Urinary tract infection", "XIV"),
    ("F32.9", "Depressive episode, unspecified", "V"), ("J45.9", "Asthma, unspecified", "X"),
)
DRUGS = (
    ("860975", "metformin", "500", "mg"), ("197361", "amlodipine", "5", "mg"), ("308136", "amoxicillin", "875", "mg"),
    ("197517", "cefalexin", "250.5", "mg"), ("313850", "levetiracetam", "750", "mg"), ("310965", "ibuprofen", "400", "mg"),
    ("1049502", "oxycodone", "7.5", "mg"), ("312961", "simvastatin", "20", "mg"),
)
SPECIALTIES = ("cardiology", "oncology", "paediatrics", "orthopaedics", "neurology", "emergency medicine")
KINDS = ("inpatient", "outpatient", "emergency", "telehealth")
_FIRST = date(2024, 1, 1)
_DAYS = [(_FIRST + timedelta(days=n)).isoformat() for n in range(760)]

# What clinicians type. Quotes, tabs, line ends, backslashes and non-ASCII letters are there for the encoders.
ENCOUNTER_NOTES = (
    "Stable overnight, plan unchanged.",
    "Patient's daughter called back on {phone}; wants results \"in writing\".",
    "Seen with fever 38.5\u00b0C.\nCultures sent.\tRecheck at 6.",
    "Insurance re-verified, SSN {ssn} and MBI {mbi} match the card.",
    "Mr/Ms {name} reports less pain; path C:\\scan\\{mrn}.dcm reviewed.",
    "R\u00fcckfragen an die Station, Befund folgt, na\u00efve to opioids.",
)
CLINICAL_NOTES = (
    "{name} (DOB {dob}, {mrn}) admitted for observation. Contact {email} or {phone}.",
    "Discharge letter to {address}, {city} {zip}. Call {kin} at {kin_phone} first.",
    "Pt {name}, SSN {ssn}: reviewed labs, HbA1c 7.2 %, continue metformin 500 mg.",
    "Portal login from {ip}, account {account}. No acute distress. \u201cFeels fine.\u201d",
    "MBI {mbi} confirmed; {name} a.k.a. {alias}. Follow-up in 14 days,\nfasting.",
)


def patients(count, variant):
    """id mrn ssn full_name dob sex phone email address city state zip mbi account_no portal_id last_ip contact aliases
    photo height_cm insured department_id created_at notes"""
    for row in range(1, count + 1):
        p = Patient(row, variant)
        yield (
            str(row), p.mrn, p.ssn, p.name, p.dob, "fmx"[row % 3 if row % 11 else 2], p.phone,
            NULL if row % 17 == 0 else p.email, p.address, p.city, p.state, p.zip,
            NULL if row % 5 else p.mbi, p.account, p.portal, p.ip,
            f'{{"kin": {{"name": "{p.kin}", "phone": "{p.kin_phone}"}}, "consent": {"true" if row % 2 else "false"}}}',
            NULL if row % 3 else p.alias,
            NULL if row % 4 else p.photo,
            f"{150 + row * 7 % 450 / 10:.1f}", "1" if row % 7 else "0", str(row % len(DEPARTMENTS) + 1),
            f"{_DAYS[row % 700]} {row % 24:02}:{row % 60:02}:00",
            ENCOUNTER_NOTES[row % 6].format(
                phone=p.phone, ssn=p.ssn, mbi=p.mbi, name=p.name, mrn=p.mrn,
            ),
        )


def encounters(count, variant):
    """id patient_id department_id provider_id admitted discharged icd10 kind cost notes"""
    number = 0
    for row in range(1, count + 1):
        p = Patient(row, variant)
        for visit in range(1 + row % 3):
            number += 1
            day = (row * 3 + visit * 41) % 700
            note = ENCOUNTER_NOTES[(row + visit) % 6]
            yield (
                str(number), str(row), str((row + visit) % len(DEPARTMENTS) + 1), str(number % PROVIDERS + 1),
                f"{_DAYS[day]} {number % 24:02}:{number % 60:02}:00",
                NULL if number % 9 == 0 else f"{_DAYS[day + number % 12]} 11:30:00",
                ICD10[(row * 5 + visit) % len(ICD10)][0], KINDS[number % 4],
                f"{number * 7919 % 1_000_000 / 100:.2f}",
                note.format(phone=p.phone, ssn=p.ssn, mbi=p.mbi, name=p.name, mrn=p.mrn),
            )


def medications(count, variant):
    """id patient_id provider_id rxnorm drug dose unit started"""
    for row in range(1, count + 1):
        rxnorm, drug, dose, unit = DRUGS[row * 3 % len(DRUGS)]
        yield (str(row), str(row), str(row % PROVIDERS + 1), rxnorm, drug, dose, unit, _DAYS[row * 3 % 700])


def clinical_notes(count, variant):
    """id patient_id author_id written_at body"""
    number = 0
    for row in range(1, count + 1, 2):
        number += 1
        p = Patient(row, variant)
        fields = {name: getattr(p, name) for name in Patient.__slots__}
        yield (
            str(number), str(row), str(row % PROVIDERS + 1), f"{_DAYS[row * 3 % 700]} {row % 24:02}:05:00",
            CLINICAL_NOTES[number % 5].format(**fields),
        )


def providers(count, variant):
    """id npi full_name specialty phone"""
    for row in range(1, PROVIDERS + 1):
        far = row + 21_000_000
        yield (
            str(row), npi(row, variant), f"Dr {GIVEN[row % len(GIVEN)]} {surname(far, variant)}",
            SPECIALTIES[row % len(SPECIALTIES)],
            f"({201 + row * 19 + variant}) 555-{7000 + row:04}",
        )


def departments(count, variant):
    """id code name beds"""
    for row, (code, name, beds) in enumerate(DEPARTMENTS, 1):
        yield (str(row), code, name, str(beds))


def icd10(count, variant):
    """code title chapter"""
    yield from ICD10


def bed_census(count, variant):
    """day department_id occupied capacity"""
    for day in range(365):
        for row, (_, _, beds) in enumerate(DEPARTMENTS, 1):
            yield (_DAYS[day], str(row), str((day * 7 + row * 5) % beds), str(beds))


# Table name → (schema, columns, generator); the columns are the generator's documentation, so they cannot drift apart.
TABLES = {
    generator.__name__: (schema, tuple(generator.__doc__.split()), generator)
    for schema, generator in (
        ("public", providers), ("public", patients), ("public", encounters), ("public", medications),
        ("public", clinical_notes), ("analytics", departments), ("analytics", icd10), ("analytics", bed_census),
    )
}
