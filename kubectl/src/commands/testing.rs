//! Discovery and factories for the tests of commands.

use client::discovery::{Discovered, Discovery};
use client::fake::FakeServer;

use crate::options::GlobalOptions;
use crate::{Factory, Streams};

/// Discovery of every built-in resource.
pub fn discovery() -> Discovery {
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let resources = api_types::facts::all().iter().map(|facts| Discovered {
        resource: client::DynamicResource {
            group: facts.group.to_owned(),
            version: facts.version.to_owned(),
            kind: facts.kind.to_owned(),
            plural: facts.plural.to_owned(),
            namespaced: facts.namespaced,
        },
        singular: facts.singular.to_owned(),
        short_names: own(facts.short_names),
        categories: own(facts.categories),
        verbs: own(facts.verbs),
        subresources: facts.subresources.iter().map(|sub| sub.name.to_owned()).collect(),
        preferred_version: true,
    });
    Discovery { resources: resources.collect(), failed: Vec::new() }
}

/// Runs a command line against a scripted server: exit code, output, error output.
pub async fn run_with_input(server: &FakeServer, line: &[&str], input: &str) -> (i32, String, String) {
    run_with_discovery(server, line, input, discovery()).await
}

/// The same with other resources than the built-in ones.
pub async fn run_with_discovery(
    server: &FakeServer,
    line: &[&str],
    input: &str,
    discovery: Discovery,
) -> (i32, String, String) {
    let (mut streams, out, err) = Streams::buffers(input);
    let client = server.client().expect("a client of the fake server");
    let matches = crate::app::command()
        .try_get_matches_from(std::iter::once("kubectl").chain(line.iter().copied()))
        .expect("a sound command line");
    let options = <GlobalOptions as clap::FromArgMatches>::from_arg_matches(&matches)
        .expect("global flags")
        .for_command(&matches);
    let factory = Factory::with_client(options, client, discovery).showing(&streams.warnings);
    let code = crate::app::run_verb(&matches, &factory, &mut streams).await;
    (code, out.text(), err.text())
}

/// The same without input.
pub async fn run(server: &FakeServer, line: &[&str]) -> (i32, String, String) {
    run_with_input(server, line, "").await
}
