//! The parser's tree with every field of every node, whatever it is: read through the parser's own `Serialize`, which is
//! derived from its definitions. A node or field that nobody here has heard of is there all the same, so a walk over this
//! tree cannot skip one.
//!
//! Fields that hold nothing (no node, an empty list or text, zero, false) are left out.

use serde::ser::{self, Serialize};
use std::fmt;

/// A value of a field.
#[derive(Debug)]
pub(super) enum Tree {
    Branch(Box<Branch>),
    List(Vec<Tree>),
    Text(String),
    Number(i64),
    Flag,
    Nothing,
}

/// A node.
#[derive(Debug)]
pub(super) struct Branch {
    /// The name of its kind in the parser's definitions.
    pub(super) kind: &'static str,
    fields: Vec<(&'static str, Tree)>,
}

/// How many nodes there are of the kinds by which data is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) relations: usize,
    pub(super) columns: usize,
    pub(super) functions: usize,
}

impl Counts {
    pub(super) fn add(&mut self, kind: &str) {
        match kind {
            "RangeVar" => self.relations += 1,
            "ColumnRef" => self.columns += 1,
            "FuncCall" => self.functions += 1,
            _ => {}
        }
    }
}

impl Tree {
    pub(super) fn branch(&self) -> Option<&Branch> {
        match self {
            Self::Branch(branch) => Some(branch),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            _ => &[],
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Nothing | Self::Number(0) => true,
            Self::List(list) => list.is_empty(),
            Self::Text(text) => text.is_empty(),
            Self::Branch(_) | Self::Number(_) | Self::Flag => false,
        }
    }
}

impl Branch {
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &Tree)> {
        self.fields.iter().map(|(name, value)| (*name, value))
    }

    pub(super) fn get(&self, field: &str) -> Option<&Tree> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    pub(super) fn branch(&self, field: &str) -> Option<&Self> {
        self.get(field)?.branch()
    }

    pub(super) fn list(&self, field: &str) -> &[Tree] {
        self.get(field).map(Tree::list).unwrap_or_default()
    }

    pub(super) fn text(&self, field: &str) -> &str {
        match self.get(field) {
            Some(Tree::Text(text)) => text,
            _ => "",
        }
    }

    pub(super) fn number(&self, field: &str) -> i64 {
        match self.get(field) {
            Some(Tree::Number(number)) => *number,
            _ => 0,
        }
    }

    pub(super) fn is_set(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// The texts of a list of `String` nodes; `None` where another node is among them.
    pub(super) fn names(&self, field: &str) -> Option<Vec<&str>> {
        let name = |tree: &'_ Tree| tree.branch().filter(|branch| branch.kind == "String").is_some();
        let list = self.list(field);
        list.iter()
            .all(name)
            .then(|| list.iter().filter_map(|tree| tree.branch().map(|branch| branch.text("sval"))).collect())
    }
}

/// Reads a statement and counts.
pub(super) fn read(statement: &pg_query::Node) -> Result<(Tree, Counts), String> {
    let mut counts = Counts::default();
    let tree = statement.serialize(Reader { counts: &mut counts }).map_err(|error| error.to_string())?;
    Ok((tree, counts))
}

/// Why a tree could not be read: never, with the parser's definitions of today.
#[derive(Debug)]
struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl ser::Error for Unreadable {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct Reader<'c> {
    counts: &'c mut Counts,
}

struct Items<'c> {
    counts: &'c mut Counts,
    items: Vec<Tree>,
}

struct Fields<'c> {
    counts: &'c mut Counts,
    kind: &'static str,
    fields: Vec<(&'static str, Tree)>,
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = Tree;
    type Error = Unreadable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unreadable> {
        self.items.push(value.serialize(Reader { counts: self.counts })?);
        Ok(())
    }

    fn end(self) -> Result<Tree, Unreadable> {
        Ok(Tree::List(self.items))
    }
}

impl ser::SerializeStruct for Fields<'_> {
    type Ok = Tree;
    type Error = Unreadable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unreadable> {
        let value = value.serialize(Reader { counts: self.counts })?;
        if !value.is_nothing() {
            self.fields.push((name, value));
        }
        Ok(())
    }

    fn end(mut self) -> Result<Tree, Unreadable> {
        // `Node` only wraps what it holds.
        if self.kind == "Node" {
            return Ok(self.fields.pop().map_or(Tree::Nothing, |(_, value)| value));
        }
        self.counts.add(self.kind);
        Ok(Tree::Branch(Box::new(Branch { kind: self.kind, fields: self.fields })))
    }
}

type Never = ser::Impossible<Tree, Unreadable>;

fn never<T>(what: &str) -> Result<T, Unreadable> {
    Err(Unreadable(format!("the parser's tree holds a {what}, which is not expected")))
}

impl<'c> ser::Serializer for Reader<'c> {
    type Ok = Tree;
    type Error = Unreadable;
    type SerializeSeq = Items<'c>;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Fields<'c>;
    type SerializeStructVariant = Never;

    fn serialize_bool(self, value: bool) -> Result<Tree, Unreadable> {
        Ok(if value { Tree::Flag } else { Tree::Nothing })
    }

    fn serialize_i8(self, value: i8) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value))
    }

    fn serialize_u8(self, value: u8) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Result<Tree, Unreadable> {
        Ok(Tree::Number(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn serialize_f32(self, _: f32) -> Result<Tree, Unreadable> {
        Ok(Tree::Flag)
    }

    fn serialize_f64(self, _: f64) -> Result<Tree, Unreadable> {
        Ok(Tree::Flag)
    }

    fn serialize_char(self, value: char) -> Result<Tree, Unreadable> {
        Ok(Tree::Text(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Result<Tree, Unreadable> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Tree, Unreadable> {
        Ok(if value.is_empty() { Tree::Nothing } else { Tree::Flag })
    }

    fn serialize_none(self) -> Result<Tree, Unreadable> {
        Ok(Tree::Nothing)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, Unreadable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree, Unreadable> {
        Ok(Tree::Nothing)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Tree, Unreadable> {
        Ok(Tree::Nothing)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Tree, Unreadable> {
        Ok(Tree::Text(name.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Tree, Unreadable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Tree, Unreadable> {
        // Which variant of a constant it is matters even where its value is the default.
        match value.serialize(self)? {
            Tree::Nothing | Tree::Number(0) => Ok(Tree::Branch(Box::new(Branch { kind: name, fields: Vec::new() }))),
            value => Ok(value),
        }
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'c>, Unreadable> {
        Ok(Items { counts: self.counts, items: Vec::with_capacity(length.unwrap_or(0)) })
    }

    fn serialize_tuple(self, _: usize) -> Result<Never, Unreadable> {
        never("tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Never, Unreadable> {
        never("tuple")
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never, Unreadable> {
        never("tuple")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Never, Unreadable> {
        never("map")
    }

    fn serialize_struct(self, kind: &'static str, fields: usize) -> Result<Fields<'c>, Unreadable> {
        Ok(Fields { counts: self.counts, kind, fields: Vec::with_capacity(fields.min(8)) })
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Never, Unreadable> {
        never("struct variant")
    }
}
