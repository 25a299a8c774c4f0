//! Keeps the default flow schemas and priority levels, and puts what is configured in force.

use std::sync::Arc;

use api_types::flowcontrol::v1::{FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration};
use component_base::Shutdown;
use hashbrown::HashMap;
use machinery::status::StatusError;
use machinery::{Resource, Time};
use parking_lot::Mutex;

use super::follow::{Index, follow};
use super::typed::Typed;
use crate::chain::flow_control::defaults::{
    AUTO_UPDATE_ANNOTATION, MANDATORY, flow_schemas, priority_levels,
};
use crate::chain::flow_control::dispatcher::Dispatcher;

/// Condition of a schema whose priority level does not exist.
const DANGLING: &str = "Dangling";

/// Creates the defaults that are missing and sets right those that are kept.
pub async fn ensure(typed: &Typed) -> Result<(), StatusError> {
    for level in priority_levels() {
        settle(typed, level, |object| &mut object.spec).await?;
    }
    for schema in flow_schemas() {
        settle(typed, schema, |object| &mut object.spec).await?;
    }
    note_dangling(typed).await
}

/// Notes in the status of each schema whether its priority level exists.
async fn note_dangling(typed: &Typed) -> Result<(), StatusError> {
    let levels = typed.list::<PriorityLevelConfiguration>("").await?;
    let now = Time { seconds: jiff::Timestamp::now().as_second(), nanos: 0 };
    for schema in typed.list::<FlowSchema>("").await? {
        let level = &schema.spec.priority_level_configuration.name;
        let exists = levels.iter().any(|known| known.metadata.name == *level);
        let Some(wanted) = changed_condition(&schema.status.conditions, level, exists, &now) else {
            continue;
        };
        let name = schema.metadata.name.clone();
        typed
            .update_status::<FlowSchema>("", &name, |object| {
                let conditions = &mut object.status.conditions;
                conditions.retain(|condition| condition.type_ != DANGLING);
                conditions.push(wanted.clone());
            })
            .await?;
    }
    Ok(())
}

/// The condition to write, none when the present one says the same.
fn changed_condition(
    present: &[FlowSchemaCondition],
    level: &str,
    exists: bool,
    now: &Time,
) -> Option<FlowSchemaCondition> {
    let (status, reason, fate) = if exists {
        ("False", "Found", "and it exists")
    } else {
        ("True", "NotFound", "but there is no such object")
    };
    let mut wanted = FlowSchemaCondition {
        type_: DANGLING.into(),
        status: status.into(),
        reason: reason.into(),
        message: format!(
            "This FlowSchema references the PriorityLevelConfiguration object named {level:?} {fate}"
        ),
        last_transition_time: *now,
    };
    let present = present.iter().find(|condition| condition.type_ == DANGLING);
    // Another text is no transition.
    if let Some(present) = present.filter(|present| present.status == wanted.status) {
        wanted.last_transition_time = present.last_transition_time;
    }
    (present != Some(&wanted)).then_some(wanted)
}

async fn settle<T: Resource, S: Clone + PartialEq + Send + Sync>(
    typed: &Typed,
    mut expected: T,
    spec_of: fn(&mut T) -> &mut S,
) -> Result<(), StatusError> {
    let name = expected.metadata().name.clone();
    let Some(mut existing) = typed.get::<T>("", &name).await? else {
        typed.create_if_absent(expected).await?;
        return Ok(());
    };
    let annotation = existing.metadata().annotations.get(AUTO_UPDATE_ANNOTATION).cloned();
    // Without the annotation, the server keeps what nobody has changed yet.
    let kept = MANDATORY.contains(&name.as_str())
        || match annotation.as_deref() {
            Some(value) => value == "true",
            None => existing.metadata().generation == 1,
        };
    let wanted = spec_of(&mut expected).clone();
    if !kept || *spec_of(&mut existing) == wanted {
        return Ok(());
    }
    tracing::info!(kind = T::KIND, name, "setting a default of flow control right");
    typed.update::<T>("", &name, |object| *spec_of(object) = wanted.clone()).await?;
    Ok(())
}

/// Everything configured, and who is told.
struct Configured {
    dispatcher: Arc<Dispatcher>,
    objects: Mutex<(HashMap<String, FlowSchema>, HashMap<String, PriorityLevelConfiguration>)>,
}

impl Configured {
    fn change(
        &self,
        change: impl FnOnce(&mut HashMap<String, FlowSchema>, &mut HashMap<String, PriorityLevelConfiguration>),
    ) {
        let (mut schemas, mut levels) = {
            let mut objects = self.objects.lock();
            let (schemas, levels) = &mut *objects;
            change(schemas, levels);
            (schemas.values().cloned().collect::<Vec<_>>(), levels.values().cloned().collect::<Vec<_>>())
        };
        // What is mandatory holds even before it is stored, or after it was deleted.
        let missing_levels = priority_levels().into_iter().filter(|default| {
            MANDATORY.contains(&default.metadata.name.as_str())
                && !levels.iter().any(|level| level.metadata.name == default.metadata.name)
        });
        levels.extend(missing_levels.collect::<Vec<_>>());
        let missing_schemas = flow_schemas().into_iter().filter(|default| {
            MANDATORY.contains(&default.metadata.name.as_str())
                && !schemas.iter().any(|schema| schema.metadata.name == default.metadata.name)
        });
        schemas.extend(missing_schemas.collect::<Vec<_>>());
        self.dispatcher.configure(schemas, &levels);
    }
}

/// One kind of the two.
struct Feed(Arc<Configured>);

impl Index<FlowSchema> for Feed {
    fn put(&self, object: &FlowSchema) {
        self.0.change(|schemas, _| {
            schemas.insert(object.metadata.name.clone(), object.clone());
        });
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.change(|schemas, _| {
            schemas.remove(name);
        });
    }
}

impl Index<PriorityLevelConfiguration> for Feed {
    fn put(&self, object: &PriorityLevelConfiguration) {
        self.0.change(|_, levels| {
            levels.insert(object.metadata.name.clone(), object.clone());
        });
    }
    fn remove(&self, _: &str, name: &str) {
        self.0.change(|_, levels| {
            levels.remove(name);
        });
    }
}

/// Whether the configuration is kept as objects.
pub fn serves_configuration(typed: &Typed) -> bool {
    typed.serves::<FlowSchema>() && typed.serves::<PriorityLevelConfiguration>()
}

/// Follows the objects. Until the first is seen the defaults are in force; after that what is stored.
pub fn feed(typed: &Typed, dispatcher: Arc<Dispatcher>, shutdown: &Shutdown) {
    let defaults = (
        flow_schemas().into_iter().map(|schema| (schema.metadata.name.clone(), schema)).collect(),
        priority_levels().into_iter().map(|level| (level.metadata.name.clone(), level)).collect(),
    );
    let configured = Arc::new(Configured { dispatcher, objects: Mutex::new(defaults) });
    follow::<FlowSchema>(typed, Arc::new(Feed(configured.clone())), shutdown);
    follow::<PriorityLevelConfiguration>(typed, Arc::new(Feed(configured)), shutdown);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        present: &[FlowSchemaCondition],
        level: &str,
        exists: bool,
        expected: Option<(&str, &str, i64)>,
    ) -> Vec<FlowSchemaCondition> {
        let now = Time { seconds: 200, nanos: 0 };
        let written = changed_condition(present, level, exists, &now);
        let got = written.as_ref().map(|condition| {
            (condition.status.as_str(), condition.message.as_str(), condition.last_transition_time.seconds)
        });
        assert_eq!(got, expected);
        written.into_iter().collect()
    }

    #[test]
    fn a_schema_without_its_level_dangles() {
        let start = "This FlowSchema references the PriorityLevelConfiguration object named";
        let (gone, found) =
            (format!("{start} \"a\" but there is no such object"), format!("{start} \"a\" and it exists"));
        let mut conditions = check(&[], "a", false, Some(("True", &gone, 200)));
        check(&conditions, "a", false, None);
        check(&conditions, "a", true, Some(("False", &found, 200)));
        conditions[0].last_transition_time.seconds = 100;
        let other = format!("{start} \"b\" but there is no such object");
        check(&conditions, "b", false, Some(("True", &other, 100)));
    }
}
