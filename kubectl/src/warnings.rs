//! Warnings of the server on standard error, each once (`client-go/rest/warnings.go`).

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use client::warning::{MISCELLANEOUS, WarningHandler};

const YELLOW: &str = "\u{1b}[33;1m";
const PLAIN: &str = "\u{1b}[0m";

struct Written {
    to: Box<dyn Write + Send>,
    color: bool,
    texts: BTreeSet<String>,
}

/// Shows warnings as they come; clones share what was shown.
#[derive(Clone)]
pub struct Warnings(Arc<Mutex<Written>>);

impl Warnings {
    /// Writes to standard error, in color where the terminal has it.
    pub fn standard() -> Warnings {
        let set = |name: &str| std::env::var_os(name);
        let color = std::io::stderr().is_terminal()
            && set("TERM").is_none_or(|term| term != "dumb")
            && set("NO_COLOR").is_none();
        Warnings::to(Box::new(std::io::stderr()), color)
    }

    /// Writes to `to`.
    pub fn to(to: Box<dyn Write + Send>, color: bool) -> Warnings {
        Warnings(Arc::new(Mutex::new(Written { to, color, texts: BTreeSet::new() })))
    }

    /// How many different warnings there were.
    pub fn count(&self) -> usize {
        self.lock().texts.len()
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WarningHandler for Warnings {
    fn warning(&self, code: u16, _agent: &str, text: &str) {
        if code != MISCELLANEOUS || text.is_empty() {
            return;
        }
        let mut written = self.lock();
        if !written.texts.insert(text.to_owned()) {
            return;
        }
        let (on, off) = if written.color { (YELLOW, PLAIN) } else { ("", "") };
        // Nobody is left to warn when the stream is gone.
        let _ = writeln!(written.to, "{on}Warning:{off} {text}");
    }
}

#[cfg(test)]
mod tests {
    use client::fake::{Answer, FakeServer};
    use http::Method;
    use serde_json::json;

    use super::*;
    use crate::commands::testing::run;
    use crate::streams::Captured;

    #[test]
    fn each_is_shown_once() {
        let out = Captured::default();
        let warnings = Warnings::to(Box::new(out.clone()), false);
        for (code, text) in [(299, "one"), (299, "two"), (299, "one"), (199, "other"), (299, "")] {
            warnings.warning(code, "-", text);
        }
        assert_eq!((out.text().as_str(), warnings.count()), ("Warning: one\nWarning: two\n", 2));
        let colored = Captured::default();
        Warnings::to(Box::new(colored.clone()), true).warning(299, "-", "x");
        assert_eq!(colored.text(), "\u{1b}[33;1mWarning:\u{1b}[0m x\n");
    }

    #[tokio::test]
    async fn they_can_be_errors() {
        let server = FakeServer::start().await.expect("a server");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
        let answer = || Answer::json(200, &pod).with_header("warning", r#"299 - "old \"thing\"""#);
        server.on(Method::GET, "/api/v1/namespaces/default/pods/p", answer());
        let (code, out, err) = run(&server, &["get", "pod", "p", "-o", "name"]).await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "pod/p\n", "Warning: old \"thing\"\n"));
        let line = ["get", "pod", "p", "-o", "name", "--warnings-as-errors"];
        let (code, out, err) = run(&server, &line).await;
        assert_eq!((code, out.as_str()), (1, "pod/p\n"));
        assert_eq!(err, "Warning: old \"thing\"\nerror: 1 warning received\n");
    }
}
