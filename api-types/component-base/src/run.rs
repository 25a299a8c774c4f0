//! The way every program starts: flags, logs, tokio runtime, work, exit code.
//!
//! Exit codes: 0 done or asked to stop, 1 bad flags or a failed start or run.

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;

use crate::logs::{self, LoggingOptions};
use crate::shutdown::Shutdown;
use crate::{flags, version};

/// A component's command line, usually `#[derive(clap::Parser)]`.
pub trait Options: clap::Parser + Send + 'static {
    /// Flatten [`LoggingOptions`] into the options and return it here.
    fn logging(&self) -> &LoggingOptions;
}

/// Runs a program to its end: `fn main() -> ExitCode { component_base::run("kube-scheduler", scheduler::run) }`.
///
/// `--version` prints and ends. Bad flags print clap's message to stderr and end with 1. An error of
/// `body` is printed with its chain of causes.
pub fn run<O, F, Work>(program: &'static str, body: F) -> ExitCode
where
    O: Options,
    F: FnOnce(O, Shutdown) -> Work,
    Work: Future<Output = anyhow::Result<()>>,
{
    let arguments = flags::normalize(std::env::args_os());
    match parse::<O>(program, &arguments) {
        Parsed::Run(options) => start(program, options, body),
        Parsed::Exit { code, stdout, stderr } => {
            print!("{stdout}");
            eprint!("{stderr}");
            ExitCode::from(code)
        }
    }
}

enum Parsed<O> {
    Run(O),
    Exit { code: u8, stdout: String, stderr: String },
}

fn parse<O: Options>(program: &'static str, arguments: &[OsString]) -> Parsed<O> {
    let exit = |code, stdout, stderr| Parsed::Exit { code, stdout, stderr };
    match flags::version_flag(arguments) {
        Ok(flags::VersionFlag::Absent) => {}
        Ok(flags::VersionFlag::Line) => {
            return exit(0, format!("{}\n", version::version_line()), String::new());
        }
        Ok(flags::VersionFlag::Raw) => {
            return exit(0, format!("{:#?}\n", version::Info::current()), String::new());
        }
        Err(message) => return exit(1, String::new(), format!("Error: {message}\n")),
    }
    let kept = arguments.iter().filter(|argument| {
        // What is left of the version flag here says "do not print".
        !argument.to_str().is_some_and(|text| text.starts_with("--version="))
    });
    let command = flags::prepare(O::command()).name(program).arg(
        // Known to clap for the help text only: it was handled above.
        clap::Arg::new("version")
            .long("version")
            .num_args(0..=1)
            .require_equals(true)
            .value_name("true|raw")
            .help("Print version information and quit; --version=raw prints every field"),
    );
    let parsed = command.try_get_matches_from(kept).and_then(|matches| O::from_arg_matches(&matches));
    match parsed {
        Ok(options) => Parsed::Run(options),
        Err(error) if error.use_stderr() => exit(1, String::new(), error.render().to_string()),
        Err(error) => exit(0, error.render().to_string(), String::new()),
    }
}

fn start<O, F, Work>(program: &'static str, options: O, body: F) -> ExitCode
where
    O: Options,
    F: FnOnce(O, Shutdown) -> Work,
    Work: Future<Output = anyhow::Result<()>>,
{
    if let Err(error) = logs::init(options.logging()) {
        eprintln!("Error: {error}");
        return ExitCode::FAILURE;
    }
    crate::tls::install_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name(program).build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: failed to start {program}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        tracing::info!(version = version::git_version(), "{program}");
        body(options, shutdown).await
    });
    // Blocking calls (a name look-up, a file on a hung mount) must not keep the process alive.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", error_chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// `outer: cause: deeper cause`, leaving out a cause its parent already printed.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Sample {
        #[command(flatten)]
        logging: LoggingOptions,
        #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1,
              require_equals = true, default_missing_value = "true", value_parser = flags::parse_bool)]
        leader_elect: bool,
    }

    impl Options for Sample {
        fn logging(&self) -> &LoggingOptions {
            &self.logging
        }
    }

    fn check(line: &str, expected: Result<bool, (u8, &str)>) {
        let arguments = flags::normalize(line.split(' ').map(OsString::from));
        match (parse::<Sample>("sample", &arguments), expected) {
            (Parsed::Run(options), Ok(elect)) => assert_eq!(options.leader_elect, elect, "{line}"),
            (Parsed::Exit { code, stdout, stderr }, Err((wanted, part))) => {
                assert_eq!(code, wanted, "{line}: {stderr}");
                assert!(format!("{stdout}{stderr}").contains(part), "{line}: {stdout}{stderr}");
            }
            _ => panic!("{line}: not what was expected"),
        }
    }

    #[test]
    fn command_lines() {
        check("sample", Ok(true));
        check("sample --leader_elect=false -v=2", Ok(false));
        check("sample --leader-elect=false --leader-elect", Ok(true));
        check("sample --version=false --v 4", Ok(true));
        check("sample --version", Err((0, "Kubernetes v1.36.0+")));
        check("sample --version=raw", Err((0, "git_version")));
        check("sample --nope", Err((1, "--nope")));
        check("sample --help", Err((0, "--leader-elect")));
    }

    #[test]
    fn chains_are_printed_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("failed to open a door")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(error_chain(&Outer(std::io::Error::other("locked"))), "failed to open a door: locked");
    }
}
