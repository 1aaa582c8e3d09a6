//! A line diff of two policy texts: what a person needs to see that a rule changed.
//!
//! Longest common subsequence over lines after the common ends are taken off. Texts whose middles are too long for that
//! are shown as removed and added in whole, which is true, if coarse.

/// Pairs of lines that are compared at most; about 16 MiB of table.
const MOST_PAIRS: usize = 4 << 20;

/// A line of the diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// `+` added, `-` removed, a space for context, `@` for lines left out.
    pub(crate) mark: char,
    pub(crate) text: String,
}

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// What changed from `old` to `new`; empty when nothing did.
pub(crate) fn lines(old: &str, new: &str) -> Vec<Line> {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let rest = |lines: &[&str]| lines.len().saturating_sub(head);
    let tail = a.iter().rev().zip(b.iter().rev()).take(rest(&a).min(rest(&b))).take_while(|(x, y)| x == y).count();
    let middle = |lines: &'_ [&str]| {
        lines
            .get(head..lines.len().saturating_sub(tail))
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let (old_middle, new_middle) = (middle(&a), middle(&b));
    let mut all: Vec<Line> = a.iter().take(head).map(|text| same(text)).collect();
    all.extend(changes(&old_middle, &new_middle));
    all.extend(a.iter().skip(a.len().saturating_sub(tail)).map(|text| same(text)));
    fold(&all)
}

fn same(text: &str) -> Line {
    Line { mark: ' ', text: text.to_owned() }
}

fn changes(old: &[String], new: &[String]) -> Vec<Line> {
    let line = |mark, text: &String| Line { mark, text: text.clone() };
    let width = new.len().saturating_add(1);
    if old.len().saturating_add(1).saturating_mul(width) > MOST_PAIRS {
        return old.iter().map(|text| line('-', text)).chain(new.iter().map(|text| line('+', text))).collect();
    }
    // common[i][j]: longest common subsequence of old[i..] and new[j..].
    let mut common = vec![0_u32; (old.len() + 1) * width];
    let at = |common: &[u32], i: usize, j: usize| common.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let best =
                if a == b { at(&common, i + 1, j + 1) + 1 } else { at(&common, i + 1, j).max(at(&common, i, j + 1)) };
            if let Some(cell) = common.get_mut(i * width + j) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut out) = (0, 0, Vec::new());
    loop {
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => {
                out.push(line(' ', a));
                (i, j) = (i + 1, j + 1);
            }
            (Some(a), b) if b.is_none() || at(&common, i + 1, j) >= at(&common, i, j + 1) => {
                out.push(line('-', a));
                i += 1;
            }
            (_, Some(b)) => {
                out.push(line('+', b));
                j += 1;
            }
            (_, None) => return out,
        }
    }
}

/// Leaves out what is far from any change.
fn fold(all: &[Line]) -> Vec<Line> {
    let changed: Vec<usize> = all.iter().enumerate().filter(|(_, line)| line.mark != ' ').map(|(at, _)| at).collect();
    let mut out = Vec::new();
    let mut skipped = 0_usize;
    let skip = |out: &mut Vec<Line>, skipped: &mut usize| {
        if *skipped > 0 {
            out.push(Line { mark: '@', text: format!("{skipped} lines unchanged") });
        }
        *skipped = 0;
    };
    if changed.is_empty() {
        return out;
    }
    for (at, line) in all.iter().enumerate() {
        let near = changed.partition_point(|change| change.saturating_add(CONTEXT) < at);
        if changed.get(near).is_some_and(|change| change.saturating_sub(CONTEXT) <= at) {
            skip(&mut out, &mut skipped);
            out.push(line.clone());
        } else {
            skipped = skipped.saturating_add(1);
        }
    }
    skip(&mut out, &mut skipped);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(old: &str, new: &str) -> String {
        lines(old, new).iter().map(|line| format!("{}{}\n", line.mark, line.text)).collect()
    }

    #[test]
    fn shows_what_changed_and_little_else() {
        assert_eq!(shown("a\nb\n", "a\nb\n"), "");
        assert_eq!(shown("a\nb\nc\n", "a\nx\nc\n"), " a\n-b\n+x\n c\n");
        assert_eq!(shown("1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n7\n"), "@2 lines unchanged\n 3\n 4\n 5\n-6\n+7\n");
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_off(old in "([ab]\n){0,12}", new in "([abc]\n){0,12}") {
            let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
            let owned = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
            let out = changes(&owned(&a), &owned(&b));
            let kept = |other: char| out.iter().filter(|l| l.mark != other).map(|l| l.text.as_str()).collect::<Vec<_>>();
            prop_assert_eq!(kept('+'), a);
            prop_assert_eq!(kept('-'), b);
        }
    }
}
