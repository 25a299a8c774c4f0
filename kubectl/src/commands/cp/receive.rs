//! An archive from a container, unpacked below a local path and nowhere else.

use std::future::Future;
use std::io::Write as _;
use std::path::Path;

use super::archive::{BLOCK, Header, Kind, Reader, Step, padding};
use super::paths;
use crate::error::message;
use crate::{Result, Streams};

/// Where the bytes of an archive come from.
pub trait Bytes {
    /// The next piece; empty at the end.
    fn next(&mut self, streams: &mut Streams) -> impl Future<Output = Result<Vec<u8>>>;
}

/// Pieces cut to the sizes that are needed.
struct Cutter<'a, B> {
    source: &'a mut B,
    piece: Vec<u8>,
    used: usize,
}

impl<B: Bytes> Cutter<'_, B> {
    /// At most `most` bytes; none at the end.
    async fn some(&mut self, most: usize, streams: &mut Streams) -> Result<&[u8]> {
        if self.used >= self.piece.len() {
            self.piece = self.source.next(streams).await?;
            self.used = 0;
        }
        let from = self.used;
        self.used = self.piece.len().min(from.saturating_add(most));
        Ok(self.piece.get(from..self.used).unwrap_or_default())
    }

    /// Exactly so many bytes, given to `each`; false when there were none at all.
    async fn exactly(
        &mut self,
        size: u64,
        streams: &mut Streams,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<bool> {
        let mut left = size;
        while left > 0 {
            let bytes = self.some(usize::try_from(left).unwrap_or(usize::MAX), streams).await?;
            if bytes.is_empty() {
                return if left == size { Ok(false) } else { Err(message("unexpected EOF")) };
            }
            left -= bytes.len() as u64;
            each(bytes)?;
        }
        Ok(true)
    }

    async fn content(
        &mut self,
        size: u64,
        streams: &mut Streams,
        each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let whole = self.exactly(size, streams, each).await?;
        let rest = self.exactly(padding(size) as u64, streams, |_| Ok(())).await?;
        if whole && rest { Ok(()) } else { Err(message("unexpected EOF")) }
    }
}

/// What is unpacked where.
pub struct Unpacking<'a> {
    /// What names in the archive begin with.
    pub prefix: String,
    /// Where it goes.
    pub target: &'a str,
    /// Namespace, pod and remote path, for the hint at links.
    pub origin: (&'a str, &'a str, &'a str),
}

/// Unpacks everything.
pub async fn unpack(what: &Unpacking<'_>, source: &mut impl Bytes, streams: &mut Streams) -> Result<()> {
    let mut cutter = Cutter { source, piece: Vec::new(), used: 0 };
    let mut reader = Reader::default();
    let mut hinted = false;
    loop {
        let mut block = Vec::with_capacity(BLOCK);
        cutter
            .exactly(BLOCK as u64, streams, |bytes| {
                block.extend_from_slice(bytes);
                Ok(())
            })
            .await?;
        // Without an end mark the archive is over where the bytes are.
        let Ok(block) = <[u8; BLOCK]>::try_from(block) else { return Ok(()) };
        match reader.block(&block)? {
            Step::End => return Ok(()),
            Step::Text(size) => {
                let mut text = Vec::new();
                cutter
                    .content(size, streams, |bytes| {
                        text.extend_from_slice(bytes);
                        Ok(())
                    })
                    .await?;
                reader.text(&text);
            }
            Step::Entry(header) => {
                let mut file = place(what, &header, &mut hinted, streams)?;
                cutter
                    .content(header.size, streams, |bytes| match &mut file {
                        Some(file) => Ok(file.write_all(bytes)?),
                        None => Ok(()),
                    })
                    .await?;
            }
        }
    }
}

/// Makes what an entry needs; the file its content goes to, when it has one.
fn place(
    what: &Unpacking<'_>,
    header: &Header,
    hinted: &mut bool,
    streams: &mut Streams,
) -> Result<Option<std::fs::File>> {
    let Some(rest) = header.name.strip_prefix(&what.prefix) else {
        return Err(message("tar contents corrupted"));
    };
    let path = paths::join(what.target, rest.trim_end_matches('/'));
    if !paths::is_within(what.target, &path) {
        writeln!(streams.err, "warning: file {path:?} is outside target destination, skipping")?;
        return Ok(None);
    }
    let failed = |error: std::io::Error| message(format!("{path}: {error}"));
    match header.kind {
        Kind::Folder => {
            std::fs::create_dir_all(&path).map_err(failed)?;
            return Ok(None);
        }
        Kind::Link => {
            let hint = if std::mem::replace(hinted, true) {
                String::new()
            } else {
                let (namespace, pod, remote) = what.origin;
                format!(" (consider using \"kubectl exec -n {namespace:?} {pod:?} -- tar cf - {remote:?} | tar xf -\")")
            };
            writeln!(streams.err, "warning: skipping symlink: {path:?} -> {:?}{hint}", header.link)?;
            return Ok(None);
        }
        Kind::Other => {
            writeln!(streams.err, "warning: skipping {path:?}, which is neither a file nor a folder")?;
            return Ok(None);
        }
        Kind::File => {}
    }
    if let Some(folder) = Path::new(&path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::File::create(&path).map(Some).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::cp::send;
    use crate::commands::scratch::Folder;

    /// Pieces of a given size.
    struct Pieces(Vec<u8>, usize);

    impl Bytes for Pieces {
        async fn next(&mut self, _: &mut Streams) -> Result<Vec<u8>> {
            let rest = self.0.split_off(self.0.len().min(self.1));
            Ok(std::mem::replace(&mut self.0, rest))
        }
    }

    fn unpacking<'a>(prefix: &str, target: &'a str) -> Unpacking<'a> {
        Unpacking { prefix: prefix.to_owned(), target, origin: ("n", "p", "/x") }
    }

    #[tokio::test]
    async fn what_is_sent_can_be_received() {
        let (from, to) = (Folder::new("kubectl-test-").expect("a folder"), Folder::new("kubectl-test-").expect("a folder"));
        std::fs::create_dir_all(from.path().join("src/deep/empty")).expect("folders");
        from.write("src/a", "text").expect("a file");
        from.write("src/deep/b", &"x".repeat(70_000)).expect("a file");
        std::os::unix::fs::symlink("a", from.path().join("src/link")).expect("a link");
        let source = from.path().join("src").display().to_string();
        let entries = send::entries(&source, "/tmp/dst").expect("readable");
        let names: Vec<&str> = entries.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["dst/a", "dst/deep/b", "dst/deep/empty", "dst/link"]);
        let mut archive = Vec::new();
        send::write(&entries, &mut archive).await.expect("an archive");
        for size in [7, 512, 100_000] {
            let target = to.path().join(size.to_string()).display().to_string();
            let (mut streams, _, err) = Streams::buffers("");
            let mut pieces = Pieces(archive.clone(), size);
            unpack(&unpacking("dst", &target), &mut pieces, &mut streams).await.expect("unpacked");
            let read = |name: &str| std::fs::read_to_string(format!("{target}/{name}")).map(|text| text.len());
            assert_eq!((read("a").ok(), read("deep/b").ok()), (Some(4), Some(70_000)));
            assert!(Path::new(&target).join("deep/empty").is_dir());
            assert!(err.text().starts_with("warning: skipping symlink: "), "{}", err.text());
        }
    }

    #[tokio::test]
    async fn nothing_is_written_outside() {
        let to = Folder::new("kubectl-test-").expect("a folder");
        let target = to.path().join("in").display().to_string();
        let header = |name: &str| Header {
            name: name.to_owned(),
            mode: 0o644,
            owner: (0, 0),
            size: 0,
            modified: 0,
            kind: Kind::File,
            link: String::new(),
        };
        let (mut streams, _, err) = Streams::buffers("");
        let mut pieces = Pieces(header("x/../../out").encode(), 512);
        unpack(&unpacking("x", &target), &mut pieces, &mut streams).await.expect("skipped");
        assert!(err.text().contains("is outside target destination, skipping"), "{}", err.text());
        assert!(!to.path().join("out").exists());
        let mut pieces = Pieces(header("other").encode(), 512);
        let error = unpack(&unpacking("x", &target), &mut pieces, &mut streams).await.expect_err("corrupted");
        assert_eq!(error.report(), "error: tar contents corrupted");
        let mut cut = Header { size: 10, ..header("x") }.encode();
        cut.extend_from_slice(b"short");
        let mut pieces = Pieces(cut, 512);
        assert!(unpack(&unpacking("x", &target), &mut pieces, &mut streams).await.is_err());
    }
}
