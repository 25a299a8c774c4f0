//! Processes of the cluster on this machine.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Processes in pods whose program has this name.
pub fn in_pods(program: &str) -> Vec<u32> {
    all().filter(|process| name_of(*process).as_deref() == Some(program) && is_in_pod(*process)).collect()
}

/// Processes of one pod whose program has this name.
pub fn of_pod(program: &str, uid: &str) -> Vec<u32> {
    // The driver for systemd writes the identity with underscores.
    let names = [uid.to_owned(), uid.replace('-', "_")];
    let is_of_it = |process: &u32| {
        fs::read_to_string(format!("/proc/{process}/cgroup"))
            .is_ok_and(|groups| names.iter().any(|name| groups.contains(name)))
    };
    in_pods(program).into_iter().filter(is_of_it).collect()
}

/// Processes outside of pods that run the program as `up` has installed it.
pub fn on_host(program: &str) -> Vec<u32> {
    let installed = Path::new("/usr/local/bin").join(program);
    let runs_it =
        |process: &u32| fs::read_link(format!("/proc/{process}/exe")).is_ok_and(|path| path == installed);
    all().filter(|process| runs_it(process) && !is_in_pod(*process)).collect()
}

/// Ends a process at once, as a crash does.
pub fn kill(process: u32) {
    let status = Command::new("kill").args(["-KILL", &process.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "process {process} can be killed");
}

fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn name_of(process: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{process}/cmdline")).ok()?;
    let first = line.split(|byte| *byte == 0).next()?;
    let title = String::from_utf8_lossy(first);
    // Some write more than the program's name there, such as the port they listen on.
    Some(Path::new(title.split_whitespace().next()?).file_name()?.to_string_lossy().into_owned())
}

fn is_in_pod(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|groups| groups.contains("kubepods"))
}
