//! One line of a CRI log: `<time> <stream> <tags> <text>`.

use jiff::Timestamp;

/// Which of a container's outputs a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// A parsed line; it borrows from the file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub time: Timestamp,
    /// The time as written, for its offset.
    pub time_text: &'a str,
    pub stream: Stream,
    /// Ends with a newline unless the line goes on in the next one.
    pub text: &'a [u8],
}

/// Parses a line with its newline; the reason when it is malformed.
pub(super) fn parse(bytes: &[u8]) -> Result<Line<'_>, &'static str> {
    let (time_text, rest) = word(bytes).ok_or("timestamp is not found")?;
    let time_text = std::str::from_utf8(time_text).map_err(|_| "timestamp is not text")?;
    let time: Timestamp = time_text.parse().map_err(|_| "unexpected timestamp format")?;
    let (stream, rest) = word(rest).ok_or("stream type is not found")?;
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return Err("unexpected stream type"),
    };
    let (tags, text) = word(rest).ok_or("log tag is not found")?;
    // Only the first tag has a meaning so far.
    let partial = tags.split(|byte| *byte == b':').next() == Some(b"P");
    let text = if partial { text.strip_suffix(b"\n").unwrap_or(text) } else { text };
    Ok(Line { time, time_text, stream, text })
}

fn word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b' ')?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// The time with exactly nine digits after the point and the offset it was written with.
pub(super) fn fixed_width(time: &str) -> String {
    let (date, clock) = time.split_once('T').unwrap_or((time, ""));
    let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    format!("{date}T{seconds}.{fraction:0<9.9}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: Result<(Stream, &str), &str>) {
        let parsed = parse(bytes.as_bytes());
        let got = parsed.as_ref().map(|line| (line.stream, std::str::from_utf8(line.text).expect("text")));
        assert_eq!(got.map_err(|error| *error), expected, "{bytes:?}");
    }

    #[test]
    fn lines() {
        check("2024-05-01T10:00:00.5Z stdout F hello\n", Ok((Stream::Stdout, "hello\n")));
        check("2024-05-01T10:00:00.5+02:00 stderr F \n", Ok((Stream::Stderr, "\n")));
        check("2024-05-01T10:00:00Z stdout P half\n", Ok((Stream::Stdout, "half")));
        check("2024-05-01T10:00:00Z stdout P:x half\n", Ok((Stream::Stdout, "half")));
        check("2024-05-01T10:00:00Z stdout F cut", Ok((Stream::Stdout, "cut")));
        check("2024-05-01T10:00:00Z other F x\n", Err("unexpected stream type"));
        check("yesterday stdout F x\n", Err("unexpected timestamp format"));
        check("2024-05-01T10:00:00Z stdout\n", Err("stream type is not found"));
        check("\n", Err("timestamp is not found"));
    }

    #[test]
    fn nine_digits() {
        let check = |time: &str, expected: &str| assert_eq!(fixed_width(time), expected);
        check("2024-05-01T10:00:00.5Z", "2024-05-01T10:00:00.500000000Z");
        check("2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00.000000000+02:00");
        check("2024-05-01T10:00:00.123456789-07:00", "2024-05-01T10:00:00.123456789-07:00");
    }
}
