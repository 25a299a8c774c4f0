//! Arrivals and ends, step by step.

use super::*;

const NONE: [RequestId; 0] = [];

fn level(name: &str, shares: u32, lendable: u32, queuing: Option<(usize, usize, usize)>) -> LevelConfig {
    let queuing =
        queuing.map(|(queues, hand_size, length_limit)| Queuing { queues, hand_size, length_limit });
    let limits = Limits { shares, lendable_percent: lendable, borrowing_percent: None, queuing };
    LevelConfig { name: name.into(), limits: Some(limits) }
}

fn served(arrival: Arrival) -> RequestId {
    match arrival {
        Arrival::Serve(id) => id,
        other => panic!("{other:?}"),
    }
}

fn waiting(arrival: Arrival) -> RequestId {
    match arrival {
        Arrival::Wait(id) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn seats_are_shared_and_those_who_wait_follow() {
    let mut levels = Levels::new(2, vec![level("a", 1, 0, Some((1, 1, 2))), level("b", 1, 0, None)]);
    let first = served(levels.arrive(0, 1));
    let second = waiting(levels.arrive(0, 1));
    let third = waiting(levels.arrive(0, 1));
    assert_eq!(levels.arrive(0, 1), Arrival::Refuse, "the queue is full");
    assert_eq!(levels.counts(0), (1, 2));
    let other = served(levels.arrive(1, 1));
    assert_eq!(levels.arrive(1, 1), Arrival::Refuse, "no queues");
    assert_eq!(levels.finish(other, 1.0), NONE, "its seat is its own");
    assert_eq!(levels.finish(first, 1.0), [second]);
    levels.abandon(third);
    assert_eq!(levels.finish(second, 1.0), NONE);
    assert_eq!(levels.counts(0), (0, 0));
    assert_eq!(levels.finish(second, 1.0), NONE, "twice is nothing");
}

#[test]
fn idle_seats_are_lent_and_come_back() {
    let queue = Some((1, 1, 10));
    let mut levels = Levels::new(4, vec![level("a", 1, 50, queue), level("b", 1, 50, queue)]);
    let mut of_a: Vec<RequestId> = (0..3).map(|_| served(levels.arrive(0, 1))).collect();
    let next = waiting(levels.arrive(0, 1));
    let of_b = served(levels.arrive(1, 1));
    served(levels.arrive(1, 1));
    let hungry = waiting(levels.arrive(1, 1));
    // Five are served where there are four seats: what is lent is not torn away.
    assert_eq!(levels.counts(0).0 + levels.counts(1).0, 5);
    assert_eq!(levels.finish(of_a.remove(0), 1.0), NONE, "the borrowed seat goes back");
    assert_eq!(levels.finish(of_b, 1.0), [hungry], "each has its own two again");
    assert_eq!(levels.finish(of_a.remove(0), 1.0), [next]);
}

#[test]
fn a_level_without_limits_serves_all() {
    let exempt = LevelConfig { name: "exempt".into(), limits: None };
    let mut levels = Levels::new(1, vec![exempt, level("a", 1, 0, None)]);
    for _ in 0..10 {
        served(levels.arrive(0, 1));
    }
    served(levels.arrive(1, 1));
}

#[test]
fn a_flood_does_not_starve_others_of_its_level() {
    let mut levels = Levels::new(1, vec![level("a", 1, 0, Some((8, 1, 100)))]);
    // Flows 0 and 1 are dealt different queues.
    let mut current = served(levels.arrive(0, 0));
    let flood: Vec<RequestId> = (0..50).map(|_| waiting(levels.arrive(0, 0))).collect();
    let quiet = waiting(levels.arrive(0, 1));
    let mut order = Vec::new();
    for _ in 0..3 {
        let next = levels.finish(current, 1.0);
        current = next[0];
        order.extend(next);
    }
    assert!(order[..2].contains(&quiet), "{order:?} has {quiet} early, not behind {} others", flood.len());
}

#[test]
fn configurations_change_under_way() {
    let mut levels = Levels::new(10, vec![level("a", 1, 0, Some((1, 1, 5)))]);
    let ids: Vec<RequestId> = (0..10).map(|_| served(levels.arrive(0, 1))).collect();
    let waits = waiting(levels.arrive(0, 1));
    levels.configure(vec![level("b", 1, 0, None)]);
    assert_eq!(levels.level("b"), Some(1));
    let mut dispatched = Vec::new();
    for id in ids {
        dispatched.extend(levels.finish(id, 1.0));
    }
    assert_eq!(dispatched, [waits], "a level that is gone serves its queue to the end");
}

#[test]
fn hands_are_distinct_and_stable() {
    for flow in [0, 1, 7, 12345, u64::MAX] {
        let hand = deal(flow, 16, 4);
        assert_eq!(hand, deal(flow, 16, 4));
        let distinct: std::collections::BTreeSet<usize> = hand.iter().copied().collect();
        assert_eq!((hand.len(), distinct.len()), (4, 4), "{hand:?}");
        assert!(hand.iter().all(|queue| *queue < 16));
    }
    assert_eq!(deal(5, 2, 6).len(), 2, "no more cards than queues");
}
