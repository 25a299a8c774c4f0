//! Writes tar archives in memory.

/// Appends an entry of a type (`b'0'` a file, `b'5'` a directory) with mode and content.
pub fn append(archive: &mut Vec<u8>, path: &str, kind: u8, mode: u32, content: &[u8]) {
    append_linked(archive, path, kind, mode, "", content);
}

/// Appends an entry with a link target (`b'2'` a symbolic link).
pub fn append_linked(archive: &mut Vec<u8>, path: &str, kind: u8, mode: u32, target: &str, content: &[u8]) {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    assert!(path.len() <= 100 && target.len() <= 100, "name too long for a test archive: {path}");
    put(0, path.as_bytes());
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

/// Ends the archive.
pub fn finish(archive: &mut Vec<u8>) {
    archive.resize(archive.len() + 1024, 0);
}
