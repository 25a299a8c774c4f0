//! Files a proxy serves beside the API (`--www`).

use std::path::{Component, Path, PathBuf};

/// What there is at a path below a folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A file: its media type and content.
    File(&'static str, Vec<u8>),
    /// A folder without `index.html`, as a page of links.
    Listing(String),
    /// Nothing, or nothing that may be shown.
    Nothing,
}

/// Looks up the part of a URL after the prefix.
pub fn find(folder: &Path, rest: &str) -> Found {
    let Some(path) = below(folder, rest) else { return Found::Nothing };
    let path = if path.is_dir() && path.join("index.html").is_file() { path.join("index.html") } else { path };
    if path.is_dir() {
        return listing(&path).map_or(Found::Nothing, Found::Listing);
    }
    std::fs::read(&path).map_or(Found::Nothing, |content| Found::File(media_type(&path), content))
}

/// The path, unless a part of it leads elsewhere.
fn below(folder: &Path, rest: &str) -> Option<PathBuf> {
    let rest = decode(rest.trim_start_matches('/'))?;
    let plain = Path::new(&rest).components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| folder.join(rest))
}

/// Takes percent escapes back; none for what is no text then.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let value = digit(rest.next())? * 16 + digit(rest.next())?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn listing(folder: &Path) -> Option<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|entry| {
            let slash = if entry.path().is_dir() { "/" } else { "" };
            format!("{}{slash}", entry.file_name().to_string_lossy())
        })
        .collect();
    names.sort();
    let escaped = |name: &str| name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;");
    let lines: String =
        names.iter().map(|name| format!("<a href=\"{0}\">{0}</a>\n", escaped(name))).collect();
    Some(format!("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n{lines}</pre>\n"))
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "wasm" => "application/wasm",
        "txt" | "md" | "yaml" | "yml" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::scratch::Folder;

    #[test]
    fn files_are_found_below_the_folder_only() {
        let folder = Folder::new("kubectl-test-").expect("a folder");
        folder.write("a b.txt", "text").expect("a file");
        assert_eq!(find(folder.path(), "/a%20b.txt"), Found::File("text/plain; charset=utf-8", b"text".to_vec()));
        for path in ["../x", "%2e%2e/x", "a/../../x", "//etc/../passwd/..", "%zz"] {
            assert_eq!(find(folder.path(), path), Found::Nothing, "{path}");
        }
        assert!(matches!(find(folder.path(), ""), Found::Listing(page) if page.contains("a b.txt")));
    }
}
