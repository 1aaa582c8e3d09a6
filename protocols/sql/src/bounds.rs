//! What one text may cost: bytes, depth, tokens, joins, work and memory. A text beyond a bound is not understood, and the
//! refusal names the bound, so that its author knows what to make smaller.
//!
//! Sizes are bounded before the parser runs, by what the scanner counts (`lift`); work and memory while it runs, by a
//! budget that belongs to the thread for as long as one text is analysed. A first, small budget is enough for what
//! applications send; what spends it is done again with the large one, apart from the session's worker (`apart`).

use crate::Dialect;
use crate::lift::Lifted;
use std::cell::Cell;

/// Longest text that is analysed, in bytes.
pub const LONGEST_TEXT: usize = 8 << 20;

/// Texts from this size on are scanned and analysed apart from the session's worker.
pub(crate) const LARGE_TEXT: usize = 32 << 10;

/// Tokens that a parser is given, long lists of literals counted by what is left of them. Its trees take some hundred bytes
/// for each.
const MOST_TOKENS: usize = 250_000;

/// Joins in one text. MySQL itself joins 61 tables at most.
const MOST_JOINS: usize = 1_000;

/// UNION, INTERSECT and EXCEPT in one text: each makes the tree one level deeper.
const MOST_SET_OPERATIONS: usize = 2_000;

/// Common table expressions and named windows in one text.
pub(crate) const MOST_COMMON_TABLES: usize = 1_000;

/// Columns of one result or FROM list, more than any server returns.
pub(crate) const MOST_COLUMNS: usize = 20_000;

/// Syntax trees deeper than this are not built.
fn deepest_tree(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Postgres => 5_000,
        Dialect::Mysql | Dialect::MariaDb => 2_000,
    }
}

/// Stack for each level of the tree, measured in debug builds and doubled.
fn stack_for_a_level(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Postgres => 64 << 10,
        // sqlparser's frames are large.
        Dialect::Mysql | Dialect::MariaDb => 128 << 10,
    }
}

/// Stack that every thread which analyses has, at least: tokio's and the standard library's default.
const OWN_STACK: usize = 2 << 20;
/// What of it is left to texts; the rest is for those who ask.
const ROOM: usize = 3 << 19;

thread_local! {
    /// What is left of the thread's stack, in bytes.
    static LEFT: Cell<usize> = const { Cell::new(ROOM) };
}

/// Gives back what was taken of the thread's stack, also when the work panics.
struct Taken(usize);

impl Drop for Taken {
    fn drop(&mut self) {
        LEFT.set(LEFT.get() + self.0);
    }
}

/// Runs `work` on a stack on which a text of this depth cannot overflow: this one, or that of a thread of its own. `None`
/// when no thread is to be had.
pub(crate) fn deep<T: Send>(dialect: Dialect, depth: usize, work: impl FnOnce() -> T + Send) -> Option<T> {
    let needed = depth * stack_for_a_level(dialect);
    if let Some(left) = LEFT.get().checked_sub(needed) {
        LEFT.set(left);
        let _taken = Taken(needed);
        return Some(work());
    }
    let budget = BUDGET.get();
    let carried = move || {
        BUDGET.set(budget);
        (work(), BUDGET.get())
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(OWN_STACK + needed).spawn_scoped(scope, carried).ok()?;
        let (done, left) = thread.join().ok()?;
        BUDGET.set(left);
        Some(done)
    })
}

/// The bound that a text exceeds by its size, in words for its author.
pub(crate) fn exceeded(dialect: Dialect, lifted: &Lifted) -> Option<String> {
    let bounds = [
        (lifted.joins, MOST_JOINS, "joins"),
        (lifted.set_operations, MOST_SET_OPERATIONS, "set operations (UNION, INTERSECT, EXCEPT)"),
        (lifted.definitions, MOST_COMMON_TABLES, "common table expressions and named windows"),
        (lifted.tokens, MOST_TOKENS, "tokens beside long lists of literals"),
    ];
    if let Some((_, most, what)) = bounds.into_iter().find(|(found, most, _)| found > most) {
        return Some(format!("the text has more than {most} {what}: send it in pieces"));
    }
    let (depth, deepest) = (lifted.nesting, deepest_tree(dialect));
    (depth > deepest).then(|| {
        format!(
            "the text nests too deeply (up to {depth} levels, {deepest} are read): simplify it or send it in pieces"
        )
    })
}

/// How much work a text may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// What applications send, some milliseconds at most.
    Quick,
    /// Everything that is read at all.
    Thorough,
}

/// What is left of a text's budget.
#[derive(Clone, Copy)]
struct Budget {
    steps: usize,
    memory: usize,
    spent: Option<&'static str>,
}

impl Budget {
    fn new(effort: Effort) -> Self {
        let (steps, memory) = match effort {
            Effort::Quick => (40_000, 100_000),
            Effort::Thorough => (1_500_000, 4_000_000),
        };
        Self { steps, memory, spent: None }
    }
}

thread_local! {
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
}

/// Gives the thread its former budget back, also when the work panics.
struct Restore(Option<Budget>);

impl Drop for Restore {
    fn drop(&mut self) {
        BUDGET.set(self.0);
    }
}

/// Runs `work` under a budget. With the result: what it spent, if it spent all of something; the result is then not to be
/// used.
pub(crate) fn within<T>(effort: Effort, work: impl FnOnce() -> T) -> (T, Option<&'static str>) {
    let _restore = Restore(BUDGET.replace(Some(Budget::new(effort))));
    let done = work();
    (done, BUDGET.get().and_then(|budget| budget.spent))
}

/// Refuses to go on with the text, for this reason.
pub(crate) fn stop(what: &'static str) {
    if let Some(mut budget) = BUDGET.get() {
        budget.spent.get_or_insert(what);
        BUDGET.set(Some(budget));
    }
}

/// Whether the budget is spent.
pub(crate) fn is_spent() -> bool {
    BUDGET.get().is_some_and(|budget| budget.spent.is_some())
}

/// Takes work from the budget, in expressions, names and tokens looked at; false when it is spent.
pub(crate) fn step(cost: usize) -> bool {
    let Some(mut budget) = BUDGET.get() else { return true };
    match budget.steps.checked_sub(cost) {
        Some(left) => budget.steps = left,
        None => {
            budget.spent.get_or_insert("work for the analysis (1,500,000 expressions and columns)");
        }
    }
    BUDGET.set(Some(budget));
    budget.spent.is_none()
}

/// Takes memory from the budget, in units of about 16 bytes; false when it is spent.
pub(crate) fn hold(units: usize) -> bool {
    let Some(mut budget) = BUDGET.get() else { return true };
    match budget.memory.checked_sub(units) {
        Some(left) => budget.memory = left,
        None => {
            budget.spent.get_or_insert("memory for the analysis (64 MiB of columns that subqueries hand on)");
        }
    }
    BUDGET.set(Some(budget));
    budget.spent.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_once_and_belongs_to_its_text() {
        let (inner, spent) = within(Effort::Quick, || {
            assert_eq!(deep(Dialect::Postgres, 5_000, || step(30_000)), Some(true), "another thread, the same budget");
            let ((), inner) = within(Effort::Quick, || assert!(!step(50_000)));
            assert!(!step(30_000) && !step(1) && is_spent());
            inner
        });
        assert!(inner.is_some() && spent.is_some());
        assert!(step(usize::MAX), "outside a text nothing is counted");
    }

    #[test]
    fn a_stack_grows_with_the_depth() {
        fn fall(levels: usize) -> usize {
            let room = std::hint::black_box([1_u8; 4096]);
            if levels == 0 { 0 } else { fall(levels - 1) + usize::from(room[levels % 4096]) }
        }
        assert_eq!(deep(Dialect::Postgres, 5_000, || fall(10_000)), Some(10_000));
    }
}
