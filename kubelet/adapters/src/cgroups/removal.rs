//! The end of a cgroup: its processes are killed, then its directories go, the deepest first.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long killed processes and busy directories may take to go; the caller tries again later.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

/// Process ids in any of these directories and below, sorted.
pub(super) fn processes(directories: &[PathBuf]) -> Vec<i32> {
    let mut found = BTreeSet::new();
    for directory in directories {
        collect(directory, &mut found);
    }
    found.into_iter().collect()
}

fn collect(directory: &Path, found: &mut BTreeSet<i32>) {
    let list = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    found.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
    for below in super::below(directory) {
        collect(&directory.join(below), found);
    }
}

/// Kills until none is left: a process may fork between listing and killing.
pub(super) fn kill_all(directories: &[PathBuf]) -> io::Result<()> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = processes(directories);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("processes {left:?} do not end")));
        }
        for pid in left {
            // Already gone is fine; whether the rest went shows in the next round.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        thread::sleep(STEP);
    }
}

/// Removes the directories with everything below, waiting for the kernel to let go of ended processes.
pub(super) fn remove_all(directories: &[PathBuf]) -> io::Result<()> {
    let deadline = Instant::now() + GONE_WITHIN;
    for directory in directories {
        loop {
            match remove_tree(directory) {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => {
                    let message = format!("remove {}: {error}", directory.display());
                    return Err(io::Error::new(error.kind(), message));
                }
                Err(_) => thread::sleep(STEP),
            }
        }
    }
    Ok(())
}

fn remove_tree(directory: &Path) -> io::Result<()> {
    for below in super::below(directory) {
        remove_tree(&directory.join(below))?;
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
