//! Latencies, and the CPU that a program spent meanwhile.

use std::time::{Duration, Instant};

use crate::processes;

/// One measurement under way.
pub struct Measurement {
    name: &'static str,
    program: String,
    started: Instant,
    cpu: Duration,
}

impl Measurement {
    /// Begins now.
    pub fn begin(name: &'static str, program: &str) -> Self {
        let cpu = processes::cpu(program);
        Self { name, program: program.to_owned(), started: Instant::now(), cpu }
    }

    /// Ends now and prints: requests a second, median and 99th percentile of the latency, CPU of the program for
    /// each.
    pub fn end(self, count: usize, mut latencies: Vec<Duration>) {
        let wall = self.started.elapsed();
        let cpu = processes::cpu(&self.program).saturating_sub(self.cpu);
        latencies.sort();
        let at = |share: f64| {
            let index = (latencies.len() as f64 * share) as usize;
            latencies.get(index.min(latencies.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        println!(
            "{:<28} {:>9.0}/s  p50 {:>8.2} ms  p99 {:>8.2} ms  cpu {:>8.0} us each",
            self.name,
            count as f64 / wall.as_secs_f64(),
            at(0.5).as_secs_f64() * 1e3,
            at(0.99).as_secs_f64() * 1e3,
            cpu.as_secs_f64() * 1e6 / count.max(1) as f64,
        );
    }
}
