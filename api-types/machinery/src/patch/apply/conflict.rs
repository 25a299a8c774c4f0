//! Conflicts between an apply and other managers, in upstream's words.

use super::managed::ManagerId;
use super::set::{Path, show_path};
use crate::meta::v1::StatusCause;
use crate::status::{StatusError, cause};

/// A field which an apply changes and another manager owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    pub(super) manager: ManagerId,
    pub(super) path: Path,
}

impl Conflict {
    /// The field, such as `.spec.replicas`.
    pub fn field(&self) -> String {
        show_path(&self.path)
    }

    /// The other manager, as in `"kubectl" using apps/v1`.
    pub fn manager(&self) -> String {
        self.manager.describe()
    }
}

/// The message for all conflicts.
pub(super) fn message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.manager(), only.field());
    }
    let mut lines = Vec::new();
    let mut managers: Vec<&ManagerId> = conflicts.iter().map(|conflict| &conflict.manager).collect();
    managers.sort_unstable();
    managers.dedup();
    for manager in managers {
        lines.push(format!("conflicts with {}:", manager.describe()));
        let of_manager = conflicts.iter().filter(|conflict| conflict.manager == *manager);
        lines.extend(of_manager.map(|conflict| format!("- {}", conflict.field())));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// The answer of the apiserver.
pub(super) fn to_status(conflicts: &[Conflict]) -> StatusError {
    let causes = conflicts.iter().map(|conflict| StatusCause {
        reason: cause::FIELD_MANAGER_CONFLICT.to_owned(),
        message: format!("conflict with {}", conflict.manager()),
        field: conflict.field(),
    });
    StatusError::apply_conflict(causes.collect(), message(conflicts))
}
