//! Several people and connections at once: each race has one winner.

use crate::world::*;
use affidavit::approvals::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn approving_and_cancelling_at_once_has_one_winner() {
    for _ in 0..40 {
        let world = World::new();
        let approvals = world.open(false);
        let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
        let id = held.ticket.id().clone();
        let waiting = tokio::spawn(held.ticket.decided());
        let deciding = tokio::spawn({
            let (approvals, id) = (approvals.clone(), id.clone());
            async move { approvals.decide(&id, &approve("ann")) }
        });
        waiting.abort();
        let (approved, ran) = (deciding.await.unwrap(), waiting.await);
        let state = approvals.get(&id).unwrap().state();
        match (&approved, &ran) {
            (Ok(_), Ok(Ok(_))) => assert_eq!(state, State::Used),
            (Ok(_), _) => assert!(matches!(state, State::Granted { .. } | State::Used), "{state:?}"),
            (Err(_), Ok(Ok(_))) => panic!("ran without approval"),
            (Err(_), _) => assert_eq!(state, State::Cancelled),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_connections_share_one_grant_once() {
    let world = World::new();
    let approvals = world.open(true);
    refused(ask_as(&approvals, "agent", "select 1", &need(1)));
    let id = only(&approvals).request().id.clone();
    let approvers: Vec<_> = ["ann", "bob", "cid"]
        .into_iter()
        .map(|who| {
            let (approvals, id) = (approvals.clone(), id.clone());
            tokio::spawn(async move { approvals.decide(&id, &approve(who)).is_ok() })
        })
        .collect();
    let mut agreed = 0;
    for approver in approvers {
        agreed += usize::from(approver.await.unwrap());
    }
    assert_eq!(agreed, 1, "the second approver comes too late");
    let runs: Vec<_> = (0..16)
        .map(|_| {
            let approvals = approvals.clone();
            tokio::spawn(async move { matches!(ask_as(&approvals, "agent", "select 1", &need(1)), Opened::Granted(_)) })
        })
        .collect();
    let mut granted = 0;
    for run in runs {
        granted += usize::from(run.await.unwrap());
    }
    assert_eq!(granted, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_approvers_at_once_are_two_people_and_one_grant() {
    for _ in 0..40 {
        let world = World::new();
        let approvals = world.open(false);
        let held = held(ask_as(&approvals, "agent", "select 1", &need(2)));
        let id = held.ticket.id().clone();
        let waiting = tokio::spawn(held.ticket.decided());
        let both: Vec<_> = ["ann", "bob", "ann"]
            .into_iter()
            .map(|who| {
                let (approvals, id) = (approvals.clone(), id.clone());
                tokio::spawn(async move { approvals.decide(&id, &approve(who)).is_ok() })
            })
            .collect();
        let mut agreed = 0;
        for one in both {
            agreed += usize::from(one.await.unwrap());
        }
        assert_eq!(agreed, 2, "one person twice is one person");
        assert!(waiting.await.unwrap().is_ok());
        let steps = world.steps();
        assert_eq!(steps.iter().filter(|step| **step == Step::Granted).count(), 1, "{steps:?}");
        assert_eq!(steps.iter().filter(|step| **step == Step::Used).count(), 1, "{steps:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn approving_and_denying_at_once_has_one_winner() {
    for _ in 0..40 {
        let world = World::new();
        let approvals = world.open(false);
        let held = held(ask_as(&approvals, "agent", "select 1", &need(1)));
        let id = held.ticket.id().clone();
        let waiting = tokio::spawn(held.ticket.decided());
        let (one, other) = (approvals.clone(), approvals.clone());
        let (yes, no) = (id.clone(), id.clone());
        let agreeing = tokio::spawn(async move { one.decide(&yes, &approve("ann")).is_ok() });
        let denying = tokio::spawn(async move { other.decide(&no, &deny("bob")).is_ok() });
        let (agreed, denied) = (agreeing.await.unwrap(), denying.await.unwrap());
        assert!(agreed != denied, "exactly one of them decided");
        assert_eq!(waiting.await.unwrap().is_ok(), agreed, "{:?}", approvals.get(&id).unwrap().state());
    }
}
