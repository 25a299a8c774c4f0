//! Makes clap read a command line as upstream's flag library does.
//!
//! Upstream accepts `_` for `-` in flag names, lets a flag be given twice (the last value wins,
//! lists accumulate), and takes booleans as `--flag`, `--flag=true` or `--flag=false`.

use std::ffi::OsString;

/// Replaces `_` by `-` in the names of long flags; values and everything after `--` stay.
pub fn normalize(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut out = Vec::new();
    let mut only_positional = false;
    for argument in arguments {
        match argument.to_str() {
            Some("--") => only_positional = true,
            Some(text) if !only_positional && text.starts_with("--") => {
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (text, None),
                };
                let name = name.replace('_', "-");
                out.push(value.map_or_else(|| name.clone(), |value| format!("{name}={value}")).into());
                continue;
            }
            _ => {}
        }
        out.push(argument);
    }
    out
}

/// What a command line asks of `--version`, before any other flag is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionFlag {
    /// `--version` or `--version=true`: print one line and exit 0.
    Line,
    /// `--version=raw`: print every field.
    Raw,
    /// Absent, or `--version=false`.
    Absent,
}

/// Finds `--version` in normalized arguments (the program name included).
pub fn version_flag(arguments: &[OsString]) -> Result<VersionFlag, String> {
    let mut found = VersionFlag::Absent;
    for argument in arguments.iter().skip(1) {
        let Some(text) = argument.to_str() else { continue };
        match text {
            "--" => break,
            "--version" => found = VersionFlag::Line,
            _ => {
                if let Some(value) = text.strip_prefix("--version=") {
                    found = match value {
                        "raw" => VersionFlag::Raw,
                        "1" | "t" | "T" | "true" | "TRUE" | "True" => VersionFlag::Line,
                        "0" | "f" | "F" | "false" | "FALSE" | "False" => VersionFlag::Absent,
                        other => {
                            return Err(format!(
                                "invalid argument {other:?} for \"--version\" flag: must be true, false or raw"
                            ));
                        }
                    };
                }
            }
        }
    }
    Ok(found)
}

/// Prepares a clap command: repeated flags override, and clap's own `--version` is off.
pub fn prepare(command: clap::Command) -> clap::Command {
    command.args_override_self(true).disable_version_flag(true)
}

/// Parses Go's boolean spellings; for `#[arg(value_parser = component_base::flags::parse_bool)]`.
///
/// With `num_args = 0..=1, require_equals = true, default_missing_value = "true"` an argument then
/// behaves as upstream's boolean flags.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        other => Err(format!("strconv.ParseBool: parsing {other:?}: invalid syntax")),
    }
}

/// Parses a Go duration (`1h2m3.5s`, `10ms`, `0`); for `value_parser`.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    parse_signed_nanoseconds(text).and_then(|nanos| {
        u64::try_from(nanos)
            .map(std::time::Duration::from_nanos)
            .map_err(|_| format!("time: duration {text:?} must not be negative"))
    })
}

/// Parses a Go duration, negative ones included, to nanoseconds.
pub fn parse_signed_nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_length);
        let unit_length = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_length);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            other => return Err(format!("time: unknown unit {other:?} in duration {text:?}")),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(invalid());
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // Digits past the 18th are below a nanosecond for every unit.
        let digits = fraction.get(..fraction.len().min(18)).unwrap_or_default();
        let part: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| invalid())? };
        let power = 10_i128.pow(u32::try_from(digits.len()).map_err(|_| invalid())?);
        total = whole
            .checked_mul(scale)
            .and_then(|whole| total.checked_add(whole))
            .and_then(|sum| sum.checked_add(part * scale / power))
            .ok_or_else(invalid)?;
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn underscores_in_names_become_dashes() {
        assert_eq!(
            normalize(words("p --a_b=c_d --e_f g_h -- --i_j")),
            words("p --a-b=c_d --e-f g_h -- --i_j")
        );
    }

    #[test]
    fn version_flag_forms() {
        let check = |line: &str, expected| assert_eq!(version_flag(&words(line)), expected, "{line}");
        check("p --v=2", Ok(VersionFlag::Absent));
        check("p --version", Ok(VersionFlag::Line));
        check("p --version=true", Ok(VersionFlag::Line));
        check("p --version=raw", Ok(VersionFlag::Raw));
        check("p --version=false", Ok(VersionFlag::Absent));
        check("p -- --version", Ok(VersionFlag::Absent));
        assert!(version_flag(&words("p --version=maybe")).is_err());
    }

    #[test]
    fn durations_follow_go() {
        let check = |text: &str, expected: Result<i64, &str>| {
            assert_eq!(parse_signed_nanoseconds(text), expected.map_err(str::to_owned), "{text}");
        };
        check("0", Ok(0));
        check("5s", Ok(5_000_000_000));
        check("1h2m3.5s", Ok(3_723_500_000_000));
        check("-1.5h", Ok(-5_400_000_000_000));
        check(".5s", Ok(500_000_000));
        check("10", Err("time: missing unit in duration \"10\""));
        check("", Err("time: invalid duration \"\""));
        check("3x", Err("time: unknown unit \"x\" in duration \"3x\""));
        check("9999999999h", Err("time: invalid duration \"9999999999h\""));
    }
}
