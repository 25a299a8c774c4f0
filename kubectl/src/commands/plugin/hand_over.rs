//! Finds the program for a command line this one has no command for, and becomes it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use super::{PREFIX, is_executable};
use crate::commands;

/// Whether this program has a command of that name; the name it is known by.
pub fn known(word: &str) -> Option<&'static str> {
    if word == "help" {
        return Some("help");
    }
    let named = |verb: &&commands::Verb| verb.name == word || verb.aliases.contains(&word);
    commands::all().iter().find(named).map(|verb| verb.name)
}

/// Runs the plugin a command line means. When it returns, the line is for this program, or the failure is
/// what is left to print.
pub fn hand_over(arguments: &[OsString]) -> Option<String> {
    let words: Vec<&str> = arguments.iter().skip(1).map_while(|word| word.to_str()).collect();
    let first = words.first().copied().filter(|word| !word.starts_with('-'))?;
    if first.starts_with("__complete") {
        return None;
    }
    let below_create = known(first) == Some("create") && words.get(1).is_some_and(|word| is_foreign_create(word));
    if known(first).is_some() && !below_create {
        return None;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let least = if below_create { 2 } else { 1 };
    match find(&words, least, &folders) {
        Some((program, used)) => {
            let error = std::process::Command::new(&program).args(arguments.iter().skip(1 + used)).exec();
            Some(format!("error: {}: {error}", program.display()))
        }
        None if below_create => None,
        None => Some(unknown(first)),
    }
}

/// Whether `create` makes no such thing itself.
fn is_foreign_create(word: &str) -> bool {
    if word.starts_with('-') {
        return false;
    }
    let root = crate::app::command();
    let own = root.find_subcommand("create").and_then(|create| create.find_subcommand(word));
    own.is_none()
}

/// The program with the most words of the line in its name, and how many those are.
fn find(words: &[&str], least: usize, folders: &[PathBuf]) -> Option<(PathBuf, usize)> {
    let parts: Vec<String> = words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .map(|word| word.replace('-', "_"))
        .collect();
    (least..=parts.len()).rev().find_map(|count| {
        let name = format!("{PREFIX}{}", parts.get(..count)?.join("-"));
        if name.contains('/') {
            return None;
        }
        let program = folders
            .iter()
            .filter(|folder| !folder.as_os_str().is_empty())
            .map(|folder| folder.join(&name))
            .find(|path: &PathBuf| is_executable(Path::new(path)).unwrap_or_default())?;
        Some((program, count))
    })
}

/// Upstream's answer to an unknown command.
pub fn unknown(word: &str) -> String {
    let near: Vec<&str> = commands::all()
        .iter()
        .map(|verb| verb.name)
        .filter(|name| !name.starts_with("__") && (distance(word, name) <= 2 || name.starts_with(word)))
        .collect();
    let mut text = format!("error: unknown command {word:?} for \"kubectl\"");
    if !near.is_empty() {
        text.push_str("\n\nDid you mean this?\n");
        text.extend(near.iter().map(|name| format!("\t{name}\n")));
    }
    text
}

/// How many letters must be changed, added or left out.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.to_lowercase().chars().enumerate() {
        let mut next = vec![at + 1];
        for (column, wanted) in other.iter().enumerate() {
            let (diagonal, above) = (row.get(column), row.get(column + 1));
            let change = diagonal.copied().unwrap_or_default() + usize::from(letter != *wanted);
            let add = next.last().copied().unwrap_or_default() + 1;
            next.push(change.min(add).min(above.copied().unwrap_or_default() + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::commands::scratch::Folder;

    #[test]
    fn the_longest_name_is_run() {
        let folder = Folder::new("kubectl-test-").expect("a folder");
        for name in ["kubectl-foo", "kubectl-foo-bar_baz", "kubectl-data"] {
            folder.write(name, "").expect("a file");
            let mode = if name == "kubectl-data" { 0o644 } else { 0o755 };
            std::fs::set_permissions(folder.path().join(name), std::fs::Permissions::from_mode(mode)).expect("own file");
        }
        let folders = [folder.path().to_owned()];
        let check = |line: &str, expected: Option<(&str, usize)>| {
            let words: Vec<&str> = line.split(' ').collect();
            let found = find(&words, 1, &folders);
            let shown = found.as_ref().and_then(|(path, used)| Some((path.file_name()?.to_str()?, *used)));
            assert_eq!(shown, expected, "{line}");
        };
        check("foo x", Some(("kubectl-foo", 1)));
        check("foo bar-baz x", Some(("kubectl-foo-bar_baz", 2)));
        check("foo --x bar-baz", Some(("kubectl-foo", 1)));
        check("data", None);
        check("../foo", None);
    }

    #[test]
    fn own_commands_stay() {
        let line = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(hand_over(&line("kubectl get pods")), None);
        assert_eq!(hand_over(&line("kubectl --help")), None);
        assert_eq!(hand_over(&line("kubectl create configmap x")), None);
        let text = hand_over(&line("kubectl gett")).unwrap_or_default();
        assert!(text.starts_with("error: unknown command \"gett\" for \"kubectl\"\n\nDid you mean this?\n"), "{text}");
        assert!(text.contains("\tget\n"), "{text}");
        assert_eq!((distance("gett", "get"), distance("", "abc"), distance("abc", "abc")), (1, 3, 0));
    }
}
