//! A statement as the parser gets it, with the way back: where in the client's own bytes each of its tokens stands.

use crate::lift::Place;
use sqlparser::tokenizer::Span;
use std::ops::Range;
use std::sync::OnceLock;

/// A text made from the client's, token by token.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) text: String,
    /// Of each token, in order: where it begins here, and its bytes in the client's text.
    places: Vec<(usize, Range<usize>)>,
    /// Where each character begins, once it is asked for; empty where each is a byte.
    characters: OnceLock<Vec<usize>>,
}

/// Something put in the place of a piece of text.
pub(super) type Edit<'e> = (usize, usize, &'e str);

impl Source {
    /// The statements of a canonical text, empty ones left out. No literal or name in it contains a semicolon.
    pub(super) fn statements(canonical: &str, places: &[Place]) -> Vec<Self> {
        let all = Self {
            text: canonical.to_owned(),
            places: places.iter().map(|place| (place.key, place.start..place.end)).collect(),
            characters: OnceLock::new(),
        };
        let place = |piece: &str| piece.as_ptr().addr().saturating_sub(canonical.as_ptr().addr());
        let pieces = super::bodies::split(canonical);
        pieces.into_iter().map(|piece| all.slice(place(piece)..place(piece) + piece.len())).collect()
    }

    /// A text whose tokens stand nowhere in the client's.
    pub(super) fn of(text: String) -> Self {
        Self { text, places: Vec::new(), characters: OnceLock::new() }
    }

    /// A piece of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        let within = self.places.iter().filter(|(at, _)| range.contains(at));
        Self {
            text: self.text.get(range.clone()).unwrap_or_default().to_owned(),
            places: within.map(|(at, bytes)| (at - range.start, bytes.clone())).collect(),
            characters: OnceLock::new(),
        }
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
        Self { text, places, characters: OnceLock::new() }
    }

    /// Where the token at a place that the parser tells begins.
    pub(super) fn offset(&self, span: Span) -> Option<usize> {
        // Canonical texts have one line.
        let column = usize::try_from(span.start.column).ok()?.checked_sub(1)?;
        if span.start.line != 1 {
            return None;
        }
        let characters = self.characters.get_or_init(|| match self.text.is_ascii() {
            true => Vec::new(),
            false => self.text.char_indices().map(|(at, _)| at).collect(),
        });
        if characters.is_empty() { Some(column) } else { characters.get(column).copied() }
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
