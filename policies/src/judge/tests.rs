//! Verdicts, by what a statement does: what passes, what is masked, what is held, what is refused and how it is said.

use crate::tests::{bare, column, derived, facts, identity, judge, part, policy, question, select};
use crate::{Names, Policy};
use model::{
    BoundColumn, Call, Decision, Kin, Lineage, MaskSpec, Opaque, OutputColumn, OutputPlan, Outputs, Part, PredicateUse,
    RefusalKind, Timestamp, Usage, Verb, Verdict, WriteFlow,
};

const RULES: &str = r#"
[[mask]]
name = "ssn"
columns = ["*.*.patients.ssn"]
with = { token = { domain = "ssn", keep_format = true } }
classification = "direct"

[[mask]]
name = "mrn"
columns = ["*.*.*.mrn"]
with = { token = { domain = "mrn" } }
unless = [{ groups = ["clinicians"] }]

[[mask]]
name = "birth"
columns = ["*.*.patients.dob"]
with = "year"
predicates = "any"
"#;

fn rules() -> Policy {
    policy(RULES)
}

fn with(more: &str) -> Policy {
    policy(&format!("{RULES}{more}"))
}

fn unknown(reason: &str) -> OutputColumn {
    OutputColumn { name: None, lineage: Lineage::Unknown(reason.to_owned()) }
}

fn masks(verdict: &Verdict) -> Vec<Option<String>> {
    let Some(OutputPlan::Columns(columns)) = verdict.outputs.first() else { panic!("{:?}", verdict.outputs) };
    let name = |spec: &MaskSpec| match spec {
        MaskSpec::Redact => "redact".to_owned(),
        MaskSpec::Keep => "keep".to_owned(),
        MaskSpec::Year => "year".to_owned(),
        MaskSpec::Token { domain, .. } => format!("token {domain}"),
        other => format!("{other:?}"),
    };
    columns.iter().map(|column| column.mask.as_ref().map(name)).collect()
}

fn refused(verdict: &Verdict) -> (RefusalKind, String) {
    match &verdict.decision {
        Decision::Deny(refusal) => (refusal.kind, refusal.to_string()),
        other => panic!("{other:?}"),
    }
}

fn using(path: &str, usage: Usage) -> Part {
    let mut part = select(&["patients"], vec![bare("patients.id")]);
    part.predicates.push(PredicateUse { column: column(path), usage });
    part
}

#[test]
fn what_touches_nothing_protected_passes_untouched() {
    let verdict = judge(&rules(), &[], vec![select(&["wards"], vec![bare("wards.name"), unknown("a function")])]);
    assert_eq!(verdict.decision, Decision::Allow);
    assert_eq!(verdict.outputs, [OutputPlan::Untouched]);
    assert!(!verdict.guard_messages);
    assert_eq!(verdict.policy, rules().version());
}

#[test]
fn bare_columns_get_their_transform_and_the_rest_of_the_row_passes() {
    let columns = vec![bare("patients.id"), bare("patients.ssn"), bare("patients.dob"), bare("patients.mrn")];
    let verdict = judge(&rules(), &[], vec![select(&["patients"], columns.clone())]);
    let expected = [None, Some("token ssn"), Some("year"), Some("token mrn")].map(|mask| mask.map(str::to_owned));
    assert_eq!(masks(&verdict), expected);
    assert!(verdict.guard_messages);
    let exempt = judge(&rules(), &["clinicians"], vec![select(&["patients"], columns)]);
    assert_eq!(masks(&exempt).last(), Some(&Some("keep".to_owned())), "the exemption is in the record");
}

#[test]
fn the_record_of_an_exempt_identity_is_planned_as_if_it_were_not() {
    let recorded = |groups: &[&str], part: Part| judge(&rules(), groups, vec![part]).recorded;
    let columns = || vec![bare("patients.id"), bare("patients.mrn"), derived(&["patients.mrn"])];
    let plan = recorded(&["clinicians"], select(&["patients"], columns()));
    let Some(OutputPlan::Columns(columns_)) = plan.first() else { panic!("{plan:?}") };
    let masks: Vec<_> = columns_.iter().map(|column| column.mask.as_ref()).collect();
    assert!(matches!(masks[..], [None, Some(MaskSpec::Token { .. }), Some(MaskSpec::Redact)]), "{masks:?}");
    assert_eq!(recorded(&["staff"], select(&["patients"], columns())), [], "the client gets the same");
    assert_eq!(recorded(&["clinicians"], select(&["wards"], vec![bare("wards.name")])), [], "nothing is exempted here");
    // What the client gets whole, since nothing in it is hidden from them, may hold anything.
    let unknown = part(Verb::Select, &["claims"], Outputs::Unknown("EXECUTE".to_owned()));
    assert!(matches!(&recorded(&["clinicians"], unknown)[..], [OutputPlan::RedactAll(_)]));
}

#[test]
fn what_is_computed_from_a_protected_column_is_redacted() {
    let columns = vec![derived(&["patients.id"]), derived(&["patients.id", "patients.ssn"]), derived(&[])];
    let verdict = judge(&rules(), &[], vec![select(&["patients"], columns)]);
    assert_eq!(masks(&verdict), [None, Some("redact".to_owned()), None]);
    let exempt = judge(&rules(), &["clinicians"], vec![select(&["claims"], vec![derived(&["claims.mrn"])])]);
    assert_eq!(masks(&exempt), [Some("keep".to_owned())]);
}

#[test]
fn unproven_columns_are_redacted_where_something_is_protected() {
    let verdict = judge(&rules(), &[], vec![select(&["patients"], vec![unknown("a cast"), bare("patients.id")])]);
    assert_eq!(masks(&verdict), [Some("redact".to_owned()), None]);
    let verdict = judge(&rules(), &[], vec![part(Verb::Select, &["patients"], Outputs::Unknown("EXECUTE".to_owned()))]);
    assert!(matches!(&verdict.outputs[..], [OutputPlan::RedactAll(reason)] if reason.contains("public.patients")));
    // A table that the catalog does not know is protected if any pattern could match one of its columns.
    let verdict = judge(&rules(), &[], vec![select(&["mystery"], vec![unknown("no catalog")])]);
    assert_eq!(masks(&verdict), [Some("redact".to_owned())]);
}

#[test]
fn what_protects_a_view_column_protects_the_column_it_shows() {
    let mut shown = select(&["wards"], vec![bare("wards.name")]);
    shown.kin.push(Kin { column: column("wards.name"), also: column("patients.ssn") });
    assert_eq!(masks(&judge(&rules(), &[], vec![shown])), [Some("token ssn".to_owned())]);
}

#[test]
fn a_statement_without_rows_may_not_return_any() {
    let verdict = judge(&rules(), &[], vec![part(Verb::Update, &["patients"], Outputs::None)]);
    assert_eq!(verdict.outputs, [OutputPlan::Columns(Vec::new())]);
}

#[test]
fn equality_passes_and_everything_that_tells_more_does_not() {
    let decide = |usage| judge(&rules(), &[], vec![using("patients.ssn", usage)]);
    assert_eq!(decide(Usage::Equality).decision, Decision::Allow);
    for (usage, words) in [
        (Usage::Comparison, "filters by more than equality on public.patients.ssn"),
        (Usage::Order, "orders by public.patients.ssn"),
        (Usage::Group, "groups by public.patients.ssn"),
        (Usage::Join, "joins on public.patients.ssn"),
    ] {
        let mut part = using("patients.ssn", usage);
        if usage == Usage::Join {
            part.predicates.push(PredicateUse { column: column("patients.id"), usage });
        }
        let (kind, text) = refused(&judge(&rules(), &[], vec![part]));
        assert_eq!(kind, RefusalKind::Denied);
        assert!(
            text.contains(words) && text.contains("rule \"ssn\" protects") && text.contains("compared with ="),
            "{text}"
        );
    }
    assert_eq!(judge(&rules(), &[], vec![using("patients.dob", Usage::Order)]).decision, Decision::Allow, "any");
    let clinician = judge(&rules(), &["clinicians"], vec![using("patients.mrn", Usage::Comparison)]);
    assert_eq!(clinician.decision, Decision::Allow, "it is not hidden from them");
}

#[test]
fn joins_pass_within_a_token_domain() {
    let join = |columns: &[&str]| {
        let mut part = select(&["patients", "claims"], vec![bare("claims.amount")]);
        part.predicates =
            columns.iter().map(|path| PredicateUse { column: column(path), usage: Usage::Join }).collect();
        judge(&rules(), &[], vec![part]).decision
    };
    assert_eq!(join(&["patients.mrn", "claims.mrn"]), Decision::Allow);
    for columns in [&["patients.mrn", "claims.id"][..], &["patients.mrn", "patients.ssn"], &["patients.mrn"]] {
        assert!(matches!(join(columns), Decision::Deny(_)), "{columns:?}");
    }
    assert_eq!(join(&["patients.id", "claims.id"]), Decision::Allow, "nothing protected is joined");
}

#[test]
fn predicates_can_be_forbidden_or_held() {
    let strict = policy(&RULES.replace("classification = \"direct\"", "predicates = \"deny\""));
    let (_, text) = refused(&judge(&strict, &[], vec![using("patients.ssn", Usage::Equality)]));
    assert!(text.contains("compares public.patients.ssn") && text.contains("the rule allows none"), "{text}");
    let held = RULES.replace("classification = \"direct\"", "predicates = \"approve\"");
    let (kind, text) = refused(&judge(&policy(&held), &[], vec![using("patients.ssn", Usage::Order)]));
    assert_eq!(kind, RefusalKind::NeedsApproval);
    assert!(text.contains("names no approvers"), "{text}");
    let approve =
        "[[approve]]\nname = \"bulk\"\nwhen = { verbs = [\"copy-out\"] }\napprovers = { groups = [\"privacy\"] }";
    match judge(&policy(&format!("{held}{approve}")), &[], vec![using("patients.ssn", Usage::Order)]).decision {
        Decision::Hold(need) => {
            assert_eq!((need.rule.as_str(), need.approver_groups), ("ssn", vec!["privacy".to_owned()]))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn protected_data_may_not_be_stored_unprotected() {
    let write = |target: Option<&str>, groups: &[&str]| {
        let mut part = part(Verb::Insert, &["wards", "patients"], Outputs::None);
        part.writes.push(WriteFlow { target: target.map(column), sources: vec![column("patients.mrn")] });
        judge(&rules(), groups, vec![part])
    };
    let (kind, text) = refused(&write(Some("wards.name"), &[]));
    assert_eq!(kind, RefusalKind::Denied);
    assert!(
        text.contains("would copy public.patients.mrn") && text.contains("public.wards.name, where it is not masked")
    );
    assert!(matches!(write(Some("wards.name"), &["clinicians"]).decision, Decision::Deny(_)), "others would read it");
    assert!(refused(&write(None, &[])).1.contains("a variable, file or object"));
    assert!(refused(&write(Some("patients.dob"), &[])).1.contains("where it is masked less"), "a year is not a token");
    assert_eq!(write(Some("claims.mrn"), &[]).decision, Decision::Allow);
    assert_eq!(write(Some("patients.ssn"), &[]).decision, Decision::Allow, "another token, and no exemption");
}

#[test]
fn opaque_constructs_are_redacted_or_refused() {
    let opaque = |verb, call: Option<bool>| {
        let mut part = part(verb, &[], Outputs::Unknown("unknown".to_owned()));
        part.opaque.push(Opaque { what: "function query_to_xml".to_owned(), reaches_data: true });
        part.calls.extend(call.map(|pure| Call { name: "query_to_xml".to_owned(), pure }));
        part
    };
    let verdict = judge(&rules(), &[], vec![opaque(Verb::Select, None)]);
    assert_eq!(verdict.decision, Decision::Allow);
    assert!(matches!(verdict.outputs[..], [OutputPlan::RedactAll(_)]));
    for part in [opaque(Verb::Select, Some(false)), opaque(Verb::Call, None), opaque(Verb::Insert, None)] {
        let (kind, text) = refused(&judge(&rules(), &[], vec![part]));
        assert_eq!(kind, RefusalKind::NotUnderstood);
        assert!(text.contains("cannot tell what function query_to_xml reaches"), "{text}");
    }
    let unprotected = policy("[[mask]]\nname = \"x\"\ncolumns = [\"other.*.*.x\"]\nwith = \"null\"");
    let verdict = judge(&unprotected, &[], vec![opaque(Verb::Call, None)]);
    assert_eq!((verdict.decision, &verdict.outputs[..]), (Decision::Allow, &[OutputPlan::Untouched][..]));
    let mut other = part(Verb::Other, &[], Outputs::None);
    assert!(matches!(judge(&rules(), &[], vec![other.clone()]).decision, Decision::Deny(_)), "whatever it is");
    other.verb = Verb::Empty;
    assert_eq!(judge(&rules(), &[], vec![other]).decision, Decision::Allow);
}

#[test]
fn copy_needs_proven_columns() {
    let copy = |outputs| judge(&rules(), &[], vec![part(Verb::CopyOut, &["patients"], outputs)]);
    let verdict = copy(Outputs::Known(vec![bare("patients.id"), bare("patients.ssn")]));
    assert_eq!(verdict.decision, Decision::Allow);
    assert_eq!(masks(&verdict), [None, Some("token ssn".to_owned())]);
    for outputs in [Outputs::Unknown("a rule".to_owned()), Outputs::Known(vec![unknown("a rule")])] {
        let (_, text) = refused(&copy(outputs));
        assert!(text.contains("could not be worked out: a rule") && text.contains("COPY (SELECT"), "{text}");
    }
}

#[test]
fn unparsed_text_passes_only_where_nobody_could_mind() {
    let who = identity("agent", &["ci-agents"]);
    let mut facts = facts(vec![]);
    facts.unparsed = Some("syntax error at \"SELEC\"".to_owned());
    let verdict = rules().judge(&question(&who, &facts));
    let (kind, text) = refused(&verdict);
    assert_eq!(kind, RefusalKind::NotUnderstood);
    assert!(text.contains("syntax error at \"SELEC\"") && text.contains("check its syntax"), "{text}");
    assert!(verdict.guard_messages);
    let denying = |groups: &str| {
        policy(&format!("[[deny]]\nname = \"no ddl\"\nwhen = {{ verbs = [\"ddl\"], groups = [\"{groups}\"] }}"))
    };
    assert!(matches!(denying("ci-agents").judge(&question(&who, &facts)).decision, Decision::Deny(_)), "it may be DDL");
    assert_eq!(denying("others").judge(&question(&who, &facts)).decision, Decision::Allow);
}

#[test]
fn deny_rules_say_their_name_and_hint() {
    let policy = with(
        r#"
[[deny]]
name = "no schema changes by agents"
when = { verbs = ["ddl"], groups = ["ci-agents"] }
hint = "open a change request"
"#,
    );
    let ddl = || vec![part(Verb::Ddl, &[], Outputs::None)];
    let verdict = judge(&policy, &["ci-agents"], ddl());
    let (kind, text) = refused(&verdict);
    assert_eq!(kind, RefusalKind::Denied);
    assert_eq!(text, "rule \"no schema changes by agents\" denies this statement (open a change request)");
    assert_eq!(verdict.rule.as_deref(), Some("no schema changes by agents"));
    assert_eq!(judge(&policy, &["dba"], ddl()).decision, Decision::Allow);
    let both = vec![select(&["wards"], vec![]), part(Verb::Ddl, &[], Outputs::None)];
    assert!(matches!(judge(&policy, &["ci-agents"], both).decision, Decision::Deny(_)), "any part counts");
}

/// Each condition by itself: a statement or moment that it speaks of, and one that it does not.
#[test]
fn conditions() {
    let matches = |when: &str, change: &dyn Fn(&mut Part, &mut crate::Question<'_>)| {
        let policy = with(&format!("[[deny]]\nname = \"d\"\nwhen = {{ {when} }}"));
        let who = identity("repo:clinic/reports", &["ci-agents"]);
        let mut part = select(&["patients"], vec![bare("patients.ssn")]);
        let empty = facts(vec![]);
        let mut asked = question(&who, &empty);
        change(&mut part, &mut asked);
        let facts = facts(vec![part]);
        asked.facts = &facts;
        policy.judge(&asked).rule.as_deref() == Some("d")
    };
    let as_it_is: &dyn Fn(&mut Part, &mut crate::Question<'_>) = &|_, _| {};
    let elsewhere: &dyn Fn(&mut Part, &mut crate::Question<'_>) =
        &|part, _| *part = select(&["wards"], vec![bare("wards.name")]);
    let opaque: &dyn Fn(&mut Part, &mut crate::Question<'_>) = &|part, _| {
        *part = select(&[], vec![]);
        part.opaque.push(Opaque { what: "function f".to_owned(), reaches_data: true });
    };
    for when in [
        "tables = [\"*.public.patients\"]",
        "columns = [\"ehr.*.*.ssn\"]",
        "classifications = [\"direct\"]",
        "protected = true",
    ] {
        assert!(matches(when, as_it_is), "{when}");
        assert!(!matches(when, elsewhere), "{when}");
        assert!(matches(when, opaque), "{when}: not escaped through a routine");
    }
    assert!(matches("columns = [\"*.*.*.ssn\"]", &|part, _| part.outputs = Outputs::Unknown(String::new())));
    assert!(matches("classifications = [\"direct\"]", &|part, _| part.outputs = Outputs::Unknown(String::new())));
    for (when, yes) in [
        ("verbs = [\"select\"]", true),
        ("verbs = [\"write\"]", false),
        ("verbs = [\"any\"]", true),
        ("subjects = [\"repo:clinic/*\"]", true),
        ("subjects = [\"repo:other/*\"]", false),
        ("issuers = [\"https://login.example.org\"]", true),
        ("datasources = [\"e*\"]", true),
        ("datasources = [\"crm\"]", false),
        ("client_app = \"^psql$\"", true),
        ("client_app = \"^pgbench\"", false),
        ("matches = \"(?i)select\\\\s+1\"", true),
        ("matches = \"delete\"", false),
        ("unfiltered = true", true),
        ("unfiltered = false", false),
        ("unlimited = true", true),
        ("days = [\"wed\"]", true),
        ("days = [\"thu\"]", false),
        ("days = [\"wed\"], utc_offset = \"-01:00\"", false),
        ("hours = \"22:00-06:00\"", true),
        ("hours = \"09:00-17:00\"", false),
        ("predicates = [\"order\"]", false),
        ("verbs = [\"select\"], groups = [\"nurses\"]", false),
    ] {
        assert_eq!(matches(when, as_it_is), yes, "{when}");
    }
    assert!(!matches("unfiltered = true", &|part, _| part.reads[0].unique = Some(100)));
    assert!(matches("unfiltered = true", &|part, _| part.reads[0].unique = Some(101)));
    assert!(!matches("unfiltered = true, at_most = 101", &|part, _| part.reads[0].unique = Some(101)));
    assert!(!matches("unfiltered = true, tables = [\"*.*.wards\"]", as_it_is), "another table's reads");
    assert!(matches("unfiltered = true, tables = [\"*.*.wards\"]", opaque), "what is not seen is not filtered");
    assert!(!matches("unlimited = true", &|part, _| part.limited = true));
    assert!(!matches("hours = \"22:00-06:00\"", &|_, asked| asked.now = Timestamp::from_unix_seconds(1_735_732_800)));
    let ordered: &dyn Fn(&mut Part, &mut crate::Question<'_>) = &|part, _| {
        part.predicates.push(PredicateUse { column: column("patients.ssn"), usage: Usage::Equality });
    };
    assert!(matches("predicates = [\"equality\"]", ordered));
    assert!(!matches("predicates = [\"order\"]", ordered));
}

#[test]
fn filters_are_what_the_rule_names() {
    let bound = |column: &str, values| BoundColumn { column: column.to_owned(), values };
    let unfiltered = |when: &str, columns: &[(&str, u32)]| {
        let policy = with(&format!("[[deny]]\nname = \"d\"\nwhen = {{ unfiltered = true, {when} }}"));
        let mut read = select(&["claims"], vec![bare("claims.amount")]);
        read.reads[0].bound = columns.iter().map(|(column, values)| bound(column, *values)).collect();
        matches!(judge(&policy, &[], vec![read]).decision, Decision::Deny(_))
    };
    let by_patient = "filter_by = [\"*.*.claims.patient_id\"]";
    assert!(unfiltered(by_patient, &[]));
    assert!(unfiltered(by_patient, &[("id", 1)]));
    assert!(!unfiltered(by_patient, &[("id", 5_000), ("patient_id", 100)]));
    assert!(unfiltered(by_patient, &[("patient_id", 101)]));
    assert!(unfiltered(&format!("{by_patient}, at_most = 5"), &[("patient_id", 6)]));
    assert!(unfiltered("filter_by = [\"*.*.wards.patient_id\"]", &[("patient_id", 1)]), "another table's column");
}

#[test]
fn what_is_done_within_counts_and_how_tables_are_used() {
    let denied = |when: &str, part: Part| {
        let policy = with(&format!("[[deny]]\nname = \"d\"\nwhen = {{ {when} }}"));
        matches!(judge(&policy, &[], vec![part]).decision, Decision::Deny(_))
    };
    let explained = || Part {
        verbs: vec![Verb::Explain, Verb::Delete],
        ..part(Verb::Explain, &["claims"], Outputs::Known(Vec::new()))
    };
    for (when, yes) in [
        ("verbs = [\"delete\"]", true),
        ("verbs = [\"write\"]", true),
        ("verbs = [\"explain\"]", true),
        ("verbs = [\"ddl\"]", false),
        ("writes = [\"*.*.claims\"]", true),
        ("reads = [\"*.*.claims\"]", false),
        ("writes = [\"*.*.wards\"]", false),
    ] {
        assert_eq!(denied(when, explained()), yes, "{when}");
    }
    assert!(denied("reads = [\"*.*.claims\"]", select(&["claims"], vec![bare("claims.amount")])));
    assert!(!denied("writes = [\"*.*.claims\"]", select(&["claims"], vec![bare("claims.amount")])));
}

#[test]
fn a_comment_between_words_hides_nothing() {
    let policy = with("[[deny]]\nname = \"d\"\nwhen = { matches = '(?i)from\\s+claims' }");
    let who = identity("agent", &[]);
    let mut facts = facts(vec![select(&["claims"], vec![bare("claims.amount")])]);
    facts.normalized = "SELECT amount FROM claims".to_owned();
    let asked = crate::Question { sql: b"SELECT amount FROM/**/claims", ..question(&who, &facts) };
    assert!(matches!(policy.judge(&asked).decision, Decision::Deny(_)));
}

#[test]
fn approvals_hold_and_refusals_come_first() {
    let policy = with(
        r#"
[[approve]]
name = "any history"
when = { tables = ["*.*.claims"] }
approvers = { groups = ["privacy-office"] }

[[approve]]
name = "full patient history"
when = { tables = ["*.*.claims"], verbs = ["select"], unfiltered = true }
unless = [{ groups = ["auditors"] }]
approvers = { groups = ["privacy-office", "chief"], count = 2 }
valid_for = "2h"
window = true
escalation = { after = "10m", groups = ["security"] }
"#,
    );
    let whole = || vec![select(&["claims"], vec![bare("claims.amount")])];
    match judge(&policy, &[], whole()).decision {
        Decision::Hold(need) => {
            assert_eq!((need.rule.as_str(), need.count, need.valid_for_seconds), ("full patient history", 2, 7_200));
            assert_eq!(need.approver_groups, ["privacy-office", "chief"]);
            assert!(need.window && !need.break_glass);
            assert_eq!(need.escalation.map(|to| to.after_seconds), Some(600));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(judge(&policy, &["auditors"], whole()).rule.as_deref(), Some("any history"));
    let mut ordered = whole();
    ordered[0].predicates.push(PredicateUse { column: column("claims.mrn"), usage: Usage::Order });
    assert!(matches!(judge(&policy, &[], ordered).decision, Decision::Deny(_)), "nobody can approve what is forbidden");
}

#[test]
fn estimates_are_asked_for_only_where_they_decide() {
    let policy = with(
        "[[approve]]\nname = \"bulk\"\nwhen = { tables = [\"*.*.claims\"], rows_over = 1000 }\napprovers = { groups = [\"p\"] }",
    );
    let who = identity("agent", &[]);
    let (large, other) = (facts(vec![select(&["claims"], vec![])]), facts(vec![select(&["wards"], vec![])]));
    assert!(policy.wants_estimate(&question(&who, &large)));
    assert!(!policy.wants_estimate(&question(&who, &other)));
    let decide = |rows| policy.judge(&crate::Question { estimated_rows: rows, ..question(&who, &large) }).decision;
    assert_eq!(decide(Some(1000)), Decision::Allow);
    assert!(matches!(decide(Some(1001)), Decision::Hold(_)));
    assert!(matches!(decide(None), Decision::Hold(_)), "unknown counts as too many");
}

#[test]
fn names_compare_as_the_engine_compares_them() {
    let policy = policy("[[mask]]\nname = \"n\"\ncolumns = [\"*.*.PATIENTS.Ssn\"]\nwith = \"redact\"");
    let who = identity("agent", &[]);
    let facts = facts(vec![select(&["patients"], vec![bare("patients.ssn")])]);
    let decide = |names| policy.judge(&crate::Question { names, ..question(&who, &facts) });
    assert_eq!(decide(Names::Exact).outputs, [OutputPlan::Untouched]);
    assert_eq!(masks(&decide(Names::Folded)), [Some("redact".to_owned())]);
}

#[test]
fn people_of_one_class_get_one_verdict() {
    let policy = with("[[deny]]\nname = \"d\"\nwhen = { groups = [\"ci-*\"], client_app = \"^psql\" }");
    let class = |groups: &[&str], app| policy.identity_class(&identity("someone", groups), app);
    assert_eq!(class(&["ci-agents"], "psql"), class(&["ci-runners", "staff"], "psql 17"));
    assert_ne!(class(&["ci-agents"], "psql"), class(&["staff"], "psql"));
    assert_ne!(class(&["ci-agents"], "psql"), class(&["ci-agents"], "jdbc"));
    assert_ne!(class(&["clinicians"], "psql"), class(&["staff"], "psql"));
}
