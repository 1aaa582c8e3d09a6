//! A statement as the parser gets it, with the way back: where in the client's own bytes each of its tokens stands.

use crate::lift::Place;
use sqlparser::tokenizer::Span;
use std::ops::Range;

/// A text made from the client's, token by token.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) text: String,
    /// Of each token, in order: where it begins here, and its bytes in the client's text.
    places: Vec<(usize, Range<usize>)>,
    /// Where every so many characters stand; nothing where each is one byte. A parser that tells columns tells thousands.
    marks: Vec<usize>,
}

/// Characters between two marks.
const STRIDE: usize = 256;

/// Something put in the place of a piece of text.
pub(super) type Edit<'e> = (usize, usize, &'e str);

impl Source {
    fn new(text: String, places: Vec<(usize, Range<usize>)>) -> Self {
        let starts = text.char_indices().map(|(at, _)| at);
        let marks = if text.is_ascii() { Vec::new() } else { starts.step_by(STRIDE).collect() };
        Self { text, places, marks }
    }

    /// The statements of a canonical text, empty ones left out. No literal or name in it contains a semicolon.
    pub(super) fn statements(canonical: &str, places: &[Place]) -> Vec<Self> {
        let places = places.iter().map(|place| (place.key, place.start..place.end)).collect();
        let all = Self::new(canonical.to_owned(), places);
        let place = |piece: &str| piece.as_ptr().addr().saturating_sub(canonical.as_ptr().addr());
        let pieces = super::bodies::split(canonical);
        pieces.into_iter().map(|piece| all.slice(place(piece)..place(piece) + piece.len())).collect()
    }

    /// A text whose tokens stand nowhere in the client's.
    pub(super) fn of(text: String) -> Self {
        Self::new(text, Vec::new())
    }

    /// A piece of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        // In order: a text of many statements is not gone through for each of them.
        let first = self.places.partition_point(|(at, _)| *at < range.start);
        let within = self.places.iter().skip(first).take_while(|(at, _)| *at < range.end);
        let places = within.map(|(at, bytes)| (at - range.start, bytes.clone())).collect();
        Self::new(self.text.get(range).unwrap_or_default().to_owned(), places)
    }

    /// With pieces replaced, in order. What is put in stands nowhere in the client's text.
    pub(super) fn edited(&self, edits: &[Edit<'_>]) -> Self {
        let mut text = String::with_capacity(self.text.len());
        let mut places = Vec::with_capacity(self.places.len());
        let mut rest = self.places.iter().peekable();
        let mut done = 0;
        for (start, length, instead) in edits.iter().copied().chain([(self.text.len(), 0, "")]) {
            while let Some((at, bytes)) = rest.next_if(|(at, _)| *at < start) {
                places.push((text.len() + (at - done), bytes.clone()));
            }
            while rest.next_if(|(at, _)| *at < start + length).is_some() {}
            text.push_str(self.text.get(done..start).unwrap_or_default());
            text.push_str(instead);
            done = start + length;
        }
        Self::new(text, places)
    }

    /// Where the token at a place that the parser tells begins.
    pub(super) fn offset(&self, span: Span) -> Option<usize> {
        // Canonical texts have one line.
        let column = usize::try_from(span.start.column).ok()?.checked_sub(1)?;
        if span.start.line != 1 {
            return None;
        }
        if self.marks.is_empty() {
            return Some(column);
        }
        let mark = *self.marks.get(column / STRIDE)?;
        let rest = self.text.get(mark..)?.char_indices();
        rest.map(|(at, _)| mark + at).nth(column % STRIDE)
    }

    /// The client's bytes of the token that begins at `offset`.
    pub(super) fn original(&self, offset: usize) -> Option<Range<usize>> {
        let index = self.places.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        self.places.get(index).map(|(_, bytes)| bytes.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lift::{Keep, Lexis, lift};
    use crate::{Dialect, Settings};

    #[test]
    fn columns_are_found_behind_any_number_of_characters() {
        use sqlparser::tokenizer::Location;
        let source = Source::of(format!("{}x", "aé".repeat(1_000)));
        for (column, offset) in [(1, 0), (2, 1), (3, 3), (513, 768), (2_001, 3_000)] {
            let at = Location { line: 1, column };
            assert_eq!(source.offset(Span::new(at, at)), Some(offset), "{column}");
        }
    }

    #[test]
    fn every_token_finds_its_way_back() {
        let text = "select /* a */ 'it''s' , `x`\n from  \"y\" ; update  t set a=0x41";
        let lifted = lift(text.as_bytes(), Lexis::new(Dialect::Mysql, &Settings::default()), Keep::Canonical);
        let canonical = String::from_utf8(lifted.key).unwrap();
        let statements = Source::statements(&canonical, &lifted.places);
        assert_eq!(statements.len(), 2);
        let words: Vec<&str> =
            statements.iter().flat_map(|s| s.places.iter().map(|(_, bytes)| &text[bytes.clone()])).collect();
        let expected = ["select", "'it''s'", ",", "`x`", "from", "\"y\"", "update", "t", "set", "a", "=", "0x41"];
        assert_eq!(words, expected);
        let second = &statements[1];
        let edited = second.edited(&[(0, 6, "UPDATE LOW")]);
        let at = edited.text.find(" t ").unwrap() + 1;
        assert_eq!(&text[edited.original(at).unwrap()], "t");
        assert_eq!(edited.original(0), None);
    }
}
