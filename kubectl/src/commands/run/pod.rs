//! The pod that `run` makes from its flags (`kubectl/pkg/generate/versioned/run.go`).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::Args;
use crate::Result;
use crate::commands::pairs;
use crate::error::message;

/// References of images as registries know them.
static IMAGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let part = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let host = format!(r"(?:{part}(?:\.{part})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
    let folder = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    let tag = "[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}";
    let digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
    Regex::new(&format!("^(?:{host}/)?{folder}(?:/{folder})*(?::{tag})?(?:@{digest})?$")).ok()
});

/// Refuses what is no reference of an image.
pub fn check_image(image: &str) -> Result<()> {
    if image.is_empty() {
        return Err(message("--image is required"));
    }
    if IMAGE.as_ref().is_some_and(|pattern| !pattern.is_match(image)) {
        return Err(message(format!("Invalid image name {image:?}: invalid reference format")));
    }
    Ok(())
}

/// `KEY=VALUE` texts as variables of a container.
fn variables(texts: &[String]) -> Result<Vec<Value>> {
    let variable = |text: &String| {
        let named = text.split_once('=').filter(|(name, _)| machinery::names::is_env_var_name(name).is_empty());
        match named {
            Some((name, "")) => Ok(json!({"name": name})),
            Some((name, value)) => Ok(json!({"name": name, "value": value})),
            None => Err(message(format!("invalid env: {text}"))),
        }
    };
    texts.iter().map(variable).collect()
}

/// The pod named `name`, its container given `arguments`.
pub fn generate(args: &Args, name: &str, arguments: &[String]) -> Result<Value> {
    let mut metadata = json!({"name": name});
    metadata["labels"] = match args.labels.as_str() {
        "" => json!({"run": name}),
        text => pairs::labels(text)?.into(),
    };
    let annotations = pairs::parse(&args.annotations, "annotations")?;
    if !annotations.is_empty() {
        let map: Map<String, Value> = annotations.into_iter().map(|(key, value)| (key, value.into())).collect();
        metadata["annotations"] = map.into();
    }
    let mut container = json!({"name": name, "image": args.image, "resources": {}});
    let env = variables(&args.env)?;
    if !env.is_empty() {
        container["env"] = env.into();
    }
    if !arguments.is_empty() {
        container[if args.command { "command" } else { "args" }] = json!(arguments);
    }
    if !args.image_pull_policy.is_empty() {
        container["imagePullPolicy"] = args.image_pull_policy.as_str().into();
    }
    if !args.port.is_empty() {
        let port: i32 = args.port.parse().map_err(|_| {
            message(format!("strconv.Atoi: parsing {:?}: invalid syntax", args.port))
        })?;
        container["ports"] = json!([{"containerPort": port}]);
    }
    if args.stdin {
        container["stdin"] = true.into();
        if !args.leave_stdin_open {
            container["stdinOnce"] = true.into();
        }
    }
    if args.tty {
        container["tty"] = true.into();
    }
    if args.privileged {
        container["securityContext"] = json!({"privileged": true});
    }
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": restart_policy(args)},
        "status": {}}))
}

/// `--restart`; when it is given empty, what suits an interactive pod.
pub fn restart_policy(args: &Args) -> &str {
    match args.restart.as_str() {
        "" if args.stdin => "OnFailure",
        "" => "Always",
        given => given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_references() {
        let check = |image: &str, sound: bool| assert_eq!(check_image(image).is_ok(), sound, "{image}");
        check("nginx", true);
        check("nginx:1.27", true);
        check("registry.example.com:5000/team/app_x:v1", true);
        check(&format!("a/b@sha256:{}", "0".repeat(64)), true);
        check("[::1]:5000/x", true);
        check("", false);
        check("Nginx", false);
        check("nginx:", false);
        check("a b", false);
    }

    #[test]
    fn variables_need_names() {
        let of = |text: &str| variables(&[text.to_owned()]).map(Value::from).unwrap_or_default();
        assert_eq!(of("A=1=2"), json!([{"name": "A", "value": "1=2"}]));
        assert_eq!(of("A="), json!([{"name": "A"}]));
        assert_eq!(of("A"), Value::Null);
        assert_eq!(of("=1"), Value::Null);
    }
}
