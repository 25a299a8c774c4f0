//! The table of one family in the kernel.

use std::io;
use std::process::Stdio;

use kube_proxy_core::model::Family;
use kube_proxy_core::render::AffinityChains;
use kube_proxy_core::skeleton::{self, Settings, TABLE};
use kube_proxy_core::state::Transaction;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{conntrack, elements};

/// Why the kernel's rules could not be changed.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The `nft` program could not be run.
    #[error("failed to run nft")]
    Start(#[source] io::Error),
    /// `nft` refused the rules.
    #[error("nft refused to {step}: {message}")]
    Refused {
        /// What was to be done.
        step: &'static str,
        /// What nft said.
        message: String,
    },
    /// The kernel refused elements of maps.
    #[error("the kernel refused to change elements of the table {TABLE}")]
    Elements(#[source] io::Error),
}

/// The table of one family.
#[derive(Clone, Debug)]
pub struct Table {
    family: Family,
    settings: Settings,
}

impl Table {
    /// Names the table; nothing is done yet.
    pub fn new(family: Family, settings: Settings) -> Self {
        Self { family, settings }
    }

    /// Makes the table anew, without Services.
    pub async fn reset(&self) -> Result<(), ApplyError> {
        nft("make the table", &skeleton::table(self.family, &self.settings)).await
    }

    /// Carries a transaction out. After an error the table is in an unknown state: [`Table::reset`] it and apply
    /// everything again.
    pub async fn apply(&self, transaction: &Transaction) -> Result<(), ApplyError> {
        let mut chains = String::new();
        for affinity in &transaction.affinity {
            chains.push_str(&skeleton::affinity_chains(self.family, affinity));
        }
        if !chains.is_empty() {
            nft("make chains", &chains).await?;
        }
        if !transaction.remove.is_empty() || !transaction.add.is_empty() {
            let family = self.family;
            let (chains, remove, add) =
                (transaction.chains.clone(), transaction.remove.clone(), transaction.add.clone());
            let changed =
                tokio::task::spawn_blocking(move || elements::change(family, &chains, &remove, &add)).await;
            changed
                .map_err(|error| ApplyError::Elements(io::Error::other(error)))?
                .map_err(ApplyError::Elements)?;
        }
        for affinity in &transaction.drop_affinity {
            nft("remove chains", &self.drop_chains(affinity)).await?;
        }
        conntrack::forget(&transaction.stale, self.family).await;
        Ok(())
    }

    fn drop_chains(&self, affinity: &AffinityChains) -> String {
        let mut text = String::new();
        // Flushed first, all of them: a chain that another one goes to cannot be deleted.
        for verb in ["flush", "delete"] {
            for variant in affinity.variants.keys() {
                for masquerade in [true, false] {
                    let chain = affinity.chain(variant, masquerade);
                    text.push_str(&format!("{verb} chain {} {TABLE} {chain}\n", self.family.name()));
                }
            }
        }
        text
    }
}

/// Removes the tables of both families; missing ones are no error.
pub async fn remove_tables() -> Result<(), ApplyError> {
    let mut text = String::new();
    for family in [Family::V4, Family::V6] {
        text.push_str(&format!("add table {0} {TABLE}\ndelete table {0} {TABLE}\n", family.name()));
    }
    nft("remove the tables", &text).await
}

async fn nft(step: &'static str, text: &str) -> Result<(), ApplyError> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(ApplyError::Start)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).await.map_err(ApplyError::Start)?;
    }
    let output = child.wait_with_output().await.map_err(ApplyError::Start)?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ApplyError::Refused { step, message })
}
