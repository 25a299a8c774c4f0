//! The two priority classes that only the system's own pods may use.

use api_types::scheduling::v1::PriorityClass;
use machinery::meta::v1::ObjectMeta;
use machinery::status::StatusError;

use super::typed::Typed;

/// Name, value and description.
const CLASSES: [(&str, i32, &str); 2] = [
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];

/// Creates those that are missing.
pub async fn ensure(typed: &Typed) -> Result<(), StatusError> {
    for (name, value, description) in CLASSES {
        let class = PriorityClass {
            metadata: ObjectMeta { name: name.into(), ..ObjectMeta::default() },
            value,
            description: description.into(),
            ..PriorityClass::default()
        };
        typed.create_if_absent(class).await?;
    }
    Ok(())
}
