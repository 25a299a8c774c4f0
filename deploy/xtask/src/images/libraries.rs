//! The shared libraries a program of the system needs, to be put into an image beside it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use super::oci::{Entry, Image};
use crate::process::output_of;

/// What `ldd` says about a program.
#[derive(Debug, Default, PartialEq)]
pub struct Needed {
    /// Paths as the loader will look for them.
    pub found: Vec<PathBuf>,
    pub missing: Vec<String>,
}

/// Asks which libraries a program needs, with more folders to look in.
pub fn needed_by(program: &Path, folders: &[PathBuf]) -> Result<Needed> {
    let search: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let mut ldd = Command::new("ldd");
    ldd.arg(program).env("LD_LIBRARY_PATH", search.join(":"));
    match output_of(&mut ldd) {
        Ok(text) => Ok(parse(&text)),
        // ldd's way to say that there is nothing to load.
        Err(error) if format!("{error:#}").contains("not a dynamic executable") => Ok(Needed::default()),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Needed {
    let mut needed = Needed::default();
    for line in text.lines() {
        let line = line.trim();
        if line.contains("statically linked") || line.starts_with("linux-vdso") {
            continue;
        }
        if let Some((name, rest)) = line.split_once(" => ") {
            if rest.starts_with("not found") {
                needed.missing.push(name.to_owned());
            } else if let Some(path) = rest.split_whitespace().next() {
                needed.found.push(PathBuf::from(path));
            }
        } else if line.starts_with('/')
            && let Some(path) = line.split_whitespace().next()
        {
            // The loader itself.
            needed.found.push(PathBuf::from(path));
        }
    }
    needed
}

/// Adds a program and all its libraries to an image. Libraries from `folders` go where the loader looks by
/// itself.
pub fn add_program(image: &mut Image, place: &str, program: &Path, folders: &[PathBuf]) -> Result<()> {
    let needed = needed_by(program, folders)?;
    if !needed.missing.is_empty() {
        bail!("{} needs libraries that are not here: {}", program.display(), needed.missing.join(", "));
    }
    image.add(place, Entry::Copy { from: program.to_owned(), mode: 0o755 });
    for library in needed.found {
        let inside = if folders.iter().any(|folder| library.starts_with(folder)) {
            format!("/lib/{}", library.file_name().unwrap_or_default().to_string_lossy())
        } else {
            library.to_string_lossy().into_owned()
        };
        if !image.contains(&inside) {
            image.add(&inside, Entry::Copy { from: std::fs::canonicalize(&library)?, mode: 0o755 });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_is_understood() {
        let text = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
                    \tlibnone.so.1 => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let needed = parse(text);
        assert_eq!(
            needed.found,
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from)
        );
        assert_eq!(needed.missing, ["libnone.so.1"]);
        assert_eq!(parse("\tstatically linked\n"), Needed::default());
    }
}
