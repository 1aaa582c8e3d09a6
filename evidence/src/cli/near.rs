//! Words that were meant: a value that nothing has is an error that names the nearest ones.

/// How many steps of one character lead from one text to another (Levenshtein), letters without their case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, x) in a.to_lowercase().chars().enumerate() {
        let mut before = at;
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
        let mut left = at + 1;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let here = (before + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            before = std::mem::replace(cell, here);
            left = here;
        }
    }
    row.last().copied().unwrap_or(0)
}

/// What to say of a value that nothing has.
pub(super) fn unknown<'a>(what: &str, value: &str, known: impl Iterator<Item = &'a str>) -> String {
    let mut near: Vec<(usize, &str)> = known.map(|known| (distance(value, known), known)).collect();
    near.sort_unstable();
    let names: Vec<&str> = near.iter().take(3).map(|(_, name)| *name).collect();
    if names.is_empty() {
        return format!("there is no {what} `{value}`: the record has none at all");
    }
    format!("there is no {what} `{value}`; the nearest are {}", names.join(", "))
}

/// One of a list of words, whatever the case; `also` are other words for them.
pub(super) fn word(text: &str, words: &[&str], also: &[(&str, &str)]) -> Result<String, String> {
    let text = text.to_lowercase();
    let meant = also.iter().find(|(other, _)| *other == text).map_or(text.as_str(), |(_, word)| word);
    if words.contains(&meant) {
        return Ok(meant.to_owned());
    }
    Err(format!("there is no `{text}`; the words are {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_named() {
        let said = unknown("identity", "agnet-1", ["agent-1", "bob", "agent-12", "carol"].into_iter());
        assert_eq!(said, "there is no identity `agnet-1`; the nearest are agent-1, agent-12, bob");
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn words_have_no_case_and_may_have_others_beside_them() {
        let decision = |text: &str| word(text, &["allow", "deny"], &[("denied", "deny")]);
        assert_eq!(decision("DENIED"), Ok("deny".to_owned()));
        assert_eq!(decision("Allow"), Ok("allow".to_owned()));
        assert!(decision("maybe").unwrap_err().contains("allow, deny"));
    }
}
