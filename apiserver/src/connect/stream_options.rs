//! Query parameters of `pods/exec`, `pods/attach` and `pods/portforward`, from the client's names to the
//! kubelet's.

use component_base::flags::parse_bool;
use machinery::status::StatusError;

use crate::chain::request_info::{query_value, query_values};

/// Which streams and what to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOptions {
    /// Container; empty for the only one.
    pub container: String,
    /// Program and arguments; empty for attach.
    pub command: Vec<String>,
    /// Standard input is wanted.
    pub stdin: bool,
    /// Standard output is wanted.
    pub stdout: bool,
    /// Standard error is wanted.
    pub stderr: bool,
    /// A terminal is wanted.
    pub tty: bool,
}

/// Reads the query of exec and attach.
pub fn exec(query: &str) -> Result<ExecOptions, StatusError> {
    let flag = |name: &str, default: bool| match query_value(query, name).filter(|value| !value.is_empty()) {
        None => default,
        Some(value) => parse_bool(&value).unwrap_or(true),
    };
    let options = ExecOptions {
        container: query_value(query, "container").unwrap_or_default(),
        command: query_values(query, "command").collect(),
        stdin: flag("stdin", false),
        // Upstream's defaults of the two.
        stdout: flag("stdout", true),
        stderr: flag("stderr", true),
        tty: flag("tty", false),
    };
    if !options.stdin && !options.stdout && !options.stderr {
        return Err(StatusError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    Ok(options)
}

/// Reads the ports of port forwarding: comma separated or repeated.
pub fn ports(query: &str) -> Result<Vec<u16>, StatusError> {
    let mut ports = Vec::new();
    for value in query_values(query, "ports") {
        for text in value.split(',').filter(|text| !text.is_empty()) {
            let port = text.parse::<u16>().ok().filter(|port| *port > 0);
            ports.push(port.ok_or_else(|| {
                StatusError::bad_request(format!("unable to parse {text:?} as a port between 1 and 65535"))
            })?);
        }
    }
    Ok(ports)
}

/// The query the kubelet understands.
pub fn kubelet_query(options: &ExecOptions) -> String {
    let flags = [
        ("input", options.stdin),
        ("output", options.stdout),
        ("error", options.stderr),
        ("tty", options.tty),
    ];
    let flags = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| (name, "1".to_string()));
    let command = options.command.iter().map(|word| ("command", word.clone()));
    encode_query(flags.chain(command).collect())
}

/// Encodes pairs, sorted by name as Go's `url.Values` are; equal names keep their order.
pub fn encode_query(mut pairs: Vec<(&str, String)>) -> String {
    pairs.sort_by(|a, b| a.0.cmp(b.0));
    let encoded: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    encoded.join("&")
}

/// Escapes a query value.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte as char),
            b' ' => escaped.push('+'),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<&str, &str>) {
        let got = exec(query).map(|options| kubelet_query(&options)).map_err(|error| error.status.message);
        assert_eq!(got, expected.map(str::to_string).map_err(str::to_string), "{query}");
    }

    #[test]
    fn streams() {
        check(
            "command=ls&command=-l%20x&stdin=true&tty=1",
            Ok("command=ls&command=-l+x&error=1&input=1&output=1&tty=1"),
        );
        check("stdout=false", Ok("error=1"));
        check("stdout=false&stderr=0", Err("you must specify at least 1 of stdin, stdout, stderr"));
    }

    #[test]
    fn forwarded_ports() {
        assert_eq!(ports("ports=80,443&ports=1").unwrap(), [80, 443, 1]);
        assert_eq!(ports("").unwrap(), Vec::<u16>::new());
        assert!(ports("ports=0").is_err());
        assert!(ports("ports=x").is_err());
    }
}
