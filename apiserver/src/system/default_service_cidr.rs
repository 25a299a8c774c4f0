//! The ServiceCIDR `kubernetes`: the networks of `--service-cluster-ip-range` as an object.

use api_types::networking::v1::{ServiceCIDR, ServiceCIDRSpec};
use machinery::Time;
use machinery::meta::v1::{Condition, ObjectMeta};
use machinery::status::StatusError;

use super::typed::Typed;

const NAME: &str = "kubernetes";
const READY: &str = "Ready";
const MESSAGE: &str = "Kubernetes default Service CIDR is ready";

/// Creates the object if it is missing and marks it ready when it says what the flags say.
pub async fn ensure(typed: &Typed, networks: &[String]) -> Result<(), StatusError> {
    let wanted = ServiceCIDR {
        metadata: ObjectMeta { name: NAME.into(), ..ObjectMeta::default() },
        spec: ServiceCIDRSpec { cidrs: networks.to_vec() },
        ..ServiceCIDR::default()
    };
    typed.create_if_absent(wanted).await?;
    let Some(existing) = typed.get::<ServiceCIDR>("", NAME).await? else { return Ok(()) };
    if existing.spec.cidrs != networks {
        let (stored, given) = (existing.spec.cidrs.join(","), networks.join(","));
        // Its networks cannot be changed; a second family is added by an operator who deletes it first.
        tracing::warn!(
            stored,
            given,
            "the default ServiceCIDR has other networks than --service-cluster-ip-range"
        );
        return Ok(());
    }
    if existing.status.conditions.iter().any(|condition| condition.type_ == READY) {
        return Ok(());
    }
    let now = Time { seconds: jiff::Timestamp::now().as_second(), nanos: 0 };
    typed
        .update_status::<ServiceCIDR>("", NAME, |object| {
            object.status.conditions.push(Condition {
                type_: READY.into(),
                status: "True".into(),
                last_transition_time: now,
                message: MESSAGE.into(),
                ..Condition::default()
            });
        })
        .await?;
    Ok(())
}
