//! Which requests a proxy lets through (`kubectl/pkg/proxy`).

use regex::Regex;

use crate::Result;
use crate::error::message;

/// Regular expressions between commas.
fn expressions(text: &str) -> Result<Vec<Regex>> {
    let all = text.split(',').filter(|_| !text.is_empty());
    all.map(|one| Regex::new(one).map_err(|error| message(format!("Error compiling re: {error}")))).collect()
}

/// The rules for requests.
#[derive(Clone, Debug)]
pub struct Filter {
    accept_paths: Vec<Regex>,
    reject_paths: Vec<Regex>,
    accept_hosts: Vec<Regex>,
    reject_methods: Vec<Regex>,
}

impl Filter {
    /// Rules from the texts of the flags.
    pub fn new(accept_paths: &str, reject_paths: &str, accept_hosts: &str, reject_methods: &str) -> Result<Filter> {
        Ok(Filter {
            accept_paths: expressions(accept_paths)?,
            reject_paths: expressions(reject_paths)?,
            accept_hosts: expressions(accept_hosts)?,
            reject_methods: expressions(reject_methods)?,
        })
    }

    /// Whether a request passes; `host` is that of its header, with or without port.
    pub fn accepts(&self, method: &str, path: &str, host: &str) -> bool {
        let matches = |rules: &[Regex], text: &str| rules.iter().any(|rule| rule.is_match(text));
        !matches(&self.reject_paths, path)
            && !matches(&self.reject_methods, method)
            && matches(&self.accept_paths, path)
            && matches(&self.accept_hosts, without_port(host))
    }
}

/// `localhost` of `localhost:8001`; an IPv6 address loses its brackets with its port, as in Go.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                Some(address) => address,
                None if name.contains(':') => host,
                None => name,
            }
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::proxy::{ACCEPT_HOSTS, REJECT_PATHS};

    #[test]
    fn only_this_machine_and_no_commands_in_containers() {
        let filter = Filter::new("^.*", REJECT_PATHS, ACCEPT_HOSTS, "^$").expect("sound");
        let check = |method: &str, path: &str, host: &str, expected: bool| {
            assert_eq!(filter.accepts(method, path, host), expected, "{method} {path} {host}");
        };
        check("GET", "/api/v1/pods", "localhost:8001", true);
        check("GET", "/api/v1/pods", "127.0.0.1", true);
        check("GET", "/api/v1/pods", "[::1]", true);
        check("GET", "/api/v1/pods", "evil.example:8001", false);
        check("GET", "/api/v1/pods", "localhost.evil.example", false);
        check("POST", "/api/v1/namespaces/x/pods/p/exec", "localhost", false);
        check("POST", "/api/v1/namespaces/x/pods/p/attach", "localhost", false);
        let filter = Filter::new("^/api", "", ACCEPT_HOSTS, "POST,PUT").expect("sound");
        assert!(!filter.accepts("PUT", "/api", "localhost"));
        assert!(filter.accepts("GET", "/api", "localhost"));
        assert!(!filter.accepts("GET", "/apx", "localhost"));
        assert!(Filter::new("(", "", "", "").is_err());
    }
}
