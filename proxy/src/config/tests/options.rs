//! Keys that a protocol adds to its datasources.

use super::{BASE, Folder, errors};
use wire::{OptionKind, OptionSpec};

/// The protocol `mysql` of these tests knows these.
pub(super) const OWN_KEYS: &[OptionSpec] = &[
    OptionSpec { key: "switch", kind: OptionKind::Flag },
    OptionSpec { key: "how", kind: OptionKind::Choice(&["fast", "slow"]) },
    OptionSpec { key: "paper", kind: OptionKind::File },
];

fn with(lines: &str) -> String {
    BASE.replace("protocol = \"postgres\"", "protocol = \"mysql\"")
        .replace("ca = \"ca.crt\"\n", &format!("ca = \"ca.crt\"\n{lines}\n"))
}

#[test]
fn a_protocols_own_keys_are_read_and_shown() {
    let folder = Folder::new();
    folder.write("paper.pem", "-----", 0o644);
    let setup = folder.parse(&with("switch = true\nhow = \"slow\"\npaper = { file = \"paper.pem\" }")).unwrap();
    let options = setup.datasources[0].spec().options;
    assert!(options.flag("switch"));
    assert_eq!((options.choice("how"), options.file("paper")), (Some("slow"), Some(&b"-----"[..])));
    let shown: Vec<String> = options.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let paper = format!("paper {}", folder.path().join("paper.pem").display());
    assert_eq!(shown, ["how slow".to_owned(), paper, "switch true".to_owned()]);
    let bare = folder.parse(&with("")).unwrap().datasources[0].spec().options;
    assert!(!bare.flag("switch") && bare.choice("how").is_none() && bare.file("paper").is_none());
}

#[test]
fn a_mistake_in_them_is_named_and_another_protocol_does_not_know_them() {
    let folder = Folder::new();
    for (lines, words) in [
        ("switch = \"yes\"", "switch: is a string, not true or false"),
        ("how = \"medium\"", "\"medium\" is not one of its values | write \"fast\" or \"slow\""),
        ("paper = { file = \"gone.pem\" }", "gone.pem cannot be read"),
        ("paper = {}", "names no file"),
        ("paper = \"gone.pem\"", "is a string, not a table"),
        ("swich = true", "swich: is not a known key | did you mean \"switch\"?"),
    ] {
        let found = errors(&folder.parse(&with(lines)).expect_err(lines).0);
        assert!(found.iter().any(|error| error.contains(words)), "expected {words:?} in {found:?}");
    }
    let found = folder.errors("ca = \"ca.crt\"\n", "ca = \"ca.crt\"\nswitch = true\n");
    assert!(found.iter().any(|error| error.contains("switch")), "{found:?}");
}
