//! The state machine against its rules: examples for each, then random lives.

use super::*;
use crate::approvals::{ApprovalId, Person, Picture, Terms};
use model::{AuthMethod, Identity};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * SECOND)
}

fn approver(subject: &str, groups: &[&str]) -> Approver {
    let identity = Identity {
        issuer: "https://login".into(),
        subject: subject.into(),
        name: Some(format!("{subject}@example.org")),
        groups: groups.iter().map(ToString::to_string).collect(),
        expires: at(1_000_000),
        method: AuthMethod::TokenAsPassword,
        token_id: None,
    };
    Approver::proven(&identity, "test")
}

fn office(subject: &str) -> Approver {
    approver(subject, &["privacy-office"])
}

fn binding() -> Binding {
    Binding {
        issuer: "https://login".into(),
        subject: "agent".into(),
        datasource: "ehr".into(),
        fingerprint: "f".into(),
        sql_sha256: "s".into(),
        params_sha256: "p".into(),
        effect_sha256: "e".into(),
        rule: "history".into(),
        policy: "v1".into(),
    }
}

fn request(count: u32) -> Request {
    Request {
        id: ApprovalId::random(),
        requester: Person { issuer: "https://login".into(), subject: "agent".into(), name: None },
        requester_groups: vec!["ci-agents".into(), "privacy-office".into()],
        binding: binding(),
        sql: "select * from encounters".into(),
        params: Vec::new(),
        picture: Picture::default(),
        terms: Terms {
            groups: vec!["privacy-office".into()],
            count,
            valid_for_seconds: 600,
            window: true,
            break_glass: false,
            escalate_at: Some(at(60)),
            escalate_to: vec!["board".into()],
        },
        client_app: "psql".into(),
        client_addr: "127.0.0.1:1".into(),
        session: "s".into(),
        statement: 1,
        reason: None,
        ticket: None,
        created: at(0),
        expires: at(100),
        held: true,
    }
}

fn approve(who: Approver) -> Event {
    Event::Approve { approver: who, justification: "needed for care".into(), window: false }
}

fn using(binding: Binding) -> Event {
    Event::Use { binding: Box::new(binding), session: "s".into(), statement: 1 }
}

#[test]
fn one_person_agrees_and_it_is_used_once() {
    let mut approval = Approval::open(request(1));
    approval.apply(&approve(office("ann")), at(1)).unwrap();
    assert_eq!(approval.state(), State::Granted { scope: Scope::Once, until: at(601) });
    approval.apply(&using(binding()), at(2)).unwrap();
    assert_eq!(approval.state(), State::Used);
    assert_eq!(approval.apply(&using(binding()), at(3)), Err(Objection::NotGranted("used")));
}

#[test]
fn two_people_means_two_different_people() {
    let mut approval = Approval::open(request(2));
    approval.apply(&approve(office("ann")), at(1)).unwrap();
    assert_eq!(approval.state(), State::Pending);
    assert_eq!(approval.apply(&approve(office("ann")), at(2)), Err(Objection::AlreadyAgreed));
    assert_eq!(approval.apply(&using(binding()), at(2)), Err(Objection::NotGranted("pending")));
    approval.apply(&approve(office("bob")), at(3)).unwrap();
    assert!(matches!(approval.state(), State::Granted { .. }));
}

#[test]
fn nobody_decides_about_their_own_statement() {
    let mut approval = Approval::open(request(1));
    let own = approver("agent", &["privacy-office", "administrators", "board"]);
    let deny = Event::Deny { approver: own.clone(), justification: "because".into() };
    assert_eq!(approval.apply(&approve(own), at(1)), Err(Objection::OwnStatement));
    assert_eq!(approval.apply(&deny, at(1)), Err(Objection::OwnStatement));
}

#[test]
fn the_same_subject_of_another_issuer_is_someone_else() {
    let mut approval = Approval::open(request(1));
    let mut other = office("agent");
    other.person.issuer = "https://elsewhere".into();
    approval.apply(&approve(other), at(1)).unwrap();
}

#[test]
fn only_the_rules_groups_decide_and_only_with_a_valid_login() {
    let mut approval = Approval::open(request(1));
    let outsider = approver("eve", &["administrators"]);
    assert!(matches!(approval.apply(&approve(outsider), at(1)), Err(Objection::NotAnApprover { .. })));
    let mut stale = office("ann");
    stale.expires = at(1);
    assert_eq!(approval.apply(&approve(stale), at(1)), Err(Objection::LoginExpired));
}

#[test]
fn a_justification_says_something() {
    let mut approval = Approval::open(request(1));
    for words in ["", "   ", "ok", "...", "\u{200b}\u{200b}\u{200b}"] {
        let event = Event::Approve { approver: office("ann"), justification: words.into(), window: false };
        assert_eq!(approval.apply(&event, at(1)), Err(Objection::NoJustification), "{words:?}");
    }
    let event = Event::Deny { approver: office("ann"), justification: "x".repeat(MOST_WORDS + 1) };
    assert_eq!(approval.apply(&event, at(1)), Err(Objection::LongJustification));
    assert_eq!(approval.state(), State::Pending);
}

#[test]
fn a_grant_covers_nothing_else() {
    let mut approval = Approval::open(request(1));
    approval.apply(&approve(office("ann")), at(1)).unwrap();
    let other = |change: fn(&mut Binding)| {
        let mut other = binding();
        change(&mut other);
        using(other)
    };
    let attempts = [
        (other(|b| b.subject = "eve".into()), "the identity"),
        (other(|b| b.issuer = "https://evil".into()), "the identity"),
        (other(|b| b.datasource = "lab".into()), "the datasource"),
        (other(|b| b.policy = "v2".into()), "the policy in force"),
        (other(|b| b.rule = "other".into()), "the policy in force"),
        (other(|b| b.fingerprint = "g".into()), "the statement"),
        (other(|b| b.effect_sha256 = "x".into()), "the statement"),
        (other(|b| b.sql_sha256 = "x".into()), "the statement's text"),
        (other(|b| b.params_sha256 = "x".into()), "a parameter"),
    ];
    for (attempt, what) in attempts {
        assert_eq!(approval.apply(&attempt, at(2)), Err(Objection::NotThisStatement(what)));
    }
    approval.apply(&using(binding()), at(2)).unwrap();
}

#[test]
fn a_window_covers_other_literals_until_it_closes() {
    let mut approval = Approval::open(request(1));
    let event = Event::Approve { approver: office("ann"), justification: "a night of reports".into(), window: true };
    approval.apply(&event, at(1)).unwrap();
    let other = Binding { sql_sha256: "x".into(), params_sha256: "y".into(), ..binding() };
    approval.apply(&using(other.clone()), at(2)).unwrap();
    approval.apply(&using(binding()), at(600)).unwrap();
    assert_eq!(approval.uses(), 2);
    let shape = Binding { fingerprint: "g".into(), ..binding() };
    assert!(approval.apply(&using(shape), at(600)).is_err());
    assert_eq!(approval.apply(&using(other), at(601)), Err(Objection::NotGranted("expired")));
}

#[test]
fn a_window_needs_the_rule_and_every_approver() {
    let mut narrow = request(1);
    narrow.terms.window = false;
    let wide = Event::Approve { approver: office("ann"), justification: "please".into(), window: true };
    assert_eq!(Approval::open(narrow).apply(&wide, at(1)), Err(Objection::NoWindow("history".into())));
    let mut two = Approval::open(request(2));
    two.apply(&wide, at(1)).unwrap();
    two.apply(&approve(office("bob")), at(1)).unwrap();
    assert!(matches!(two.state(), State::Granted { scope: Scope::Once, .. }));
}

#[test]
fn escalation_lets_more_people_decide() {
    let mut approval = Approval::open(request(1));
    let board = approver("chair", &["board"]);
    assert!(approval.apply(&approve(board.clone()), at(59)).is_err());
    assert_eq!(approval.apply(&Event::Tick, at(60)).unwrap()[0].step, Step::Escalated);
    assert!(approval.apply(&Event::Tick, at(61)).unwrap().is_empty());
    approval.apply(&approve(board), at(62)).unwrap();
}

#[test]
fn an_emergency_opens_at_once_and_owes_a_review() {
    let mut request = request(1);
    request.terms.break_glass = true;
    let mut approval = Approval::open(request);
    approval.apply(&using(binding()), at(1)).unwrap();
    assert_eq!(approval.review(), Some(&Review::Due));
    let review =
        |approver: Approver| Event::Review { approver, finding: "the patient was in the emergency room".into() };
    assert_eq!(approval.apply(&review(office("agent")), at(2)), Err(Objection::OwnStatement));
    approval.apply(&review(office("ann")), at(1_000)).unwrap();
    assert!(matches!(approval.review(), Some(Review::Done { .. })));
    assert_eq!(approval.apply(&review(office("bob")), at(1_001)), Err(Objection::NothingToReview));
}

#[test]
fn revoking_and_withdrawing_end_a_grant() {
    let mut approval = Approval::open(request(1));
    let revoke = Event::Revoke { approver: office("bob"), justification: "a mistake".into() };
    assert_eq!(approval.apply(&revoke, at(1)), Err(Objection::NotGranted("pending")));
    approval.apply(&approve(office("ann")), at(1)).unwrap();
    approval.apply(&revoke, at(2)).unwrap();
    assert_eq!(approval.apply(&using(binding()), at(3)), Err(Objection::NotGranted("revoked")));

    let mut approval = Approval::open(request(1));
    let withdraw = |subject: &str| Event::Withdraw { person: office(subject).person };
    assert_eq!(approval.apply(&withdraw("ann"), at(1)), Err(Objection::NotTheRequester));
    approval.apply(&withdraw("agent"), at(1)).unwrap();
    assert_eq!(approval.state(), State::Cancelled);
}

/// A random happening.
fn happening() -> impl Strategy<Value = Event> {
    let people = prop_oneof![Just("agent"), Just("ann"), Just("bob"), Just("eve")];
    let groups = prop_oneof![Just("privacy-office"), Just("board"), Just("nobody")];
    let who = (people.clone(), groups).prop_map(|(person, group)| approver(person, &[group]));
    let words = prop_oneof![3 => Just("with reason".to_owned()), 1 => Just(" ".to_owned())];
    let bindings = prop_oneof![
        3 => Just(binding()),
        1 => Just(Binding { sql_sha256: "other".into(), ..binding() }),
        1 => Just(Binding { subject: "eve".into(), ..binding() }),
    ];
    prop_oneof![
        4 => (who.clone(), words.clone(), any::<bool>())
            .prop_map(|(approver, justification, window)| Event::Approve { approver, justification, window }),
        1 => (who.clone(), words.clone()).prop_map(|(approver, justification)| Event::Deny { approver, justification }),
        1 => (who.clone(), words.clone()).prop_map(|(approver, justification)| Event::Revoke { approver, justification }),
        1 => (who, words).prop_map(|(approver, finding)| Event::Review { approver, finding }),
        1 => people.prop_map(|person| Event::Withdraw { person: office(person).person }),
        1 => Just(Event::Cancel { why: "gone".into() }),
        4 => bindings.prop_map(using),
        2 => Just(Event::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_life_breaks_the_rules(
        count in 1_u32..4,
        emergency in prop::bool::weighted(0.2),
        life in prop::collection::vec((happening(), 0_i64..60), 0..60),
    ) {
        let mut asked = request(count);
        asked.terms.break_glass = emergency;
        let mut approval = Approval::open(asked);
        let mut now = 0;
        for (event, later) in life {
            now += later;
            let before = approval.clone();
            let result = approval.apply(&event, at(now));
            let was = before.state();
            match &result {
                Err(_) => prop_assert_eq!(approval.history(), before.history(), "an objection changes nothing"),
                Ok(_) if was.is_over() => prop_assert!(
                    matches!(event, Event::Tick | Event::Review { .. }) && approval.state() == was,
                    "nothing leads out of {:?}", was
                ),
                Ok(_) => {}
            }
            if let (Event::Use { binding: used, .. }, Ok(_)) = (&event, &result) {
                let State::Granted { scope, until } = was else { panic!("used without a grant") };
                prop_assert!(at(now) < until, "used after expiry");
                prop_assert_eq!(&used.subject, "agent");
                if scope == Scope::Once {
                    prop_assert_eq!(&**used, &binding());
                    prop_assert_eq!(approval.uses(), 1, "two uses of one grant");
                }
                if !emergency {
                    let mut people: Vec<_> = approval.votes().iter().map(|vote| &vote.person.subject).collect();
                    people.sort();
                    people.dedup();
                    prop_assert_eq!(people.len(), approval.request().needed(), "{:?}", people);
                    prop_assert!(!people.contains(&&"agent".to_owned()), "approved by the requester");
                }
            }
            if let (Event::Approve { .. }, Ok(_)) = (&event, &result) {
                prop_assert!(at(now) < approval.request().expires, "approved after expiry");
            }
            // What is written reads back as the same.
            let again: Approval = serde_json::from_slice(&serde_json::to_vec(&approval).unwrap()).unwrap();
            prop_assert_eq!(again.state(), approval.state());
            prop_assert_eq!(again.history(), approval.history());
        }
    }
}
