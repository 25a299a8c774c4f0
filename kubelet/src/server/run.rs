//! `/run`: a command in a container, its whole output as the answer.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use kubelet_core::ports::Runtime;

use super::query::Query;
use super::reply::{self, Reply};
use super::routes::Parameters;
use crate::view::KubeletView;

/// Runs the command of `?cmd=`, whose words blanks part.
pub async fn answer(
    view: &dyn KubeletView,
    runtime: &Arc<dyn Runtime>,
    parameters: &Parameters,
    query: &Query,
) -> Reply {
    let container = match super::streaming::running_container(view, parameters) {
        Ok(container) => container,
        Err(refusal) => return refusal.reply(),
    };
    let command: Vec<String> = query.get("cmd").unwrap_or_default().split(' ').map(str::to_owned).collect();
    match runtime.exec(&container.container_id, &command, Duration::ZERO).await {
        Ok(ran) if ran.exit_code == 0 => reply::json([ran.stdout, ran.stderr].concat()),
        Ok(ran) => {
            let (words, stderr) = (command.join(" "), String::from_utf8_lossy(&ran.stderr).into_owned());
            let message = format!("command '{words}' exited with {}: {stderr}", ran.exit_code);
            reply::text(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Err(error) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
