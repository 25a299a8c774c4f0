//! Cron jobs, ingresses, quotas, disruption budgets and priority classes made from flags
//! (`kubectl/pkg/cmd/create`).

use machinery::Quantity;
use serde_json::{Map, Value, json};

use super::CreateArgs;
use crate::Result;
use crate::error::message;

/// A cron job.
#[derive(Clone, Debug, clap::Args)]
pub struct CronJob {
    /// Name
    pub name: String,
    /// Image name to run
    #[arg(long)]
    pub image: String,
    /// A schedule in the Cron format the job should be run with
    #[arg(long)]
    pub schedule: String,
    /// job's restart policy. supported values: OnFailure, Never
    #[arg(long, default_value = "OnFailure")]
    pub restart: String,
    /// Command of the container
    #[arg(last = true)]
    pub command: Vec<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// An ingress.
#[derive(Clone, Debug, clap::Args)]
pub struct Ingress {
    /// Name
    pub name: String,
    /// Ingress Class to be used
    #[arg(long)]
    pub class: Option<String>,
    /// Rule in format host/path=service:port[,tls=secretname]; a path that ends with '*' is a prefix
    #[arg(long, action = clap::ArgAction::Append)]
    pub rule: Vec<String>,
    /// Default service for backend, in format of svcname:port
    #[arg(long)]
    pub default_backend: Option<String>,
    /// Annotation to insert in the ingress object, in the format annotation=value
    #[arg(long, action = clap::ArgAction::Append)]
    pub annotation: Vec<String>,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// A resource quota.
#[derive(Clone, Debug, clap::Args)]
pub struct Quota {
    /// Name
    pub name: String,
    /// A comma-delimited set of resource=quantity pairs that define a hard limit
    #[arg(long, default_value = "")]
    pub hard: String,
    /// A comma-delimited set of quota scopes that must all match each object tracked by the quota
    #[arg(long, default_value = "")]
    pub scopes: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// A pod disruption budget.
#[derive(Clone, Debug, clap::Args)]
pub struct Budget {
    /// Name
    pub name: String,
    /// The minimum number or percentage of available pods this budget requires
    #[arg(long)]
    pub min_available: Option<String>,
    /// The maximum number or percentage of unavailable pods this budget requires
    #[arg(long)]
    pub max_unavailable: Option<String>,
    /// A label selector to use for this budget. Only equality-based selector requirements are supported
    #[arg(long, default_value = "")]
    pub selector: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

/// A priority class.
#[derive(Clone, Debug, clap::Args)]
pub struct Priority {
    /// Name
    pub name: String,
    /// The value of this priority class
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub value: i32,
    /// Whether this PriorityClass should be considered as the default priority
    #[arg(long)]
    pub global_default: bool,
    /// When this priority class should be used
    #[arg(long, default_value = "")]
    pub description: String,
    /// The policy for preempting pods with lower priority
    #[arg(long, default_value = "PreemptLowerPriority")]
    pub preemption_policy: String,
    #[command(flatten)]
    pub options: CreateArgs,
}

impl CronJob {
    /// The object.
    pub fn object(&self) -> Value {
        let mut container = json!({"image": self.image, "name": self.name, "resources": {}});
        if !self.command.is_empty() {
            container["command"] = json!(self.command);
        }
        let template =
            json!({"metadata": {}, "spec": {"containers": [container], "restartPolicy": self.restart}});
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": self.name},
            "spec": {"schedule": self.schedule,
                "jobTemplate": {"metadata": {"name": self.name}, "spec": {"template": template}}},
            "status": {}})
    }
}

impl Ingress {
    /// The object.
    pub fn object(&self) -> Result<Value> {
        if self.default_backend.is_none() && self.rule.is_empty() {
            return Err(message(
                "not enough information provided: every ingress has to either specify a default-backend (which catches all traffic) or a list of rules (which catch specific paths)",
            ));
        }
        let mut spec = Map::new();
        if let Some(class) = &self.class {
            spec.insert("ingressClassName".to_owned(), class.as_str().into());
        }
        let mut rules: Vec<(&str, Vec<Value>)> = Vec::new();
        let mut tls: Vec<(&str, Vec<&str>)> = Vec::new();
        for rule in &self.rule {
            let parsed = Rule::parse(rule).ok_or_else(|| {
                message(format!(
                    "rule {rule} is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]"
                ))
            })?;
            let (path, kind) = match parsed.path.strip_suffix('*') {
                Some(path) => (path, "Prefix"),
                None => (parsed.path, "Exact"),
            };
            let path =
                json!({"path": path, "pathType": kind, "backend": backend(parsed.service, parsed.port)});
            match rules.iter_mut().find(|(host, _)| *host == parsed.host) {
                Some((_, paths)) => paths.push(path),
                None => rules.push((parsed.host, vec![path])),
            }
            let Some(secret) = parsed.secret else { continue };
            if tls.iter().any(|(_, hosts)| hosts.contains(&parsed.host)) {
                continue;
            }
            match tls.iter_mut().find(|(known, _)| *known == secret) {
                Some((_, hosts)) => hosts.push(parsed.host),
                None => tls.push((secret, vec![parsed.host])),
            }
        }
        if let Some(default) = &self.default_backend {
            let parts: Vec<&str> = default.split(':').collect();
            let [service, port] = parts.as_slice() else {
                return Err(message("default-backend should be in format servicename:serviceport"));
            };
            spec.insert("defaultBackend".to_owned(), backend(service, port));
        }
        let with = |mut object: Value, key: &str, text: &str| {
            if !text.is_empty() {
                object[key] = text.into();
            }
            object
        };
        let rules: Vec<Value> = rules
            .into_iter()
            .map(|(host, paths)| with(json!({"http": {"paths": paths}}), "host", host))
            .collect();
        let tls: Vec<Value> = tls
            .into_iter()
            .map(|(secret, hosts)| {
                let hosts: Vec<&str> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
                let object = if hosts.is_empty() { json!({}) } else { json!({"hosts": hosts}) };
                with(object, "secretName", secret)
            })
            .filter(|entry| entry.as_object().is_some_and(|entry| !entry.is_empty()))
            .collect();
        for (key, list) in [("rules", rules), ("tls", tls)] {
            if !list.is_empty() {
                spec.insert(key.to_owned(), list.into());
            }
        }
        let mut metadata = json!({"name": self.name});
        for annotation in &self.annotation {
            let Some((key, value)) = annotation.split_once('=') else {
                return Err(message(format!(
                    "annotation {annotation} is invalid and should be in format key=[value]"
                )));
            };
            metadata["annotations"][key] = value.into();
        }
        Ok(
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec,
            "status": {"loadBalancer": {}}}),
        )
    }
}

/// `host/path=service:port[,tls[=secret]]`
struct Rule<'r> {
    host: &'r str,
    path: &'r str,
    service: &'r str,
    port: &'r str,
    secret: Option<&'r str>,
}

impl Rule<'_> {
    fn parse(text: &str) -> Option<Rule<'_>> {
        let word = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        let (rule, tls) = text.split_once(',').map_or((text, None), |(rule, tls)| (rule, Some(tls)));
        let slash = rule.find('/')?;
        let (host, rest) = rule.split_at(slash);
        let (path, backend) = rest.split_once('=')?;
        let (service, port) = backend.split_once(':')?;
        let secret = match tls {
            None => None,
            Some(tls) => Some(tls.strip_prefix("tls")?.trim_start_matches('=')),
        };
        let host_sound = host.chars().all(|c| c.is_ascii_alphanumeric() || "_*-.".contains(c));
        let sound = host_sound
            && word(service)
            && word(port)
            && secret.is_none_or(|name| name.is_empty() || word(name));
        sound.then_some(Rule { host, path, service, port, secret })
    }
}

fn backend(service: &str, port: &str) -> Value {
    let port = match port.parse::<i32>() {
        Ok(number) => json!({"number": number}),
        Err(_) => json!({"name": port}),
    };
    json!({"service": {"name": service, "port": port}})
}

impl Quota {
    /// The object.
    pub fn object(&self) -> Result<Value> {
        let mut spec = Map::new();
        let mut hard = Map::new();
        for pair in self.hard.split(',').filter(|pair| !pair.is_empty()) {
            let Some((resource, amount)) = pair.split_once('=').filter(|(_, amount)| !amount.contains('='))
            else {
                return Err(message(format!("Invalid argument syntax {pair}, expected <resource>=<value>")));
            };
            let amount = Quantity::parse(amount).map_err(|error| message(format!("{resource}: {error}")))?;
            hard.insert(resource.to_owned(), amount.to_string().into());
        }
        if !hard.is_empty() {
            spec.insert("hard".to_owned(), hard.into());
        }
        if !self.scopes.is_empty() {
            let scopes: Vec<&str> = self.scopes.split(',').collect();
            if scopes.iter().any(|scope| scope.is_empty()) {
                return Err(message("invalid resource quota scope \"\""));
            }
            spec.insert("scopes".to_owned(), json!(scopes));
        }
        Ok(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": self.name}, "spec": spec,
            "status": {}}))
    }
}

impl Budget {
    /// The object.
    pub fn object(&self) -> Result<Value> {
        if self.selector.is_empty() {
            return Err(message("a selector must be specified"));
        }
        let (field, amount) = match (&self.min_available, &self.max_unavailable) {
            (None, None) => return Err(message("one of min-available or max-unavailable must be specified")),
            (Some(_), Some(_)) => {
                return Err(message("min-available and max-unavailable cannot be both specified"));
            }
            (Some(least), None) => ("minAvailable", least),
            (None, Some(most)) => ("maxUnavailable", most),
        };
        let digits = amount.strip_suffix('%').unwrap_or(amount);
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_ascii_digit()) {
            let flag = if field == "minAvailable" { "min-available" } else { "max-unavailable" };
            return Err(message(format!("invalid format specified for {flag}")));
        }
        let amount: Value = amount.parse::<i32>().map_or_else(|_| amount.as_str().into(), Into::into);
        let mut labels = Map::new();
        for pair in self.selector.split(',') {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.ends_with('!')) else {
                return Err(message(format!(
                    "only equality-based selector requirements such as key=value are supported, got {pair:?}"
                )));
            };
            labels.insert(key.trim().to_owned(), value.trim_start_matches('=').trim().into());
        }
        let mut spec = json!({"selector": {"matchLabels": labels}});
        spec[field] = amount;
        Ok(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": self.name},
            "spec": spec,
            "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}}))
    }
}

impl Priority {
    /// The object.
    pub fn object(&self) -> Value {
        let mut object = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": self.name}, "value": self.value, "preemptionPolicy": self.preemption_policy});
        if self.global_default {
            object["globalDefault"] = true.into();
        }
        if !self.description.is_empty() {
            object["description"] = self.description.as_str().into();
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use client::fake::FakeServer;

    use crate::commands::testing::run;

    #[tokio::test]
    async fn objects_are_upstreams() {
        let server = FakeServer::start().await.expect("a server");
        let check = async |line: &str, expected: &str| {
            let mut words: Vec<&str> = vec!["create"];
            words.extend(line.split(' '));
            words.extend(["--dry-run=client", "-o", "json"]);
            let (_, out, err) = run(&server, &words).await;
            let short: String = out.split_whitespace().collect();
            assert_eq!(short + &err, expected, "{line}");
        };
        check("quota q --hard=cpu=1,pods=2 --scopes=BestEffort", r#"{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q"},"spec":{"hard":{"cpu":"1","pods":"2"},"scopes":["BestEffort"]},"status":{}}"#).await;
        check("pdb p --selector=a=b --min-available=50%", r#"{"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"p"},"spec":{"minAvailable":"50%","selector":{"matchLabels":{"a":"b"}}},"status":{"currentHealthy":0,"desiredHealthy":0,"disruptionsAllowed":0,"expectedPods":0}}"#).await;
        check("pc p --value=10", r#"{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass","metadata":{"name":"p"},"preemptionPolicy":"PreemptLowerPriority","value":10}"#).await;
        check("ingress i --rule=a.b/x*=s:80,tls=t --class=c", r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i"},"spec":{"ingressClassName":"c","rules":[{"host":"a.b","http":{"paths":[{"backend":{"service":{"name":"s","port":{"number":80}}},"path":"/x","pathType":"Prefix"}]}}],"tls":[{"hosts":["a.b"],"secretName":"t"}]},"status":{"loadBalancer":{}}}"#).await;
        check("ingress i --rule=nonsense", "error: rule nonsense is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]\n").await;
        check("pdb p --selector=a=b", "error: one of min-available or max-unavailable must be specified\n")
            .await;
        check("cronjob c --image=i --schedule=@daily", r#"{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"c"},"spec":{"jobTemplate":{"metadata":{"name":"c"},"spec":{"template":{"metadata":{},"spec":{"containers":[{"image":"i","name":"c","resources":{}}],"restartPolicy":"OnFailure"}}}},"schedule":"@daily"},"status":{}}"#).await;
        check("service externalname s --external-name=a.b", r#"{"apiVersion":"v1","kind":"Service","metadata":{"labels":{"app":"s"},"name":"s"},"spec":{"externalName":"a.b","selector":{"app":"s"},"type":"ExternalName"},"status":{"loadBalancer":{}}}"#).await;
        check("clusterrole r --aggregation-rule=a=b", r#"{"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"a":"b"}}]},"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"r"},"rules":null}"#).await;
    }
}
