//! What is found and what is left alone, kind by kind.

use super::*;

fn replaced(find: &[&str], text: &str) -> String {
    let find: Vec<String> = find.iter().map(|kind| (*kind).to_owned()).collect();
    let mut out = Vec::new();
    Scanner::new(&find).unwrap().replace(text, &mut out);
    String::from_utf8(out).unwrap()
}

fn all(text: &str) -> String {
    replaced(&names().collect::<Vec<_>>(), text)
}

#[test]
fn each_kind_in_a_sentence() {
    for (text, expected) in [
        ("SSN 123-45-6789.", "SSN [ssn]."),
        ("no label: 123-45-6789", "no label: [ssn]"),
        ("SSN 923-11-6789, never issued but named", "SSN [ssn], never issued but named"),
        ("her social security 123456789", "her social security [ssn]"),
        ("MRN0012345678 admitted", "[mrn] admitted"),
        ("NPI 1234567893", "NPI [npi]"),
        ("card 1EG4-TE5-MK73 or 1EG4TE5MK73", "card [mbi] or [mbi]"),
        ("DEA AB1234563 on file", "DEA [dea] on file"),
        ("Call (617) 555-0123 or +44 20 7946 0958", "Call [phone] or [phone]"),
        ("cell: 555-0199", "cell: [phone]"),
        ("write to o'brien.jane@mail.example, please", "write to [email], please"),
        ("see https://portal.example/p?id=7 today", "see [url] today"),
        ("from 10.1.2.3 and 2001:db8::42", "from [ip] and [ip]"),
        ("pump 00:1B:44:11:3A:B7", "pump [mac]"),
        ("paid with 4111 1111 1111 1111", "paid with [card]"),
        ("account 700000000123. No distress", "account [account]. No distress"),
        (
            "DOB 1980-05-17, seen 5/17/2024 and May 17th, 2024 or 17 May 2024",
            "DOB [date], seen [date] and [date] or [date]",
        ),
        ("a 93-year-old woman, aged 104", "a [age]-year-old woman, aged [age]"),
        ("Boston, MA 02139", "Boston, MA [zip]"),
        ("ZIP 94305-1234", "ZIP [zip]"),
        ("lives at 12 Baker Street, Elm Grove 02139", "lives at [address]"),
        ("VIN 1M8GDM9AXKP042788", "VIN [vin]"),
        ("Mr. Aron Bagebidu reports less pain", "Mr. [name] reports less pain"),
        ("Pt Ada Bagebidu, reviewed", "Pt [name], reviewed"),
        ("Dr O’Neil and Ms Ünal-Yıldız", "Dr [name] and Ms [name]"),
    ] {
        assert_eq!(all(text), expected, "{text}");
    }
}

#[test]
fn what_only_looks_like_an_identifier_stays() {
    for text in [
        "HbA1c 7.2 %, BP 120/80, temp 38.5°C, pain 5/10",
        "metformin 500 mg twice daily, 1000 mg max",
        "order 123456789 for supplies",
        "666-12-3456 and 000-12-3456",
        "lab id 1234567890",
        "version 1.2.3, ratio 1:2:3, time 12:30:45",
        "a 45-year-old man, aged 89",
        "ICD-10 I21.9, code 99213",
        "Room 02139",
        "Follow-up in 14 days",
        "4111 1111 1111 1112",
        "na\u{ef}ve to opioids — Rückfragen an die Station",
        "Discharged Home With Oxygen",
        "",
    ] {
        assert_eq!(all(text), text);
    }
}

#[test]
fn only_what_the_rule_asks_for_is_looked_for() {
    let text = "SSN 123-45-6789, call (617) 555-0123";
    assert_eq!(replaced(&["phone"], text), "SSN 123-45-6789, call [phone]");
    assert_eq!(replaced(&["mrn:H[0-9]{4}"], "H1234 and MRN0012345"), "[mrn] and MRN0012345", "a pattern of one's own");
}

#[test]
fn overlaps_and_edges() {
    assert_eq!(all("123-45-6789"), "[ssn]");
    assert_eq!(all("jane@mail.example jane@mail.example"), "[email] [email]");
    assert_eq!(all("é123-45-6789é"), "é123-45-6789é".replace("123-45-6789", "[ssn]"));
    assert_eq!(all("http://10.0.0.1/x"), "[url]", "the longer of two wins");
}

#[test]
fn entries_that_are_none() {
    assert!(check("ssn").is_ok() && check("mrn:[A-Z][0-9]+").is_ok());
    let (message, help) = check("snn").unwrap_err();
    assert_eq!((message.as_str(), help.as_str()), ("unknown detector \"snn\"", "did you mean \"ssn\"?"));
    assert!(check("mrn:(").is_err() && check("mrn:x*").is_err());
}

/// Counted in bytes searched, not in seconds: a loaded machine makes seconds lie. Each search is linear, as the `regex`
/// crate promises; what could go wrong is refused candidates searched again and again.
#[test]
fn hostile_text_is_searched_a_bounded_number_of_times() {
    let scanner = Scanner::new(&names().map(str::to_owned).collect::<Vec<_>>()).unwrap();
    let mut found = Vec::new();
    for unit in
        ["1", "1-", "a.", "1 ", "A", ":", "12:", "4 ", "4", "Mr ", "a@", "(617) ", "Mr A ", "+1 ", "http://", "A9"]
    {
        let text = unit.repeat(20_000 / unit.len());
        let searched = scanner.scan(&text, &mut found);
        let times = searched / text.len();
        assert!(times < 4 * scanner.detectors.len(), "{unit:?} is gone over {times} times");
    }
}
