//! The project's own copy of the facts of the API: read from and written to a compact text.

pub mod import;
mod text;

use std::collections::BTreeMap;

/// Where the compact text lies, from the workspace's root.
pub const PATH: &str = "api-types/facts/v1.36.txt";

/// Everything that the generator needs.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every struct by its full protobuf name.
    pub messages: BTreeMap<String, MessageFact>,
    /// Every kind, served or not: (group, version, kind) → full protobuf name.
    pub kinds: BTreeMap<(String, String, String), String>,
    /// Every served resource.
    pub resources: Vec<ResourceFact>,
}

/// A struct.
#[derive(Debug, Default)]
pub struct MessageFact {
    /// The Go struct embeds `TypeMeta`.
    pub type_meta: bool,
    /// Server-side apply treats it as one value.
    pub atomic: bool,
    /// Fields in the order in which Go writes JSON.
    pub fields: Vec<FieldFact>,
}

/// A field of a struct.
#[derive(Debug, Default)]
pub struct FieldFact {
    /// Protobuf name.
    pub name: String,
    /// JSON name where it differs.
    pub json: Option<String>,
    /// Protobuf number.
    pub number: u32,
    /// `single`, `repeated` or `map`.
    pub label: String,
    /// Scalar or full protobuf name, of elements and map values.
    pub ty: String,
    /// Words such as `omitempty`, `pointer`, `inline`, `required`, `omitzero`, `mapatomic`.
    pub words: Vec<String>,
    /// `set` or `map`.
    pub list: Option<String>,
    /// Keys of a list of kind `map`.
    pub keys: Vec<String>,
    /// `merge`, `replace`, `retainKeys`.
    pub patch: Vec<String>,
    /// Merge key of a strategic merge patch.
    pub merge_key: Option<String>,
    /// Default, as JSON.
    pub default: Option<String>,
}

impl FieldFact {
    /// True when `word` is among the flags.
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    /// The name in JSON.
    pub fn json_name(&self) -> &str {
        self.json.as_deref().unwrap_or(&self.name)
    }
}

/// A served resource.
#[derive(Debug, Default)]
pub struct ResourceFact {
    /// API group; empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural name.
    pub plural: String,
    /// Kind.
    pub kind: String,
    /// Singular name.
    pub singular: String,
    /// Objects live in a namespace.
    pub namespaced: bool,
    /// Verbs.
    pub verbs: Vec<String>,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
    /// Subresource name → (group/version/kind, verbs).
    pub subresources: Vec<(String, String, Vec<String>)>,
}
