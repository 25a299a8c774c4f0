//! Which streams a client wants, and which ports.

use crate::server::query::Query;

/// Streams of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamOptions {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

impl StreamOptions {
    /// From the query the API server makes: `input`, `output`, `error` and `tty` with the value 1.
    pub(super) fn parse(query: &Query) -> Result<StreamOptions, &'static str> {
        let wants = |name: &str| query.get(name) == Some("1");
        let options = StreamOptions {
            stdin: wants("input"),
            stdout: wants("output"),
            stderr: wants("error"),
            tty: wants("tty"),
        };
        let options = options.with_tty(options.tty);
        if !options.stdin && !options.stdout && !options.stderr {
            return Err("you must specify at least 1 of stdin, stdout, stderr");
        }
        Ok(options)
    }

    /// The same with a terminal or without; a terminal has no stream for errors.
    pub(super) fn with_tty(self, tty: bool) -> StreamOptions {
        StreamOptions { tty, stderr: self.stderr && !tty, ..self }
    }
}

/// Ports of a WebSocket that forwards them by channels.
pub(super) fn ports(query: &Query) -> Result<Vec<i32>, String> {
    let all = query.all("port");
    if all.is_empty() {
        return Err("query parameter \"port\" is required".to_owned());
    }
    let ports = all.iter().flat_map(|list| list.split(','));
    ports
        .map(|port| match port.parse::<u16>() {
            Ok(0) => Err("port \"0\" must be > 0".to_owned()),
            Ok(number) => Ok(i32::from(number)),
            Err(error) => Err(format!("unable to parse {port:?} as a port: {error}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams() {
        let check = |query: &str, expected: Option<[bool; 4]>| {
            let got = StreamOptions::parse(&Query::parse(Some(query))).ok();
            let got = got.map(|it| [it.stdin, it.stdout, it.stderr, it.tty]);
            assert_eq!(got, expected, "{query}");
        };
        check("input=1&output=1&error=1", Some([true, true, true, false]));
        check("input=1&output=1&error=1&tty=1", Some([true, true, false, true]));
        check("error=1", Some([false, false, true, false]));
        check("stdin=true", None);
        check("error=1&tty=1", None);
        check("", None);
    }

    #[test]
    fn port_lists() {
        let check = |query: &str, expected: Result<&[i32], &str>| {
            let got = ports(&Query::parse(Some(query)));
            assert_eq!(got.as_deref().map_err(String::as_str), expected, "{query}");
        };
        check("port=80&port=81,82", Ok(&[80, 81, 82]));
        check("", Err("query parameter \"port\" is required"));
        check("port=0", Err("port \"0\" must be > 0"));
        check("port=x", Err("unable to parse \"x\" as a port: invalid digit found in string"));
    }
}
