//! The controls that auditors ask for, and what in a package bears on them.

/// Controls, and what in the package bears on them.
pub(super) const CONTROLS: [[&str; 2]; 9] = [
    [
        "HIPAA 164.312(a)(1) access control",
        "Sessions carry the proven identity; statements the decision and the rule (Sessions, Decisions).",
    ],
    [
        "HIPAA 164.312(b) audit controls",
        "Every statement is recorded before it is sent, every row as the client saw it (csv, store).",
    ],
    [
        "HIPAA 164.312(d) authentication",
        "Issuer, subject and method of each login; refused logins (Sessions, Refused logins).",
    ],
    [
        "HIPAA 164.308(a)(1)(ii)(D) activity review",
        "Reviews and readings of the record are recorded themselves (Reviews and readings).",
    ],
    [
        "HIPAA 164.316(b)(2)(i) retention",
        "Six years from creation or from when it was last in effect; the log shows what is there (Coverage).",
    ],
    ["NIST 800-53 AU-3, AU-8, AU-12", "Content, times and generation of records: the schema is in README.md."],
    [
        "NIST 800-53 AU-9, AU-10",
        "Hash chains, signed manifests and a transparency log protect the record; VERIFY.md repeats the check.",
    ],
    ["NIST 800-53 AU-5, AU-11", "A store that cannot record refuses statements; retention is by signed leaves."],
    [
        "SOC 2 CC6, CC7, CC8",
        "Access by rule, exceptions, and every change of policy with its author (Policies, Exceptions).",
    ],
];
