//! The rules of the house that a machine can check: layers, names, sizes, first lines, words.

mod files;
mod layers;
mod walk;

use std::path::Path;

use anyhow::Result;

/// Checks everything; tells all that is wrong at once.
pub fn check(root: &Path) -> Result<()> {
    let mut complaints = layers::check(root)?;
    complaints.extend(files::check(root)?);
    complaints.extend(walk::check(root)?);
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.sort();
    let list: String = complaints.iter().map(|complaint| format!("\n  {complaint}")).collect();
    anyhow::bail!("{} breaks of the rules:{list}", complaints.len())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_repository_keeps_its_rules() {
        let root = crate::workspace_root().expect("the workspace");
        if let Err(error) = super::check(&root) {
            panic!("{error}");
        }
    }
}
