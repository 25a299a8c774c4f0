//! Which pods of a node go, which stay, and which forbid the draining (`kubectl/pkg/drain/filters.go`).

use serde_json::Value;

use super::Args;
use crate::{Factory, Result, resources, values};

/// What is done with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    Goes,
    /// It goes, which is worth a warning.
    GoesWith(String),
    /// It stays.
    Stays,
    /// It stays, which is worth a warning.
    StaysWith(String),
    /// It forbids the draining.
    Forbids(String),
}

/// The pods of a node and what is done with them.
pub struct Chosen(Vec<(Value, Fate)>);

/// Looks at the pods of a node.
pub async fn pods(args: &Args, node: &str, factory: &Factory) -> Result<Chosen> {
    let found = factory.resource("pods").await?;
    let params = client::ListParams::default()
        .labels(args.pod_selector.clone())
        .fields(format!("spec.nodeName={node}"));
    let list = resources::list_all(factory, &found, None, params).await?;
    let now = jiff::Timestamp::now();
    let mut chosen = Vec::new();
    for pod in list {
        let daemon_set = daemon_set_problem(&pod, factory).await?;
        let fate = fate(args, &pod, daemon_set, now);
        chosen.push((pod, fate));
    }
    Ok(Chosen(chosen))
}

/// The owner that controls a pod.
fn controller(pod: &Value) -> Option<&Value> {
    values::list(pod, "/metadata/ownerReferences").iter().find(|owner| values::flag(owner, "/controller"))
}

fn is_over(pod: &Value) -> bool {
    matches!(values::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// For a pod of a daemon set: why that cannot be read, and whether it is gone.
async fn daemon_set_problem(pod: &Value, factory: &Factory) -> Result<Option<Option<(String, bool)>>> {
    let owner = controller(pod).filter(|owner| {
        values::text(owner, "/kind") == "DaemonSet" && values::text(owner, "/apiVersion") == "apps/v1"
    });
    let Some(owner) = owner.filter(|_| !is_over(pod)) else { return Ok(None) };
    let found = factory.resource("daemonsets.apps").await?;
    let api = factory.client()?.dynamic(&found.resource, Some(values::namespace(pod)));
    match api.get(values::text(owner, "/name"), "").await {
        Ok(_) => Ok(Some(None)),
        Err(error) => {
            let text = error.status().map_or_else(|| error.to_string(), |status| status.status.message.clone());
            Ok(Some(Some((text, error.is_not_found()))))
        }
    }
}

/// Whether a pod has been going for longer than anybody waits.
pub fn is_given_up(args: &Args, pod: &Value, now: jiff::Timestamp) -> bool {
    let deleted = values::text(pod, "/metadata/deletionTimestamp").parse::<jiff::Timestamp>();
    let limit = args.skip_wait_for_delete_timeout;
    limit > 0 && deleted.is_ok_and(|deleted| now.as_second() - deleted.as_second() > limit)
}

/// The rules in upstream's order; the last that has something to say is heard.
fn fate(args: &Args, pod: &Value, daemon_set: Option<Option<(String, bool)>>, now: jiff::Timestamp) -> Fate {
    if is_given_up(args, pod, now) {
        return Fate::Stays;
    }
    let mut fate = Fate::Goes;
    match daemon_set {
        None => {}
        Some(Some((text, true))) if args.force => fate = Fate::GoesWith(text),
        Some(Some((text, _))) => return Fate::Forbids(text),
        Some(None) if args.ignore_daemonsets => {
            return Fate::StaysWith("ignoring DaemonSet-managed Pods".to_owned());
        }
        Some(None) => {
            return Fate::Forbids("DaemonSet-managed Pods (use --ignore-daemonsets to ignore)".to_owned());
        }
    }
    let mirror = pod.pointer("/metadata/annotations").and_then(|all| all.get("kubernetes.io/config.mirror"));
    if mirror.is_some() {
        return Fate::Stays;
    }
    // Each later rule that has nothing against a pod silences the warnings before, as upstream's do.
    if is_over(pod) {
        return Fate::Goes;
    }
    let local = values::list(pod, "/spec/volumes").iter().any(|volume| volume.get("emptyDir").is_some());
    if local && !args.delete_emptydir_data {
        return Fate::Forbids("Pods with local storage (use --delete-emptydir-data to override)".to_owned());
    }
    match (controller(pod).is_some(), args.force) {
        (true, _) => match fate {
            Fate::GoesWith(_) => Fate::Goes,
            other => other,
        },
        (false, true) => Fate::GoesWith("deleting Pods that declare no controller".to_owned()),
        (false, false) => Fate::Forbids("Pods that declare no controller (use --force to override)".to_owned()),
    }
}

impl Chosen {
    /// The pods that go.
    pub fn into_pods(self) -> Vec<Value> {
        let goes = |fate: &Fate| matches!(fate, Fate::Goes | Fate::GoesWith(_));
        self.0.into_iter().filter(|(_, fate)| goes(fate)).map(|(pod, _)| pod).collect()
    }

    /// Reasons with the pods they are for, in the order they first appear.
    fn grouped(&self, reason: impl Fn(&Fate) -> Option<&str>) -> Vec<(String, String)> {
        let mut groups: Vec<(String, String)> = Vec::new();
        for (pod, fate) in &self.0 {
            let Some(reason) = reason(fate) else { continue };
            let name = format!("{}/{}", values::namespace(pod), values::name(pod));
            match groups.iter_mut().find(|(known, _)| known == reason) {
                Some((_, names)) => {
                    names.push_str(", ");
                    names.push_str(&name);
                }
                None => groups.push((reason.to_owned(), name)),
            }
        }
        groups
    }

    /// Why the node cannot be drained.
    pub fn failures(&self) -> Vec<String> {
        let groups = self.grouped(|fate| match fate {
            Fate::Forbids(reason) => Some(reason),
            _ => None,
        });
        groups.into_iter().map(|(reason, names)| format!("cannot delete {reason}: {names}")).collect()
    }

    /// What is worth a warning, in one line.
    pub fn warning(&self) -> Option<String> {
        let groups = self.grouped(|fate| match fate {
            Fate::GoesWith(reason) | Fate::StaysWith(reason) => Some(reason),
            _ => None,
        });
        let lines: Vec<String> =
            groups.into_iter().map(|(reason, names)| format!("{reason}: {names}")).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};
    use serde_json::json;

    use super::*;

    fn args(line: &str) -> Args {
        let command = Args::augment_args(clap::Command::new("drain"));
        let matches = command.get_matches_from(std::iter::once("drain").chain(line.split_whitespace()));
        Args::from_arg_matches(&matches).expect("sound flags")
    }

    #[test]
    fn each_rule_has_its_flag() {
        let now: jiff::Timestamp = "2024-01-01T00:01:00Z".parse().expect("a time");
        let owned = |more: Value| {
            let mut pod = json!({"metadata": {"ownerReferences": [{"kind": "Job", "controller": true}]}});
            for (key, value) in more.as_object().cloned().unwrap_or_default() {
                match (pod.get_mut(&key).and_then(Value::as_object_mut), value) {
                    (Some(map), Value::Object(more)) => map.extend(more),
                    (_, value) => pod[&key] = value,
                }
            }
            pod
        };
        let check = |line: &str, pod: Value, expected: Fate| {
            assert_eq!(fate(&args(line), &pod, None, now), expected, "{line} {pod}");
        };
        check("", owned(json!({})), Fate::Goes);
        check("", owned(json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}})), Fate::Stays);
        let local = json!({"spec": {"volumes": [{"emptyDir": {}}]}});
        let forbidden = "Pods with local storage (use --delete-emptydir-data to override)";
        check("", owned(local.clone()), Fate::Forbids(forbidden.to_owned()));
        check("--delete-emptydir-data", owned(local), Fate::Goes);
        check("", json!({"status": {"phase": "Failed"}}), Fate::Goes);
        let alone = "Pods that declare no controller (use --force to override)";
        check("", json!({}), Fate::Forbids(alone.to_owned()));
        check("--force", json!({}), Fate::GoesWith("deleting Pods that declare no controller".to_owned()));
        let going = owned(json!({"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}}));
        check("--skip-wait-for-delete-timeout=30", going.clone(), Fate::Stays);
        check("--skip-wait-for-delete-timeout=90", going, Fate::Goes);
        let daemon = |line: &str, problem| fate(&args(line), &owned(json!({})), Some(problem), now);
        assert_eq!(daemon("--force", Some(("gone".to_owned(), true))), Fate::Goes);
        assert_eq!(daemon("", Some(("gone".to_owned(), true))), Fate::Forbids("gone".to_owned()));
    }
}
