//! Rebuilding PostgreSQL arrays element by element, in text and binary: how a transform reaches inside.

use super::nested::{array_header, array_needs_quotes};

/// What an element became. The bytes, if any, were appended to the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// NULL.
    Null,
    /// The bytes that were appended.
    Replaced,
}

/// Writes a binary array again with every element passed through `each`, NULLs left alone. `None` if the cell is not an
/// array; `out` may then have been begun.
pub fn rebuild_binary_array(
    cell: &[u8],
    out: &mut Vec<u8>,
    mut each: impl FnMut(&[u8], &mut Vec<u8>) -> Element,
) -> Option<()> {
    let header = array_header(cell)?;
    let begin = out.len();
    out.extend_from_slice(header.bytes);
    let mut elements = header.elements;
    let mut has_null = false;
    for _ in 0..header.count {
        let at = out.len();
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        let Some(element) = elements.sized()? else {
            has_null = true;
            continue;
        };
        match each(element, out) {
            Element::Null => {
                out.truncate(at + 4);
                has_null = true;
            }
            Element::Replaced => {
                let length = i32::try_from(out.len() - at - 4).ok()?;
                out.get_mut(at..at + 4)?.copy_from_slice(&length.to_be_bytes());
            }
        }
    }
    // The second word says whether there are NULLs; an empty array's says nothing.
    out.get_mut(begin + 4..begin + 8)?.copy_from_slice(&i32::from(has_null).to_be_bytes());
    elements.is_empty().then_some(())
}

/// Writes a text array (`{1,"a b",NULL}`) again with every element passed through `each`, NULLs left alone. `scratch` is
/// two buffers that are reused. `None` if the cell is not an array; `out` may then have been begun.
pub fn rebuild_text_array(
    cell: &str,
    scratch: &mut (Vec<u8>, Vec<u8>),
    out: &mut Vec<u8>,
    mut each: impl FnMut(&[u8], &mut Vec<u8>) -> Element,
) -> Option<()> {
    // `[2:3]={…}`: the bounds stay as they are.
    let body = match cell.strip_prefix('[') {
        Some(bounded) => bounded.split_once("]={").map(|(bounds, _)| cell.get(bounds.len() + 3..)).unwrap_or(None)?,
        None => cell,
    };
    out.extend_from_slice(cell.get(..cell.len() - body.len())?.as_bytes());
    let (element, masked) = scratch;
    let mut depth = 0_u32;
    let mut bytes = body.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' => {
                depth += 1;
                out.push(b'{');
            }
            b'}' => {
                depth = depth.checked_sub(1)?;
                out.push(b'}');
                if depth == 0 {
                    return bytes.next().is_none().then_some(());
                }
            }
            b',' => out.push(b','),
            first => {
                if depth == 0 {
                    return None;
                }
                element.clear();
                let quoted = first == b'"';
                if quoted {
                    loop {
                        match bytes.next()? {
                            b'"' => break,
                            b'\\' => element.push(bytes.next()?),
                            other => element.push(other),
                        }
                    }
                } else {
                    element.push(first);
                    while let Some(next) = bytes.next_if(|next| !matches!(next, b',' | b'}' | b'{' | b'"')) {
                        element.push(if next == b'\\' { bytes.next()? } else { next });
                    }
                }
                if !quoted && element.eq_ignore_ascii_case(b"null") {
                    out.extend_from_slice(b"NULL");
                    continue;
                }
                masked.clear();
                match each(element, masked) {
                    Element::Null => out.extend_from_slice(b"NULL"),
                    Element::Replaced => push_element(masked, out),
                }
            }
        }
    }
    None
}

fn push_element(element: &[u8], out: &mut Vec<u8>) {
    let plain = std::str::from_utf8(element).is_ok_and(|text| !array_needs_quotes(text));
    if plain {
        out.extend_from_slice(element);
        return;
    }
    out.push(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(element: &[u8], out: &mut Vec<u8>) -> Element {
        if element == b"gone" {
            return Element::Null;
        }
        out.extend(element.iter().map(u8::to_ascii_uppercase));
        Element::Replaced
    }

    fn text(cell: &str) -> Option<String> {
        let mut out = Vec::new();
        rebuild_text_array(cell, &mut Default::default(), &mut out, upper)?;
        String::from_utf8(out).ok()
    }

    #[test]
    fn text_arrays_keep_their_shape() {
        for (cell, expected) in [
            ("{}", "{}"),
            ("{a,b}", "{A,B}"),
            (r#"{{a,NULL},{"b c","x\"y"}}"#, r#"{{A,NULL},{"B C","X\"Y"}}"#),
            (r#"[0:1]={"null",gone}"#, r#"[0:1]={"NULL",NULL}"#),
            (r#"{""}"#, r#"{""}"#),
            (r#"{"a,b",{}"}"#, r#"{"A,B",{}"}"#),
        ] {
            if cell.ends_with("{}\"}") {
                assert_eq!(text(cell), None, "{cell}");
                continue;
            }
            assert_eq!(text(cell).as_deref(), Some(expected), "{cell}");
        }
        for broken in ["", "a", "{", "{a", "{\"a", "}", "{a}}", "[1:2]", "{a}x", "{\"a\\"] {
            assert_eq!(text(broken), None, "{broken}");
        }
    }

    #[test]
    fn binary_arrays_keep_their_shape() {
        let mut cell = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 3, 0, 0, 0, 1];
        for element in [&b"a b"[..], b"gone", b""] {
            cell.extend_from_slice(&u32::try_from(element.len()).unwrap().to_be_bytes());
            cell.extend_from_slice(element);
        }
        let mut out = b"prefix".to_vec();
        assert!(rebuild_binary_array(&cell, &mut out, upper).is_some());
        let mut shown = String::new();
        let kind = crate::Kind::Array { element: Box::new(crate::Kind::Text), element_oid: 25 };
        let repr = crate::Repr { kind, encoding: crate::Encoding::PostgresBinary };
        repr.render(&out[6..], &mut shown);
        assert_eq!(shown, r#"{"A B",NULL,""}"#);
        for cut in 0..cell.len() {
            assert!(rebuild_binary_array(&cell[..cut], &mut Vec::new(), upper).is_none(), "cut at {cut}");
        }
    }
}
