//! Names of columns in real record systems: the recogniser tells them, and the shipped pack covers them.

// Clippy knows tests by their attribute; what helps them panics as they do.
#![allow(clippy::panic, clippy::indexing_slicing)]

use affidavit_policies::{Likeness, Names, Policy, recognise};
use model::ColumnRef;

struct Line {
    /// Letters of 45 CFR 164.514(b)(2)(i), `free` or `-`.
    identifier: &'static str,
    names: Names,
    column: ColumnRef,
    type_name: &'static str,
}

fn lines() -> Vec<Line> {
    let text = include_str!("ehr-columns.txt").lines().filter(|line| !line.starts_with('#'));
    text.map(|line| {
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        let [identifier, names, path, type_name] = fields.try_into().unwrap_or_else(|_| panic!("{line}"));
        let [schema, table, column] =
            path.split('.').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let names = if names == "my" { Names::Folded } else { Names::Exact };
        Line { identifier, names, column: ColumnRef { schema, table, column }, type_name }
    })
    .collect()
}

fn letter(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Name => "A",
        Likeness::Place | Likeness::Zip => "B",
        Likeness::Date | Likeness::DatePart | Likeness::Age => "C",
        Likeness::Telephone => "DE",
        Likeness::Email => "F",
        Likeness::Ssn => "G",
        Likeness::Mrn => "H",
        Likeness::HealthPlan => "I",
        Likeness::Account => "J",
        Likeness::Licence => "K",
        Likeness::Vehicle => "L",
        Likeness::Device => "M",
        Likeness::Url => "N",
        Likeness::Ip => "O",
        Likeness::Biometric => "PQ",
        Likeness::Other => "R",
        Likeness::FreeText => "free",
    }
}

#[test]
fn every_one_of_the_eighteen_is_in_the_list() {
    let known: Vec<&str> = lines().iter().map(|line| line.identifier).collect();
    for identifier in "A B C D E F G H I J K L M N O P Q R free -".split(' ') {
        assert!(known.contains(&identifier), "{identifier}");
    }
}

#[test]
fn names_are_recognised_as_what_they_are() {
    let mut wrong = Vec::new();
    for line in lines() {
        let found = recognise(&line.column.table, &line.column.column, line.type_name);
        let told = found.as_ref().map_or("-", |found| letter(found.likeness));
        if !(told == line.identifier || told != "-" && told != "free" && told.contains(line.identifier)) {
            wrong.push(format!("{} {} is taken for {told} ({found:?})", line.identifier, line.column));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), lines().len(), wrong.join("\n"));
}

#[test]
fn the_shipped_pack_covers_them_and_nothing_else() {
    let text = include_str!("../rules/safe-harbor.toml").to_owned();
    let pack = Policy::parse(&[("safe-harbor.toml".to_owned(), text)]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut wrong = Vec::new();
    for line in lines() {
        let covering = pack.covering("ehr", &line.column, line.names).filter(|by| by.protects);
        if covering.is_some() != (line.identifier != "-") {
            wrong.push(format!("{} {}: {:?}", line.identifier, line.column, covering.map(|by| by.rule)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), lines().len(), wrong.join("\n"));
}
