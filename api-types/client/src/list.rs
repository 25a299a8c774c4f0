//! A page of objects.

use machinery::meta::v1::ListMeta;
use machinery::wire::{BYTES, Reader};
use machinery::{Message, Resource};
use serde_json::Value;

use crate::error::Error;

/// What a list request returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct List<T> {
    /// Version of the whole and the token of the next page.
    pub metadata: ListMeta,
    /// The objects.
    pub items: Vec<T>,
}

impl<T: Message> List<T> {
    /// Reads the protobuf of a list (without envelope): field 1 is its metadata, field 2 the items.
    pub(crate) fn from_protobuf(bytes: &[u8]) -> Result<List<T>, Error> {
        let bad = |error: &dyn std::fmt::Display| Error::decode("list", error);
        let mut list = List { metadata: ListMeta::default(), items: Vec::new() };
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.tag().map_err(|error| bad(&error))? {
            match (number, wire) {
                (1, BYTES) => {
                    let part = reader.bytes().map_err(|error| bad(&error))?;
                    list.metadata = ListMeta::decode(part).map_err(|error| bad(&error))?;
                }
                (2, BYTES) => {
                    let part = reader.bytes().map_err(|error| bad(&error))?;
                    list.items.push(T::decode(part).map_err(|error| bad(&error))?);
                }
                _ => reader.skip(wire).map_err(|error| bad(&error))?,
            }
        }
        Ok(list)
    }
}

impl<T: Resource> List<T> {
    /// Reads the JSON of a list.
    pub(crate) fn from_json(text: &[u8]) -> Result<List<T>, Error> {
        let raw = List::<Value>::from_json_values(text)?;
        let items = raw
            .items
            .iter()
            .map(|item| T::from_value(item).map_err(|error| Error::decode(T::KIND, error)))
            .collect::<Result<_, _>>()?;
        Ok(List { metadata: raw.metadata, items })
    }
}

impl List<Value> {
    /// Reads the JSON of a list, items as they are but for `apiVersion` and `kind`, which a list of one
    /// kind leaves out.
    pub(crate) fn from_json_values(text: &[u8]) -> Result<List<Value>, Error> {
        let mut value: Value = serde_json::from_slice(text).map_err(|error| Error::decode("list", error))?;
        let metadata = match value.get("metadata") {
            Some(metadata) => {
                ListMeta::from_value(metadata).map_err(|error| Error::decode("list metadata", error))?
            }
            None => ListMeta::default(),
        };
        let api_version = value["apiVersion"].clone();
        let kind = value["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
        let items = match value.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return Err(Error::decode("list", "items is not a list")),
        };
        let items = items.into_iter().map(|item| with_kind(item, &api_version, kind.as_deref())).collect();
        Ok(List { metadata, items })
    }
}

/// Puts `apiVersion` and `kind` in front when the item has none.
fn with_kind(item: Value, api_version: &Value, kind: Option<&str>) -> Value {
    match (item, kind) {
        (Value::Object(fields), Some(kind)) if !kind.is_empty() && !fields.contains_key("kind") => {
            let mut whole = serde_json::Map::with_capacity(fields.len() + 2);
            whole.insert("apiVersion".to_owned(), api_version.clone());
            whole.insert("kind".to_owned(), kind.into());
            whole.extend(fields.into_iter().filter(|(name, _)| name != "apiVersion"));
            Value::Object(whole)
        }
        (item, _) => item,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_learn_their_kind_from_the_list() {
        let text = br#"{"apiVersion":"v1","kind":"PodList","metadata":{"resourceVersion":"7","continue":"c"},"items":[{"metadata":{"name":"a"}}]}"#;
        let list = List::from_json_values(text).expect("valid");
        assert_eq!((list.metadata.resource_version.as_str(), list.metadata.continue_.as_str()), ("7", "c"));
        assert_eq!(list.items[0].to_string(), r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#);
        assert!(List::from_json_values(br#"{"items":null}"#).expect("valid").items.is_empty());
        assert!(List::from_json_values(br#"{"items":3}"#).is_err());
    }

    #[test]
    fn protobuf_lists_are_read() {
        use api_types::core::v1::ConfigMap;
        let mut item = ConfigMap::default();
        item.metadata_mut().name = "a".to_owned();
        let metadata = ListMeta { resource_version: "9".to_owned(), ..ListMeta::default() };
        let mut bytes = Vec::new();
        for (tag, part) in
            [(0x0a, metadata.encode_to_vec()), (0x12, item.encode_to_vec()), (0x12, item.encode_to_vec())]
        {
            bytes.push(tag);
            bytes.push(u8::try_from(part.len()).expect("short"));
            bytes.extend(part);
        }
        let list = List::<ConfigMap>::from_protobuf(&bytes).expect("valid");
        assert_eq!(list, List { metadata, items: vec![item.clone(), item] });
        assert!(List::<ConfigMap>::from_protobuf(&bytes[..bytes.len() - 1]).is_err());
    }
}
