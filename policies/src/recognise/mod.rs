//! What a column holds, guessed from its name, its table's name and its type: for proposals and for finding what nobody
//! has written a rule for. A guess is never what protects a column; a rule that a person accepted is.

mod phrases;

use phrases::{ACTS, CLASSES, CLOSING, EVENTS, MOMENTS, NOT_OF_PEOPLE, PEOPLE};

/// An identifier of 45 CFR 164.514(b)(2)(i), as columns hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// (A) Names.
    Name,
    /// (B) Geography below state, ZIP codes aside.
    Place,
    /// (B) ZIP codes.
    Zip,
    /// (C) Dates about a person.
    Date,
    /// (C) Parts of a birth date other than the year.
    DatePart,
    /// (C) Ages and years of birth.
    Age,
    /// (D, E) Telephone and fax numbers.
    Telephone,
    /// (F) E-mail addresses.
    Email,
    /// (G) Social security and taxpayer numbers.
    Ssn,
    /// (H) Medical record numbers.
    Mrn,
    /// (I) Health plan beneficiary numbers.
    HealthPlan,
    /// (J) Account numbers.
    Account,
    /// (K) Certificate and licence numbers.
    Licence,
    /// (L) Vehicle identifiers.
    Vehicle,
    /// (M) Device identifiers.
    Device,
    /// (N) Web addresses.
    Url,
    /// (O) Internet addresses.
    Ip,
    /// (P, Q) Biometrics and photographs.
    Biometric,
    /// (R) Any other unique code.
    Other,
    /// Text in which any of these may stand.
    FreeText,
}

/// What a name looks like, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// The identifier.
    pub likeness: Likeness,
    /// The words that say so.
    pub because: String,
    /// Whether columns so called rarely hold anything else.
    pub sure: bool,
}

/// What a column's type can hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Number,
    Moment,
    Address,
    Bytes,
    Nothing,
    Anything,
}

/// Types as PostgreSQL and MySQL write them.
fn holds(type_name: &str) -> Holds {
    let name = type_name.to_ascii_lowercase();
    let head = name.split(['(', ' ', '[']).next().unwrap_or_default();
    match head {
        "boolean" | "bool" | "bit" | "interval" => Holds::Nothing,
        "tinyint" if name.starts_with("tinyint(1)") => Holds::Nothing,
        "date" | "datetime" | "timestamp" | "timestamptz" | "time" | "timetz" => Holds::Moment,
        "smallint" | "integer" | "int" | "bigint" | "tinyint" | "mediumint" | "numeric" | "decimal" | "real"
        | "double" | "float" | "year" | "oid" | "money" => Holds::Number,
        "inet" | "cidr" | "macaddr" | "macaddr8" | "inet4" | "inet6" => Holds::Address,
        "bytea" | "blob" | "tinyblob" | "mediumblob" | "longblob" | "binary" | "varbinary" => Holds::Bytes,
        "text" | "character" | "varchar" | "char" | "tinytext" | "mediumtext" | "longtext" | "json" | "jsonb"
        | "uuid" | "name" | "citext" | "bpchar" | "\"char\"" => Holds::Text,
        _ => Holds::Anything,
    }
}

impl Likeness {
    /// Whether a value of the type can be this identifier.
    fn fits(self, holds: Holds) -> bool {
        match (self, holds) {
            (_, Holds::Nothing) => false,
            (_, Holds::Anything) => true,
            (Self::Name | Self::Email | Self::Url | Self::Vehicle | Self::FreeText, holds) => holds == Holds::Text,
            (Self::Date, holds) => matches!(holds, Holds::Moment | Holds::Text),
            (Self::DatePart, _) => true,
            (Self::Age, holds) => matches!(holds, Holds::Number | Holds::Text),
            (Self::Ip, holds) => matches!(holds, Holds::Address | Holds::Text | Holds::Number),
            (Self::Biometric, holds) => matches!(holds, Holds::Bytes | Holds::Text),
            (_, holds) => matches!(holds, Holds::Text | Holds::Number | Holds::Address | Holds::Bytes),
        }
    }
}

/// The words of a name: split at what is no letter or digit, where a capital follows a small letter, and between letters
/// and digits.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        let next_is_small = characters.peek().is_some_and(|next| next.is_lowercase());
        let begins = character.is_uppercase() && (before.is_lowercase() || before.is_uppercase() && next_is_small)
            || character.is_numeric() != before.is_numeric() && before.is_alphanumeric();
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a word is in a list.
fn among(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// Whether the words of `phrase` stand in a row.
fn holds_phrase(words: &[String], phrase: &str) -> bool {
    let wanted: Vec<&str> = phrase.split(' ').collect();
    words.windows(wanted.len()).any(|run| run.iter().zip(&wanted).all(|(word, wanted)| word == wanted))
}

/// What a column looks like by its name; `None` if like nothing that identifies anybody.
#[must_use]
pub fn recognise(table: &str, column: &str, type_name: &str) -> Option<Recognised> {
    let (name, place) = (words(column), words(table));
    let holds = holds(type_name);
    let last = name.last()?;
    // A lone number at the end numbers columns: address 2, line 1.
    let closing = name.iter().rev().find(|word| !word.chars().all(char::is_numeric)).unwrap_or(last);
    if holds == Holds::Nothing || among(CLOSING, closing) {
        return None;
    }
    let whole = name.concat();
    for class in CLASSES {
        let phrase =
            class.phrases.split(", ").find(|phrase| holds_phrase(&name, phrase) || whole == phrase.replace(' ', ""));
        if let Some(phrase) = phrase.filter(|_| class.likeness.fits(holds)) {
            return found(class.likeness, phrase, class.sure);
        }
        if among(class.alone, &whole) && class.likeness.fits(holds) {
            return found(class.likeness, &whole, class.sure);
        }
    }
    by_company(&name, &whole, &place, holds)
}

fn found(likeness: Likeness, because: &str, sure: bool) -> Option<Recognised> {
    Some(Recognised { likeness, because: because.to_owned(), sure })
}

/// Names that say something only in company: `name` in a table of people, `identifier` in one of patients, a moment of
/// something that happens to people.
fn by_company(name: &[String], whole: &str, place: &[String], holds: Holds) -> Option<Recognised> {
    let of_people = place.iter().any(|word| among(PEOPLE, word));
    let elsewhere = place.iter().chain(name).any(|word| among(NOT_OF_PEOPLE, word));
    if of_people && !elsewhere && holds == Holds::Text {
        match whole {
            "name" | "title" if whole == "name" => return found(Likeness::Name, "name of a person", true),
            "identifier" | "idnumber" => return found(Likeness::Mrn, "identifier of a person", true),
            _ => {}
        }
    }
    let notes = ["note", "document", "documents", "message", "messages", "letter", "letters"];
    if place.iter().any(|word| notes.contains(&word.as_str()) || word.ends_with("notes"))
        && matches!(whole, "body" | "text" | "content" | "data")
    {
        return found(Likeness::FreeText, "text of a note", true);
    }
    let moment = name.iter().any(|word| among(MOMENTS, word)) || holds == Holds::Moment;
    let event = name.iter().chain(place).find(|word| among(EVENTS, word) || among(ACTS, word));
    let own = name.iter().any(|word| among(EVENTS, word) || among(MOMENTS, word))
        || name.iter().any(|word| among(ACTS, word));
    match event {
        Some(event) if moment && own && !elsewhere && Likeness::Date.fits(holds) => {
            found(Likeness::Date, &format!("moment of {event}"), false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        let of = |name| words(name).join(" ");
        assert_eq!(of("PAT_MRN_ID"), "pat mrn id");
        assert_eq!(of("birthDate"), "birth date");
        assert_eq!(of("patientSSNumber2"), "patient ss number 2");
        assert_eq!(of("address-line1"), "address line 1");
        assert_eq!(of("__"), "");
    }

    #[test]
    fn types_rule_out_what_cannot_be() {
        let is = |column, type_name| recognise("t", column, type_name).map(|found| found.likeness);
        assert_eq!(is("email", "character varying(80)"), Some(Likeness::Email));
        assert_eq!(is("email", "boolean"), None);
        assert_eq!(is("email_verified", "text"), None);
        assert_eq!(is("phone_type", "text"), None);
        assert_eq!(is("dob", "date"), Some(Likeness::Date));
        assert_eq!(is("name", "text"), None, "of what?");
        assert_eq!(recognise("patients", "name", "text").map(|found| found.likeness), Some(Likeness::Name));
    }
}
