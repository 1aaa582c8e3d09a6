//! Every mistake, with the words in which its author reads it; and the canonical text.

use crate::Policy;
use crate::tests::policy;

fn errors(text: &str) -> Vec<String> {
    match Policy::parse(&[("rules.toml".to_owned(), text.to_owned())]) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// The one mistake in `text` is told in exactly these words.
#[track_caller]
fn says(text: &str, expected: &str) {
    assert_eq!(errors(text), [expected], "{text}");
}

const MASK: &str = "[[mask]]\nname = \"m\"\ncolumns = [\"*.*.t.c\"]\n";
const DENY: &str = "[[deny]]\nname = \"d\"\n";
const APPROVE: &str = "[[approve]]\nname = \"a\"\nwhen = { verbs = [\"any\"] }\n";

#[test]
fn unknown_names_come_with_the_nearest_known_one() {
    says("[[masks]]\nname = \"m\"", "rules.toml:1: masks: unknown key \"masks\"; did you mean \"mask\"?");
    says("[limits]", "rules.toml:1: limits: unknown key \"limits\"; known here: mask, detect, approve, deny");
    says(
        &format!("{MASK}with = \"redact\"\npredicate = \"any\""),
        "rules.toml:5: mask \"m\" predicate: unknown key \"predicate\"; did you mean \"predicates\"?",
    );
    says(
        &format!("{MASK}with = \"tokens\""),
        "rules.toml:4: mask \"m\" with: unknown name \"tokens\"; did you mean \"token\"?",
    );
    says(
        &format!("{MASK}with = {{ toekn = {{ domain = \"d\" }} }}"),
        "rules.toml:4: mask \"m\" with.toekn: unknown key \"toekn\"; did you mean \"token\"?",
    );
    says(
        &format!("{MASK}with = {{ token = {{ keepformat = true }} }}"),
        "rules.toml:4: mask \"m\" with.token.keepformat: unknown key \"keepformat\"; did you mean \"keep_format\"?",
    );
    says(
        &format!("{MASK}with = \"redact\"\npredicates = \"equal\""),
        "rules.toml:5: mask \"m\" predicates: unknown name \"equal\"; did you mean \"equals\"?",
    );
    says(
        &format!("{DENY}when = {{ verbs = [\"copy_out\"] }}"),
        "rules.toml:3: deny \"d\" when.verbs: unknown name \"copy_out\"; did you mean \"copy-out\"?",
    );
    says(
        &format!("{DENY}when = {{ table = [\"*.*.t\"] }}\n"),
        "rules.toml:3: deny \"d\" when.table: unknown key \"table\"; did you mean \"tables\"?",
    );
    says(
        &format!("{DENY}when = {{ days = [\"monday\"] }}"),
        "rules.toml:3: deny \"d\" when.days: unknown name \"monday\"; known here: mon, tue, wed, thu, fri, sat, sun",
    );
}

#[test]
fn patterns_of_the_wrong_length() {
    says(
        "[[mask]]\nname = \"m\"\ncolumns = [\"patients.ssn\"]\nwith = \"redact\"",
        "rules.toml:3: mask \"m\" columns: \"patients.ssn\" is not a pattern: it has 2 components where 4 are needed; \
         write datasource.schema.table.column, for example \"*.*.patients.ssn\"",
    );
    says(
        &format!("{DENY}when = {{ tables = [\"*.*.t.c\"] }}"),
        "rules.toml:3: deny \"d\" when.tables: \"*.*.t.c\" is not a pattern: it has 4 components where 3 are needed; \
         write datasource.schema.table, for example \"*.*.encounters\"",
    );
}

#[test]
fn what_a_rule_needs() {
    says(
        "[[mask]]\ncolumns = [\"*.*.t.c\"]\nwith = \"redact\"",
        "rules.toml:1: mask[0]: the rule has no name; add name = \"…\": the record and refusals show it",
    );
    says(
        "[[mask]]\nname = \"m\"\nwith = \"redact\"",
        "rules.toml:1: mask \"m\": the rule names no columns; add columns = […]: write \
         datasource.schema.table.column, for example \"*.*.patients.ssn\"",
    );
    says(
        MASK,
        "rules.toml:1: mask \"m\": the rule says not how to mask; add with = \"redact\" (or null, partial, token, year, \
         age, zip3, fake_name, hash, keep)",
    );
    says(
        DENY,
        "rules.toml:1: deny \"d\": the rule has no condition; add when = { … }; when = { verbs = [\"any\"] } means every \
         statement",
    );
    says(
        &format!("{DENY}when = {{}}"),
        "rules.toml:3: deny \"d\" when: the condition is empty; add when = { … }; when = { verbs = [\"any\"] } means every \
         statement",
    );
    says(
        APPROVE,
        "rules.toml:1: approve \"a\": the rule names no approvers; write approvers = { groups = [\"privacy-office\"], \
         count = 1 }",
    );
    says(
        &format!("{APPROVE}approvers = {{ count = 1 }}"),
        "rules.toml:4: approve \"a\" approvers: nobody may approve; write approvers = { groups = [\"privacy-office\"], \
         count = 1 }",
    );
}

#[test]
fn values_that_mean_nothing() {
    says(
        &format!("{MASK}with = {{ partial = {{ keep = 0 }} }}"),
        "rules.toml:4: mask \"m\" with.partial.keep: 0 characters cannot be kept; write a number of characters from 1 to 64",
    );
    says(
        &format!("{MASK}with = {{ token = {{ domain = 7 }} }}"),
        "rules.toml:4: mask \"m\" with.token.domain: this is of type integer; write a text in double quotes",
    );
    says(
        &format!("{MASK}with = \"redact\"\nunless = [{{}}]"),
        "rules.toml:5: mask \"m\" unless: this entry would be everybody; write unless = [{ groups = [\"…\"] }]",
    );
    says(
        "[[mask]]\nname = \"m\"\ncolumns = []\nwith = \"redact\"",
        "rules.toml:3: mask \"m\" columns: the list is empty; name at least one, or remove the key",
    );
    says(
        &format!("{APPROVE}approvers = {{ groups = [\"g\"], count = 0 }}"),
        "rules.toml:4: approve \"a\" approvers.count: 0 people cannot approve; write 1 to 100",
    );
    says(
        &format!("{APPROVE}approvers = {{ groups = [\"g\"] }}\nvalid_for = \"soon\""),
        "rules.toml:5: approve \"a\" valid_for: \"soon\" is not a duration; write a number and a unit: \"90s\", \"30m\", \
         \"8h\" or \"2d\"",
    );
    says(
        &format!("{DENY}when = {{ hours = \"9-17\" }}"),
        "rules.toml:3: deny \"d\" when.hours: \"9-17\" is not a span of hours; write from and to with two digits each, like \
         \"22:00-06:00\"",
    );
    says(
        &format!("{DENY}when = {{ verbs = [\"ddl\"], utc_offset = \"+01:00\" }}"),
        "rules.toml:3: deny \"d\" when.utc_offset: an offset alone says no time; add hours or days, or remove it",
    );
    says(
        &format!("{DENY}when = {{ matches = \"(\" }}"),
        "rules.toml:3: deny \"d\" when.matches: this is not a regular expression: unclosed group; correct the expression \
         (Rust regex syntax; single quotes spare the backslashes)",
    );
    says("[[mask]\n", "rules.toml:1: this is not TOML: unclosed array table, expected `]`; correct the syntax here");
    says("mask = 3", "rules.toml:1: mask: this is not a list of rules; begin each rule with [[mask]]");
}

/// A clinic's own file stands before a pack and takes back what the pack says of the very same columns.
#[test]
fn of_two_files_the_first_decides() {
    let own = "[[mask]]\nname = \"own\"\ncolumns = [\"*.*.t.c\"]\nwith = \"keep\"\n";
    let pack = "[[mask]]\nname = \"pack\"\ncolumns = [\"*.*.t.c\", \"*.*.t.d\"]\nwith = \"redact\"\n";
    let policy =
        Policy::parse(&[("00-own.toml".to_owned(), own.to_owned()), ("pack.toml".to_owned(), pack.to_owned())]);
    let policy = policy.unwrap();
    let again = Policy::parse(&[("canonical".to_owned(), policy.canonical().to_owned())]).unwrap();
    assert_eq!(policy.version(), again.version(), "the canonical text says each pattern once");
    assert_eq!(policy.canonical().matches("*.*.t.c").count(), 1, "{}", policy.canonical());
}

#[test]
fn contradictions() {
    says(
        &format!("{MASK}with = {{ token = {{}}, redact = {{}} }}"),
        "rules.toml:4: mask \"m\" with: a column has one transform, here are several; keep one of them",
    );
    says(
        &format!("{MASK}with = \"keep\"\nunless = [{{ groups = [\"g\"] }}]"),
        "rules.toml:1: mask \"m\" unless: keep hides nothing, so nobody can be exempt from it; remove unless, or choose a \
         transform",
    );
    says(
        &format!(
            "{MASK}with = \"redact\"\n{DENY}when = {{ verbs = [\"ddl\"] }}\n[[mask]]\nname = \"d\"\ncolumns = [\"*.*.t.x\"]\nwith = \"null\""
        ),
        "rules.toml:5: rule \"d\": rules.toml:8 has a rule of the same name; give one of them another name: the record tells \
         rules apart by it",
    );
    says(
        &format!("{MASK}with = \"redact\"\n[[mask]]\nname = \"n\"\ncolumns = [\"*.*.t.c\"]\nwith = \"null\""),
        "rules.toml:5: rule \"n\": *.*.t.c is already masked by rule \"m\" (rules.toml:1) in another way; remove it from one \
         of the two rules",
    );
}

#[test]
fn all_mistakes_are_told_at_once_and_no_file_is_a_mistake() {
    let broken = "[[mask]]\nname = \"m\"\ncolumns = [\"a.b\", \"c\"]\nwith = \"x\"\nunles = []";
    assert_eq!(errors(broken).len(), 4, "{:#?}", errors(broken));
    let none = Policy::parse(&[]).map(|policy| policy.version()).map_err(|errors| errors[0].to_string());
    let expected =
        "policies: there is no policy file; put at least one *.toml into the folder; an empty one protects nothing";
    assert_eq!(none, Err(expected.to_owned()));
}

const GOLDEN: &str = r#"[[mask]]
name = "ssn"
columns = ["*.*.patients.ssn", "*.*.\"odd.table\".ssn"]
with = { token = { domain = "ssn", keep_format = true } }
unless = [{ groups = ["treating-clinicians"] }, { subjects = ["svc:*"], issuers = ["https://i"] }]
predicates = "deny"
classification = "direct"

[[mask]]
name = "phone"
columns = ["*.*.*.phone"]
with = { partial = { keep = 4 } }

[[deny]]
name = "no ddl"
when = { verbs = ["ddl"], groups = ["ci-agents"] }
hint = "ask \"ops\""

[[approve]]
name = "history"
when = { tables = ["*.*.encounters"], predicates = ["order"], unfiltered = true, matches = "(?i)from\\s+x", hours = "22:00-06:00", days = ["sat", "sun"], utc_offset = "-05:00", rows_over = 1000 }
approvers = { groups = ["privacy-office"], count = 2 }
valid_for = "1800s"
window = true
break_glass = true
escalation = { after = "600s", groups = ["security"] }
"#;

#[test]
fn the_canonical_text_is_a_policy_of_the_same_version() {
    let written = r#"
# Comments, order and layout do not count.
[[approve]]
approvers = { count = 2, groups = "privacy-office" }
window = true
name = "history"
break_glass = true
escalation = { groups = ["security"], after = "10m" }
when = { rows_over = 1_000, unfiltered = true, tables = ["*.*.encounters"], predicates = ["order"], matches = '(?i)from\s+x', utc_offset = "-05:00", hours = "22:00-06:00", days = ["sun", "sat"] }

[[mask]]
name = "ssn"
columns = ["*.*.patients.ssn", '*.*."odd.table".ssn']
with.token = { keep_format = true, domain = "ssn" }
unless = [{ groups = ["treating-clinicians"] }, { issuers = ["https://i"], subjects = ["svc:*"] }]
classification = "direct"
predicates = "deny"

[[deny]]
name = "no ddl"
hint = 'ask "ops"'
when = { groups = ["ci-agents"], verbs = ["ddl"] }

[[mask]]
name = "phone"
columns = "*.*.*.phone"
with = "partial"
predicates = "equals"
"#;
    let first = policy(written);
    assert_eq!(first.canonical(), GOLDEN);
    // printf the golden text into sha256sum to see the same.
    assert_eq!(first.version().to_string(), "d7a338d2c5c839aaf0e9366aaed2dd00a62b9cd585de132e6e5bdf95df5867f0");
    let again = policy(first.canonical());
    assert_eq!((again.canonical(), again.version()), (first.canonical(), first.version()));
}

#[test]
fn how_tables_are_used_is_part_of_the_text() {
    let rule = |when: &str| format!("[[deny]]\nname = \"d\"\nwhen = {{ {when} }}\n");
    let when = "reads = [\"*.*.encounters\"], writes = [\"*.*.orders\"], unfiltered = true, \
                filter_by = [\"*.*.encounters.patient_id\"], at_most = 10";
    let read = policy(&rule(when));
    assert_eq!(read.canonical(), rule(when));
    for (from, to) in [("reads", "tables"), ("10", "11"), ("patient_id", "id"), (".orders", ".visits")] {
        assert_ne!(policy(&rule(&when.replace(from, to))).version(), read.version(), "{from} -> {to}");
    }
    for (when, complaint) in [
        ("filter_by = [\"*.*.encounters.patient_id\"]", "filter_by alone asks nothing"),
        ("reads = [\"*.*.encounters\"], at_most = 5", "at_most alone asks nothing"),
        ("unfiltered = true, at_most = 0", "0 values cannot be asked for"),
        ("unfiltered = true, at_most = 10001", "10001 values cannot be asked for"),
        ("unfiltered = true, filter_by = [\"*.encounters.patient_id\"]", "is not a pattern"),
    ] {
        let errors = Policy::parse(&[("p.toml".to_owned(), rule(when))]).unwrap_err();
        assert!(errors.iter().any(|error| error.to_string().contains(complaint)), "{when}: {errors:?}");
    }
}

#[test]
fn what_decides_changes_the_version() {
    let version = |text: &str| policy(text).version();
    let base = version(GOLDEN);
    for (from, to) in [
        ("keep = 4", "keep = 3"),
        ("\"deny\"", "\"any\""),
        ("count = 2", "count = 1"),
        ("-05:00", "-06:00"),
        ("rows_over = 1000", "rows_over = 1001"),
        ("window = true\n", ""),
        ("groups = [\"treating-clinicians\"]", "groups = [\"clinicians\"]"),
    ] {
        assert_ne!(version(&GOLDEN.replace(from, to)), base, "{from} -> {to}");
    }
}

#[test]
fn files_count_in_the_order_of_their_names() {
    let file = |name: &str, rule: &str| {
        let text = format!("[[mask]]\nname = \"{rule}\"\ncolumns = [\"*.*.{rule}.c\"]\nwith = \"redact\"");
        (name.to_owned(), text)
    };
    let (a, b) = (file("a.toml", "one"), file("b.toml", "two"));
    let forward = Policy::parse(&[a.clone(), b.clone()]).unwrap();
    let backward = Policy::parse(&[b, a]).unwrap();
    assert_eq!(forward.version(), backward.version());
    let rules = forward.rules();
    assert_eq!((rules[1].file.as_str(), rules[1].line, rules[1].kind.as_str()), ("b.toml", 1, "mask"));
    assert_eq!(rules[1].about, "\"redact\" in *.*.two.c; predicates equals");
}

#[test]
fn rules_that_need_a_secret_are_named() {
    let policy = policy(GOLDEN);
    assert_eq!(policy.needs_key(), ["ssn"]);
    assert!(policy.looks_at_time() && policy.looks_at_text());
}
