//! Sentences made from templates: for each kind of identifier as many as asked for, and as many that only look like one.

use super::numbers::{Draw, card, date, dea, mbi, npi, phone, ssn, vin};
use super::{Labelled, read};

const GIVEN: [&str; 20] = [
    "Maria", "Owen", "Adaeze", "Jonas", "Helena", "Theo", "Ingrid", "Rosa", "Piotr", "Lucille", "Hannah", "Marcus",
    "Björn", "Zoë", "Chidi", "Amélie", "Kwame", "Yuki", "Séamus", "Nadia",
];
const FAMILY: [&str; 20] = [
    "Lindqvist",
    "Castellano",
    "Nwosu",
    "Falk",
    "Brandt",
    "Vandermeer",
    "Solberg",
    "Delgado",
    "Zielinski",
    "Baptiste",
    "Weiss",
    "O'Neil",
    "Ünal",
    "Dias",
    "Okafor",
    "Tanaka",
    "Müller",
    "Haddad",
    "Novak",
    "Smith-Jones",
];
const STREETS: [&str; 8] = [
    "Birchwood Lane",
    "Harbor Street",
    "Old Mill Rd.",
    "Maple Grove Court",
    "Elm Ave",
    "Cherry Tree Way",
    "Park Blvd",
    "Lake Shore Drive",
];

/// A marked line for one kind of identifier.
fn positive(kind: &str, draw: &mut Draw) -> String {
    match kind {
        "ssn" => match draw.from(0, 4) {
            0 => format!("SSN {{ssn|{}}} given by phone.", ssn(draw, "-")),
            1 => format!("On the old card: {{ssn|{}}}, to be verified.", ssn(draw, "-")),
            2 => format!("Social security number is {{ssn|{}}}", ssn(draw, "")),
            3 => format!("Pt's social: {{ssn|{}}}.", ssn(draw, " ")),
            _ => format!("(soc sec {{ssn|{}}})", ssn(draw, "")),
        },
        "mrn" => {
            let label = draw.pick(&[
                "MRN",
                "MRN: ",
                "MRN# ",
                "mrn ",
                "Medical record number ",
                "Medical Record No. ",
                "chart no. ",
                "MRN-",
            ]);
            let count = usize::try_from(draw.from(5, 10)).unwrap_or(7);
            format!("{{mrn|{label}{}}} admitted overnight.", draw.digits(count))
        }
        "npi" => format!("Referred by the clinic, NPI {{npi|{}}}.", npi(draw)),
        "mbi" => {
            let mbi = mbi(draw);
            let shown = if draw.from(0, 1) == 0 { mbi } else { format!("{}-{}-{}", &mbi[..4], &mbi[4..7], &mbi[7..]) };
            format!(
                "{} {{mbi|{shown}}} confirmed by front desk.",
                draw.pick(&["Medicare", "MBI", "Beneficiary", "Card reads"])
            )
        }
        "dea" => format!("Prescriber DEA {{dea|{}}} on file.", dea(draw)),
        "phone" => {
            let lead =
                draw.pick(&["Call back at", "Reached at", "Phone", "Daughter's cell is", "fax results to", "Contact:"]);
            format!("{lead} {{phone|{}}} after five.", phone(draw))
        }
        "email" => {
            let user = draw.pick(&["g.okafor", "nurse.station4", "JTAYLOR", "o'neil_p", "ana+clinic", "x1"]);
            let host = draw.pick(&["mail.example", "ward.hospital.example", "MAIL.EXAMPLE", "a-b.example.org"]);
            format!("Write to {{email|{user}{}@{host}}}, please.", draw.from(1, 999))
        }
        "url" => {
            let lead = draw.pick(&[
                "https://portal.clinic.example/visit?id=",
                "http://images.example/",
                "www.telehealth.example/room/",
            ]);
            format!("Images at {{url|{lead}{}}} today.", draw.from(1, 99_999))
        }
        "ip" => match draw.from(0, 1) {
            0 => format!(
                "Portal login from {{ip|{}.{}.{}.{}}}, no distress.",
                draw.from(1, 223),
                draw.from(0, 255),
                draw.from(0, 255),
                draw.from(1, 254)
            ),
            _ => format!("Last sign-in from {{ip|2001:db8:{:x}::{:x}}}.", draw.from(1, 65_535), draw.from(1, 65_535)),
        },
        "mac" => {
            let separator = draw.pick(&[":", "-"]);
            let parts: Vec<String> = (0..6).map(|_| format!("{:02X}", draw.from(0, 255))).collect();
            format!("Infusion pump {{mac|{}}} replaced.", parts.join(separator))
        }
        "card" => {
            let separator = draw.pick(&[" ", "-", ""]);
            format!("Copay charged to {{card|{}}}.", card(draw, separator))
        }
        "account" => {
            let lead = draw.pick(&[
                "Account",
                "Acct no.",
                "Member ID:",
                "Policy number",
                "Policy no.",
                "License #",
                "subscriber id:",
            ]);
            let prefix = draw.pick(&["", "W", "XJ-", "H"]);
            format!("{lead} {{account|{prefix}{}}} in collections.", draw.digits(9))
        }
        "date" => format!(
            "{} {{date|{}}} with cardiology.",
            draw.pick(&["Seen", "DOB", "Surgery on", "Follow-up", "Admitted", "Born"]),
            date(draw)
        ),
        "age" => {
            let age = draw.from(90, 108);
            match draw.from(0, 3) {
                0 => format!("A {{age|{age}}}-year-old woman with a fall."),
                1 => format!("Pt is {{age|{age}}} yo, lives with son."),
                2 => format!("aged {{age|{age}}}, remarkably well"),
                _ => format!("A man {{age|{age}}} years old, widowed."),
            }
        }
        "zip" => {
            let zip = format!("{:05}", draw.from(501, 99_950));
            match draw.from(0, 2) {
                0 => format!("Cedar Point, {} {{zip|{zip}}}", draw.pick(&["MA", "WA", "TX", "NY", "CA"])),
                1 => format!("ZIP {{zip|{zip}}} after the move"),
                _ => format!("Mail to {{zip|{zip}-{:04}}} from now on", draw.from(1, 9_999)),
            }
        }
        "address" => {
            format!("Lives alone at {{address|{} {}}} since the winter.", draw.from(1, 9_999), draw.pick(&STREETS))
        }
        "vin" => format!("VIN {{vin|{}}} from the accident report.", vin(draw)),
        _ => {
            let (given, family) = (draw.pick(&GIVEN), draw.pick(&FAMILY));
            match draw.from(0, 6) {
                0 => format!("Dr. {{name|{given} {family}}} was informed."),
                1 => format!("Mrs {{name|{family}}} tolerated the procedure."),
                2 => format!("Patient {{name|{given} {family}}} seen at bedside."),
                3 => format!("Spoke with wife {{name|{given} {family}}} about the plan."),
                4 => format!("{{name|{given} {family}}} (DOB {{date|{}}}) admitted.", date(draw)),
                5 => format!("Her brother {{name|{given} {family}}} is next of kin."),
                _ => format!("Call {{name|{given} {family}}} first."),
            }
        }
    }
}

/// The same kinds as people write them in a hurry: without labels, without separators, in words. Patterns miss some of
/// these, and the figures should say so.
fn careless(kind: &str, draw: &mut Draw) -> String {
    match kind {
        "ssn" => match draw.from(0, 2) {
            0 => format!("{{ssn|{}}} per daughter", ssn(draw, "")),
            1 => format!("social is {{ssn|{}}}", ssn(draw, ".")),
            _ => format!("SSN{{ssn|{}}}", ssn(draw, "")),
        },
        "mrn" => match draw.from(0, 2) {
            0 => format!("record {{mrn|{}}} merged", draw.digits(8)),
            1 => format!("Hosp no {{mrn|H{}}}", draw.digits(7)),
            _ => format!("{{mrn|MRN is {}}}", draw.digits(7)),
        },
        "phone" => match draw.from(0, 3) {
            0 => format!("ring {{phone|{}}} tonight", draw.from(2_012_010_000, 9_899_980_000)),
            1 => format!("ext {{phone|{}}}", draw.from(1_000, 9_999)),
            2 => format!("{{phone|{} {}}} is the neighbour", draw.from(201, 989), draw.from(2_010_000, 9_989_999)),
            _ => format!("cell {{phone|{}-{:04}}}", draw.from(201, 989), draw.from(0, 9_999)),
        },
        "email" => format!("mail: {{email|{} at mail dot example}}", draw.pick(&["okafor", "jtaylor"])),
        "url" => format!("see {{url|portal.clinic.example/visit/{}}}", draw.from(1, 99_999)),
        "date" => match draw.from(0, 4) {
            0 => format!("back on the {{date|{}th of March}}", draw.from(4, 20)),
            1 => format!("seen {{date|{}/{}}} and stable", draw.from(1, 12), draw.from(13, 28)),
            2 => format!("born {{date|{:02}{:02}{}}}", draw.from(1, 12), draw.from(1, 28), draw.from(1_930, 2_010)),
            3 => format!("since {{date|Nov '{}}}", draw.from(10, 26)),
            _ => format!("on {{date|{}-Mar-{}}}", draw.from(1, 28), draw.from(2_001, 2_026)),
        },
        "age" => match draw.from(0, 1) {
            0 => "a {age|ninety-four} year old".to_owned(),
            _ => format!("{{age|{}}}F with a fall", draw.from(90, 103)),
        },
        "zip" => format!("moved to {{zip|{:05}}} last year", draw.from(501, 99_950)),
        "address" => match draw.from(0, 2) {
            0 => format!("{{address|PO Box {}}}", draw.from(1, 9_999)),
            1 => format!("{{address|Apt {}B, {} elm street}}", draw.from(1, 20), draw.from(1, 999)),
            _ => format!("{{address|{}bis rue de la Paix}}", draw.from(1, 99)),
        },
        "account" => format!("billed to {{account|{}}}", draw.digits(11)),
        "name" => {
            let (given, family) = (draw.pick(&GIVEN), draw.pick(&FAMILY));
            match draw.from(0, 3) {
                0 => format!("{{name|{family}}} reports less pain."),
                1 => format!("{{name|{given}}} called twice."),
                2 => format!("{{name|{given} {family}}} slept well."),
                _ => format!("pt {{name|{}}} stable", family.to_lowercase()),
            }
        }
        other => positive(other, draw),
    }
}

/// A line in which nothing identifies anybody, though it looks so.
fn negative(draw: &mut Draw) -> String {
    match draw.from(0, 31) {
        0 => format!("Order {} for supplies placed.", draw.digits(9)),
        1 => format!("Lab accession {}{} received at 14:05.", draw.from(1, 2), draw.digits(9)),
        2 => format!("Study arm 666-{:02}-{:04} is a test code.", draw.from(1, 99), draw.from(1, 9_999)),
        3 => format!("Catheter 14 Fr, lot 000-{:02}-{:04}.", draw.from(0, 99), draw.from(0, 9_999)),
        4 => format!(
            "RxNorm {}, NDC {:04}-{:04}-{:02}.",
            draw.from(100_000, 999_999),
            draw.from(1, 9_999),
            draw.from(1, 9_999),
            draw.from(1, 99)
        ),
        5 => format!(
            "ICD-10 {}{}.{}, CPT {}.",
            draw.letter("ABCDEIJKMNZ"),
            draw.digits(2),
            draw.digits(1),
            draw.from(10_000, 99_999)
        ),
        6 => format!("A {}-year-old with chest pain, {} pack-years.", draw.from(10, 89), draw.from(90, 120)),
        7 => format!("Room {}, bed {}.", draw.from(10_000, 99_999), draw.from(1, 4)),
        8 => format!(
            "BP {}/{}, HR {}, SpO2 {} %.",
            draw.from(90, 180),
            draw.from(50, 110),
            draw.from(50, 140),
            draw.from(88, 100)
        ),
        9 => format!(
            "Plt {}, WBC {}.{}, Hgb {}.{}.",
            draw.from(90_000, 450_000),
            draw.from(2, 20),
            draw.digits(1),
            draw.from(6, 17),
            draw.digits(1)
        ),
        10 => format!(
            "Firmware {}.{}.{}, build {}.{}.",
            draw.from(1, 20),
            draw.from(0, 9),
            draw.from(0, 9),
            draw.from(1, 30),
            draw.from(0, 9)
        ),
        11 => format!(
            "Ratio 1:{}:{} dilution, {:02}:{:02}:{:02} on strip.",
            draw.from(2, 9),
            draw.from(2, 9),
            draw.from(0, 23),
            draw.from(0, 59),
            draw.from(0, 59)
        ),
        12 => format!("Insulin {} units at 0800 and {}.", draw.from(2, 40), draw.from(1_900, 2_200)),
        13 => format!("Pain {}/10 at rest, {}/10 on movement.", draw.from(0, 5), draw.from(5, 10)),
        14 => format!(
            "Weight {}.{} kg, height {} cm, BMI {}.{}.",
            draw.from(40, 140),
            draw.digits(1),
            draw.from(140, 200),
            draw.from(16, 45),
            draw.digits(1)
        ),
        15 => format!("Ambulated {} feet with walker.", draw.from(10, 900)),
        16 => format!("Specimen {}-{} hemolyzed, redraw.", draw.from(30_000_000, 99_999_999), draw.digits(4)),
        17 => format!("Charge of {}{} declined twice.", draw.from(70, 99), draw.digits(14)),
        18 => format!(
            "Serial troponins {}.{:02} then {}.{:02}.",
            draw.from(0, 2),
            draw.from(1, 99),
            draw.from(0, 2),
            draw.from(1, 99)
        ),
        19 => format!("EF {}-{} %, E/A 0.{}.", draw.from(20, 40), draw.from(41, 60), draw.from(5, 9)),
        20 => "Discharged Home With Oxygen, Call Light within reach.".to_owned(),
        21 => format!("March fracture of the {} metatarsal, may repeat film.", draw.pick(&["second", "third"])),
        22 => format!(
            "Protocol {}.{}.{}, cycle {} of 6.",
            draw.from(1, 9),
            draw.from(1, 9),
            draw.from(1, 9),
            draw.from(1, 6)
        ),
        23 => format!("Metformin {} mg twice daily, maximum {} mg.", draw.from(250, 1_000), draw.from(1_500, 2_550)),
        24 => format!("Left Main {} %, Proximal LAD {} %.", draw.from(10, 90), draw.from(10, 90)),
        25 => "Rückfragen an die Station, naïve to opioids, señal normal.".to_owned(),
        26 => format!(
            "Glasgow Coma Scale {}, NIHSS {}, Apgar {}/{}.",
            draw.from(3, 15),
            draw.from(0, 30),
            draw.from(5, 9),
            draw.from(7, 10)
        ),
        _ => format!(
            "Gravida {} para {}, {} weeks, fundal height {} cm.",
            draw.from(1, 6),
            draw.from(0, 5),
            draw.from(20, 41),
            draw.from(18, 40)
        ),
    }
}

/// `each` lines for every kind, and as many without any identifier as all of these together. The same on every run.
/// Every `careless_every`th line of a kind is a careless one; 0 for none.
pub(crate) fn made(kinds: &[&str], each: usize, careless_every: usize) -> Vec<Labelled> {
    let mut draw = Draw::new(0x1996);
    let mut lines = Vec::new();
    for kind in kinds {
        lines.extend((0..each).map(|at| {
            let now = careless_every > 0 && at % careless_every == careless_every - 1;
            read(&if now { careless(kind, &mut draw) } else { positive(kind, &mut draw) })
        }));
    }
    lines.extend((0..kinds.len() * each).map(|_| read(&negative(&mut draw))));
    lines
}
