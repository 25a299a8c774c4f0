//! Processor time, memory and open files of this process, read from `/proc/self` on each scrape.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// Clock ticks per second in `/proc/<pid>/stat`: fixed at 100 for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// The fields of `/proc/self/stat` after the program name start with number 3.
const FIRST_FIELD: usize = 3;

/// Upstream's `process_*` metrics.
pub(crate) struct ProcessCollector {
    cpu: Counter,
    open_files: Gauge,
    max_files: Gauge,
    virtual_memory: Gauge,
    resident_memory: Gauge,
    start_time: Gauge,
}

impl ProcessCollector {
    pub(crate) fn new() -> ProcessCollector {
        let gauge = |name, help| Gauge::new(name, help).expect("constant metric names are well formed");
        let collector = ProcessCollector {
            cpu: Counter::new(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
            )
            .expect("constant metric names are well formed"),
            open_files: gauge("process_open_fds", "Number of open file descriptors."),
            max_files: gauge("process_max_fds", "Maximum number of open file descriptors."),
            virtual_memory: gauge("process_virtual_memory_bytes", "Virtual memory size in bytes."),
            resident_memory: gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
            start_time: gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
            ),
        };
        if let (Some(stat), Some(boot)) = (ProcessStat::read(), boot_time()) {
            collector.start_time.set(boot + stat.start_ticks / TICKS_PER_SECOND);
        }
        collector
    }

    fn refresh(&self) {
        if let Some(stat) = ProcessStat::read() {
            let seconds = stat.cpu_ticks / TICKS_PER_SECOND;
            self.cpu.inc_by((seconds - self.cpu.get()).max(0.0));
            self.virtual_memory.set(stat.virtual_bytes);
            self.resident_memory.set(stat.resident_pages * rustix::param::page_size() as f64);
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            self.open_files.set(entries.count() as f64);
        }
        if let Some(limit) = open_files_limit() {
            self.max_files.set(limit);
        }
    }
}

impl Collector for ProcessCollector {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [
            &self.open_files,
            &self.max_files,
            &self.virtual_memory,
            &self.resident_memory,
            &self.start_time,
        ];
        self.cpu.desc().into_iter().chain(gauges.into_iter().flat_map(|gauge| gauge.desc())).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        let gauges = [
            &self.open_files,
            &self.max_files,
            &self.virtual_memory,
            &self.resident_memory,
            &self.start_time,
        ];
        self.cpu.collect().into_iter().chain(gauges.into_iter().flat_map(|gauge| gauge.collect())).collect()
    }
}

#[derive(Debug, PartialEq)]
struct ProcessStat {
    cpu_ticks: f64,
    start_ticks: f64,
    virtual_bytes: f64,
    resident_pages: f64,
}

impl ProcessStat {
    fn read() -> Option<ProcessStat> {
        ProcessStat::parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The program name may hold spaces and parentheses: fields are counted from the last `)`.
    fn parse(text: &str) -> Option<ProcessStat> {
        let fields: Vec<f64> = text
            .rsplit_once(')')?
            .1
            .split_ascii_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        let field = |number: usize| fields.get(number - FIRST_FIELD).copied();
        Some(ProcessStat {
            cpu_ticks: field(14)? + field(15)?,
            start_ticks: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

fn boot_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn open_files_limit() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_program_names_do_not_shift_the_fields() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 777 1000000 42 0";
        let expected = ProcessStat {
            cpu_ticks: 200.0,
            start_ticks: 777.0,
            virtual_bytes: 1_000_000.0,
            resident_pages: 42.0,
        };
        assert_eq!(ProcessStat::parse(&format!("7 (a b) c) {tail}")), Some(expected));
        assert_eq!(ProcessStat::parse("7 (x) S 1"), None);
        assert_eq!(ProcessStat::parse("nonsense"), None);
    }
}
