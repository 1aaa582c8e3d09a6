//! stub to compile against
#![allow(missing_docs, unused)]
use model::*;
pub enum Names { Exact, Folded }
impl Clone for Names { fn clone(&self) -> Self { *self } } impl Copy for Names {}
pub trait Schema { fn columns(&self, table: &TableRef) -> Option<Vec<String>>; }
pub struct Question<'a> { pub identity: &'a Identity, pub client_app: &'a str, pub datasource: &'a str, pub names: Names, pub sql: &'a [u8], pub facts: &'a Facts, pub schema: &'a dyn Schema, pub now: Timestamp, pub estimated_rows: Option<u64> }
pub struct Policy;
#[derive(Debug)] pub struct PolicyError;
impl std::fmt::Display for PolicyError { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
#[derive(Clone, Copy)] pub enum RuleKind { Mask }
impl RuleKind { pub fn as_str(self) -> &'static str { "" } }
pub struct Rule { pub kind: RuleKind, pub name: String, pub file: String, pub line: usize, pub about: String }
impl Policy {
 pub fn parse(f: &[(String,String)]) -> Result<Self, Vec<PolicyError>> { Ok(Policy) }
 pub fn version(&self) -> PolicyVersion { PolicyVersion([0;32]) }
 pub fn canonical(&self) -> &str { "" }
 pub fn judge(&self, q: &Question<'_>) -> Verdict { Verdict { decision: Decision::Allow, rule: None, policy: self.version(), outputs: vec![], guard_messages: false } }
 pub fn looks_at_time(&self) -> bool { false } pub fn looks_at_text(&self) -> bool { false }
 pub fn protects(&self, d: &str, n: Names) -> bool { true }
 pub fn mask_of(&self, i: &Identity, d: &str, c: &ColumnRef, n: Names) -> Option<MaskSpec> { None }
 pub fn rules(&self) -> Vec<Rule> { vec![] } pub fn needs_key(&self) -> Vec<String> { vec![] }
}
pub struct Keys;
impl Keys { pub fn new(_: &[u8], _: &str) -> Self { Keys } }
pub enum CellAnswer { Keep, Null, Replaced }
#[derive(Debug)] pub struct Unmaskable;
impl std::fmt::Display for Unmaskable { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
pub struct Masker;
impl Masker { pub fn compile(_: &model::MaskSpec, _: &model::Column, _: &crate::Keys) -> Result<Self, Unmaskable> { Ok(Masker) }
 pub fn apply(&mut self, _: Option<&[u8]>, _: &mut Vec<u8>) -> CellAnswer { CellAnswer::Null } }
