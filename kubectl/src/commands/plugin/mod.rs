//! `kubectl plugin`, and programs named `kubectl-…` as commands (`kubectl/pkg/cmd/plugin`).

mod hand_over;

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::{Error, Factory, Result, Streams};
pub use hand_over::{hand_over, unknown as unknown_command};

/// What names of plugins begin with.
const PREFIX: &str = "kubectl-";

/// Arguments of `plugin`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

/// What is done with plugins.
#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// List all visible plugin executables on a user's PATH
    List {
        /// If true, display only the binary name of each plugin, rather than its full path
        #[arg(long)]
        name_only: bool,
    },
}

/// Runs `plugin`.
pub async fn run(args: Args, _: &Factory, streams: &mut Streams) -> Result<i32> {
    let What::List { name_only } = args.what;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    list(&folders, name_only, streams)
}

fn list(folders: &[PathBuf], name_only: bool, streams: &mut Streams) -> Result<i32> {
    let plugins = find(folders, streams)?;
    if plugins.is_empty() {
        return Err(Error::Plain("error: unable to find any kubectl plugins in your PATH".to_owned()));
    }
    writeln!(streams.out, "The following compatible plugins are available:\n")?;
    let (mut seen, mut count) = (HashMap::new(), 0);
    for path in plugins {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name_only {
            writeln!(streams.out, "{name}")?;
        } else {
            writeln!(streams.out, "{}", path.display())?;
        }
        streams.out.flush()?;
        for warning in warnings(&path, &name, &mut seen) {
            writeln!(streams.err, "  - {warning}")?;
            count += 1;
        }
    }
    match count {
        0 => Ok(0),
        1 => Err(Error::Plain("error: one plugin warning was found".to_owned())),
        count => Err(Error::Plain(format!("error: {count} plugin warnings were found"))),
    }
}

/// Plugins in the order of the folders, and of their names in each.
fn find(folders: &[PathBuf], streams: &mut Streams) -> Result<Vec<PathBuf>> {
    let (mut found, mut known) = (Vec::new(), Vec::new());
    for folder in folders {
        if folder.as_os_str().is_empty() || known.contains(&folder) {
            continue;
        }
        known.push(folder);
        let shown = folder.display().to_string();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                let why = match error.kind() {
                    std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                    std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                    _ => error.to_string(),
                };
                writeln!(
                    streams.err,
                    "Unable to read directory {shown:?} from your PATH: open {shown}: {why}. Skipping..."
                )?;
                continue;
            }
        };
        let mut here: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
            .map(|entry| entry.path())
            .collect();
        here.sort();
        found.extend(here);
    }
    Ok(found)
}

fn is_executable(path: &Path) -> std::io::Result<bool> {
    let meta = std::fs::metadata(path)?;
    Ok(!meta.is_dir() && meta.permissions().mode() & 0o111 != 0)
}

/// Why a plugin cannot be used as it is.
fn warnings(path: &Path, name: &str, seen: &mut HashMap<String, PathBuf>) -> Vec<String> {
    let shown = path.display();
    let mut found = Vec::new();
    match is_executable(path) {
        Ok(true) => {}
        Ok(false) => {
            found.push(format!("warning: {shown} identified as a kubectl plugin, but it is not executable"));
        }
        Err(error) => found.push(format!("error: unable to identify {shown} as an executable file: {error}")),
    }
    match seen.get(name) {
        Some(other) => found.push(format!(
            "warning: {shown} is overshadowed by a similarly named plugin: {}",
            other.display()
        )),
        None => {
            seen.insert(name.to_owned(), path.to_owned());
        }
    }
    let words: Vec<&str> = name.trim_start_matches(PREFIX).split('-').collect();
    if let Some(command) = hand_over::known(words.first().copied().unwrap_or_default()) {
        found.push(format!("warning: {name} overwrites existing command: \"kubectl {command}\""));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::scratch::Folder;

    #[test]
    fn plugins_are_listed_with_what_is_wrong() {
        let (first, second) =
            (Folder::new("kubectl-test-").expect("a folder"), Folder::new("kubectl-test-").expect("a folder"));
        let executable = |folder: &Folder, name: &str| {
            folder.write(name, "#!/bin/sh\n").expect("a file");
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path().join(name), mode).expect("own file");
        };
        executable(&first, "kubectl-foo");
        executable(&first, "kubectl-get");
        second.write("kubectl-foo", "").expect("a file");
        executable(&second, "other");
        let folders = [first.path().to_owned(), first.path().to_owned(), second.path().to_owned()];
        let (mut streams, out, err) = Streams::buffers("");
        let error = list(&folders, true, &mut streams).expect_err("warnings");
        assert_eq!(error.report(), "error: 3 plugin warnings were found");
        let expected = "The following compatible plugins are available:\n\nkubectl-foo\nkubectl-get\nkubectl-foo\n";
        assert_eq!(out.text(), expected);
        let err = err.text();
        assert!(err.contains("warning: kubectl-get overwrites existing command: \"kubectl get\""), "{err}");
        assert!(err.contains("but it is not executable"), "{err}");
        assert!(err.contains("is overshadowed by a similarly named plugin"), "{err}");
        let (mut streams, _, _) = Streams::buffers("");
        assert!(list(&[], false, &mut streams).is_err());
    }
}
