//! The program `pause`: keeps a pod's namespaces open and, where it is their first process, buries orphans.

use nix::{
    errno::Errno,
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// What it listens to: two requests to end, and the end of a child.
const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGCHLD];

fn main() {
    if std::env::args().nth(1).as_deref() == Some("-v") {
        println!("pause.rs {}", env!("CARGO_PKG_VERSION"));
        return;
    }
    let signals: SigSet = SIGNALS.into_iter().collect();
    // Blocked signals stay pending until they are waited for, so that none is lost in between.
    if let Err(error) = signals.thread_block() {
        eprintln!("failed to block signals: {error}");
        std::process::exit(1);
    }
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => reap(),
            Ok(signal) => {
                eprintln!("shutting down, got signal: {signal}");
                return;
            }
            Err(Errno::EINTR) => {}
            Err(error) => {
                eprintln!("failed to wait for signals: {error}");
                std::process::exit(1);
            }
        }
    }
}

/// Collects all children that have ended.
fn reap() {
    while let Ok(status) = waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}
