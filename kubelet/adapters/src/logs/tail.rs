//! Finds where the last lines of a file begin, reading backwards.

use std::io::{self, SeekFrom};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt};

const BLOCK: u64 = 32 << 10;

/// The offset after which `lines` newlines remain; an unfinished last line comes on top.
pub(super) async fn start_of_last<F>(file: &mut F, lines: u64) -> io::Result<u64>
where
    F: AsyncRead + AsyncSeek + Unpin,
{
    let mut right = file.seek(SeekFrom::End(0)).await?;
    let mut missing = lines;
    let mut block = Vec::new();
    while right > 0 {
        let left = right.saturating_sub(BLOCK);
        block.resize(usize::try_from(right - left).unwrap_or_default(), 0);
        file.seek(SeekFrom::Start(left)).await?;
        file.read_exact(&mut block).await?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            if missing == 0 {
                return Ok(left + at as u64 + 1);
            }
            missing -= 1;
        }
        right = left;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(content: &str, lines: u64, expected: &str) {
        let mut file = std::io::Cursor::new(content.as_bytes().to_vec());
        let start = start_of_last(&mut file, lines).await.expect("memory does not fail");
        let rest = content.get(usize::try_from(start).expect("small")..).expect("within");
        assert_eq!(rest, expected, "{lines} of {} bytes", content.len());
    }

    #[tokio::test]
    async fn last_lines() {
        check("a\nb\nc\n", 0, "").await;
        check("a\nb\nc\n", 1, "c\n").await;
        check("a\nb\nc\n", 3, "a\nb\nc\n").await;
        check("a\nb\nc\n", 9, "a\nb\nc\n").await;
        check("a\nb\nc", 1, "b\nc").await;
        check("", 5, "").await;
        let long = format!("{}\n", "x".repeat(50_000));
        check(&format!("{long}{long}{long}"), 2, &format!("{long}{long}")).await;
    }
}
