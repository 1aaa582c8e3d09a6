//! Query and the extended protocol's messages of the client.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html> (Query, Parse, Bind, Describe, Execute,
//! Close). Names of statements and portals are replaced on their way to the upstream (see `client::names`), so the
//! encoders here put a message together again around the bytes that stay.

use super::{malformed, put, put_cstr};
use wire::{Cursor, Violation};

/// The text of a Query.
pub(crate) fn query(body: &[u8]) -> Result<&[u8], Violation> {
    let mut cursor = Cursor::new(body);
    let text = cursor.cstr().map_err(|_| malformed("Query"))?;
    // What the server would not read must not be judged, and the other way round.
    if cursor.is_empty() { Ok(text) } else { Err(malformed("Query")) }
}

/// A Parse.
#[derive(Debug)]
pub(crate) struct Parse<'a> {
    /// Name of the prepared statement, possibly empty.
    pub(crate) name: &'a [u8],
    /// The SQL.
    pub(crate) sql: &'a [u8],
    /// Types of the first parameters; 0 leaves one to the server.
    pub(crate) types: Vec<u32>,
    /// Everything after the name.
    rest: &'a [u8],
}

/// Decodes a Parse.
pub(crate) fn parse(body: &[u8]) -> Result<Parse<'_>, Violation> {
    let bad = |_| malformed("Parse");
    let mut cursor = Cursor::new(body);
    let name = cursor.cstr().map_err(bad)?;
    let rest = cursor.rest();
    let sql = cursor.cstr().map_err(bad)?;
    let count = usize::from(cursor.u16_be().map_err(bad)?);
    if cursor.rest().len() != count.saturating_mul(4) {
        return Err(malformed("Parse"));
    }
    let types = std::iter::from_fn(|| cursor.u32_be().ok()).collect();
    Ok(Parse { name, sql, types, rest })
}

impl Parse<'_> {
    /// Appends the message under another statement name.
    pub(crate) fn put_as(&self, name: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        put(out, b'P', |out| {
            put_cstr(out, name);
            out.extend_from_slice(self.rest);
        })
    }
}

/// Appends a Parse with this text and these parameter types.
pub(crate) fn put_typed_parse(name: &[u8], sql: &[u8], types: &[u32], out: &mut Vec<u8>) -> Result<(), Violation> {
    let count = u16::try_from(types.len()).map_err(|_| malformed("Parse"))?;
    put(out, b'P', |out| {
        put_cstr(out, name);
        put_cstr(out, sql);
        out.extend_from_slice(&count.to_be_bytes());
        types.iter().for_each(|oid| out.extend_from_slice(&oid.to_be_bytes()));
    })
}

/// Appends a Parse with this text and no parameter types.
pub(crate) fn put_parse(name: &[u8], sql: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'P', |out| {
        put_cstr(out, name);
        put_cstr(out, sql);
        out.extend_from_slice(&[0, 0]);
    })
}

/// Appends a Query.
pub(crate) fn put_query(sql: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'Q', |out| put_cstr(out, sql))
}

/// A Bind.
#[derive(Debug)]
pub(crate) struct Bind<'a> {
    /// Name of the portal, possibly empty.
    pub(crate) portal: &'a [u8],
    /// Name of the prepared statement, possibly empty.
    pub(crate) statement: &'a [u8],
    /// Format codes of the parameters: none, one for all, or one each.
    pub(crate) param_formats: Formats,
    /// The parameters' values.
    pub(crate) params: Vec<Option<&'a [u8]>>,
    /// Format codes of the result's columns.
    pub(crate) result_formats: Formats,
    /// Everything after the names.
    rest: &'a [u8],
}

/// Format codes as Bind gives them: none (all text), one for all, or one each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats(pub(crate) Vec<bool>);

impl Formats {
    /// Whether the value at `index` is binary.
    pub(crate) fn binary(&self, index: usize) -> bool {
        match self.0.as_slice() {
            [all] => *all,
            each => each.get(index).copied().unwrap_or(false),
        }
    }
}

fn formats(cursor: &mut Cursor<'_>) -> Result<Formats, Violation> {
    let bad = |_| malformed("Bind");
    let count = cursor.u16_be().map_err(bad)?;
    let codes = cursor.take(usize::from(count).saturating_mul(2)).map_err(bad)?;
    let (pairs, _) = codes.as_chunks();
    let one = |code: &[u8; 2]| match u16::from_be_bytes(*code) {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Violation(format!("a Bind message asks for format {other}, which does not exist"))),
    };
    pairs.iter().map(one).collect::<Result<_, _>>().map(Formats)
}

/// Decodes a Bind.
pub(crate) fn bind(body: &[u8]) -> Result<Bind<'_>, Violation> {
    let bad = |_| malformed("Bind");
    let mut cursor = Cursor::new(body);
    let portal = cursor.cstr().map_err(bad)?;
    let statement = cursor.cstr().map_err(bad)?;
    let rest = cursor.rest();
    let param_formats = formats(&mut cursor)?;
    let count = cursor.u16_be().map_err(bad)?;
    let mut params = Vec::with_capacity(usize::from(count).min(cursor.rest().len() / 4));
    for _ in 0..count {
        let length = cursor.i32_be().map_err(bad)?;
        params.push(match usize::try_from(length) {
            Ok(length) => Some(cursor.take(length).map_err(bad)?),
            Err(_) if length == -1 => None,
            Err(_) => return Err(malformed("Bind")),
        });
    }
    let result_formats = formats(&mut cursor)?;
    if !cursor.is_empty() {
        return Err(malformed("Bind"));
    }
    Ok(Bind { portal, statement, param_formats, params, result_formats, rest })
}

impl Bind<'_> {
    /// Appends the message under other names.
    pub(crate) fn put_as(&self, portal: &[u8], statement: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
        put(out, b'B', |out| {
            put_cstr(out, portal);
            put_cstr(out, statement);
            out.extend_from_slice(self.rest);
        })
    }
}

/// Appends a Bind without parameters, all results in text.
pub(crate) fn put_bind(portal: &[u8], statement: &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'B', |out| {
        put_cstr(out, portal);
        put_cstr(out, statement);
        out.extend_from_slice(&[0; 6]);
    })
}

/// What a Describe or Close is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// A prepared statement.
    Statement(&'a [u8]),
    /// A portal.
    Portal(&'a [u8]),
}

/// Decodes the body of a Describe or Close.
pub(crate) fn target(body: &[u8]) -> Result<Target<'_>, Violation> {
    let mut cursor = Cursor::new(body);
    let kind = cursor.u8().map_err(|_| malformed("Describe or Close"))?;
    let name = cursor.cstr().map_err(|_| malformed("Describe or Close"))?;
    match kind {
        b'S' if cursor.is_empty() => Ok(Target::Statement(name)),
        b'P' if cursor.is_empty() => Ok(Target::Portal(name)),
        _ => Err(malformed("Describe or Close")),
    }
}

/// Appends a Describe (`D`) or Close (`C`).
pub(crate) fn put_target(tag: u8, target: Target<'_>, out: &mut Vec<u8>) -> Result<(), Violation> {
    let (kind, name) = match target {
        Target::Statement(name) => (b'S', name),
        Target::Portal(name) => (b'P', name),
    };
    put(out, tag, |out| {
        out.push(kind);
        put_cstr(out, name);
    })
}

/// The portal of an Execute, and the most rows wanted (0: all).
pub(crate) fn execute(body: &[u8]) -> Result<(&[u8], i32), Violation> {
    let mut cursor = Cursor::new(body);
    let portal = cursor.cstr().map_err(|_| malformed("Execute"))?;
    let rows = cursor.i32_be().map_err(|_| malformed("Execute"))?;
    if cursor.is_empty() { Ok((portal, rows)) } else { Err(malformed("Execute")) }
}

/// Appends an Execute.
pub(crate) fn put_execute(portal: &[u8], rows: i32, out: &mut Vec<u8>) -> Result<(), Violation> {
    put(out, b'E', |out| {
        put_cstr(out, portal);
        out.extend_from_slice(&rows.to_be_bytes());
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_all_of_its_text() {
        assert_eq!(query(b"SELECT 1\0").ok(), Some(&b"SELECT 1"[..]));
        assert!(query(b"SELECT 1").is_err());
        assert!(query(b"SELECT 1\0; DROP TABLE t\0").is_err(), "text hidden behind the NUL");
    }

    #[test]
    fn parse_round_trip() {
        let body = b"s1\0SELECT $1\0\0\x01\0\0\0\x17";
        let parsed = parse(body).unwrap();
        assert_eq!((parsed.name, parsed.sql, parsed.types.as_slice()), (&b"s1"[..], &b"SELECT $1"[..], &[23][..]));
        let mut out = Vec::new();
        parsed.put_as(b"other", &mut out).unwrap();
        assert_eq!(out, b"P\0\0\0\x1aother\0SELECT $1\0\0\x01\0\0\0\x17");
        for cut in 0..body.len() {
            assert!(parse(&body[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn bind_round_trip() {
        let body = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02hi\xff\xff\xff\xff\0\x02\0\0\0\x01";
        let bound = bind(body).unwrap();
        assert_eq!(bound.params, [Some(&b"hi"[..]), None]);
        assert!(bound.param_formats.binary(0) && bound.param_formats.binary(1), "one code is for all");
        assert!(!bound.result_formats.binary(0) && bound.result_formats.binary(1) && !bound.result_formats.binary(2));
        let mut out = Vec::new();
        bound.put_as(b"p", b"s", &mut out).unwrap();
        assert_eq!(&out[5..], body);
        for cut in 0..body.len() {
            assert!(bind(&body[..cut]).is_err(), "cut at {cut}");
        }
        assert!(bind(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0").is_err(), "a length below -1");
        assert!(bind(b"\0\0\0\x01\0\x02\0\0\0\0").is_err(), "a format that does not exist");
        assert!(bind(b"\0\0\0\0\xff\xff").is_err(), "65535 parameters that are not there");
    }

    #[test]
    fn targets_and_execute() {
        assert_eq!(target(b"Ss1\0").ok(), Some(Target::Statement(b"s1")));
        assert_eq!(target(b"P\0").ok(), Some(Target::Portal(b"")));
        assert!(target(b"X\0").is_err());
        assert!(target(b"Ss1").is_err());
        assert_eq!(execute(b"p\0\0\0\0\x05").ok(), Some((&b"p"[..], 5)));
        assert!(execute(b"p\0\0\0\0").is_err());
        let mut out = Vec::new();
        put_target(b'D', Target::Portal(b"p"), &mut out).unwrap();
        put_execute(b"p", 5, &mut out).unwrap();
        assert_eq!(out, b"D\0\0\0\x07Pp\0E\0\0\0\x0ap\0\0\0\0\x05");
    }
}
