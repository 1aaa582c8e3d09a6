//! Work that takes more than a moment, kept away from those who wait for others: the worker's other sessions move to
//! another thread, and only so many texts are worked on at once, so that somebody who sends large ones gets in the way of
//! those who send large ones.

use parking_lot::{Condvar, Mutex};
use std::num::NonZero;
use std::sync::OnceLock;

/// Runs what it is given, once, after it has seen to it that nobody else on this thread waits for that.
pub type GiveWay = fn(&mut (dyn FnMut() + '_));

static GIVES_WAY: OnceLock<GiveWay> = OnceLock::new();

/// Says how a thread of the program gives way to others that wait on it, before a text that takes longer is analysed. To be
/// said once; without it the thread does not.
pub fn give_way_by(how: GiveWay) {
    let _ = GIVES_WAY.set(how);
}

/// Large texts that wait for their turn at most: each keeps a thread.
const MOST_WAITING: usize = 64;

/// Who is at work and who waits.
struct Turns {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    working: usize,
    waiting: usize,
}

static TURNS: Turns = Turns { state: Mutex::new(State { working: 0, waiting: 0 }), freed: Condvar::new() };

/// Half of the processors, so that the others stay with the other sessions.
fn most_at_once() -> usize {
    (std::thread::available_parallelism().map_or(1, NonZero::get) / 2).max(1)
}

/// A place at work, given back when it is dropped.
struct Turn;

impl Turn {
    fn take() -> Option<Self> {
        let mut state = TURNS.state.lock();
        if state.working >= most_at_once() {
            if state.waiting >= MOST_WAITING {
                return None;
            }
            state.waiting += 1;
            while state.working >= most_at_once() {
                TURNS.freed.wait(&mut state);
            }
            state.waiting -= 1;
        }
        state.working += 1;
        Some(Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURNS.state.lock().working -= 1;
        TURNS.freed.notify_one();
    }
}

/// Runs `work` apart from the worker's other sessions; `None` when too many wait already.
pub(crate) fn apart<T>(work: impl FnOnce() -> T) -> Option<T> {
    let mut work = Some(work);
    let mut done = None;
    let mut in_turn = || {
        if let Some(_turn) = Turn::take() {
            done = work.take().map(|work| work());
        }
    };
    match GIVES_WAY.get() {
        Some(give_way) => give_way(&mut in_turn),
        None => in_turn(),
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn only_so_many_work_at_once_and_all_get_their_turn() {
        let (now, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    apart(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    })
                });
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), 16);
        assert!(most.load(Ordering::SeqCst) <= most_at_once());
    }
}
