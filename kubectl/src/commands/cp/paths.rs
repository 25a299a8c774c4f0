//! Local and remote paths of `cp`, and what must not leave a folder (`kubectl/pkg/cmd/cp/filespec.go`).

use crate::Result;
use crate::error::message;

/// `[[namespace/]pod:]path`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Namespace and pod; none for a local path. The namespace may be empty.
    pub pod: Option<(String, String)>,
    /// The path.
    pub path: String,
}

impl Place {
    /// Reads an argument.
    pub fn parse(text: &str) -> Result<Place> {
        let wrong = || message("filespec must match the canonical format: [[namespace/]pod:]file/path");
        let Some((pod, path)) = text.split_once(':') else {
            return Ok(Place { pod: None, path: without_end(text).to_owned() });
        };
        if pod.is_empty() {
            return Err(wrong());
        }
        let (namespace, name) = match pod.split_once('/') {
            None => ("", pod),
            Some((_, name)) if name.contains('/') => return Err(wrong()),
            Some(pair) => pair,
        };
        let path = path.replace('\\', "/");
        Ok(Place { pod: Some((namespace.to_owned(), name.to_owned())), path: without_end(&path).to_owned() })
    }
}

/// Without one slash at the end; the root stays.
fn without_end(path: &str) -> &str {
    if path == "/" { path } else { path.strip_suffix('/').unwrap_or(path) }
}

/// The shortest path of the same meaning, by the text alone (Go's `path.Clean`).
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, text) => format!("/{text}"),
        (false, text) if text.is_empty() => ".".to_owned(),
        (false, text) => text,
    }
}

/// Two paths as one, cleaned; empty ones do not count.
pub fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(second),
        (false, true) => clean(first),
        (false, false) => clean(&format!("{first}/{second}")),
    }
}

/// Folder and last part of a cleaned path.
pub fn split(path: &str) -> (String, String) {
    let path = clean(path);
    match path.rsplit_once('/') {
        None => (".".to_owned(), path),
        Some(("", "")) => ("/".to_owned(), "/".to_owned()),
        Some(("", last)) => ("/".to_owned(), last.to_owned()),
        Some((folder, last)) => (folder.to_owned(), last.to_owned()),
    }
}

/// A path without what leads above it.
pub fn without_shortcuts(path: &str) -> &str {
    let mut rest = path;
    while let Some(shorter) = rest.strip_prefix("../") {
        rest = shorter;
    }
    match rest {
        "." | ".." => "",
        rest => rest.strip_prefix('/').unwrap_or(rest),
    }
}

/// The part of names in an archive that stands for what was asked for.
pub fn prefix(remote: &str) -> String {
    let cleaned = clean(remote.trim_start_matches('/'));
    without_shortcuts(&cleaned).to_owned()
}

/// Whether a path is in a folder, or the folder.
pub fn is_within(folder: &str, path: &str) -> bool {
    let (folder, path) = (clean(folder), clean(path));
    if folder == path || folder == "/" {
        return true;
    }
    if folder == "." {
        return !path.starts_with('/') && path != ".." && !path.starts_with("../");
    }
    path.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_pods_or_files() {
        let check = |text: &str, pod: Option<(&str, &str)>, path: &str| {
            let place = Place::parse(text).expect("sound");
            let own = pod.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
            assert_eq!(place, Place { pod: own, path: path.to_owned() }, "{text}");
        };
        check("/tmp/x/", None, "/tmp/x");
        check("p:/tmp", Some(("", "p")), "/tmp");
        check("n/p:a\\b/", Some(("n", "p")), "a/b");
        check("p:", Some(("", "p")), "");
        assert!(Place::parse(":x").is_err());
        assert!(Place::parse("a/b/c:x").is_err());
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        let check = |path: &str, expected: &str| assert_eq!(clean(path), expected, "{path}");
        check("", ".");
        check("a//b/./c/..", "a/b");
        check("/../a", "/a");
        check("../../a", "../../a");
        check("a/../..", "..");
        assert_eq!(split("/a/b"), ("/a".to_owned(), "b".to_owned()));
        assert_eq!(split("a"), (".".to_owned(), "a".to_owned()));
        assert_eq!(join("a/b", "../c"), "a/c");
    }

    #[test]
    fn nothing_leaves_its_folder() {
        let check = |folder: &str, path: &str, expected: bool| {
            assert_eq!(is_within(folder, path), expected, "{folder} {path}");
        };
        check("/tmp/a", "/tmp/a", true);
        check("/tmp/a", "/tmp/a/b", true);
        check("/tmp/a", "/tmp/ab", false);
        check("/tmp/a", "/tmp/a/../b", false);
        check(".", "a", true);
        check(".", "../a", false);
        check("a", "a/../../etc", false);
        assert_eq!(prefix("/../../tmp/x/"), "tmp/x");
        assert_eq!(prefix("../x"), "x");
        assert_eq!(prefix("."), "");
    }
}
