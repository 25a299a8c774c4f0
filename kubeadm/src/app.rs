//! The command line of kubeadm and the one place that knows all its commands.

use std::{ffi::OsString, process::ExitCode};

use clap::{Arg, ArgMatches, Command};
use component_base::{flags as component_flags, logs::LoggingOptions, version};
use futures_util::future::BoxFuture;

use crate::workflows::{certificates, configs, flags, init, join, reset, token};

type Run = for<'a> fn(&'a ArgMatches) -> BoxFuture<'a, anyhow::Result<()>>;

/// A command of the first level.
struct Entry {
    command: fn() -> Command,
    run: Run,
}

/// All commands.
const COMMANDS: [Entry; 7] = [
    Entry { command: certificates::command, run: |matches| Box::pin(certificates::run(matches)) },
    Entry { command: configs::command, run: |matches| Box::pin(configs::run(matches)) },
    Entry { command: init::command, run: |matches| Box::pin(init::run(matches)) },
    Entry { command: join::command, run: |matches| Box::pin(join::run(matches)) },
    Entry { command: reset::command, run: |matches| Box::pin(reset::run(matches)) },
    Entry { command: token::command, run: |matches| Box::pin(token::run(matches)) },
    Entry { command: version_command, run: |matches| Box::pin(async move { print_version(matches) }) },
];

/// The whole command line.
pub fn command() -> Command {
    let command = Command::new("kubeadm")
        .about("kubeadm: easily bootstrap a secure Kubernetes cluster")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("v")
                .short('v')
                .long("v")
                .global(true)
                .value_name("Level")
                .value_parser(clap::value_parser!(u32))
                .help("number for the log level verbosity"),
        )
        .subcommands(COMMANDS.iter().map(|entry| (entry.command)()));
    component_flags::prepare(command)
}

/// Runs a command line to its end; errors are printed.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = component_flags::normalize(arguments);
    if let Ok(component_flags::VersionFlag::Line | component_flags::VersionFlag::Raw) =
        component_flags::version_flag(&arguments)
    {
        println!("{}", version::version_line());
        return ExitCode::SUCCESS;
    }
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
            // Nothing is left to do when not even the message can be written.
            let _ = error.print();
            return code;
        }
    };
    let logging = LoggingOptions {
        verbosity: matches.get_one::<u32>("v").copied().unwrap_or(0),
        ..LoggingOptions::default()
    };
    if let Err(error) = component_base::logs::init(&logging) {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    component_base::tls::install_provider();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(dispatch(&matches)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(matches: &ArgMatches) -> anyhow::Result<()> {
    let Some((name, inner)) = matches.subcommand() else { return Ok(()) };
    match COMMANDS.iter().find(|entry| (entry.command)().get_name() == name) {
        Some(entry) => (entry.run)(inner).await,
        None => anyhow::bail!("unknown command {name:?}"),
    }
}

fn version_command() -> Command {
    flags::add(Command::new("version").about("Print the version of kubeadm"), &["output"])
}

fn print_version(matches: &ArgMatches) -> anyhow::Result<()> {
    let info = serde_json::json!({"clientVersion": serde_json::to_value(version::Info::current())?});
    match flags::text_value(matches, "output").as_deref() {
        None => println!("kubeadm version: {:?}", version::Info::current()),
        Some("short") => println!("{}", version::git_version()),
        Some("json") => println!("{}", serde_json::to_string_pretty(&info)?),
        Some("yaml") => print!("{}", crate::render::yaml::document(&info)),
        Some(other) => anyhow::bail!("invalid output format: {other}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn bad_command_lines_are_refused() {
        for line in [
            &["kubeadm", "init", "--no-such-flag"][..],
            &["kubeadm", "nothing"],
            &["kubeadm", "token", "delete"],
        ] {
            assert!(command().try_get_matches_from(line).is_err(), "{line:?}");
        }
    }
}
