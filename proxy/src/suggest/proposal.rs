//! What a rule for an identifier looks like: the transforms of the shipped Safe Harbor pack, so that what is proposed and
//! what is shipped speak of the same token domains.

use policies::Likeness;

/// The identifier in words, in the plural.
pub(crate) fn words(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Name => "names",
        Likeness::Place => "addresses and places",
        Likeness::Zip => "ZIP codes",
        Likeness::Date => "dates about a person",
        Likeness::DatePart => "parts of birth dates",
        Likeness::Age => "ages and years of birth",
        Likeness::Telephone => "telephone and fax numbers",
        Likeness::Email => "e-mail addresses",
        Likeness::Ssn => "social security numbers",
        Likeness::Mrn => "medical record numbers",
        Likeness::HealthPlan => "health plan numbers",
        Likeness::Account => "account numbers",
        Likeness::Licence => "certificate and licence numbers",
        Likeness::Vehicle => "vehicle identifiers",
        Likeness::Device => "device identifiers",
        Likeness::Url => "web addresses",
        Likeness::Ip => "internet addresses",
        Likeness::Biometric => "biometrics and photographs",
        Likeness::Other => "other unique codes",
        Likeness::FreeText => "free text",
    }
}

/// `with` and the classification of a mask; `None` for what is a `[[detect]]`.
fn transform(likeness: Likeness) -> Option<(&'static str, &'static str)> {
    Some(match likeness {
        Likeness::Name => ("\"fake_name\"", "name"),
        Likeness::Place => ("\"redact\"", "geography"),
        Likeness::Zip => ("\"zip3\"", "geography"),
        Likeness::Date => ("\"year\"", "date"),
        Likeness::DatePart => ("\"redact\"", "date"),
        Likeness::Age => ("\"age\"", "date"),
        Likeness::Telephone => ("\"redact\"", "telephone"),
        Likeness::Email => ("{ token = { domain = \"email\" } }", "email"),
        Likeness::Ssn => ("{ token = { domain = \"ssn\", keep_format = true } }", "ssn"),
        Likeness::Mrn => ("{ token = { domain = \"mrn\", keep_format = true } }", "mrn"),
        Likeness::HealthPlan => ("{ token = { domain = \"health plan\", keep_format = true } }", "health-plan"),
        Likeness::Account => ("{ token = { domain = \"account\", keep_format = true } }", "account"),
        Likeness::Licence => ("{ token = { domain = \"licence\", keep_format = true } }", "licence"),
        Likeness::Vehicle => ("\"redact\"", "vehicle"),
        Likeness::Device => ("\"redact\"", "device"),
        Likeness::Url => ("\"redact\"", "url"),
        Likeness::Ip => ("\"redact\"", "ip"),
        Likeness::Biometric => ("\"null\"", "biometric"),
        Likeness::Other => ("\"redact\"", "other"),
        Likeness::FreeText => return None,
    })
}

/// What a `[[detect]]` for free text looks for.
const FIND: &str = "[\"name\", \"address\", \"zip\", \"date\", \"age\", \"phone\", \"email\", \"ssn\", \"mrn\", \"mbi\", \
    \"account\", \"card\", \"npi\", \"dea\", \"vin\", \"mac\", \"url\", \"ip\"]";

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A rule over these patterns, as lines of a policy file.
pub(crate) fn rule(likeness: Likeness, name: &str, patterns: &[String]) -> Vec<String> {
    lines(likeness, name, patterns.iter().map(|pattern| (quoted(pattern), None)), true)
}

/// The same, with a comment before each pattern; `keyed`: a masking key is configured, so tokens can be made.
pub(crate) fn lines(
    likeness: Likeness,
    name: &str,
    patterns: impl Iterator<Item = (String, Option<String>)>,
    keyed: bool,
) -> Vec<String> {
    let section = if transform(likeness).is_some() { "[[mask]]" } else { "[[detect]]" };
    let mut lines = vec![section.to_owned(), format!("name = {}", quoted(name)), "columns = [".to_owned()];
    for (pattern, why) in patterns {
        lines.extend(why.map(|why| format!("    # {why}")));
        lines.push(format!("    {pattern},"));
    }
    lines.push("]".to_owned());
    match transform(likeness) {
        Some((with, classification)) => {
            if !keyed && (with.contains("token") || with.contains("fake_name")) {
                lines.push(format!("# with = {with}   # once [masking] names a key"));
                lines.push("with = \"redact\"".to_owned());
            } else {
                lines.push(format!("with = {with}"));
            }
            lines.push(format!("classification = {}", quoted(classification)));
        }
        None => {
            lines.push(format!("find = {FIND}"));
            lines.push("classification = \"free-text\"".to_owned());
        }
    }
    lines
}
