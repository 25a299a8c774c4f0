//! Keeps the default flow schemas and priority levels, and puts what is configured in force.

use std::sync::Arc;

use api_types::flowcontrol::v1::{FlowSchema, PriorityLevelConfiguration};
use component_base::Shutdown;
use hashbrown::HashMap;
use machinery::Resource;
use machinery::status::StatusError;
use parking_lot::Mutex;

use super::follow::{Index, follow};
use super::typed::Typed;
use crate::chain::flow_control::defaults::{
    AUTO_UPDATE_ANNOTATION, MANDATORY, flow_schemas, priority_levels,
};
use crate::chain::flow_control::dispatcher::Dispatcher;

/// Creates the defaults that are missing and sets right those that are kept.
pub async fn ensure(typed: &Typed) -> Result<(), StatusError> {
    for level in priority_levels() {
        settle(typed, level, |object| &mut object.spec).await?;
    }
    for schema in flow_schemas() {
        settle(typed, schema, |object| &mut object.spec).await?;
    }
    Ok(())
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
