//! Checks before anything is changed: every problem at once, each with its name and its cure.
//!
//! ```text
//! facts of the host -> checks (pure) -> findings -> report
//! ```

pub mod checks;
pub mod facts;
pub mod images;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// Something a check has to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The check's name, by which `--ignore-preflight-errors` knows it.
    pub check: String,
    pub severity: Severity,
    pub message: String,
}

impl Finding {
    pub fn error(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check: check.into(), severity: Severity::Error, message: message.into() }
    }

    pub fn warning(check: impl Into<String>, message: impl Into<String>) -> Self {
        Self { check: check.into(), severity: Severity::Warning, message: message.into() }
    }
}

/// The preflight checks found errors; they are printed already.
#[derive(Debug, thiserror::Error)]
#[error("preflight checks failed")]
pub struct ChecksFailed;

/// Turns errors of ignored checks into warnings and writes the report; `ignored` is in lower case.
pub fn report(findings: &[Finding], ignored: &[String]) -> (String, Result<(), ChecksFailed>) {
    let is_ignored = |name: &str| ignored.iter().any(|other| other == "all" || *other == name.to_lowercase());
    let mut text = String::new();
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    for finding in findings {
        let warned = finding.severity == Severity::Warning || is_ignored(&finding.check);
        let list = if warned { &mut warnings } else { &mut errors };
        if !list.contains(&finding) {
            list.push(finding);
        }
    }
    for finding in warnings {
        text.push_str(&format!("\t[WARNING {}]: {}\n", finding.check, finding.message));
    }
    if errors.is_empty() {
        return (text, Ok(()));
    }
    text.push_str("[preflight] Some fatal errors occurred:\n");
    for finding in errors {
        text.push_str(&format!("\t[ERROR {}]: {}\n", finding.check, finding.message));
    }
    text.push_str(
        "[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`\n",
    );
    (text, Err(ChecksFailed))
}

/// Prints the report to stderr.
pub fn print(findings: &[Finding], ignored: &[String]) -> Result<(), ChecksFailed> {
    let (text, outcome) = report(findings, ignored);
    eprint!("{text}");
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_are_told_and_ignored_ones_only_warn() {
        let findings = [
            Finding::error("Port-6443", "Port 6443 is in use"),
            Finding::warning("Hostname", "hostname \"x\" could not be reached"),
            Finding::error("Swap", "swap is on"),
        ];
        let (text, outcome) = report(&findings, &[]);
        assert!(outcome.is_err());
        assert_eq!(
            text.lines().take(4).collect::<Vec<_>>(),
            [
                "\t[WARNING Hostname]: hostname \"x\" could not be reached",
                "[preflight] Some fatal errors occurred:",
                "\t[ERROR Port-6443]: Port 6443 is in use",
                "\t[ERROR Swap]: swap is on"
            ]
        );
        let (text, outcome) = report(&findings, &["port-6443".to_owned(), "swap".to_owned()]);
        assert!(outcome.is_ok() && text.contains("[WARNING Port-6443]"));
        assert!(report(&findings, &["all".to_owned()]).1.is_ok());
    }
}
