//! Command lines that cannot be run, in upstream's words: what cobra and pflag say of commands and flags, and what
//! each command says of its arguments.

use std::any::TypeId;
use std::ffi::OsString;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

/// What is left to say, and how the program ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Misuse {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// The exit code.
    pub code: i32,
}

/// Commands whose help is in place of a choice they were not given, on standard output.
const HELP_ON_OUT: &[&str] = &["", "rollout", "certificate"];
/// The same that end well.
const HELP_IS_FINE: &[&str] = &["", "certificate"];
/// Commands that show their help before they complain of their arguments.
const HELP_BEFORE: &[&str] = &["use-context", "rename-context", "set-context", "set-cluster", "set", "unset"];

/// Where a command line leads.
struct Line<'c> {
    /// From the root, without it.
    path: Vec<&'c Command>,
    /// Arguments that are neither commands nor flags, up to `--`.
    positional: Vec<String>,
    words: Vec<String>,
}

/// Says of `arguments` (the program's name first) what `error` of clap means.
pub fn explain(error: &clap::Error, arguments: &[OsString], root: &Command) -> Misuse {
    let mut root = root.clone();
    root.build();
    let line = Line::read(arguments, &root);
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            Misuse { out: error.render().to_string(), ..Misuse::default() }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            line.help(&root)
        }
        ErrorKind::UnknownArgument => match context(error, ContextKind::InvalidArg) {
            Some(flag) if flag.starts_with('-') && flag.len() > 1 => {
                line.flag_error(&line.unknown_flag(&flag))
            }
            _ => line.unexpected(&root),
        },
        ErrorKind::InvalidSubcommand => line.unexpected(&root),
        ErrorKind::MissingRequiredArgument => line.missing(error, &root),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals => line.invalid(error),
        _ => {
            let text = error.render().to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            line.usage_error(first.trim_start_matches("error: "))
        }
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    }
}

impl<'c> Line<'c> {
    fn read(arguments: &[OsString], root: &'c Command) -> Line<'c> {
        let words: Vec<String> =
            arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let mut line = Line { path: Vec::new(), positional: Vec::new(), words: words.clone() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let here = line.path.last().copied().unwrap_or(root);
            if word == "--" {
                break;
            }
            if word.starts_with('-') && word.len() > 1 {
                if takes_next(here, word) {
                    words.next();
                }
                continue;
            }
            match here.find_subcommand(word) {
                Some(found) if line.positional.is_empty() => line.path.push(found),
                _ => line.positional.push(word.clone()),
            }
        }
        line
    }

    /// The commands after `kubectl`, with spaces between.
    fn path(&self) -> String {
        self.path.iter().map(|command| command.get_name()).collect::<Vec<_>>().join(" ")
    }

    fn full_path(&self) -> String {
        format!("kubectl {}", self.path()).trim_end().to_owned()
    }

    fn name(&self) -> &str {
        self.path.last().map_or("", |command| command.get_name())
    }

    fn is_below(&self, name: &str) -> bool {
        self.path.len() > 1 && self.path.first().is_some_and(|command| command.get_name() == name)
    }

    fn error(&self, text: &str) -> Misuse {
        // Failing of `diff` is told from a difference by the exit code.
        let code = if self.path() == "diff" { 2 } else { 1 };
        Misuse { err: format!("error: {text}\n"), code, ..Misuse::default() }
    }

    fn usage_error(&self, text: &str) -> Misuse {
        self.error(&format!("{text}\nSee '{} -h' for help and examples", self.full_path()))
    }

    fn flag_error(&self, text: &str) -> Misuse {
        match self.path().as_str() {
            "diff" => self.usage_error(text),
            "options" => self.error(&format!("{text}\nRun 'kubectl options' without flags.")),
            _ => self.error(&format!("{text}\nSee '{} --help' for usage.", self.full_path())),
        }
    }

    fn help_text(&self, root: &Command) -> String {
        let mut command = self.path.last().copied().unwrap_or(root).clone();
        command.render_help().to_string()
    }

    /// For a command without the command it needs.
    fn help(&self, root: &Command) -> Misuse {
        let (path, text) = (self.path(), self.help_text(root));
        let code = i32::from(!HELP_IS_FINE.contains(&path.as_str()));
        let (out, err) =
            if HELP_ON_OUT.contains(&path.as_str()) { (text, String::new()) } else { (String::new(), text) };
        Misuse { out, err, code }
    }

    /// `flag` as clap names it, which is as it was written.
    fn unknown_flag(&self, flag: &str) -> String {
        if flag.starts_with("--") {
            return format!("unknown flag: {}", flag.split('=').next().unwrap_or(flag));
        }
        let letter = flag.chars().nth(1).unwrap_or('-');
        let written = self.words.iter().filter(|word| word.starts_with('-') && !word.starts_with("--"));
        let rest = written.filter_map(|word| word.find(letter).and_then(|at| word.get(at..))).next();
        format!("unknown shorthand flag: '{letter}' in -{}", rest.unwrap_or(flag.trim_start_matches('-')))
    }

    /// More arguments than the command takes, or a command it does not have.
    fn unexpected(&self, root: &Command) -> Misuse {
        let given = format!("[{}]", self.positional.join(" "));
        let path = self.path();
        match path.as_str() {
            "" => {
                let word = self.positional.first().map(String::as_str).unwrap_or_default();
                let text = crate::commands::plugin::unknown_command(word);
                self.error(text.trim_start_matches("error: ").trim_end())
            }
            "certificate" => self.help(root),
            "api-resources" | "api-versions" | "config view" => {
                self.usage_error(&format!("unexpected arguments: {given}"))
            }
            "version" => self.error(&format!("extra arguments: {given}")),
            "auth reconcile" => self.error("no arguments are allowed"),
            "top node" | "top pod" => self.usage_error(&format!("{} [NAME | -l label]", self.name())),
            "completion" => self.usage_error("Too many arguments. Expected only the shell type."),
            "apply" | "create" => self.usage_error(&format!("Unexpected args: {given}")),
            _ if self.path.last().is_some_and(|command| command.has_subcommands()) => {
                self.usage_error(&format!("unknown command {:?}", self.positional.join(" ")))
            }
            _ => self.wrong_arguments(&given, root),
        }
    }

    /// Required flags or arguments that are not there.
    fn missing(&self, error: &clap::Error, root: &Command) -> Misuse {
        let missing = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        };
        let flags = missing.iter().filter_map(|text| text.strip_prefix("--"));
        let mut flags: Vec<&str> =
            flags.map(|text| text.split([' ', '=', '[']).next().unwrap_or(text)).collect();
        flags.sort_unstable();
        let no_name = missing.iter().any(|text| !text.starts_with('-'));
        match self.path().as_str() {
            "create secret tls" if !no_name => return self.error("key and cert must be specified"),
            "create secret tls" => {}
            _ if !flags.is_empty() => {
                let quoted: Vec<String> = flags.iter().map(|flag| format!("{flag:?}")).collect();
                return self.error(&format!("required flag(s) {} not set", quoted.join(", ")));
            }
            _ => {}
        }
        self.wrong_arguments(&format!("[{}]", self.positional.join(" ")), root)
    }

    /// What commands say of too few arguments, and of too many when they say no more.
    fn wrong_arguments(&self, given: &str, root: &Command) -> Misuse {
        match self.path().as_str() {
            "exec" => self.error("pod, type/name or --filename must be specified"),
            "attach" => self.error("at least 1 argument is required for attach"),
            "port-forward" => self.usage_error("TYPE/NAME and list of ports are required for port-forward"),
            "completion" => self.usage_error("Shell not specified."),
            "config delete-user" => self.usage_error("user to delete is required"),
            "config delete-cluster" | "config delete-context" => {
                Misuse { out: self.help_text(root), ..Misuse::default() }
            }
            "config set-credentials" => self.error(&format!("unexpected args: {given}")),
            _ if self.is_below("config") && HELP_BEFORE.contains(&self.name()) => {
                Misuse { out: self.help_text(root), ..self.error(&format!("Unexpected args: {given}")) }
            }
            _ if self.is_below("create") => {
                self.usage_error(&format!("exactly one NAME is required, got {}", self.positional.len()))
            }
            _ => self.usage_error(&format!("Unexpected args: {given}")),
        }
    }

    /// A value that cannot be read, or none where one is needed.
    fn invalid(&self, error: &clap::Error) -> Misuse {
        let named = context(error, ContextKind::InvalidArg).unwrap_or_default();
        let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
        let flag = named.split([' ', '=', '[']).next().unwrap_or_default();
        if !flag.starts_with('-') {
            return match self.path().as_str() {
                "completion" => self.usage_error(&format!("Unsupported shell type {value:?}.")),
                _ => self.usage_error(&format!("invalid argument {value:?}{}", reason(error, None, &value))),
            };
        }
        let command = self.path.last().copied();
        let argument = command.and_then(|command| find_flag(command, flag));
        let short = argument.and_then(Arg::get_short);
        if value.is_empty()
            && error
                .get(ContextKind::InvalidValue)
                .is_none_or(|value| matches!(value, ContextValue::String(_)))
        {
            let long = self.words.iter().any(|word| word.split('=').next() == Some(flag));
            let text = match short {
                Some(short) if !long => format!("flag needs an argument: '{short}' in -{short}"),
                _ => format!("flag needs an argument: {flag}"),
            };
            return self.flag_error(&text);
        }
        let shown = short.map_or_else(|| flag.to_owned(), |short| format!("-{short}, {flag}"));
        let reason = reason(error, argument, &value);
        self.flag_error(&format!("invalid argument {value:?} for {shown:?} flag{reason}"))
    }
}

/// Why a value cannot be read, after a colon.
fn reason(error: &clap::Error, argument: Option<&Arg>, value: &str) -> String {
    use std::error::Error as _;
    let kind = argument.map(|argument| argument.get_value_parser().type_id());
    let is = |types: &[TypeId]| kind.is_some_and(|kind| types.iter().any(|one| kind == *one));
    let numbers = [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<i32>(),
        TypeId::of::<i64>(),
        TypeId::of::<usize>(),
    ];
    if is(&numbers) {
        let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
        let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let why = if number { "value out of range" } else { "invalid syntax" };
        return format!(": strconv.ParseInt: parsing {value:?}: {why}");
    }
    if is(&[TypeId::of::<Duration>()]) && error.source().is_none() {
        return format!(": time: invalid duration {value:?}");
    }
    if let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) {
        return format!(": must be one of {}", valid.join(", "));
    }
    error.source().map(|source| format!(": {source}")).unwrap_or_default()
}

/// The flag of `command` that is written `--name` or `-n`.
fn find_flag<'c>(command: &'c Command, written: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|argument| match written.strip_prefix("--") {
        Some(long) => {
            let other = || argument.get_all_aliases().unwrap_or_default().contains(&long);
            argument.get_long().is_some_and(|own| own == long) || other()
        }
        None => argument.get_short().is_some_and(|short| written.chars().nth(1) == Some(short)),
    })
}

/// Whether the word after `flag` is its value.
fn takes_next(command: &Command, flag: &str) -> bool {
    let alone = !flag.contains('=') && (flag.starts_with("--") || flag.chars().count() == 2);
    let takes = |argument: &Arg| argument.get_action().takes_values() && !argument.is_require_equals_set();
    alone && find_flag(command, flag).is_some_and(takes)
}

#[cfg(test)]
mod tests;
