//! Credential plugins: a program that prints an `ExecCredential` (`client.authentication.k8s.io`).

use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::Error;
use crate::kubeconfig::ExecConfig;

/// What a plugin handed out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PluginCredential {
    /// Bearer token.
    pub token: Option<String>,
    /// Certificate chain and key in PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// When it must be asked again; none for never (until a 401).
    pub expires: Option<jiff::Timestamp>,
}

const VERSIONS: &[&str] = &["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// Runs the plugin of `exec` for the server of `config`.
pub(crate) async fn run(exec: &ExecConfig, config: &Config) -> Result<PluginCredential, Error> {
    use std::io::IsTerminal as _;
    let failed = |message: String| Error::ExecPlugin(message);
    let version = exec.api_version.as_deref().unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(failed(format!(
            "invalid apiVersion {version:?}, expected one of {}",
            VERSIONS.join(", ")
        )));
    }
    let terminal = std::io::stdin().is_terminal();
    let interactive = match exec.interactive_mode.as_deref().unwrap_or("IfAvailable") {
        "Never" => false,
        "IfAvailable" => terminal,
        "Always" if terminal => true,
        "Always" => {
            return Err(failed(
                "plugin wants a terminal (interactiveMode Always), standard input is none".into(),
            ));
        }
        other => {
            return Err(failed(format!(
                "unknown interactiveMode: {other:?}, expected Never, IfAvailable or Always"
            )));
        }
    };
    let request = request(exec, version, interactive, config)?;
    let mut command = tokio::process::Command::new(&exec.command);
    command.args(&exec.args).env("KUBERNETES_EXEC_INFO", request.to_string());
    command.envs(exec.env.iter().map(|variable| (&variable.name, &variable.value)));
    command.stdin(if interactive { Stdio::inherit() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let hint = exec.install_hint.as_deref().map(|hint| format!("\n\n{hint}")).unwrap_or_default();
    let output = command
        .spawn()
        .map_err(|error| failed(format!("executable {} not usable: {error}{hint}", exec.command)))?;
    let output = output.wait_with_output().await.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("executable {} failed with {}", exec.command, output.status)));
    }
    parse(version, &output.stdout).map_err(failed)
}

fn request(exec: &ExecConfig, version: &str, interactive: bool, config: &Config) -> Result<Value, Error> {
    let mut spec = json!({ "interactive": interactive });
    if exec.provide_cluster_info {
        let mut cluster = json!({ "server": config.server.to_string().trim_end_matches('/') });
        if let Some(authorities) = &config.authorities {
            cluster["certificate-authority-data"] = STANDARD.encode(authorities.read()?).into();
        }
        if let Some(name) = &config.tls_server_name {
            cluster["tls-server-name"] = name.as_str().into();
        }
        if config.skip_verification {
            cluster["insecure-skip-tls-verify"] = true.into();
        }
        spec["cluster"] = cluster;
    }
    Ok(json!({ "kind": "ExecCredential", "apiVersion": version, "spec": spec }))
}

fn parse(version: &str, output: &[u8]) -> Result<PluginCredential, String> {
    let value: Value = serde_json::from_slice(output).map_err(|error| format!("decoding stdout: {error}"))?;
    let text =
        |value: &Value, field: &str| value[field].as_str().map(str::to_owned).filter(|text| !text.is_empty());
    let found = text(&value, "apiVersion").unwrap_or_default();
    if found != version {
        return Err(format!(
            "exec plugin is configured to use API version {version}, plugin returned version {found}"
        ));
    }
    let status = &value["status"];
    if !status.is_object() {
        return Err("exec plugin didn't return a status field".to_owned());
    }
    let token = text(status, "token");
    let identity = match (text(status, "clientCertificateData"), text(status, "clientKeyData")) {
        (Some(certificate), Some(key)) => Some((certificate.into_bytes(), key.into_bytes())),
        (None, None) => None,
        _ => {
            return Err("exec plugin returned only certificate or key, not both".to_owned());
        }
    };
    if token.is_none() && identity.is_none() {
        return Err("exec plugin didn't return a token or cert/key pair".to_owned());
    }
    let expires = match text(status, "expirationTimestamp") {
        None => None,
        Some(time) => Some(time.parse().map_err(|error| format!("expirationTimestamp {time:?}: {error}"))?),
    };
    Ok(PluginCredential { token, identity, expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(script: &str, mode: &str) -> ExecConfig {
        ExecConfig {
            api_version: Some(VERSIONS[0].to_owned()),
            command: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned()],
            interactive_mode: Some(mode.to_owned()),
            provide_cluster_info: true,
            ..ExecConfig::default()
        }
    }

    async fn check(exec: ExecConfig, expected: Result<Option<&str>, &str>) {
        let config = Config::new("https://h:1").expect("valid");
        let outcome = run(&exec, &config).await;
        match (outcome, expected) {
            (Ok(credential), Ok(token)) => assert_eq!(credential.token.as_deref(), token),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }

    #[tokio::test]
    async fn plugins_are_asked_and_understood() {
        let answer = r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"abc"}}'"#;
        check(exec(answer, "Never"), Ok(Some("abc"))).await;
        let echo = r#"server=$(echo "$KUBERNETES_EXEC_INFO" | grep -o 'https://h:1'); echo "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"$server\"}}""#;
        check(exec(echo, "Never"), Ok(Some("https://h:1"))).await;
        check(exec("exit 3", "Never"), Err("failed with exit status: 3")).await;
        check(exec("echo {}", "Never"), Err("plugin returned version ")).await;
        check(exec("true", "Sometimes"), Err("unknown interactiveMode")).await;
        let missing = ExecConfig {
            command: "/no/such".into(),
            install_hint: Some("install it".into()),
            ..exec("", "Never")
        };
        check(missing, Err("install it")).await;
        check(ExecConfig { api_version: None, ..exec("", "Never") }, Err("invalid apiVersion")).await;
    }

    #[test]
    fn incomplete_answers_are_refused() {
        let parse_status = |status: &str| {
            parse(VERSIONS[0], format!(r#"{{"apiVersion":"{}","status":{status}}}"#, VERSIONS[0]).as_bytes())
        };
        assert!(parse_status("null").is_err());
        assert!(parse_status("{}").is_err());
        assert!(parse_status(r#"{"clientCertificateData":"x"}"#).is_err());
        let good =
            parse_status(r#"{"token":"t","expirationTimestamp":"2030-01-01T00:00:00Z"}"#).expect("valid");
        assert!(good.expires.is_some());
    }
}
