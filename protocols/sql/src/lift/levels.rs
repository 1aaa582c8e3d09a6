//! How deeply a text may nest, from above: what stands on one level of brackets nests at most as often as there are words
//! and signs in it, and what a comma ends does not nest in what comes after it. CASE is a bracket too.

use super::Scan;

#[derive(Clone, Copy, Default)]
pub(super) struct Level {
    pub(super) run: usize,
    pub(super) deepest: usize,
    pub(super) positional: bool,
    /// BETWEENs whose AND is still to come: it does not end what stands before it.
    pub(super) between: usize,
    /// From CASE to END, not in parentheses.
    pub(super) case: bool,
}

impl Scan<'_> {
    pub(super) fn count(&mut self) {
        self.out.tokens += 1;
        if let Some(level) = self.levels.last_mut() {
            level.run += 1;
            self.total += 1;
        }
    }

    pub(super) fn positional(&mut self, on: bool) {
        if let Some(level) = self.levels.last_mut() {
            level.positional = on;
        }
    }

    /// Leaves a level: what it holds hangs below what stands around it.
    pub(super) fn close(&mut self) {
        if self.levels.len() > 1
            && let Some(inner) = self.levels.pop()
            && let Some(outer) = self.levels.last_mut()
        {
            let depth = inner.run.max(inner.deepest) + 1;
            outer.run += depth;
            self.total = self.total - inner.run + depth;
        }
    }

    pub(super) fn too_deep(&mut self) {
        if self.levels.len() > 4096 {
            self.refuse("the text nests more than 4096 parentheses");
        }
    }

    /// What comes next on this level does not nest in what came before.
    pub(super) fn settle(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            self.out.nesting = self.out.nesting.max(self.total);
            self.total -= level.run;
            level.deepest = level.deepest.max(level.run);
            level.run = 0;
        }
    }

    /// BETWEEN: its AND is still to come.
    pub(super) fn between(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.between += 1;
        }
    }

    /// Whether an AND belongs to a BETWEEN.
    pub(super) fn ends_between(&mut self) -> bool {
        let Some(level) = self.levels.last_mut().filter(|level| level.between > 0) else { return false };
        level.between -= 1;
        true
    }

    /// CASE: what stands before its END is below it.
    pub(super) fn case(&mut self) {
        let positional = self.levels.last().is_some_and(|level| level.positional);
        self.levels.push(Level { positional, case: true, ..Level::default() });
        self.too_deep();
    }

    /// A bracket or the statement ends: a CASE without its END is a name, or no SQL.
    pub(super) fn close_cases(&mut self) {
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| level.case) {
            self.close();
        }
    }
}
