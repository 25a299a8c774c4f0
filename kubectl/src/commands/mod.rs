//! The table of commands, each in a file of its own.

#[cfg(test)]
pub mod testing;

mod wire;

use std::future::Future;
use std::pin::Pin;

use clap::{ArgMatches, Command};

use crate::{Factory, Result, Streams};
pub use wire::{byte_stream, escape, json_stream, names_and_ages, query};

/// What a running command is.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<i32>> + 'a>>;

/// A command: its name, its flags, and what it does.
pub struct Verb {
    /// As typed.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// One line for the help.
    pub about: &'static str,
    /// Adds the arguments to a clap command.
    pub augment: fn(Command) -> Command,
    /// Runs it.
    pub run: for<'a> fn(&'a ArgMatches, &'a Factory, &'a mut Streams) -> Running<'a>,
}

macro_rules! verbs {
    ($($module:ident $name:literal $aliases:tt $about:literal;)*) => {
        $(pub mod $module;)*

        /// Every command, in the order of the help.
        pub fn all() -> &'static [Verb] {
            static ALL: &[Verb] = &[$(Verb {
                name: $name,
                aliases: &$aliases,
                about: $about,
                augment: <$module::Args as clap::Args>::augment_args,
                run: |matches, factory, streams| Box::pin(async move {
                    let args = <$module::Args as clap::FromArgMatches>::from_arg_matches(matches)?;
                    $module::run(args, factory, streams).await
                }),
            },)*];
            ALL
        }
    };
}

verbs! {
    get "get" [] "Display one or many resources";
    version "version" [] "Print the client and server version information";
}
