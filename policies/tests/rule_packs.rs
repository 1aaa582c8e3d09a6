//! The shipped rule packs: they load, cover the eighteen identifiers, and hide nothing that introspection needs.

// Clippy knows tests by their attribute; what helps them panics as they do.
#![allow(clippy::panic, clippy::indexing_slicing)]

use affidavit_policies::{Names, Policy};
use model::{AuthMethod, ColumnRef, Identity, MaskSpec, Timestamp};

fn pack() -> Policy {
    let text = include_str!("../rules/safe-harbor.toml").to_owned();
    match Policy::parse(&[("safe-harbor.toml".to_owned(), text)]) {
        Ok(policy) => policy,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

fn mask(policy: &Policy, path: &str, names: Names) -> Option<MaskSpec> {
    let anyone = Identity {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        name: None,
        groups: Vec::new(),
        expires: Timestamp(0),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    };
    let [schema, table, column] = path.split('.').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{path}"));
    let column = ColumnRef { schema: schema.to_owned(), table: table.to_owned(), column: column.to_owned() };
    policy.mask_of(&anyone, "ehr", &column, names)
}

/// One column or more for each letter of 45 CFR 164.514(b)(2)(i).
#[test]
fn the_eighteen_identifiers_are_covered() {
    let policy = pack();
    for (letter, columns) in [
        ("A names", "public.patients.full_name public.patients.last_name public.patients.aliases public.members.name"),
        ("B geography", "public.patients.address public.patients.city public.sites.latitude public.patients.zip"),
        ("C dates", "public.patients.dob public.encounters.admitted public.encounters.discharged public.patients.age"),
        ("D telephone", "public.patients.phone public.patients.home_phone"),
        ("E fax", "public.clinics.fax_number"),
        ("F e-mail", "public.patients.email"),
        ("G ssn", "public.patients.ssn public.claims.patient_ssn"),
        ("H mrn", "public.patients.mrn"),
        ("I health plan", "public.patients.mbi public.coverage.member_id"),
        ("J account", "public.patients.account_no public.billing.card_number"),
        ("K licence", "public.patients.drivers_license_number public.providers.npi"),
        ("L vehicle", "public.incidents.vin public.incidents.license_plate"),
        ("M device", "public.implants.serial_number"),
        ("N url", "public.patients.profile_url"),
        ("O ip", "public.patients.last_ip public.logins.ip_address"),
        ("P biometric", "public.patients.fingerprint_hash"),
        ("Q photograph", "public.patients.photo"),
        ("R other", "public.patients.portal_id public.patients.contact"),
        ("free text", "public.encounters.notes public.clinical_notes.body"),
    ] {
        for column in columns.split(' ') {
            assert!(mask(&policy, column, Names::Exact).is_some(), "{letter}: {column} is not covered");
        }
    }
    assert_eq!(mask(&policy, "clinic.PATIENTS.ZIP", Names::Folded), Some(MaskSpec::Zip3));
    assert_eq!(mask(&policy, "clinic.PATIENTS.ZIP", Names::Exact), None);
}

#[test]
fn what_is_no_identifier_stays_visible() {
    let policy = pack();
    for column in [
        "public.patients.id",
        "public.patients.sex",
        "public.patients.state",
        "public.encounters.icd10",
        "public.encounters.cost",
        "public.medications.drug",
        "analytics.departments.name",
        "analytics.icd10.title",
        "analytics.bed_census.day",
    ] {
        assert_eq!(mask(&policy, column, Names::Exact), None, "{column}");
    }
}

/// `psql \d`, drivers and ORMs read these; hiding them would break everybody.
#[test]
fn catalogs_stay_readable_and_statistics_do_not() {
    let policy = pack();
    for column in [
        "pg_catalog.pg_class.relname",
        "pg_catalog.pg_type.typname",
        "pg_catalog.pg_timezone_names.name",
        "pg_catalog.pg_description.description",
        "information_schema.columns.column_name",
        "information_schema.COLUMNS.COLUMN_COMMENT",
    ] {
        assert_eq!(mask(&policy, column, Names::Folded), None, "{column}");
    }
    for column in ["pg_catalog.pg_stats.most_common_vals", "pg_catalog.pg_stats.histogram_bounds"] {
        assert_eq!(mask(&policy, column, Names::Exact), Some(MaskSpec::Redact), "{column}");
    }
}

#[test]
fn its_canonical_text_is_itself_a_policy() {
    let policy = pack();
    let again = Policy::parse(&[("canonical".to_owned(), policy.canonical().to_owned())]).map(|again| again.version());
    assert_eq!(again, Ok(policy.version()));
}

/// The rules that the demo adds to those of its own hospital.
#[test]
fn the_rules_of_the_synthetic_hospital_load() {
    let text = include_str!("../../testdata/policies/hospital.toml").to_owned();
    let policy = Policy::parse(&[("hospital.toml".to_owned(), text)]);
    let errors = policy.as_ref().err().map(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(errors, None);
}
