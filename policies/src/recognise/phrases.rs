//! The words by which columns are known. Read from the top: the first class that fits decides, so what is more specific
//! stands before what it is made of (`license plate` before `license`, `ip address` before `address`).

use super::Likeness::{self, *};

/// Names of one identifier.
pub(super) struct Class {
    pub(super) likeness: Likeness,
    /// Words that stand in a row anywhere in the name, or are all of it without spaces between them. Commas separate.
    pub(super) phrases: &'static str,
    /// Names that say so only when they are all of it. Spaces separate.
    pub(super) alone: &'static str,
    /// Whether columns so called rarely hold anything else.
    pub(super) sure: bool,
}

const fn sure(likeness: Likeness, phrases: &'static str, alone: &'static str) -> Class {
    Class { likeness, phrases, alone, sure: true }
}

const fn maybe(likeness: Likeness, phrases: &'static str, alone: &'static str) -> Class {
    Class { likeness, phrases, alone, sure: false }
}

/// Last words of names that describe an identifier and are none: `phone_type`, `email_verified`.
pub(super) const CLOSING: &str = "\
    type types status flag count verified confirmed enabled format category kind unit units length preference \
    valid use rank reason class mode method language concept domain required allowed yn state country";

/// Tables of people.
pub(super) const PEOPLE: &str = "\
    patient patients pat person persons people member members subscriber subscribers guarantor guarantors \
    contact contacts provider providers practitioner practitioners physician physicians doctor doctors nurse \
    nurses staff employee employees customer customers client clients insured beneficiary beneficiaries \
    relative relatives donor donors";

/// Words of columns and tables about the data itself, or about things: their dates and names are nobody's.
pub(super) const NOT_OF_PEOPLE: &str = "\
    created updated modified changed loaded inserted deleted voided retired etl valid concept vocabulary \
    version batch revision uploaded expires type types category group groups role roles attribute relationship \
    program department departments census";

/// Words that say that a column holds a moment.
pub(super) const MOMENTS: &str = "\
    date datetime dt dttm dts time timestamp day instant ts start end at on";

/// What happens to people, as nouns.
pub(super) const EVENTS: &str = "\
    admission admit admsn discharge disch visit encounter enc service procedure surgery obs operation specimen \
    collection order result onset diagnosis prescription immunization vaccination appointment appt contact \
    condition measurement observation exposure note medication claim episode transfer referral accident injury \
    hosp lmp period occurrence effective abatement checkout arrival departure";

/// What happens to people, as verbs.
pub(super) const ACTS: &str = "\
    admitted discharged collected ordered resulted diagnosed prescribed dispensed administered performed \
    authored recorded written issued deceased died arrived seen started stopped filled taken";

pub(super) const CLASSES: &[Class] = &[
    sure(Email, "email, e mail, email address, mail address", "mail"),
    sure(Url, "url, website, homepage, web address, web site", "uri www"),
    sure(
        Device,
        "mac address, mac addr, imei, udi, device id, device identifier, device serial, device uid, \
         unique device id, serial number, serial no, serial num, implant serial, carrier hrf",
        "serial",
    ),
    sure(Ip, "ip address, ip addr, ipv4, ipv6, remote addr, client ip, last ip, login ip, source ip", "ip"),
    sure(Vehicle, "vin, license plate, licence plate, plate number, vehicle id, vehicle identifier", "plate"),
    sure(
        Ssn,
        "ssn, social security, soc sec, social sec, tax id, taxpayer id, itin, federal tax id, federaltaxid, \
         socsecno, subscriber ss",
        "ss tin",
    ),
    sure(
        Mrn,
        "mrn, medical record, med rec, chart number, chart no, chart num, patient number, patient no, pat num, \
         hospital number, pubpid, patient identifier value",
        "mrno",
    ),
    sure(
        Biometric,
        "fingerprint, voiceprint, voice print, retina, iris scan, biometric, face image, face id, \
         face template, photo, photograph, picture, portrait, avatar, signature image",
        "signature",
    ),
    sure(
        HealthPlan,
        "mbi, hicn, medicare, medicaid, beneficiary id, beneficiary identifier, beneficiary number, member id, \
         member number, member no, subscriber id, subscriber number, subscr num, subscr id, mem num, \
         insurance id, insurance number, policy number, policy no, group number, group num, plan number, \
         bene id",
        "",
    ),
    sure(
        Account,
        "account number, account no, account num, acct number, acct no, acct num, acct id, iban, card number, \
         credit card, cc number, bank account, routing number, hsp account id, account identifier",
        "account acct",
    ),
    maybe(Account, "account id", ""),
    sure(
        Licence,
        "npi, dea, dea number, upin, license number, licence number, license no, license num, drivers license, \
         driver license, drivers licence, passport, certificate number, federaldrugid, federal drug id, \
         state license",
        "license licence certificate",
    ),
    sure(
        Telephone,
        "phone, telephone, tel, mobile, cell phone, cell, fax, pager, phone number, home ph, work ph, \
         telecom value, telecom phone, telecom fax",
        "telecom phonenumber",
    ),
    sure(Zip, "zip, zip code, postal code, postcode, zipcode, postalcode", ""),
    sure(
        Place,
        "street, address line, add line, addr line, city, city village, town, county, parish, precinct, \
         latitude, longitude, geocode, birth place, place of birth, birthplace, home address, mailing address, \
         patient address, address district, address text, county district, permanent address",
        "address addr lat lon lng geo village address1 address2 address3 address4 address5 address6 addressline1 addressline2",
    ),
    maybe(Place, "address, addr", ""),
    sure(DatePart, "month of birth, day of birth, birth month, birth day of month, time of birth, birth time", ""),
    sure(Age, "year of birth, birth year, age years, age in years, age at, patient age", "age yob"),
    sure(
        Date,
        "dob, birth date, birthdate, date of birth, birthday, birth datetime, birth dt, birth dttm, dod, \
         death date, date of death, death datetime, deceased date, deceased datetime, deceased at, death dt, \
         deathdate, deceaseddatetime",
        "birth",
    ),
    sure(
        Name,
        "first name, last name, middle name, given name, family name, full name, maiden name, former name, \
         preferred name, birth name, legal name, patient name, pat name, pat first name, pat last name, \
         member name, subscriber name, subscr name, guarantor name, person name, mother name, mothers name, \
         father name, fathers name, guardian name, guardians name, spouse name, next of kin, kin name, \
         emergency contact, contact name, provider name, prov name, doctor name, physician name, nurse name, \
         attending name, name given, name family, name text, family name 2, surname, nickname, \
         subscriber fname, subscriber lname, subscriber mname, employee name, customer name, display name",
        "fname lname mname alias aliases firstname lastname middlename mothersname guardiansname mname2 given family",
    ),
    maybe(
        Other,
        "external id, national id, portal id, empi, enterprise id, user name, username, login name, barcode, \
         study id, person source value, patient source value, pat external id, cmsportal login",
        "login contact empi",
    ),
    sure(
        FreeText,
        "note text, notes text, free text, report text, narrative, comments, remarks, impression, \
         history text, chief complaint, progress note, clinical note, clinical notes, discharge summary, \
         nursing note, hpi, reason text, note content",
        "note notes comment freetext notetext findings assessment subjective objective plan",
    ),
    maybe(FreeText, "note, notes, comment, value string", ""),
];
