//! `/logs/`: files below `/var/log`, and lists of directories.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use http::{HeaderValue, Response, StatusCode};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use super::reply::{self, Reply};

/// Bytes read at once; two such pieces wait for a slow reader.
const PIECE: usize = 64 << 10;

/// Answers a request for `path` (decoded, relative) in `root`. `slash` says that the request's path ended with one.
pub async fn answer(root: &Path, path: &str, slash: bool) -> Reply {
    match find(root, path).await {
        Ok(found) if found.is_directory && !slash => redirect(path),
        Ok(found) if found.is_directory => match list(&found.path).await {
            Ok(page) => reply::typed(StatusCode::OK, "text/html; charset=utf-8", page),
            Err(error) => failure(&error),
        },
        Ok(found) => match send(&found.path).await {
            Ok(reply) => reply,
            Err(error) => failure(&error),
        },
        Err(error) => failure(&error),
    }
}

struct Found {
    path: PathBuf,
    is_directory: bool,
}

/// The real file behind a path, which must be below the root even when links are followed.
async fn find(root: &Path, path: &str) -> io::Result<Found> {
    if path.split('/').any(|part| part == "..") {
        return Err(io::ErrorKind::NotFound.into());
    }
    let root = tokio::fs::canonicalize(root).await?;
    let real = tokio::fs::canonicalize(root.join(path.trim_matches('/'))).await?;
    if !real.starts_with(&root) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let is_directory = tokio::fs::metadata(&real).await?.is_dir();
    Ok(Found { path: real, is_directory })
}

/// Names as Go's file server lists them: directories with a slash, sorted, escaped.
async fn list(directory: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        let mut name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().await?.is_dir() {
            name.push('/');
        }
        names.push(name);
    }
    names.sort();
    let mut page =
        "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n".to_owned();
    for name in names {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "<a href=\"{}\">{}</a>", url_escaped(&name), html_escaped(&name));
    }
    page.push_str("</pre>\n");
    Ok(page)
}

async fn send(path: &Path) -> io::Result<Reply> {
    let mut file = tokio::fs::File::open(path).await?;
    let size = file.metadata().await?.len();
    let (sender, pieces) = mpsc::channel(2);
    tokio::spawn(async move {
        // A log may grow while it is sent: what was promised is sent, no more.
        let mut left = size;
        while left > 0 {
            let mut piece = BytesMut::with_capacity(PIECE);
            let read = (&mut file).take(left).read_buf(&mut piece).await;
            let ended = !matches!(read, Ok(count) if count > 0);
            left = left.saturating_sub(piece.len() as u64);
            if sender.send(read.map(|_| piece.freeze())).await.is_err() || ended {
                return;
            }
        }
    });
    Ok(reply::streamed("text/plain; charset=utf-8", pieces))
}

fn redirect(path: &str) -> Reply {
    let last = path.rsplit('/').next().unwrap_or_default();
    let mut reply: Reply = Response::new(reply::empty());
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(location) = HeaderValue::try_from(format!("{}/", url_escaped(last))) {
        reply.headers_mut().insert(http::header::LOCATION, location);
    }
    reply
}

fn failure(error: &io::Error) -> Reply {
    match error.kind() {
        io::ErrorKind::NotFound => reply::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        io::ErrorKind::PermissionDenied => reply::text(StatusCode::FORBIDDEN, "403 Forbidden\n"),
        _ => reply::text(StatusCode::INTERNAL_SERVER_ERROR, "500 Internal Server Error\n"),
    }
}

fn url_escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut escaped, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                escaped.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
        escaped
    })
}

fn html_escaped(name: &str) -> String {
    name.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use http_body_util::BodyExt as _;

    use super::*;

    async fn check(root: &Path, path: &str, slash: bool, status: u16, body: &str) {
        let reply = answer(root, path, slash).await;
        assert_eq!(reply.status().as_u16(), status, "{path}");
        let got = reply.into_body().collect().await.expect("body").to_bytes();
        assert_eq!(String::from_utf8_lossy(&got), body, "{path}");
    }

    #[tokio::test]
    async fn files_and_directories() {
        let directory = tempfile::tempdir().expect("directory");
        let root = directory.path().join("log");
        fs::create_dir_all(root.join("pods")).expect("directory");
        fs::write(root.join("pods/0 <&.log"), "x".repeat(200_000)).expect("file");
        fs::write(directory.path().join("outside"), "secret").expect("file");
        symlink("../outside", root.join("escape")).expect("link");
        symlink("pods/0 <&.log", root.join("inside")).expect("link");

        let page = |list: &str| {
            format!(
                "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n{list}</pre>\n"
            )
        };
        let top =
            "<a href=\"escape\">escape</a>\n<a href=\"inside\">inside</a>\n<a href=\"pods/\">pods/</a>\n";
        check(&root, "", true, 200, &page(top)).await;
        let below = "<a href=\"0%20%3C%26.log\">0 &lt;&amp;.log</a>\n";
        check(&root, "pods", true, 200, &page(below)).await;
        check(&root, "pods", false, 301, "").await;
        check(&root, "inside", false, 200, &"x".repeat(200_000)).await;
        check(&root, "escape", false, 403, "403 Forbidden\n").await;
        check(&root, "../outside", false, 404, "404 page not found\n").await;
        check(&root, "missing", false, 404, "404 page not found\n").await;
    }
}
