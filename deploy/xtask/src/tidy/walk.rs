//! Paths that pages name must exist: the map is of no use when the land has changed.

use std::path::Path;

use anyhow::{Context as _, Result};

/// Pages whose tables name paths.
const PAGES: [&str; 1] = ["ARCHITECTURE.md"];

pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for page in PAGES {
        let text = std::fs::read_to_string(root.join(page)).with_context(|| format!("reading {page}"))?;
        for path in paths(&text).into_iter().filter(|path| !root.join(path).exists()) {
            complaints.push(format!("{page} names {path}, which does not exist"));
        }
    }
    Ok(complaints)
}

/// What stands in backticks in the table rows of the walk and of the code map, when it looks like a path of ours.
fn paths(page: &str) -> Vec<&str> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let quoted = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    quoted.filter(|text| super::files::is_top_level(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_in_tables() {
        let page = "Text with `kubelet/none`.\n| a | `kubelet/core`, `--flag` |\n| `scheduler/src` | b |\n";
        assert_eq!(paths(page), ["kubelet/core", "scheduler/src"]);
    }

    #[test]
    fn a_missing_path_is_told() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("kubelet")).expect("made");
        std::fs::write(root.path().join("ARCHITECTURE.md"), "| a | `kubelet`, `kubelet/gone.rs` |\n")
            .expect("written");
        let complaints = check(root.path()).expect("checked");
        assert_eq!(complaints, ["ARCHITECTURE.md names kubelet/gone.rs, which does not exist"]);
    }
}
