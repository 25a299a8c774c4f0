//! `kubectl kustomize`: not part of this program, and saying so.

use crate::error::message;
use crate::{Factory, Result, Streams};

/// Arguments of `kustomize`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The folder with a kustomization
    pub folder: Option<String>,
    /// Whatever else kustomize takes
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<String>,
}

/// Refuses, with what to do instead.
pub async fn run(args: Args, _: &Factory, _: &mut Streams) -> Result<i32> {
    let folder = args.folder.as_deref().unwrap_or(".");
    Err(message(format!(
        "kustomize is not part of this kubectl: run 'kustomize build {folder}', and pipe its output to 'kubectl apply -f -' to apply it"
    )))
}
