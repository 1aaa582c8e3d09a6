//! JSON of a peer, read strictly: bounded in depth and in the number of values, and without duplicate keys.
//!
//! Two readers that disagree on which of two equal keys counts can be played against each other (RFC 8259, section 4),
//! and RFC 7519, section 4 lets a reader refuse duplicate claims: this one does, at every level.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Levels of nesting that any honest token or key set needs, with room.
const MAX_DEPTH: usize = 16;
/// Values in one document.
const MAX_VALUES: usize = 20_000;

/// Reads one JSON object. The error says what is wrong without repeating any value.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    let left = Cell::new(MAX_VALUES);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value =
        Bounded { depth: MAX_DEPTH, left: &left }.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|_| "something follows the JSON object".to_owned())?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("it is not a JSON object".to_owned()),
    }
}

#[derive(Clone, Copy)]
struct Bounded<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Bounded<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, left: self.left }),
            None => Err(E::custom("it is nested too deeply")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom("it holds too many values")),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("it holds a number that is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("the same key stands in it twice"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_objects_are_read() {
        let map = object(br#"{"a":[1,-2,1.5,"x",null,true],"b":{"c":"\u00e9"}}"#).unwrap();
        assert_eq!(Value::Object(map), serde_json::json!({"a": [1, -2, 1.5, "x", null, true], "b": {"c": "é"}}));
    }

    #[test]
    fn what_two_readers_could_disagree_on_is_refused() {
        for (text, why) in [
            (r#"{"sub":"a","sub":"b"}"#, "twice"),
            (r#"{"a":{"x":1,"\u0078":2}}"#, "twice"),
            (r#"{} {}"#, "follows"),
            (r#"[1]"#, "not a JSON object"),
            (r#"{"a":1e999}"#, "out of range"),
            (r#"{"a":"#, "EOF"),
            ("{\"a\":\"\u{0}\"}", "control character"),
        ] {
            let error = object(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(object(nested(MAX_DEPTH - 1).as_bytes()).is_ok());
        assert!(object(nested(MAX_DEPTH).as_bytes()).unwrap_err().contains("deeply"));
        assert!(object(nested(60_000).as_bytes()).unwrap_err().contains("deeply"));
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(MAX_VALUES));
        assert!(object(wide.as_bytes()).unwrap_err().contains("too many"));
    }
}
