//! Rules of files: top-level names, first lines, sizes, names that say nothing, words that promise.

use std::path::Path;

use anyhow::Result;

use crate::process::{command, output_of};

/// The folders the project has at its root, besides those with a dot.
const TOP_LEVEL: [&str; 11] = [
    "apiserver",
    "scheduler",
    "controller-manager",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "kubeadm",
    "api-types",
    "proto",
    "deploy",
    "tests",
];
/// Lines of a file before it is split by subject.
const MOST_LINES: usize = 600;
/// Folders with files that a program writes.
const GENERATED: [&str; 2] = ["api-types/src/generated/", "api-types/machinery/src/meta/"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 5] = ["utils", "util", "common", "helpers", "misc"];

pub fn check(root: &Path) -> Result<Vec<String>> {
    let list = output_of(
        command("git", ["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root),
    )?;
    let mut complaints = Vec::new();
    for path in list.lines() {
        complaints.extend(check_place(path));
        if path.ends_with(".rs")
            && let Ok(text) = std::fs::read_to_string(root.join(path))
        {
            complaints.extend(check_source(path, &text));
        }
    }
    complaints.dedup();
    Ok(complaints)
}

/// Whether a path is below one of the folders the project has.
pub fn is_top_level(path: &str) -> bool {
    path.split('/').next().is_some_and(|folder| TOP_LEVEL.contains(&folder))
}

fn check_place(path: &str) -> Option<String> {
    match path.split_once('/') {
        Some((folder, _)) => {
            let known = TOP_LEVEL.contains(&folder) || folder.starts_with('.');
            (!known).then(|| format!("{folder}: not one of the folders the project has"))
        }
        None => None,
    }
}

fn check_source(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let generated = GENERATED.iter().any(|folder| path.starts_with(folder));
    if !text.starts_with("//!") && !generated {
        complaints.push(format!("{path}: the first line is no //! sentence"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES && !generated {
        complaints.push(format!("{path}: {lines} lines; split it by subject at {MOST_LINES}"));
    }
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    if EMPTY_NAMES.contains(&stem) {
        complaints.push(format!("{path}: the name does not say what is inside"));
    }
    for (index, line) in text.lines().enumerate() {
        if let Some(word) = forbidden_word(line) {
            complaints.push(format!("{path}:{}: {word}", index + 1));
        }
    }
    complaints
}

/// Words that stand for work not done or for checks left out. They are put together here so that this file
/// does not contain them.
fn forbidden_word(line: &str) -> Option<String> {
    let words = [
        (concat!("danger_accept_", "invalid"), "certificates are always verified"),
        (concat!("TO", "DO"), "finish it, or open an issue"),
        (concat!("FIX", "ME"), "finish it, or open an issue"),
        (concat!("todo", "!("), "finish it"),
        (concat!("unimplemented", "!("), "finish it"),
    ];
    let word = |found: &str| {
        // Inside longer words, as in names of constants, it means something else.
        line.match_indices(found).any(|(place, _)| {
            let before = line[..place].chars().next_back();
            let after = line[place + found.len()..].chars().next();
            let letter = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
            !letter(before) && (!letter(after) || found.ends_with(['(', 'd']))
        })
    };
    words.into_iter().find(|(found, _)| word(found)).map(|(found, why)| format!("{found}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_keep_the_rules() {
        assert_eq!(check_source("kubelet/src/a.rs", "//! Good.\nfn a() {}\n"), Vec::<String>::new());
        assert_eq!(
            check_source("kubelet/src/a.rs", "fn a() {}\n"),
            ["kubelet/src/a.rs: the first line is no //! sentence"]
        );
        let long = format!("//! Long.\n{}", "\n".repeat(600));
        assert_eq!(check_source("a/b.rs", &long).len(), 1);
        assert!(check_source("api-types/src/generated/b.rs", &long).is_empty());
        assert_eq!(check_source("a/utils.rs", "//! X.\n").len(), 1);
        let promise = format!("//! X.\n// {}: later\n", concat!("TO", "DO"));
        assert_eq!(
            check_source("a/b.rs", &promise),
            [format!("a/b.rs:2: {}: finish it, or open an issue", concat!("TO", "DO"))]
        );
        assert!(check_source("a/b.rs", "//! X.\nconst TODOS: u8 = 1;\n").is_empty());
    }

    #[test]
    fn only_the_projects_folders_are_at_the_root() {
        assert_eq!(check_place("README.md"), None);
        assert_eq!(check_place(".ci/run"), None);
        assert_eq!(check_place("tests/e2e/src/lib.rs"), None);
        assert!(check_place("docs/x.md").is_some());
    }
}
