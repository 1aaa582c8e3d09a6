//! The kinds of identifiers, the patterns that propose them and the checks that decide.
//!
//! Word boundaries are ASCII ones, letters of names are a few wide ranges, and repetitions are not counted where they need
//! not be: Unicode's own classes and large counts make automata that do not fit the regex engine's cache.

use super::{checks, context};
use std::ops::Range;

/// What a candidate must pass.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// The pattern is proof enough.
    None,
    /// A checksum or range.
    Holds(fn(&str) -> bool),
    /// A word nearby.
    Near(&'static [&'static str]),
    /// A checksum or range, or a word nearby.
    Either(fn(&str) -> bool, &'static [&'static str]),
    /// Both.
    Both(fn(&str) -> bool, &'static [&'static str]),
}

impl Check {
    pub(super) fn accepts(self, text: &str, at: Range<usize>) -> bool {
        let holds = |check: fn(&str) -> bool| text.get(at.clone()).is_some_and(check);
        match self {
            Self::None => true,
            Self::Holds(check) => holds(check),
            Self::Near(words) => context::near(text, &at, words),
            Self::Either(check, words) => holds(check) || context::near(text, &at, words),
            Self::Both(check, words) => holds(check) && context::near(text, &at, words),
        }
    }
}

/// A kind of identifier.
pub(super) struct Kind {
    /// Its name in `find` and, in brackets, in masked texts.
    pub(super) name: &'static str,
    pub(super) patterns: &'static [(&'static str, Check)],
}

const SSN: &[&str] = &["ssn", "ss#", "social", "soc sec", "itin", "tin"];
const PHONE: &[&str] = &["phone", "tel", "call", "ring", "cell", "mobile", "fax", "pager", "contact", "ph"];

pub(super) const KINDS: [Kind; 18] = [
    Kind {
        name: "ssn",
        patterns: &[
            (r"(?-u:\b)[0-9]{3}(?:-[0-9]{2}-| [0-9]{2} )[0-9]{4}(?-u:\b)", Check::Either(checks::ssn, SSN)),
            (r"(?-u:\b)[0-9]{9}(?-u:\b)", Check::Near(SSN)),
            (r"(?-u:\b)[0-9]{3}\.[0-9]{2}\.[0-9]{4}(?-u:\b)", Check::Near(SSN)),
            (r"(?i-u:\b)(?i:SSN)([0-9]{3}-?[0-9]{2}-?[0-9]{4})(?-u:\b)", Check::None),
        ],
    },
    Kind {
        name: "mrn",
        patterns: &[
            (
                r"(?i-u:\b)(?i:MRN(?: is)?|medical record(?: number| no\.?)?|chart(?: number| no\.?)?|hosp(?:ital)?(?: number| no\.?| #))[-:#\s]{0,3}[A-Za-z]{0,3}-?[0-9]{4,12}(?-u:\b)",
                Check::None,
            ),
            (r"(?i-u:\b)(?i:record)(?i: number| no\.?)?[-:#\s]{1,2}([0-9]{6,12})(?-u:\b)", Check::None),
        ],
    },
    Kind { name: "npi", patterns: &[(r"(?-u:\b)[12][0-9]{9}(?-u:\b)", Check::Holds(checks::npi))] },
    Kind {
        name: "mbi",
        patterns: &[(
            // CMS: "Understanding the MBI format". No S, L, O, I, B, Z.
            r"(?-u:\b)(?i:[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2})(?-u:\b)",
            Check::None,
        )],
    },
    Kind { name: "dea", patterns: &[(r"(?-u:\b)[A-HJ-MPRSTUX][A-Z9][0-9]{7}(?-u:\b)", Check::Holds(checks::dea))] },
    Kind {
        name: "phone",
        patterns: &[
            (
                r"(?:\+?1[-. ]?)?(?:\([0-9]{3}\) ?|(?-u:\b)[0-9]{3}[-. ])[0-9]{3}[-. ][0-9]{4}(?-u:\b)",
                Check::Either(checks::nanp, PHONE),
            ),
            (r"\+[1-9][0-9]{0,2}(?:[-. ]?\(?[0-9]{1,4}\)?){2,6}(?-u:\b)", Check::None),
            (r"(?-u:\b)1?[2-9][0-9]{9}(?-u:\b)", Check::Both(checks::nanp, PHONE)),
            (r"(?-u:\b)[2-9][0-9]{2}[-. ][0-9]{4}(?-u:\b)", Check::Near(PHONE)),
        ],
    },
    Kind {
        name: "email",
        patterns: &[
            (r"[A-Za-z0-9._%+'-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24}(?-u:\b)", Check::None),
            (r"(?-u:\b)[A-Za-z0-9._%+'-]+ at [A-Za-z0-9-]+(?: dot [A-Za-z0-9-]{2,24})+(?-u:\b)", Check::None),
        ],
    },
    Kind {
        name: "url",
        patterns: &[
            (r#"(?i-u:\b)(?i:https?://|ftp://|www\.)[^\s<>"'\])}]{2,}"#, Check::None),
            // Without a scheme, a host that ends as hosts do and a path.
            (
                r#"(?-u:\b)(?:[A-Za-z0-9-]+\.)+(?i:com|org|net|edu|gov|health|info|io|example)/[^\s<>"'\])}]+"#,
                Check::None,
            ),
        ],
    },
    Kind {
        name: "ip",
        patterns: &[
            (r"(?-u:\b)[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?-u:\b)", Check::Holds(checks::ipv4)),
            (r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,34}[0-9A-Fa-f](?-u:\b)", Check::Holds(checks::ipv6)),
        ],
    },
    Kind { name: "mac", patterns: &[(r"(?-u:\b)(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?-u:\b)", Check::None)] },
    Kind { name: "card", patterns: &[(r"(?-u:\b)[2-6](?:[ -]?[0-9]){12,18}(?-u:\b)", Check::Holds(checks::card))] },
    Kind {
        name: "account",
        patterns: &[(
            r"(?i-u:\b)(?i:account|acct|a/c|policy|member(?: id)?|subscriber(?: id)?|licen[cs]e|certificate|serial)(?i:\.| no\.?| number| #|#|:| is){0,3}\s{0,2}([A-Za-z]{0,4}-?[0-9][0-9-]{4,19})(?-u:\b)",
            Check::None,
        )],
    },
    Kind {
        name: "date",
        patterns: &[
            (r"(?-u:\b)[12][0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?-u:\b)", Check::Holds(checks::date)),
            (r"(?-u:\b)(?:0?[1-9]|1[0-2])/(?:19|20)[0-9]{2}(?-u:\b)", Check::None),
            (
                r"(?-u:\b)[0-9]{1,2}(?:/[0-9]{1,2}/|-[0-9]{1,2}-|\.[0-9]{1,2}\.)(?:[0-9]{4}|[0-9]{2})(?-u:\b)",
                Check::Holds(checks::date),
            ),
            (
                r"(?-u:\b)(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.? (?:[0-9]{1,2}(?:st|nd|rd|th)?(?:,? [12][0-9]{3})?|[12][0-9]{3})(?-u:\b)",
                Check::None,
            ),
            (
                r"(?-u:\b)[0-9]{1,2}(?:st|nd|rd|th)?\.? (?i:of )?(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?(?:,? [12][0-9]{3})?(?-u:\b)",
                Check::None,
            ),
            (
                r"(?-u:\b)[0-9]{1,2}[-/](?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)[-/](?:[0-9]{4}|[0-9]{2})(?-u:\b)",
                Check::None,
            ),
            (
                r"(?-u:\b)(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.? ['’][0-9]{2}(?-u:\b)",
                Check::None,
            ),
            (r"(?i-u:\b)(?i:born|dob)[: ]{1,2}([0-9]{8})(?-u:\b)", Check::None),
        ],
    },
    Kind {
        name: "age",
        patterns: &[
            (
                r"(?-u:\b)(?i:ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:a|one) hundred(?: and [a-z]+)?)(?i:[- ]years?[- ]old)(?-u:\b)",
                Check::None,
            ),
            (r"(?-u:\b)([0-9]{2,3})[- ]?(?i:years?|yrs?|y)[-./ ]?(?i:old|o)(?-u:\b)", Check::Holds(checks::age)),
            (r"(?i-u:\b)(?i:aged?|age:|age is) ([0-9]{2,3})(?-u:\b)", Check::Holds(checks::age)),
        ],
    },
    Kind {
        name: "zip",
        patterns: &[
            (r"(?-u:\b)[0-9]{5}-[0-9]{4}(?-u:\b)", Check::None),
            (r"(?i-u:\b)(?i:zip(?: code)?:?) ?([0-9]{5})(?-u:\b)", Check::None),
            (
                r"(?-u:\b)(?:[A-Z][a-z]+,? |, )(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) ([0-9]{5})(?-u:\b)",
                Check::None,
            ),
        ],
    },
    Kind {
        name: "address",
        patterns: &[
            (r"(?i-u:\b)(?i:p\.? ?o\.? box) [0-9]{1,6}(?-u:\b)", Check::None),
            (r"(?i-u:\b)(?i:apt|apartment)\.? #?[0-9]{1,5}[A-Za-z]?(?-u:\b)", Check::None),
            (
                r"(?-u:\b)[1-9][0-9]{0,5} (?:[NSEW]\.? )?(?:[A-Z][A-Za-z'.-]* ){1,3}(?:Street|St|Avenue|Ave|Lane|Ln|Court|Ct|Road|Rd|Drive|Dr|Boulevard|Blvd|Place|Pl|Way|Terrace|Ter|Highway|Hwy|Circle|Cir|Square|Sq)(?-u:\b)\.?(?:,? (?:[A-Z][a-z]+ ){1,2}[0-9]{5}(?-u:\b))?",
                Check::None,
            ),
        ],
    },
    Kind { name: "vin", patterns: &[(r"(?-u:\b)[A-HJ-NPR-Za-hj-npr-z0-9]{17}(?-u:\b)", Check::Holds(checks::vin))] },
    Kind {
        name: "name",
        patterns: &[
            (
                r"(?-u:\b)(?:Mr|Mrs|Ms|Miss|Dr|Prof|Nurse)(?:/(?:Mr|Mrs|Ms|Miss))?\.? ([A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}][A-Za-z\u{C0}-\u{24F}\u{370}-\u{1FFF}'’-]+(?: (?:[A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}]\. )?[A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}][A-Za-z\u{C0}-\u{24F}\u{370}-\u{1FFF}'’-]+){0,2})",
                Check::None,
            ),
            (
                r"(?-u:\b)(?i:patient|pt|name|client|daughter|son|wife|husband|mother|father|sister|brother|spouse|guardian|contact|seen by|signed by|called|call)(?i::|,| is| was)? ([A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}][A-Za-z\u{C0}-\u{24F}\u{370}-\u{1FFF}'’-]+(?: [A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}]\.)?(?: [A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}][A-Za-z\u{C0}-\u{24F}\u{370}-\u{1FFF}'’-]+){1,2})",
                Check::None,
            ),
            // A name that an identifier follows at once.
            (
                r"([A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}][A-Za-z\u{C0}-\u{24F}\u{370}-\u{1FFF}'’-]+(?: [A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}]\.)?(?: [A-Z\u{C0}-\u{24F}\u{370}-\u{1FFF}][A-Za-z\u{C0}-\u{24F}\u{370}-\u{1FFF}'’-]+){1,2})(?:,? \(?|, )(?i:DOB|MRN|SSN|born|aged)(?-u:\b|[0-9])",
                Check::None,
            ),
        ],
    },
];
