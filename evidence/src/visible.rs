//! Characters that a reader does not see, or that a terminal obeys, shown by their numbers: controls, bidirectional marks,
//! zero-width characters. The record keeps every text as it was; what is printed cannot hide, reorder or forge a line.
//!
//! The same set as the console's (`proxy/src/console/highlight.rs`) and `verify.py`'s.

use std::borrow::Cow;

/// Controls, bidirectional marks, zero-width and other characters that a reader does not see.
fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00a0}' | '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
            | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A text on one line: a line feed is `⏎`, a tab a space, anything else that deceives `⟨U+202E⟩`.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(deceives) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            hidden if deceives(hidden) => out.push_str(&format!("⟨U+{:04X}⟩", u32::from(hidden))),
            plain => out.push(plain),
        }
    }
    Cow::Owned(out)
}

/// A text that may have lines of its own: each after the first begins with `indent`, so that none passes for one of ours.
pub(crate) fn block(text: &str, indent: &str) -> String {
    let lines: Vec<Cow<'_, str>> = text.split('\n').map(|line| one_line(line.trim_end_matches('\r'))).collect();
    lines.join(&format!("\n{indent}"))
}

/// JSON that is rendered already: what deceives can only stand within its strings, and is escaped there.
pub(crate) fn json(rendered: &str) -> String {
    let mut out = String::with_capacity(rendered.len());
    for character in rendered.chars() {
        match character {
            hidden if deceives(hidden) && !matches!(hidden, '\n') => {
                let mut units = [0; 2];
                hidden.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            plain => out.push(plain),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_and_what_nobody_sees_is_shown_by_its_number() {
        assert_eq!(one_line("a\u{1b}[31mb\u{202e}c\u{200b}\r"), "a⟨U+001B⟩[31mb⟨U+202E⟩c⟨U+200B⟩⟨U+000D⟩");
        assert_eq!(one_line("two\nlines\there"), "two⏎lines here");
        assert_eq!(one_line("plain é 漢"), "plain é 漢");
    }

    #[test]
    fn no_line_of_a_text_passes_for_one_of_ours() {
        assert_eq!(block("SELECT 1\r\n#2 forged\u{7}", "   | "), "SELECT 1\n   | #2 forged⟨U+0007⟩");
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ "a": "x\u{202e}y\u{e0001}\n" });
        let shown = json(&value.to_string());
        assert!(shown.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
