//! The supervisor's socket: one line asks, one line answers.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::service::{Message, Request};

/// Where the socket is, unless told otherwise.
pub const SOCKET: &str = "/run/kube-supervisor/control.sock";
/// A question is short.
const MOST_QUESTION_BYTES: u64 = 4096;
/// Stopping a service may take its whole limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(180);

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("failed to listen on {path:?}")]
    Listen { path: PathBuf, source: std::io::Error },
    #[error("no supervisor answers on {path:?}")]
    Connect { path: PathBuf, source: std::io::Error },
    #[error("the supervisor gave no answer")]
    Silent { source: std::io::Error },
    #[error("{0}")]
    Refused(String),
}

/// Services by their names.
pub type Services = BTreeMap<String, mpsc::Sender<Message>>;

/// Opens the socket for the owner of the supervisor alone.
pub fn listen(path: &Path) -> Result<UnixListener, ControlError> {
    let failed = |source| ControlError::Listen { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    // A socket left by a supervisor that was killed answers nobody.
    if std::os::unix::net::UnixStream::connect(path).is_err() {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Answers one question.
pub async fn serve(mut stream: UnixStream, services: Services) -> std::io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut question = String::new();
    BufReader::new(reader.take(MOST_QUESTION_BYTES)).read_line(&mut question).await?;
    let answer = match answer(question.trim(), &services).await {
        Ok(text) => format!("ok {text}\n"),
        Err(complaint) => format!("error {}\n", complaint.replace('\n', " ")),
    };
    writer.write_all(answer.as_bytes()).await
}

async fn answer(question: &str, services: &Services) -> Result<String, String> {
    let (verb, name) = question.split_once(' ').unwrap_or((question, ""));
    if verb == "list" {
        return Ok(services.keys().cloned().collect::<Vec<_>>().join(" "));
    }
    let service = services.get(name).ok_or_else(|| format!("there is no service {name:?}"))?;
    let request = match verb {
        "exists" => return Ok(String::new()),
        "start" => Request::Start,
        "stop" => Request::Stop,
        "restart" => Request::Restart,
        "status" | "is-active" => Request::Status,
        other => return Err(format!("unknown request {other:?}")),
    };
    let (sender, receiver) = oneshot::channel();
    service.send((request, sender)).await.map_err(|_| "the supervisor is stopping".to_owned())?;
    let process = receiver.await.map_err(|_| "the supervisor is stopping".to_owned())??;
    match (verb, process) {
        ("is-active", None) => Err(format!("{name} is not active")),
        (_, Some(process)) => Ok(format!("running {process}")),
        (_, None) => Ok("stopped".to_owned()),
    }
}

/// Asks a running supervisor.
pub async fn ask(path: &Path, question: &str) -> Result<String, ControlError> {
    let exchange = async {
        let mut stream = UnixStream::connect(path)
            .await
            .map_err(|source| ControlError::Connect { path: path.to_owned(), source })?;
        let silent = |source| ControlError::Silent { source };
        stream.write_all(format!("{question}\n").as_bytes()).await.map_err(silent)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map_err(silent)?;
        Ok(text)
    };
    let text = timeout(ANSWER_LIMIT, exchange)
        .await
        .map_err(|error| ControlError::Silent { source: error.into() })??;
    match text.trim_end().split_once(' ').unwrap_or((text.trim_end(), "")) {
        ("ok", rest) => Ok(rest.to_owned()),
        (_, complaint) => Err(ControlError::Refused(complaint.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_reach_their_service() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/control.sock");
        let listener = listen(&path).expect("a socket");
        let (sender, mut requests) = mpsc::channel::<Message>(1);
        let services = Services::from([("kubelet".to_owned(), sender)]);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, services.clone()).await.expect("answered");
            }
        });
        tokio::spawn(async move {
            while let Some((request, answer)) = requests.recv().await {
                let outcome = match request {
                    Request::Start => Ok(Some(7)),
                    Request::Restart => Err("no\nway".to_owned()),
                    _ => Ok(None),
                };
                answer.send(outcome).expect("somebody waits");
            }
        });
        let ask = |question: &'static str| {
            let path = path.clone();
            async move { ask(&path, question).await.map_err(|error| error.to_string()) }
        };
        assert_eq!(ask("start kubelet").await, Ok("running 7".to_owned()));
        assert_eq!(ask("status kubelet").await, Ok("stopped".to_owned()));
        assert_eq!(ask("is-active kubelet").await, Err("kubelet is not active".to_owned()));
        assert_eq!(ask("restart kubelet").await, Err("no way".to_owned()));
        assert_eq!(ask("exists kubelet").await, Ok(String::new()));
        assert_eq!(ask("exists other").await, Err("there is no service \"other\"".to_owned()));
        assert_eq!(ask("dance kubelet").await, Err("unknown request \"dance\"".to_owned()));
        assert_eq!(ask("list").await, Ok("kubelet".to_owned()));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_left_socket_is_taken_over_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("control.sock");
        drop(listen(&path).expect("a socket"));
        let live = listen(&path).expect("taken over");
        assert!(listen(&path).is_err());
        drop(live);
        std::fs::remove_file(&path).expect("removed");
        assert!(ask(&path, "list").await.is_err());
    }
}
