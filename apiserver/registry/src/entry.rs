//! A row of the table: facts, strategy, storage key and subresources of one resource in one version.

use crate::{
    erased::{ErasedStrategy, ErasedView},
    objects::Address,
    strategy::{Strategy, View},
    subresource::{Action, Connect, Scaling, Subresource, SubresourceKind},
};
use api_types::facts::ResourceFacts;
use machinery::{DecodeError, GroupKind, GroupResource, Resource, object::Object};

/// Reads protobuf (without envelope) of one kind.
pub type Decode = fn(&[u8]) -> Result<Box<dyn Object>, DecodeError>;

/// Where and as what a resource is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// First part of the key below the server's prefix (`/registry`): `pods`, `services/specs`, `minions` …
    pub prefix: &'static str,
    /// Group of the stored kind.
    pub group: &'static str,
    /// Version of the stored kind.
    pub version: &'static str,
    /// False for resources that upstream reads from etcd directly instead of a watch cache.
    pub cached: bool,
}

/// How a row whose version is not the stored one becomes the stored one and back.
#[derive(Clone, Copy)]
pub struct Conversion {
    /// Version-specific defaults of this row's kind.
    pub default: fn(&mut dyn Object),
    /// This row's kind to the stored kind.
    pub to_stored: fn(&dyn Object) -> Option<Box<dyn Object>>,
    /// The stored kind to this row's kind.
    pub from_stored: fn(&dyn Object) -> Option<Box<dyn Object>>,
    /// Decodes protobuf of this row's kind.
    pub decode: Decode,
}

/// One resource of one group and version.
pub struct Entry {
    /// Names, verbs, scope and schema.
    pub facts: &'static ResourceFacts,
    /// Rules, over the stored kind.
    pub strategy: &'static dyn ErasedStrategy,
    /// Storage; `None` for resources that are only computed (reviews, bindings).
    pub stored: Option<Stored>,
    /// Set when this row's kind is not the stored kind.
    pub conversion: Option<Conversion>,
    /// What a create does for resources without storage; `None` when the server answers itself (reviews).
    pub action: Option<&'static dyn Action>,
    /// Subresources in the order of discovery.
    pub subresources: Vec<Subresource>,
    decode_stored: Decode,
    empty_stored: fn() -> Box<dyn Object>,
}

fn decode<K: Resource>(bytes: &[u8]) -> Result<Box<dyn Object>, DecodeError> {
    Ok(Box::new(K::decode(bytes)?))
}

fn empty<K: Resource>() -> Box<dyn Object> {
    Box::new(K::default())
}

fn facts_of(group: &str, version: &str, plural: &str) -> &'static ResourceFacts {
    api_types::facts::all()
        .iter()
        .find(|facts| facts.group == group && facts.version == version && facts.plural == plural)
        .unwrap_or_else(|| panic!("the table names {plural}.{version}.{group}, of which there are no facts"))
}

impl Entry {
    /// A resource stored as its own kind under its plural name.
    pub fn new<S: Strategy>(strategy: &'static S) -> Entry {
        Entry {
            facts: facts_of(S::Kind::GROUP, S::Kind::VERSION, S::Kind::PLURAL),
            strategy,
            stored: Some(Stored {
                prefix: S::Kind::PLURAL,
                group: S::Kind::GROUP,
                version: S::Kind::VERSION,
                cached: true,
            }),
            conversion: None,
            action: None,
            subresources: Vec::new(),
            decode_stored: decode::<S::Kind>,
            empty_stored: empty::<S::Kind>,
        }
    }

    /// Another version of a stored resource: served as `V`, stored and judged as `S::Kind`.
    pub fn version_of<V: Resource, S: Strategy>(
        strategy: &'static S,
        default: fn(&mut dyn Object),
        to_stored: fn(&dyn Object) -> Option<Box<dyn Object>>,
        from_stored: fn(&dyn Object) -> Option<Box<dyn Object>>,
    ) -> Entry {
        let mut entry = Entry::new(strategy);
        entry.facts = facts_of(V::GROUP, V::VERSION, V::PLURAL);
        entry.conversion = Some(Conversion { default, to_stored, from_stored, decode: decode::<V> });
        entry
    }

    /// A resource that is never stored.
    pub fn computed<S: Strategy>(strategy: &'static S) -> Entry {
        Entry { stored: None, ..Entry::new(strategy) }
    }

    /// The same row under another storage prefix.
    pub fn prefix(mut self, prefix: &'static str) -> Entry {
        if let Some(stored) = &mut self.stored {
            stored.prefix = prefix;
        }
        self
    }

    /// The same row without a watch cache.
    pub fn uncached(mut self) -> Entry {
        if let Some(stored) = &mut self.stored {
            stored.cached = false;
        }
        self
    }

    /// Adds a view of the whole object.
    pub fn view<V: View>(self, name: &'static str, view: &'static V) -> Entry {
        let view: &'static dyn ErasedView = view;
        self.with(name, SubresourceKind::View(view))
    }

    /// Adds the scale subresource.
    pub fn scale(self, scaling: &'static Scaling) -> Entry {
        self.with("scale", SubresourceKind::Scale(scaling))
    }

    /// Adds a subresource that acts through a posted body.
    pub fn action(self, name: &'static str, action: &'static dyn Action) -> Entry {
        self.with(name, SubresourceKind::Action(action))
    }

    /// Adds a subresource that is a conversation.
    pub fn connect(self, name: &'static str, connect: Connect) -> Entry {
        self.with(name, SubresourceKind::Connect(connect))
    }

    /// Adds the token subresource.
    pub fn token(self) -> Entry {
        self.with("token", SubresourceKind::Token)
    }

    /// What a create on this (never stored) resource does.
    pub fn on_create(mut self, action: &'static dyn Action) -> Entry {
        self.action = Some(action);
        self
    }

    fn with(mut self, name: &'static str, kind: SubresourceKind) -> Entry {
        self.subresources.push(Subresource { name, kind });
        self
    }

    /// The subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.name == name)
    }

    /// Decodes protobuf (without envelope) of the kind this row serves.
    pub fn decode(&self, bytes: &[u8]) -> Result<Box<dyn Object>, DecodeError> {
        match &self.conversion {
            Some(conversion) => (conversion.decode)(bytes),
            None => (self.decode_stored)(bytes),
        }
    }

    /// Decodes protobuf (without envelope) of the stored kind.
    pub fn decode_stored(&self, bytes: &[u8]) -> Result<Box<dyn Object>, DecodeError> {
        (self.decode_stored)(bytes)
    }

    /// An object of the stored kind with nothing in it.
    pub fn empty_stored(&self) -> Box<dyn Object> {
        (self.empty_stored)()
    }

    /// Applies the defaults of this row's version to an object of this row's kind.
    pub fn default(&self, object: &mut dyn Object) {
        match &self.conversion {
            Some(conversion) => (conversion.default)(object),
            None => self.strategy.default(object),
        }
    }

    /// An object of this row's kind as the stored kind, with the stored version's defaults; `None` when it is of another kind.
    pub fn to_stored(&self, object: Box<dyn Object>) -> Option<Box<dyn Object>> {
        match &self.conversion {
            Some(conversion) => {
                let mut stored = (conversion.to_stored)(object.as_ref())?;
                self.strategy.default(stored.as_mut());
                Some(stored)
            }
            None => Some(object),
        }
    }

    /// An object of the stored kind as this row's kind; `None` when it is of another kind.
    pub fn from_stored(&self, object: Box<dyn Object>) -> Option<Box<dyn Object>> {
        match &self.conversion {
            Some(conversion) => (conversion.from_stored)(object.as_ref()),
            None => Some(object),
        }
    }

    /// Group and plural name, as errors print them.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.facts.group, self.facts.plural)
    }

    /// Group and kind, as errors print them.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind::new(self.facts.group, self.facts.kind)
    }

    /// Key of an object below the server's storage prefix: `pods/default/web`, `minions/node-1`;
    /// `None` for resources without storage.
    pub fn key(&self, namespace: &str, name: &str) -> Option<String> {
        let prefix = self.stored?.prefix;
        Some(if self.facts.namespaced {
            format!("{prefix}/{namespace}/{name}")
        } else {
            format!("{prefix}/{name}")
        })
    }

    /// Address of an object of this row.
    pub fn at<'a>(&'static self, namespace: &'a str, name: &'a str) -> Address<'a> {
        Address { entry: self, namespace, name }
    }
}
