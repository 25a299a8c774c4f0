//! `kubectl options`: the flags every command has.

use std::io::Write as _;

use clap::Args as _;

use crate::options::GlobalOptions;
use crate::{Factory, Result, Streams};

/// Arguments of `options`: none.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {}

/// Runs `options`.
pub async fn run(_: Args, _: &Factory, streams: &mut Streams) -> Result<i32> {
    let command = GlobalOptions::augment_args(clap::Command::new("kubectl"));
    let mut flags: Vec<&clap::Arg> = command.get_arguments().collect();
    flags.sort_by_key(|flag| flag.get_long());
    writeln!(streams.out, "The following options can be passed to any command:")?;
    for flag in flags {
        let Some(long) = flag.get_long() else { continue };
        let short = match flag.get_short() {
            Some(short) => format!("-{short}, "),
            None => "    ".to_owned(),
        };
        let default = flag.get_default_values().first().map(|text| text.to_string_lossy().into_owned());
        let value = match (flag.get_action(), default) {
            (clap::ArgAction::SetTrue, _) => "false".to_owned(),
            (clap::ArgAction::Append, _) => "[]".to_owned(),
            (_, Some(text)) if long == "v" => text,
            (_, default) => format!("'{}'", default.unwrap_or_default()),
        };
        // A flag of one letter is written as such.
        let name = if long.len() == 1 { String::new() } else { format!("{short}--{long}") };
        let name = if name.is_empty() { format!("-{long}, --{long}") } else { name };
        writeln!(streams.out, "\n{name}={value}:\n\t{}", flag.get_help().cloned().unwrap_or_default())?;
    }
    writeln!(streams.out)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use client::fake::FakeServer;

    use crate::commands::testing;

    #[tokio::test]
    async fn every_flag_is_named() {
        let server = FakeServer::start().await.expect("a server");
        let (code, out, err) = testing::run(&server, &["options"]).await;
        assert_eq!((code, err.as_str()), (0, ""));
        for line in ["    --as='':", "    --as-group=[]:", "-n, --namespace='':", "    --insecure-skip-tls-verify=false:"] {
            assert!(out.lines().any(|own| own == line), "{line} in {out}");
        }
    }
}
