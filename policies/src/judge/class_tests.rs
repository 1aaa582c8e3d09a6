//! Classes: which uses of a protected column leave a statement to the wire, which send it to the source, which refuse it.

use crate::tests::{bare, column, derived, judge, part, policy, select};
use model::{
    Access, Class, ColumnUse, ColumnUses, Compared, Decision, Lineage, OutputColumn, OutputPlan, Outputs, Part,
    Placement, SourceColumn, SourceUse, TableRef, UseContext, Verb, Verdict, WriteFlow,
};

const RULES: &str = r#"
[[mask]]
name = "ssn"
columns = ["*.*.patients.ssn", "*.*.claims.ssn"]
with = { token = { domain = "ssn" } }

[[mask]]
name = "name"
columns = ["*.*.patients.full_name"]
with = "redact"
predicates = "deny"

[[mask]]
name = "birth"
columns = ["*.*.patients.dob"]
with = "year"
predicates = "approve"

[[approve]]
name = "bulk"
when = { verbs = ["copy-out"] }
approvers = { groups = ["privacy"] }
"#;

fn source(table: &str, placement: Placement) -> SourceUse {
    let one = |name: &&str| SourceColumn {
        name: (*name).to_owned(),
        type_name: if *name == "id" { "integer".to_owned() } else { "text".to_owned() },
        nullable: true,
        same: vec![column(&format!("{table}.{name}"))],
        computed_from: Vec::new(),
        unknown: false,
    };
    let columns: &[&str] = match table {
        "patients" => &["id", "ssn", "full_name", "dob"],
        _ => &["id", "ssn"],
    };
    let name = TableRef { schema: "public".to_owned(), table: table.to_owned() };
    SourceUse { table: name, placement, alias: table.to_owned(), columns: columns.iter().map(one).collect() }
}

fn used(name: &str, context: UseContext) -> ColumnUse {
    let (qualifier, name) = match name.split_once('.') {
        Some((qualifier, name)) => (Some(qualifier.to_owned()), name),
        None => (None, name),
    };
    ColumnUse { qualifier, name: Some(name.to_owned()).filter(|name| name != "*"), context }
}

fn reading(uses: Vec<ColumnUse>) -> Part {
    let mut part = select(&["patients"], vec![bare("patients.id")]);
    part.sources.push(source("patients", Placement::From));
    part.uses = Some(ColumnUses { uses, ..ColumnUses::default() });
    part
}

fn class(parts: Vec<Part>) -> Verdict {
    judge(&policy(RULES), &[], parts)
}

fn of(uses: Vec<ColumnUse>) -> &'static str {
    let verdict = class(vec![reading(uses)]);
    assert_eq!(verdict.decision, Decision::Allow);
    match verdict.class {
        Class::Untouched => "untouched",
        Class::Wire => "wire",
        Class::AtSource(_) => "source",
    }
}

fn other() -> UseContext {
    UseContext::Other("a cast".to_owned())
}

#[test]
fn the_wire_takes_what_its_grammar_and_the_rule_allow() {
    use UseContext::{CountDistinct, Distinct, Equals, Group, Join, Output};
    assert_eq!(of(vec![]), "wire");
    assert_eq!(of(vec![used("ssn", Output), used("full_name", Output), used("*", Output)]), "wire");
    assert_eq!(of(vec![used("ssn", Equals(Compared::Untyped)), used("ssn", Equals(Compared::Parameter))]), "wire");
    assert_eq!(of(vec![used("ssn", Equals(Compared::Number))]), "source", "a number is no text");
    assert_eq!(of(vec![used("full_name", Equals(Compared::Untyped))]), "source", "deny");
    assert_eq!(of(vec![used("ssn", Group), used("ssn", Distinct), used("ssn", CountDistinct)]), "wire");
    assert_eq!(of(vec![used("full_name", Group)]), "source", "constants tell nothing apart");
    assert_eq!(of(vec![used("ssn", other())]), "source");
    assert_eq!(of(vec![used("id", other())]), "wire", "not protected");
    assert_eq!(of(vec![used("*", other())]), "source", "every column is among them");
    assert_eq!(of(vec![used("patients.id", other()), used("encounters.ssn", other())]), "source", "no such alias");
    assert_eq!(of(vec![used("ssn", UseContext::Condition("ORDER BY".to_owned()))]), "source");
    assert_eq!(of(vec![used("ssn", Join(1)), used("id", Join(1))]), "source", "the other side is no token");
    assert_eq!(of(vec![used("ssn", Join(1)), used("patients.ssn", Join(1))]), "wire");
}

#[test]
fn names_are_followed_through_aliases() {
    let mut part = reading(vec![used("ssn", UseContext::Output), used("q.x", other())]);
    let uses = part.uses.as_mut().unwrap();
    uses.renamed.push((used("ssn", UseContext::Output), "w".to_owned()));
    uses.renamed.push((used("w", UseContext::Output), "x".to_owned()));
    uses.derived.push("q".to_owned());
    assert!(matches!(class(vec![part.clone()]).class, Class::AtSource(_)));
    part.uses.as_mut().unwrap().renamed.clear();
    assert_eq!(class(vec![part.clone()]).class, Class::Wire);
    part.uses.as_mut().unwrap().any.push("x".to_owned());
    assert!(matches!(class(vec![part]).class, Class::AtSource(_)), "a column list may rename any column");
}

#[test]
fn at_the_source_every_named_relation_is_masked_and_the_rows_are_not() {
    let mut part = reading(vec![used("ssn", other())]);
    part.outputs = Outputs::Known(vec![derived(&["patients.ssn"])]);
    part.sources.push(source("wards", Placement::From));
    let verdict = class(vec![part]);
    let Class::AtSource(substitution) = &verdict.class else { panic!("{verdict:?}") };
    let [patients, wards] = substitution.parts[0].as_slice() else { panic!("{substitution:?}") };
    let masks: Vec<bool> = patients.columns.iter().map(|(_, mask)| mask.is_some()).collect();
    assert_eq!(masks, [false, true, true, true]);
    assert!(wards.columns.is_empty());
    assert_eq!(substitution.columns(), ["dob", "full_name", "ssn"]);
    assert_eq!((verdict.outputs, verdict.guard_messages), (vec![OutputPlan::Untouched], false));
}

#[test]
fn what_the_lineage_cannot_tell_is_computed_over_masks() {
    let mut part = reading(vec![used("ssn", UseContext::Output)]);
    part.outputs = Outputs::Known(vec![OutputColumn { name: None, lineage: Lineage::Unknown("?".to_owned()) }]);
    assert!(matches!(class(vec![part.clone()]).class, Class::AtSource(_)));
    part.outputs = Outputs::Known(vec![derived(&["patients.ssn"])]);
    assert!(matches!(class(vec![part.clone()]).class, Class::AtSource(_)), "a merged column");
    part.uses =
        Some(ColumnUses { uses: vec![used("ssn", UseContext::Equals(Compared::Untyped))], ..ColumnUses::default() });
    let verdict = class(vec![part]);
    assert_eq!(verdict.class, Class::Wire, "EXISTS over a lookup");
    let passes = |plan: &OutputPlan| matches!(plan, OutputPlan::Columns(masks) if masks[0].mask.is_none());
    assert!(verdict.outputs.iter().all(passes), "{:?}", verdict.outputs);
}

fn refused(part: Part) -> String {
    match class(vec![part]).decision {
        Decision::Deny(refusal) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_masked_is_refused() {
    let change = |uses| {
        let mut changed = part(Verb::Update, &["patients"], Outputs::None);
        changed.sources.push(source("patients", Placement::Target));
        changed.uses = Some(ColumnUses { uses, ..ColumnUses::default() });
        changed
    };
    assert!(refused(change(vec![used("ssn", other())])).contains("reads its protected column ssn (a cast over ssn)"));
    let lookup = change(vec![used("ssn", UseContext::Equals(Compared::Untyped)), used("ssn", UseContext::Kept)]);
    assert_eq!(class(vec![lookup]).decision, Decision::Allow);
    let mut fixed = reading(vec![used("ssn", other())]);
    fixed.sources[0].placement = Placement::Fixed("HANDLER".to_owned());
    assert!(refused(fixed).contains("HANDLER reads public.patients"));
    let mut carrier = reading(vec![used("ssn", other())]);
    carrier.uses.as_mut().unwrap().carriers.push("pg_catalog.pg_stats (statistics)".to_owned());
    assert!(refused(carrier).contains("and reads pg_catalog.pg_stats"));
    let mut overwrites = reading(vec![used("ssn", other())]);
    let flow = WriteFlow { target: Some(column("claims.ssn")), sources: vec![column("patients.ssn")] };
    overwrites.writes.push(flow);
    assert!(refused(overwrites).contains("would write the mask of public.patients.ssn into public.claims.ssn"));
    let mut defines = part(Verb::Ddl, &["patients"], Outputs::None);
    defines.tables[0].access = Access::Define;
    defines.sources.push(source("patients", Placement::Named));
    defines.uses = Some(ColumnUses::default());
    assert!(refused(defines).contains("would change the definition of public.patients"));
    let mut beyond = reading(vec![]);
    beyond.verb = Verb::Insert;
    beyond.uses.as_mut().unwrap().beyond.push("routine getp".to_owned());
    assert!(refused(beyond).contains("cannot tell what routine getp reaches"));
}

#[test]
fn a_condition_may_wait_for_people_and_nothing_else_may() {
    let held = reading(vec![used("dob", UseContext::Condition("ORDER BY".to_owned()))]);
    assert!(matches!(class(vec![held]).decision, Decision::Hold(need) if need.rule == "birth"));
    assert_eq!(of(vec![used("dob", other())]), "source");
}

#[test]
fn copies_of_masks_may_be_stored() {
    let mut part = reading(vec![used("ssn", other())]);
    part.verb = Verb::Insert;
    part.writes.push(WriteFlow { target: Some(column("wards.name")), sources: vec![column("patients.ssn")] });
    let verdict = class(vec![part]);
    assert_eq!(verdict.decision, Decision::Allow);
    assert!(matches!(verdict.class, Class::AtSource(_)));
}

#[test]
fn what_distinct_compares_is_shown() {
    // `SELECT 'a' UNION SELECT ssn …`: one column, of both.
    let mut part = reading(vec![used("ssn", UseContext::Distinct)]);
    part.outputs = Outputs::Known(vec![derived(&["patients.ssn"])]);
    assert_eq!(class(vec![part.clone()]).class.as_str(), "at-source");
    // `SELECT count(DISTINCT ssn) …` shows a number.
    part.uses = Some(ColumnUses { uses: vec![used("ssn", UseContext::CountDistinct)], ..ColumnUses::default() });
    assert_eq!(class(vec![part]).class.as_str(), "wire");
}

#[test]
fn a_statement_needs_the_role_that_may_read_what_it_reads_raw() {
    let role = |groups: &[&str], parts: Vec<Part>| judge(&policy(RULES), groups, parts).role;
    assert_eq!(role(&[], vec![reading(vec![used("ssn", UseContext::Output)])]), model::Role::Wire);
    assert_eq!(role(&[], vec![reading(vec![used("full_name", other())])]), model::Role::Masked);
    assert_eq!(role(&[], vec![select(&["encounters"], vec![bare("encounters.id")])]), model::Role::Masked);
    let exempting = RULES.replacen("with = \"redact\"", "with = \"redact\"\nunless = [{ groups = [\"doctors\"] }]", 1);
    let untouched = vec![select(&["encounters"], vec![bare("encounters.id")])];
    assert_eq!(judge(&policy(&exempting), &["doctors"], untouched.clone()).role, model::Role::Wire);
    assert_eq!(judge(&policy(&exempting), &["others"], untouched).role, model::Role::Masked);
}
