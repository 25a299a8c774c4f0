//! The table of facts: what every generic piece of machinery knows of a kind's fields.
//!
//! One [`Message`] a Go struct, one [`Field`] a struct field, in the order in which Go writes JSON.
//! Codecs, patches, server-side apply and OpenAPI are driven by it.

/// A struct of the API, with its fields in Go's (JSON) order.
#[derive(Debug)]
pub struct Message {
    /// Full protobuf name, such as `k8s.io.api.core.v1.PodSpec`.
    pub full_name: &'static str,
    /// Fields in the order in which JSON is written.
    pub fields: &'static [Field],
    /// Indexes into `fields`, ordered by protobuf number.
    pub by_number: &'static [u16],
    /// True when the Go struct embeds `TypeMeta`: JSON may carry `kind` and `apiVersion`.
    pub type_meta: bool,
    /// True when server-side apply treats the whole struct as one value (`structType=atomic`).
    pub atomic: bool,
}

/// One field of a [`Message`].
#[derive(Debug)]
pub struct Field {
    /// Name in JSON; for an inline field the protobuf name, which JSON never shows.
    pub name: &'static str,
    /// Protobuf field number.
    pub number: u32,
    /// Single value, list or map.
    pub label: Label,
    /// Type of the value, of the list's elements or of the map's values.
    pub ty: Type,
    /// Bits of [`flag`].
    pub flags: u8,
    /// How server-side apply merges a list.
    pub list: ListKind,
    /// Keys of a [`ListKind::Map`] list, JSON names of the element's fields.
    pub keys: &'static [&'static str],
    /// How a strategic merge patch treats the field: bits of [`patch`].
    pub patch: u8,
    /// Merge key of a strategic merge patch on a list of structs; empty when there is none.
    pub merge_key: &'static str,
    /// Default as JSON text (used for keys of lists); empty when there is none.
    pub default: &'static str,
}

/// Bits of [`Field::flags`].
pub mod flag {
    /// JSON leaves the field out when it is empty.
    pub const OMITEMPTY: u8 = 1;
    /// The Go field is a pointer: absent and zero are different.
    pub const POINTER: u8 = 2;
    /// An embedded struct: its fields appear in the parent's JSON object.
    pub const INLINE: u8 = 4;
    /// OpenAPI lists the field as required.
    pub const REQUIRED: u8 = 8;
    /// JSON leaves the zero value of a struct out (Go's `omitzero`).
    pub const OMITZERO: u8 = 16;
    /// A map, or a struct-typed field, that server-side apply treats as one value.
    pub const MAP_ATOMIC: u8 = 32;
}

/// Bits of [`Field::patch`].
pub mod patch {
    /// `x-kubernetes-patch-strategy: merge`.
    pub const MERGE: u8 = 1;
    /// `x-kubernetes-patch-strategy: replace`.
    pub const REPLACE: u8 = 2;
    /// `x-kubernetes-patch-strategy: retainKeys`.
    pub const RETAIN_KEYS: u8 = 4;
}

/// Multiplicity of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// One value, or none.
    Single,
    /// A list.
    Repeated,
    /// A map with string keys.
    Map,
}

/// How server-side apply merges a list (`x-kubernetes-list-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// One value as a whole; the default.
    Atomic,
    /// A set of scalars.
    Set,
    /// A list of structs with keys.
    Map,
}

/// Type of one value.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// UTF-8 text.
    String,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// Truth value.
    Bool,
    /// 64-bit float.
    Double,
    /// Bytes, base64 in JSON.
    Bytes,
    /// `metav1.Time`: RFC 3339 with seconds in JSON.
    Time,
    /// `metav1.MicroTime`: RFC 3339 with microseconds in JSON.
    MicroTime,
    /// `metav1.Duration`: Go's text form in JSON.
    Duration,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `runtime.RawExtension`: any JSON value, kept as bytes.
    RawExtension,
    /// `FieldsV1` and `apiextensions.JSON`: any JSON value, kept as bytes.
    RawJson,
    /// `Verbs` and `ExtraValue`: a list of strings in JSON, a message with `items` in protobuf.
    StringList,
    /// `apiextensions.JSONSchemaPropsOrArray`, `…OrBool`, `…OrStringArray`.
    SchemaOr(SchemaOr, &'static Message),
    /// A struct.
    Message(&'static Message),
}

/// The second form of a `JSONSchemaPropsOr…` value; the first is a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaOr {
    /// A list of schemas.
    Array,
    /// A truth value.
    Bool,
    /// A list of strings.
    StringArray,
}

impl Message {
    /// The Go struct's name, such as `PodSpec`.
    pub fn name(&self) -> &'static str {
        self.full_name.rsplit('.').next().unwrap_or(self.full_name)
    }

    /// The field which JSON calls `name`, looking through inline structs.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        for field in self.fields {
            if !field.is_inline() && field.name == name {
                return Some(field);
            }
        }
        self.inline_messages().find_map(|inner| inner.field(name))
    }

    /// Structs whose fields appear in this one's JSON object.
    pub fn inline_messages(&self) -> impl Iterator<Item = &'static Message> + use<> {
        self.fields.iter().filter(|f| f.is_inline()).filter_map(|f| match f.ty {
            Type::Message(inner) => Some(inner),
            _ => None,
        })
    }

    /// All JSON fields in order, those of inline structs in their place.
    pub fn json_fields(&self) -> Vec<&'static Field> {
        let mut all = Vec::with_capacity(self.fields.len());
        for field in self.fields {
            match field.ty {
                Type::Message(inner) if field.is_inline() => all.extend(inner.json_fields()),
                _ => all.push(field),
            }
        }
        all
    }

    /// The field with protobuf number `number`.
    pub fn field_by_number(&self, number: u32) -> Option<&'static Field> {
        let fields = self.fields;
        self.by_number
            .binary_search_by_key(&number, |&i| fields[usize::from(i)].number)
            .ok()
            .map(|at| &fields[usize::from(self.by_number[at])])
    }
}

impl Field {
    /// JSON leaves the field out when empty.
    pub fn is_omitempty(&self) -> bool {
        self.flags & flag::OMITEMPTY != 0
    }
    /// Go keeps a pointer: absent differs from zero.
    pub fn is_pointer(&self) -> bool {
        self.flags & flag::POINTER != 0
    }
    /// An embedded struct.
    pub fn is_inline(&self) -> bool {
        self.flags & flag::INLINE != 0
    }
    /// OpenAPI requires the field.
    pub fn is_required(&self) -> bool {
        self.flags & flag::REQUIRED != 0
    }
    /// JSON leaves a zero struct out.
    pub fn is_omitzero(&self) -> bool {
        self.flags & flag::OMITZERO != 0
    }
    /// Server-side apply treats the map (or struct) as one value.
    pub fn is_map_atomic(&self) -> bool {
        self.flags & flag::MAP_ATOMIC != 0
    }
    /// The struct behind a message-typed field, list or map.
    pub fn message(&self) -> Option<&'static Message> {
        match self.ty {
            Type::Message(message) => Some(message),
            _ => None,
        }
    }
}
