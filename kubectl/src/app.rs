//! Reads the command line, makes the factory and runs the command.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{ArgAction, Args as _, Command, FromArgMatches as _};

use crate::commands::{self, Verb};
use crate::options::GlobalOptions;
use crate::{Error, Factory, Streams};

/// Runs a command line with the streams of the process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Some(failure) = commands::plugin::hand_over(&arguments) {
        eprintln!("{}", failure.trim_end_matches('\n'));
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: failed to start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut streams = Streams::standard();
    let code = runtime.block_on(run(arguments, &mut streams));
    // A reader that went away is no failure of the command.
    let _ = streams.flush();
    // Threads that still read standard input must not hold the process up.
    runtime.shutdown_background();
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The whole command tree.
pub fn command() -> Command {
    let mut root = Command::new("kubectl")
        .about("kubectl controls the Kubernetes cluster manager.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_version_flag(true);
    root = GlobalOptions::augment_args(root);
    for verb in commands::all() {
        root = root.subcommand(subcommand(verb));
    }
    go_flags(root)
}

fn subcommand(verb: &Verb) -> Command {
    // What has nothing to say for itself is for scripts.
    let command = Command::new(verb.name)
        .about(verb.about)
        .hide(verb.about.is_empty())
        .visible_aliases(verb.aliases.iter().copied());
    (verb.augment)(command)
}

/// Lets flags be written as upstream's: `--flag=false`, and given twice.
fn go_flags(command: Command) -> Command {
    let command = command.args_override_self(true).mut_args(|argument| {
        if !matches!(argument.get_action(), ArgAction::SetTrue) {
            return argument;
        }
        let default = argument.get_default_values().first().and_then(|value| value.to_str()) == Some("true");
        argument
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .value_name("BOOL")
            .hide_possible_values(true)
            .default_value(if default { "true" } else { "false" })
            .default_missing_value("true")
            .value_parser(component_base::flags::parse_bool)
    });
    command.mut_subcommands(go_flags)
}

/// Parses the arguments (the program's name first), runs the command and returns its exit code.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, streams: &mut Streams) -> i32 {
    let arguments = component_base::flags::normalize(arguments);
    let root = command();
    let matches = match root.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let misuse = crate::usage::explain(&error, &arguments, &root);
            // Nobody is left to tell when the streams are gone.
            let _ = streams.out.write_all(misuse.out.as_bytes());
            let _ = streams.flush();
            let _ = streams.err.write_all(misuse.err.as_bytes());
            return misuse.code;
        }
    };
    let options = match GlobalOptions::from_arg_matches(&matches) {
        Ok(options) => options.for_command(&matches),
        Err(error) => return report(&error.into(), streams),
    };
    if options.verbosity > 0 {
        let logging = component_base::logs::LoggingOptions {
            verbosity: options.verbosity,
            ..component_base::logs::LoggingOptions::default()
        };
        if let Err(error) = component_base::logs::init(&logging) {
            return report(&crate::error::message(error.to_string()), streams);
        }
    }
    let factory = Factory::new(options).showing(&streams.warnings);
    run_verb(&matches, &factory, streams).await
}

/// Runs the chosen command over a ready factory.
pub async fn run_verb(matches: &clap::ArgMatches, factory: &Factory, streams: &mut Streams) -> i32 {
    let Some((name, matches)) = matches.subcommand() else { return 1 };
    let Some(verb) = commands::all().iter().find(|verb| verb.name == name) else { return 1 };
    let warned = |streams: &Streams| match streams.warnings.count() {
        0 => None,
        1 => Some("1 warning received".to_owned()),
        count => Some(format!("{count} warnings received")),
    };
    match (verb.run)(matches, factory, streams).await {
        Ok(0) if factory.options().warnings_as_errors => match warned(streams) {
            Some(text) => report(&crate::error::message(text), streams),
            None => 0,
        },
        Ok(code) => code,
        Err(error) => report(&error, streams),
    }
}

fn report(error: &Error, streams: &mut Streams) -> i32 {
    // What was printed comes before the complaint.
    let _ = streams.flush();
    if matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe) {
        return 0;
    }
    let text = error.report();
    if !text.is_empty() {
        let _ = writeln!(streams.err, "{}", text.trim_end_matches('\n'));
    }
    error.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn booleans_take_a_value_after_an_equals_sign() {
        let matches = |line: &str| command().try_get_matches_from(line.split(' ')).map(|_| ());
        for line in ["kubectl get pods -A -w", "kubectl get -Aw pods", "kubectl get pods --watch=false -n x"]
        {
            assert!(matches(line).is_ok(), "{line}");
        }
        assert!(matches("kubectl get pods --no-such-flag").is_err());
    }
}
