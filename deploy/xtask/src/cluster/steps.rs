//! Progress for the one who waits: which step, of how many, and how long it took.

use std::time::Instant;

use anyhow::{Context as _, Result};

/// Counts and times the steps of a command.
pub struct Steps {
    total: usize,
    done: usize,
    started: Instant,
}

impl Steps {
    pub fn new(total: usize) -> Self {
        Self { total, done: 0, started: Instant::now() }
    }

    /// Runs a step under its title.
    pub fn run<T>(&mut self, title: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        println!("==> [{}/{}] {title}", self.done, self.total);
        let started = Instant::now();
        let outcome = step().with_context(|| format!("step {} failed: {title}", self.done));
        let word = if outcome.is_ok() { "done" } else { "failed" };
        println!("    {word} in {:.1} s", started.elapsed().as_secs_f64());
        outcome
    }

    /// Seconds since the first step began.
    pub fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}
