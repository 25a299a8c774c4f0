//! Phases: named steps of a workflow, each runnable alone as `kubeadm <workflow> phase <name>`.

use std::sync::Arc;

use clap::{ArgMatches, Command};
use futures_util::future::BoxFuture;

use super::flags;

/// What a phase does with the data of its workflow.
pub type Run<D> = Arc<dyn for<'a> Fn(&'a mut D) -> BoxFuture<'a, anyhow::Result<()>> + Send + Sync>;

/// A step, or a group of steps.
pub struct Phase<D> {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub short: String,
    /// Names of the workflow's flags that the phase takes when it runs alone.
    pub flags: &'static [&'static str],
    /// None for a group.
    pub run: Option<Run<D>>,
    pub phases: Vec<Phase<D>>,
}

impl<D> Phase<D> {
    /// A step of its own.
    pub fn step(
        name: &'static str,
        short: impl Into<String>,
        flags: &'static [&'static str],
        run: impl for<'a> Fn(&'a mut D) -> BoxFuture<'a, anyhow::Result<()>> + Send + Sync + 'static,
    ) -> Self {
        Self { name, aliases: &[], short: short.into(), flags, run: Some(Arc::new(run)), phases: Vec::new() }
    }

    /// A group, which also offers all its steps at once as the phase `all`.
    pub fn group(name: &'static str, short: impl Into<String>, phases: Vec<Phase<D>>) -> Self {
        Self { name, aliases: &[], short: short.into(), flags: &[], run: None, phases }
    }

    pub fn with_aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// All flags its steps take.
    fn all_flags(&self) -> Vec<&'static str> {
        let mut all: Vec<&'static str> = self.flags.to_vec();
        for phase in &self.phases {
            for flag in phase.all_flags() {
                if !all.contains(&flag) {
                    all.push(flag);
                }
            }
        }
        all
    }
}

/// A phase that does not exist.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("invalid phase name: {name}; expected one of {known}")]
pub struct UnknownPhase {
    pub name: String,
    pub known: String,
}

/// Full names of all phases, groups before their steps.
pub fn names<D>(phases: &[Phase<D>]) -> Vec<String> {
    fn add<D>(prefix: &str, phases: &[Phase<D>], names: &mut Vec<String>) {
        for phase in phases {
            let name = format!("{prefix}{}", phase.name);
            names.push(name.clone());
            add(&format!("{name}/"), &phase.phases, names);
        }
    }
    let mut list = Vec::new();
    add("", phases, &mut list);
    list
}

/// Checks the names given to `--skip-phases` and brings them into their full form.
pub fn check_skipped<D>(phases: &[Phase<D>], skipped: &[String]) -> Result<Vec<String>, UnknownPhase> {
    skipped
        .iter()
        .map(|given| {
            full_name(phases, given)
                .ok_or_else(|| UnknownPhase { name: given.clone(), known: names(phases).join(", ") })
        })
        .collect()
}

fn full_name<D>(phases: &[Phase<D>], given: &str) -> Option<String> {
    let (first, rest) = given.split_once('/').map_or((given, None), |(first, rest)| (first, Some(rest)));
    let phase = phases.iter().find(|phase| phase.is_called(first))?;
    match rest {
        None => Some(phase.name.to_owned()),
        Some(rest) => Some(format!("{}/{}", phase.name, full_name(&phase.phases, rest)?)),
    }
}

/// Runs all phases in their order but the skipped ones, given in full form.
pub async fn run_all<D: Send>(phases: &[Phase<D>], skipped: &[String], data: &mut D) -> anyhow::Result<()> {
    let mut steps = Vec::new();
    collect("", phases, skipped, &mut steps);
    for (name, run) in steps {
        run(data).await.map_err(|error| error.context(format!("error execution phase {name}")))?;
    }
    Ok(())
}

fn collect<'p, D>(
    prefix: &str,
    phases: &'p [Phase<D>],
    skipped: &[String],
    steps: &mut Vec<(String, &'p Run<D>)>,
) {
    for phase in phases {
        let name = format!("{prefix}{}", phase.name);
        if skipped.contains(&name) {
            continue;
        }
        if let Some(run) = &phase.run {
            steps.push((name.clone(), run));
        }
        collect(&format!("{name}/"), &phase.phases, skipped, steps);
    }
}

/// The sub-commands `phase <name> [<sub-phase>|all]` of a workflow.
pub fn command<D>(workflow: &str, phases: &[Phase<D>]) -> Command {
    let mut command = Command::new("phase")
        .about(format!("Use this command to invoke single phase of the \"{workflow}\" workflow"))
        .subcommand_required(true)
        .arg_required_else_help(true);
    for phase in phases {
        command = command.subcommand(phase_command(phase));
    }
    command
}

fn phase_command<D>(phase: &Phase<D>) -> Command {
    let mut command =
        Command::new(phase.name).about(phase.short.clone()).visible_aliases(phase.aliases.iter().copied());
    if phase.phases.is_empty() {
        return flags::add(command, phase.flags);
    }
    command = command.subcommand_required(true).arg_required_else_help(true);
    let all = Command::new("all").about(format!("Run all {} phases", phase.name));
    command = command.subcommand(flags::add(all, &phase.all_flags()));
    for inner in &phase.phases {
        command = command.subcommand(phase_command(inner));
    }
    command
}

/// The phases that a `phase …` command line names, and the flags given to them.
pub fn selected<'p, 'm, D>(
    phases: &'p [Phase<D>],
    matches: &'m ArgMatches,
) -> (&'p [Phase<D>], &'m ArgMatches) {
    let Some((name, inner)) = matches.subcommand() else { return (&[], matches) };
    if name == "all" {
        return (phases, inner);
    }
    match phases.iter().position(|phase| phase.name == name) {
        Some(index) if phases[index].phases.is_empty() => (&phases[index..=index], inner),
        Some(index) => selected(&phases[index].phases, inner),
        None => (&[], inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str) -> Phase<Vec<&'static str>> {
        Phase::step(name, "A step", &["config"], move |data: &mut Vec<&'static str>| {
            Box::pin(async move {
                data.push(name);
                Ok(())
            })
        })
    }

    fn workflow() -> Vec<Phase<Vec<&'static str>>> {
        vec![
            step("preflight").with_aliases(&["pre-flight"]),
            Phase::group("certs", "Certificates", vec![step("ca"), step("apiserver")]),
            step("wait"),
        ]
    }

    #[tokio::test]
    async fn phases_run_in_order_without_the_skipped() {
        let mut data = Vec::new();
        run_all(&workflow(), &[], &mut data).await.expect("they succeed");
        assert_eq!(data, ["preflight", "ca", "apiserver", "wait"]);
        let skipped =
            check_skipped(&workflow(), &["pre-flight".to_owned(), "certs/ca".to_owned()]).expect("known");
        let mut data = Vec::new();
        run_all(&workflow(), &skipped, &mut data).await.expect("they succeed");
        assert_eq!(data, ["apiserver", "wait"]);
    }

    #[test]
    fn unknown_names_are_told_with_the_known_ones() {
        let error = check_skipped(&workflow(), &["certs/none".to_owned()]).expect_err("unknown");
        assert_eq!(error.known, "preflight, certs, certs/ca, certs/apiserver, wait");
    }

    #[track_caller]
    fn check_selected(line: &[&str], expected: &[&str]) {
        let phases = workflow();
        let matches = command("init", &phases).try_get_matches_from(line).expect("a valid line");
        let (found, flags) = selected(&phases, &matches);
        assert_eq!(found.iter().map(|phase| phase.name).collect::<Vec<_>>(), expected);
        assert_eq!(super::flags::text_value(flags, "config").as_deref(), Some("x"));
    }

    #[test]
    fn a_phase_is_run_alone() {
        check_selected(&["phase", "wait", "--config", "x"], &["wait"]);
        check_selected(&["phase", "certs", "ca", "--config=x"], &["ca"]);
        check_selected(&["phase", "certs", "all", "--config", "x"], &["ca", "apiserver"]);
        check_selected(&["phase", "pre-flight", "--config", "x"], &["preflight"]);
    }
}
