//! Levels with seats and queues: who is served now, who waits, who is sent away. No clock, no tasks.
//!
//! A level has its share of the server's seats. It lends what it may and does not use, and borrows what
//! others lend. Requests that find no seat wait in a queue of their level; each flow is dealt a hand of
//! queues and joins the shortest, so that a flood fills its own hand and leaves the others alone. A free
//! seat goes to the queue that has been served least (start-time fair queueing).

use std::collections::VecDeque;

/// The shape of one level.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelConfig {
    /// Name of the priority level.
    pub name: String,
    /// `None` for a level without limits.
    pub limits: Option<Limits>,
}

/// Limits of a level.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Seats in proportion to the shares of all levels.
    pub shares: u32,
    /// Percent of its seats the level lends when it does not use them.
    pub lendable_percent: u32,
    /// Percent of its seats the level may borrow beyond them; `None` for any number.
    pub borrowing_percent: Option<u32>,
    /// `None` sends away who finds no seat.
    pub queuing: Option<Queuing>,
}

/// Queues of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queuing {
    /// How many.
    pub queues: usize,
    /// How many a flow is dealt.
    pub hand_size: usize,
    /// How many may wait in each.
    pub length_limit: usize,
}

/// Identifies a waiting or served request.
pub type RequestId = u64;

/// The answer to an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Serve it now.
    Serve(RequestId),
    /// It waits until [`Levels::finish`] names it.
    Wait(RequestId),
    /// There is no place.
    Refuse,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<RequestId>,
    /// Seat-time this queue has had; the least is next.
    served: f64,
    executing: usize,
}

#[derive(Debug)]
struct Level {
    config: LevelConfig,
    /// Seats by shares.
    nominal: usize,
    lendable: usize,
    borrowable: usize,
    executing: usize,
    /// Seat-time at which a queue begins that was empty.
    clock: f64,
    queues: Vec<Queue>,
}

/// A request being served: where it came from.
#[derive(Clone, Copy, Debug)]
struct Place {
    level: usize,
    queue: Option<usize>,
}

/// All levels of a server.
#[derive(Debug)]
pub struct Levels {
    total: usize,
    levels: Vec<Level>,
    places: hashbrown::HashMap<RequestId, Place>,
    next_id: RequestId,
}

impl Levels {
    /// Levels that share `total` seats.
    pub fn new(total: usize, configs: Vec<LevelConfig>) -> Levels {
        let mut levels = Levels { total, levels: Vec::new(), places: hashbrown::HashMap::new(), next_id: 0 };
        levels.configure(configs);
        levels
    }

    /// Changes the configuration. Requests that are served or wait stay; a level that is gone serves its
    /// queue to the end.
    pub fn configure(&mut self, configs: Vec<LevelConfig>) {
        let all_shares: u64 =
            configs.iter().filter_map(|c| c.limits.as_ref()).map(|l| u64::from(l.shares)).sum();
        let known: Vec<String> = configs.iter().map(|config| config.name.clone()).collect();
        for config in configs {
            let (nominal, lendable, borrowable) = match &config.limits {
                None => (0, 0, 0),
                Some(limits) => {
                    let seats = self.total as u64 * u64::from(limits.shares);
                    let nominal = seats.div_ceil(all_shares.max(1)) as usize;
                    let percent = |percent: u32| nominal * percent as usize / 100;
                    let borrowable = limits.borrowing_percent.map_or(self.total, percent);
                    (nominal, percent(limits.lendable_percent), borrowable)
                }
            };
            let wanted = config.limits.as_ref().and_then(|limits| limits.queuing).map_or(0, |q| q.queues);
            let at = self.levels.iter().position(|level| level.config.name == config.name);
            let level = match at {
                Some(at) => &mut self.levels[at],
                None => {
                    self.levels.push(Level {
                        config: config.clone(),
                        nominal,
                        lendable,
                        borrowable,
                        executing: 0,
                        clock: 0.0,
                        queues: Vec::new(),
                    });
                    let last = self.levels.len() - 1;
                    &mut self.levels[last]
                }
            };
            // Queues are never taken away: somebody may wait in them, and empty ones cost nothing.
            while level.queues.len() < wanted {
                level.queues.push(Queue::default());
            }
            (level.nominal, level.lendable, level.borrowable, level.config) =
                (nominal, lendable, borrowable, config);
        }
        for level in self.levels.iter_mut().filter(|level| !known.contains(&level.config.name)) {
            (level.nominal, level.lendable, level.borrowable) = (1, 0, 0);
        }
    }

    /// The index of a level by name.
    pub fn level(&self, name: &str) -> Option<usize> {
        self.levels.iter().position(|level| level.config.name == name)
    }

    /// A request of the flow arrives at the level.
    pub fn arrive(&mut self, at: usize, flow: u64) -> Arrival {
        let id = self.next_id;
        self.next_id += 1;
        let has_seat = self.has_seat(at);
        let Some(level) = self.levels.get_mut(at) else { return Arrival::Refuse };
        let Some(limits) = &level.config.limits else {
            level.executing += 1;
            self.places.insert(id, Place { level: at, queue: None });
            return Arrival::Serve(id);
        };
        let Some(queuing) = limits.queuing else {
            if !has_seat {
                return Arrival::Refuse;
            }
            level.executing += 1;
            self.places.insert(id, Place { level: at, queue: None });
            return Arrival::Serve(id);
        };
        let hand = deal(flow, queuing.queues.min(level.queues.len()), queuing.hand_size);
        let shortest = hand.into_iter().min_by_key(|index| {
            let queue = &level.queues[*index];
            (queue.waiting.len() + queue.executing, *index)
        });
        let Some(index) = shortest else { return Arrival::Refuse };
        // Who waits already goes first, so a seat is taken at once only when nobody waits.
        let nobody_waits = level.queues.iter().all(|queue| queue.waiting.is_empty());
        let queue = &mut level.queues[index];
        if queue.waiting.is_empty() && queue.executing == 0 {
            queue.served = queue.served.max(level.clock);
        }
        self.places.insert(id, Place { level: at, queue: Some(index) });
        if has_seat && nobody_waits {
            queue.executing += 1;
            level.clock = level.clock.max(queue.served);
            level.executing += 1;
            return Arrival::Serve(id);
        }
        if queue.waiting.len() >= queuing.length_limit {
            self.places.remove(&id);
            return Arrival::Refuse;
        }
        queue.waiting.push_back(id);
        Arrival::Wait(id)
    }

    /// A served request has ended after `seconds`; those whose turn it is now.
    pub fn finish(&mut self, id: RequestId, seconds: f64) -> Vec<RequestId> {
        let Some(place) = self.places.remove(&id) else { return Vec::new() };
        let level = &mut self.levels[place.level];
        level.executing = level.executing.saturating_sub(1);
        if let Some(queue) = place.queue.and_then(|index| level.queues.get_mut(index)) {
            queue.executing = queue.executing.saturating_sub(1);
            queue.served += seconds;
        }
        self.dispatch()
    }

    /// A waiting request has given up.
    pub fn abandon(&mut self, id: RequestId) {
        let Some(place) = self.places.remove(&id) else { return };
        let queue = place.queue.and_then(|index| self.levels[place.level].queues.get_mut(index));
        if let Some(queue) = queue {
            queue.waiting.retain(|waiting| *waiting != id);
        }
    }

    /// The levels in force and the seats they have by their shares.
    pub fn nominal_seats(&self) -> impl Iterator<Item = (&str, usize)> {
        self.levels.iter().map(|level| (level.config.name.as_str(), level.nominal))
    }

    /// How many requests of a level are served and wait.
    pub fn counts(&self, at: usize) -> (usize, usize) {
        self.levels.get(at).map_or((0, 0), |level| {
            (level.executing, level.queues.iter().map(|queue| queue.waiting.len()).sum())
        })
    }

    /// Gives free seats to those who wait; the level that uses the least of its own goes first.
    fn dispatch(&mut self) -> Vec<RequestId> {
        let mut dispatched = Vec::new();
        loop {
            let next = (0..self.levels.len())
                .filter(|at| self.levels[*at].queues.iter().any(|queue| !queue.waiting.is_empty()))
                .filter(|at| self.has_seat(*at))
                .min_by(|a, b| self.use_of(*a).total_cmp(&self.use_of(*b)));
            let Some(at) = next else { return dispatched };
            let level = &mut self.levels[at];
            let queue = level
                .queues
                .iter_mut()
                .filter(|queue| !queue.waiting.is_empty())
                .min_by(|a, b| a.served.total_cmp(&b.served));
            let Some(queue) = queue else { return dispatched };
            let Some(id) = queue.waiting.pop_front() else { return dispatched };
            queue.executing += 1;
            level.clock = level.clock.max(queue.served);
            level.executing += 1;
            dispatched.push(id);
        }
    }

    fn use_of(&self, at: usize) -> f64 {
        let level = &self.levels[at];
        level.executing as f64 / level.nominal.max(1) as f64
    }

    /// Whether the level may serve one more.
    fn has_seat(&self, at: usize) -> bool {
        let Some(level) = self.levels.get(at) else { return false };
        if level.config.limits.is_none() || level.executing < level.nominal {
            return true;
        }
        if level.executing >= level.nominal + level.borrowable {
            return false;
        }
        // Seats that others use or keep for themselves are not to be had.
        let taken: usize = self
            .levels
            .iter()
            .enumerate()
            .filter(|(other, level)| *other != at && level.config.limits.is_some())
            .map(|(_, other)| other.executing.max(other.nominal - other.lendable.min(other.nominal)))
            .sum();
        level.executing + taken < self.total
    }
}

/// Deals a hand of distinct queues to a flow, always the same: digits of its number in falling bases.
fn deal(flow: u64, queues: usize, hand_size: usize) -> Vec<usize> {
    let mut rest = flow;
    let mut hand: Vec<usize> = Vec::with_capacity(hand_size);
    for taken in 0..hand_size.min(queues) {
        let base = (queues - taken) as u64;
        let mut card = (rest % base) as usize;
        rest /= base;
        // The n-th of the queues that are left.
        let mut sorted = hand.clone();
        sorted.sort_unstable();
        for known in sorted {
            if card >= known {
                card += 1;
            }
        }
        hand.push(card);
    }
    hand
}

#[cfg(test)]
mod tests;
